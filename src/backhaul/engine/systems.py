"""Finding systems: every module in `systems/NAME/` that holds a `pipeline` is one of its pipelines."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from backhaul.engine.pipeline import Pipeline
from backhaul.errors import ConfigError


@dataclass(frozen=True)
class Target:
    """A pipeline that a name on the command line stands for; its streams are the wanted ones."""

    name: str
    pipeline: Pipeline


def system_names(folder: Path) -> list[str]:
    """Return the systems below folder (`systems/`), sorted."""
    if not folder.is_dir():
        return []
    return sorted(
        child.name for child in folder.iterdir() if child.is_dir() and any(_pipeline_files(child))
    )


def find(folder: Path, name: str) -> list[Target]:
    """Return the pipelines that name stands for: `system`, `system.pipeline`, `system[.pipeline].stream`.

    Raises ConfigError if there is no such system, pipeline or stream, or if a module cannot be imported.
    """
    system, *rest = name.split(".")
    known = system_names(folder)
    if system not in known:
        raise ConfigError(
            f"there is no system {system!r} in {folder}; found {', '.join(known) or 'none'}",
            next_step="Copy one with `backhaul init --from andalan`, or set BACKHAUL_HOME.",
        )
    targets = load_system(folder / system)
    by_name = {target.pipeline.name: target for target in targets}
    if rest and rest[0] in by_name and (len(targets) > 1 or rest[0] not in _stream_names(targets)):
        targets, rest = [by_name[rest[0]]], rest[1:]
    if not rest:
        return targets
    if len(rest) == 1 and len(targets) == 1 and rest[0] in _stream_names(targets):
        only = targets[0]
        chosen = tuple(stream for stream in only.pipeline.streams if stream.name == rest[0])
        return [Target(only.name, replace(only.pipeline, streams=chosen))]
    choices = [*(by_name if len(by_name) > 1 else ()), *_stream_names(targets)]
    raise ConfigError(f"{name}: {'.'.join(rest)} is not part of {system}; it has {', '.join(choices)}")


def load_system(folder: Path) -> list[Target]:
    """Return the pipelines of one system folder. A lone one is named as the system, others `system.pipeline`."""
    found = []
    for path in _pipeline_files(folder):
        pipeline = getattr(_import(folder, path), "pipeline", None)
        if isinstance(pipeline, Pipeline):
            found.append(pipeline)
    if not found:
        raise ConfigError(f"system {folder.name} has no module with a value named `pipeline`")
    if len(found) == 1:
        return [Target(folder.name, found[0])]
    return [Target(f"{folder.name}.{pipeline.name}", pipeline) for pipeline in found]


def _pipeline_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.py") if not path.name.startswith("_"))


def _stream_names(targets: list[Target]) -> list[str]:
    return [stream.name for target in targets for stream in target.pipeline.streams]


def _import(folder: Path, path: Path) -> ModuleType:
    package = f"backhaul_systems_{folder.name}"
    if package not in sys.modules:
        # The system's modules may import each other: `from . import rules`.
        module = ModuleType(package)
        module.__path__ = [str(folder)]
        sys.modules[package] = module
    sys.modules[package].__path__ = [str(folder)]
    name = f"{package}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, TypeError, AttributeError, ValueError) as error:
        raise ConfigError(f"{path.name} of system {folder.name}: {type(error).__name__}: {error}") from error
    return module
