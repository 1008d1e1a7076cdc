"""What holds for the repository itself: nothing private in it, and the papers agree with the code."""

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from tools import reference

ROOT = Path(__file__).resolve().parents[2]
BINARY = {".png", ".ico", ".woff2", ".xlsx", ".i5bu"}


def tracked_files() -> list[Path]:
    """Return the files that git knows or would take, or all but the made ones where there is no git."""
    if shutil.which("git") and (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return [path for line in done.stdout.splitlines() if (path := ROOT / line).is_file()]
    made = re.compile(r"\.(?!ci\b|env\.example|gitignore).*|build|dist|data|backhaul-demo|__pycache__")
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not any(made.fullmatch(part) for part in path.relative_to(ROOT).parts)
    ]


def lines_with(pattern: str) -> list[str]:
    """Return `file:line` of each line of a tracked file that pattern is found in; this test is left out."""
    found = []
    for path in tracked_files():
        if path.suffix in BINARY or path == Path(__file__).resolve():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if re.search(pattern, line):
                found.append(f"{path.relative_to(ROOT)}:{number}")
    return found


@pytest.mark.parametrize(
    "pattern",
    [
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"\bAIza[0-9A-Za-z_-]{35}\b",
        r"\bgh[pousr]_[0-9A-Za-z]{36}\b",
        r"\bxox[abpr]-[0-9A-Za-z-]{10,}",
        r"\b\d{8,10}:AA[0-9A-Za-z_-]{33}\b",
        r"://[^/\s:@{}]+:[^/\s:@{}$]+@",
    ],
)
def test_no_file_holds_what_looks_like_a_secret(pattern):
    assert lines_with(pattern) == []


def test_the_example_settings_hold_no_values():
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()

    filled = [line for line in lines if not line.startswith("#") and not line.endswith("=") and line]

    assert filled == []


def test_no_file_names_a_folder_of_somebodys_machine():
    here = "|".join(re.escape(str(folder)) for folder in {ROOT, Path.home()} if len(folder.parts) > 1)

    assert lines_with(rf"(^|[\s\"'(=:])(({here})\b|/home/\w|/Users/\w|C:\\Users\\)") == []


def test_no_file_names_a_package_index():
    assert lines_with(r"\bp(ypi|ythonhosted)\.\w|--(extra-)?index-url[= ]|--find-links|--trusted-host") == []


def test_every_locked_package_has_hashes_and_a_version():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=[A-Za-z0-9])", text)[1:]

    loose = [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]

    assert len(entries) > 20
    assert loose == []


def test_the_lock_holds_every_declared_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([A-Za-z0-9._-]+)==", lock, flags=re.MULTILINE))

    names = {re.split(r"[^A-Za-z0-9._-]", entry, maxsplit=1)[0].lower() for entry in declared}

    assert names - {"backhaul"} - locked == set()


def test_imports_point_down_only():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("page", sorted(reference.PAGES))
def test_a_reference_page_says_what_the_code_says(page):
    written = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")

    assert written == reference.page(page), "run `make reference`"


def test_every_setting_that_the_code_names_is_in_the_example():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    in_pipelines = r"(?:Setting|Secret)\(\s*\"([A-Z][A-Z0-9_]{2,})\""
    in_environment = r"\"((?:BACKHAUL|CHROME|DISABLE|RENDER)_[A-Z_]+)\""
    sources = [path for folder in ("src", "systems") for path in (ROOT / folder).rglob("*.py")]

    named = {
        name
        for path in sources
        for pattern in (in_pipelines, in_environment)
        for name in re.findall(pattern, path.read_text(encoding="utf-8"))
    }

    assert "BACKEND_URL" in named
    assert [name for name in sorted(named) if not re.search(rf"^(# )?{name}=", example, re.MULTILINE)] == []


def test_the_make_commands_of_the_readme_are_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z-]*):", makefile, flags=re.MULTILINE))

    commands = set(re.findall(r"(?:^ {4}|`|^)make ([a-z][a-z-]*)", readme, flags=re.MULTILINE))

    assert {"demo", "test"} <= commands
    assert commands - targets == set()


def test_the_commands_in_the_papers_exist():
    from typer.main import get_command

    from backhaul.cli.app import app

    papers = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    group: Any = get_command(app)
    known = set(group.list_commands(group.make_context("backhaul", ["--help"], resilient_parsing=True)))

    named = {
        word
        for paper in papers
        for word in re.findall(r"(?:^ {4}|`|-m )backhaul ([a-z]+)", paper.read_text("utf-8"), re.MULTILINE)
    }

    assert named - known == set()


def test_links_between_the_papers_lead_somewhere():
    papers = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "systems").rglob("*.md")]

    broken = [
        f"{paper.relative_to(ROOT)}: {link}"
        for paper in papers
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", paper.read_text(encoding="utf-8"))
        if not (paper.parent / link).exists()
    ]

    assert broken == []


def test_ci_runs_what_the_readme_says():
    assert "make test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
