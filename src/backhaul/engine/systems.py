"""Finding systems: every module in `systems/NAME/` that holds a `pipeline` is one of its pipelines."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from backhaul.engine.pipeline import Pipeline
from backhaul.errors import BackhaulError, ConfigError
from backhaul.model import Stream

_PACKAGE = "backhaul_systems_"
_BROKEN = (
    SyntaxError,
    ImportError,
    NameError,
    TypeError,
    AttributeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    OSError,
)
"""What a module that its author has not finished raises when it is imported."""


@dataclass(frozen=True)
class Target:
    """A pipeline that a name on the command line stands for; its streams are the wanted ones.

    `siblings` are all streams of the pipeline where only some are wanted: derived ones may be computed from them.
    """

    name: str
    pipeline: Pipeline
    siblings: tuple[Stream, ...] = ()


def bundled_systems() -> Path:
    """Return the folder of the systems that backhaul brings: inside the wheel, or beside src in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "_systems"
    return inside if inside.is_dir() else package.parents[1] / "systems"


def system_names(folder: Path) -> list[str]:
    """Return the systems below folder (`systems/`), sorted."""
    if not folder.is_dir():
        return []
    return sorted(child.name for child in folder.iterdir() if child.is_dir() and any(_pipeline_files(child)))


def find(folder: Path, name: str) -> list[Target]:
    """Return the pipelines that name stands for: `system`, `system.pipeline`, `system[.pipeline].stream`.

    The pipeline may be left out where only one of the system has a stream of that name.

    Raises ConfigError if there is no such system, pipeline or stream, or if a module cannot be imported.
    """
    system, *rest = name.split(".")
    known = system_names(folder)
    if system not in known:
        raise ConfigError(
            f"there is no system {system!r} in {folder}; found {', '.join(known) or 'none'}",
            next_step=f"Name one of: {', '.join(known)}."
            if known
            else "Copy one with `backhaul init --from andalan`, or set BACKHAUL_HOME.",
        )
    targets = load_system(folder / system)
    by_name = {target.pipeline.name: target for target in targets}
    if rest and rest[0] in by_name and (len(targets) > 1 or rest[0] not in _stream_names(targets)):
        targets, rest = [by_name[rest[0]]], rest[1:]
    if not rest:
        return targets
    owners = [target for target in targets if rest[0] in _stream_names([target])]
    if len(rest) == 1 and len(owners) == 1:
        only = owners[0]
        chosen = tuple(stream for stream in only.pipeline.streams if stream.name == rest[0])
        return [Target(only.name, replace(only.pipeline, streams=chosen), tuple(only.pipeline.streams))]
    choices = [*(by_name if len(targets) > 1 else ()), *_stream_names(targets)]
    whole = name.removesuffix(f".{'.'.join(rest)}")
    if len(rest) == 1 and owners:
        names = [f"{target.name}.{rest[0]}" for target in owners]
        raise ConfigError(
            f"{name}: {len(owners)} pipelines of {system} have a stream {rest[0]}",
            next_step=f"Name one of: {', '.join(names)}.",
        )
    raise ConfigError(
        f"{name}: {'.'.join(rest)} is not part of {whole}; it has {', '.join(dict.fromkeys(choices))}",
        next_step=f"`backhaul plan {system}` shows them all.",
    )


def load_system(folder: Path) -> list[Target]:
    """Return the pipelines of one system folder. A lone one is named as the system, others `system.pipeline`."""
    found = []
    package = _package(folder)
    for path in _pipeline_files(folder):
        pipeline = getattr(_import(package, folder, path), "pipeline", None)
        if isinstance(pipeline, Pipeline):
            found.append(pipeline)
    if not found:
        raise ConfigError(f"system {folder.name} has no module with a value named `pipeline`")
    names = [pipeline.name for pipeline in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"system {folder.name}: two pipelines are named {twice[0]}", next_step="Rename one of them."
        )
    if len(found) == 1:
        return [Target(folder.name, found[0])]
    return [Target(f"{folder.name}.{pipeline.name}", pipeline) for pipeline in found]


def loaded_modules(system: str) -> list[ModuleType]:
    """Return the modules of the system that `load_system` has loaded last, for other values that they declare."""
    package = f"{_PACKAGE}{system}."
    return [module for name, module in list(sys.modules.items()) if name.startswith(package)]


def _pipeline_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _stream_names(targets: list[Target]) -> list[str]:
    return [stream.name for target in targets for stream in target.pipeline.streams]


def _package(folder: Path) -> str:
    """Make the system a package, so that its modules may import each other; return the package's name.

    What an earlier load of a system of this name left in memory is forgotten.
    """
    package = f"{_PACKAGE}{folder.name}"
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    module = ModuleType(package)
    module.__path__ = [str(folder)]
    sys.modules[package] = module
    importlib.invalidate_caches()
    return package


def _import(package: str, folder: Path, path: Path) -> ModuleType:
    # The folder is a person's: no __pycache__ in it.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        return importlib.import_module(f"{package}.{path.stem}")
    except BackhaulError as error:
        message = f"{path.name} of system {folder.name}: {error}"
        raise ConfigError(message, next_step=error.next_step) from error
    except _BROKEN as error:
        message = f"{path.name} of system {folder.name}: {type(error).__name__}: {error}"
        raise ConfigError(message, next_step="Correct the module; --debug shows the line.") from error
    finally:
        sys.dont_write_bytecode = before
