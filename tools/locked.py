"""Print the part of requirements.lock that some packages need, with its hashes.

    python3 tools/locked.py "backhaul[sheets,vault]"    what an installation with these extras needs
    python3 tools/locked.py hatchling                   what one package needs

It runs before anything is installed, so it imports the standard library only.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OURS = "backhaul"


def locked(wanted: list[str], lock: str, project: dict[str, object]) -> str:
    """Return the entries of lock for the wanted packages and all that these need, in the order of lock.

    lock says behind each entry which packages need it; more than is needed may come out, never less.
    Raises LookupError for a package or an extra that is not there.
    """
    entries = {_name(text): text for text in re.split(r"\n(?=[A-Za-z0-9])", lock) if not text.startswith("#")}
    needed = {name for each in wanted for name in _roots(each, project)}
    if missing := sorted(needed - entries.keys()):
        raise LookupError(f"not in the lock: {', '.join(missing)}")
    before = 0
    while len(needed) > before:
        before = len(needed)
        needed |= {name for name, text in entries.items() if _needed_by(text) & needed}
    return "".join(f"{text.rstrip()}\n" for name, text in entries.items() if name in needed)


def _roots(wanted: str, project: dict[str, object]) -> set[str]:
    name, _, extras = wanted.rstrip("]").partition("[")
    if name != _OURS:
        return {_name(name)}
    optional, direct = project["optional-dependencies"], project["dependencies"]
    assert isinstance(optional, dict) and isinstance(direct, list)
    chosen = [each.strip() for each in extras.split(",") if each.strip()]
    if unknown := sorted(set(chosen) - optional.keys()):
        raise LookupError(f"no such extra: {', '.join(unknown)}")
    return {_name(line) for line in [*direct, *(line for extra in chosen for line in optional[extra])]}


def _name(line: str) -> str:
    found = _NAME.match(line)
    return re.sub(r"[._-]+", "-", found[0]).lower() if found else ""


def _needed_by(text: str) -> set[str]:
    _, _, told = text.partition("# via")
    return {_name(line.strip(" #")) for line in told.splitlines()} - {_OURS, ""}


def main(wanted: list[str]) -> int:
    """Print the part for the wanted packages; return the exit code of the process."""
    if not wanted:
        print(__doc__)
        return 2
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    try:
        text = locked(wanted, (ROOT / "requirements.lock").read_text(encoding="utf-8"), project)
    except LookupError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
