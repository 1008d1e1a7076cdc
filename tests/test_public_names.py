"""What `import backhaul` promises to system authors."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import backhaul

SYSTEMS = Path(__file__).resolve().parents[1] / "systems"


@pytest.mark.parametrize("name", backhaul.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    assert getattr(backhaul, name).__doc__


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Bakcoffice'"):
        backhaul.Bakcoffice  # noqa: B018


def test_importing_backhaul_loads_nothing_heavy() -> None:
    heavy = ["polars", "sqlalchemy", "httpx", "lxml", "playwright", "fastexcel", "rich", "typer"]
    code = f"import backhaul, sys; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_a_pipeline_can_be_declared_without_loading_anything_heavy() -> None:
    names = ", ".join(sorted(set(backhaul.__all__) - {"checks", "steps"}))
    heavy = ["polars", "sqlalchemy", "httpx", "lxml", "playwright"]
    code = f"from backhaul import {names}; import sys; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_systems_import_public_names_only() -> None:
    modules = sorted(path for path in SYSTEMS.rglob("*.py") if "tests" not in path.parts)
    assert modules
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("backhaul"):
                assert node.module == "backhaul", f"{path.name} imports {node.module}"
                assert {each.name for each in node.names} <= set(backhaul.__all__)
            elif isinstance(node, ast.Import):
                assert not [each.name for each in node.names if each.name.startswith("backhaul.")], path.name
