"""Settings: named in the pipeline, valued by the environment and one `.env` file."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from backhaul.errors import ConfigError
from backhaul.model import Secret as Secret
from backhaul.model import SecretText as SecretText
from backhaul.model import Setting as Setting
from backhaul.model import Text as Text
from backhaul.model import text as text

T = TypeVar("T")


def says_yes(settings: Mapping[str, str], name: str) -> bool:
    """Tell whether a setting says yes (1, true, yes, on); without a value it says no.

    Raises ConfigError for a value that is neither yes nor no.
    """
    value = settings.get(name, "").strip().lower()
    if value not in ("", "0", "1", "true", "false", "yes", "no", "on", "off"):
        raise ConfigError(f"{name} is neither yes nor no", next_step=f"Say {name}=true, or take it out.")
    return value in ("1", "true", "yes", "on")


def home() -> Path:
    """Return the folder that holds `systems/`, `data/` and `.env`: BACKHAUL_HOME, or the current one."""
    return Path(os.environ.get("BACKHAUL_HOME") or Path.cwd()).resolve()


def load_settings(folder: Path) -> dict[str, str]:
    """Return every setting by name: folder/.env, overruled by the environment. Empty values count as missing.

    Raises ConfigError if the file is not UTF-8.
    """
    from dotenv import dotenv_values

    try:
        values: dict[str, str | None] = dict(
            # Windows editors put a mark in front of UTF-8.
            dotenv_values(folder / ".env", interpolate=False, encoding="utf-8-sig")
        )
    except UnicodeDecodeError:
        raise ConfigError(
            f"{folder / '.env'} is not saved as UTF-8", next_step="Save it again with the encoding UTF-8."
        ) from None
    values.update(os.environ)
    return {name: value for name, value in values.items() if value}


def settings_in(value: object) -> Iterator[Setting]:
    """Yield each setting inside value (dataclasses, tuples, lists, dicts), each name once, in order of appearance."""
    seen: set[str] = set()
    for setting in _walk(value, set()):
        if setting.name not in seen:
            seen.add(setting.name)
            yield setting


def missing_settings(value: object, settings: Mapping[str, str]) -> list[str]:
    """Return the names of all settings inside value that settings lacks, in order of appearance."""
    return [setting.name for setting in settings_in(value) if setting.value(settings) is None]


def resolved(value: T, settings: Mapping[str, str], spare: Collection[str] = ()) -> T:
    """Return value with each setting replaced by its text; an object that stands twice stays one object.

    Those in `spare` stay as they are where they are missing: their part will not be used. Raises ConfigError
    naming all other missing settings at once.
    """
    if missing := [name for name in missing_settings(value, settings) if name not in spare]:
        raise ConfigError(
            f"missing settings: {', '.join(missing)}",
            next_step="Put them into .env or into the environment.",
        )
    filled: T = _fill(value, settings, {})
    return filled


def _parts(value: object) -> Iterator[object]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from (getattr(value, field.name) for field in dataclasses.fields(value))
    elif isinstance(value, (tuple, list)):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _walk(value: object, seen: set[int]) -> Iterator[Setting]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, Setting):
        yield value
        return
    for part in _parts(value):
        yield from _walk(part, seen)


def _fill(value: Any, settings: Mapping[str, str], memo: dict[int, Any]) -> Any:
    if id(value) in memo:
        return memo[id(value)]
    filled = value
    if isinstance(value, Setting):
        said = value.value(settings)
        if said is not None:
            filled = SecretText(said) if isinstance(value, Secret) else said
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        new = {
            field.name: _fill(getattr(value, field.name), settings, memo)
            for field in dataclasses.fields(value)
            if field.init
        }
        if any(new[name] is not getattr(value, name) for name in new):
            filled = dataclasses.replace(value, **new)
    elif isinstance(value, (tuple, list)):
        parts = [_fill(part, settings, memo) for part in value]
        if any(new is not old for new, old in zip(parts, value, strict=True)):
            filled = type(value)(parts)
    elif isinstance(value, dict):
        named = {name: _fill(part, settings, memo) for name, part in value.items()}
        if any(named[name] is not value[name] for name in named):
            filled = named
    memo[id(value)] = filled
    return filled
