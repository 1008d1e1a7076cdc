"""Compile the message catalogues and say what they lack: `python -m tools.catalogues`."""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from backhaul import errors

ROOT = Path(__file__).resolve().parents[1]
CODE = ROOT / "src" / "backhaul"
FOLDER = CODE / "languages"
ROOMS = ("bot", "languages", "notify")
"""The rooms that speak to people through a translator."""

Sentence = tuple[str, ...]
"""A sentence, or singular and plural."""


def sentences() -> set[Sentence]:
    """Return every sentence that the code says to people.

    What the errors advise by default belongs to them: it stands in messages as well. Raises ValueError where the
    code says something that is not written out in place, which no catalogue could have.
    """
    advice = {(each.default_next_step,) for each in vars(errors).values() if _is_error(each)}
    paths = sorted(path for room in ROOMS for path in (CODE / room).rglob("*.py"))
    return advice.union(*(_said_in(path) for path in paths))


def catalogues() -> Iterator[tuple[Path, Catalog]]:
    """Yield each catalogue with its file."""
    for path in sorted(FOLDER.glob("*.po")):
        with path.open("rb") as file:
            yield path, read_po(file, locale=path.stem)


def entries(catalogue: Catalog) -> dict[Sentence, Sentence]:
    """Return the translations of a catalogue by sentence, its head left out; doubtful ones count as missing."""
    return {_forms(each.id): () if each.fuzzy else _forms(each.string) for each in catalogue if each.id}


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as gettext reads it; the same one always gives the same bytes."""
    head = f"Content-Type: text/plain; charset=utf-8\nPlural-Forms: {catalogue.plural_forms}\n"
    file = io.BytesIO()
    # Babel's own head holds the time and its version.
    write_mo(file, _Messages([Message("", head), *list(catalogue)[1:]]))  # type: ignore[arg-type]
    return file.getvalue()


def troubles(catalogue: Catalog) -> Iterator[str]:
    """Yield what is wrong with a catalogue: a sentence that is missing, left over or not translated."""
    wanted, there = sentences(), entries(catalogue)
    yield from (f"missing: {sentence}" for sentence in sorted(wanted - there.keys()))
    yield from (f"no longer said: {sentence}" for sentence in sorted(there.keys() - wanted))
    yield from (f"not translated: {sentence}" for sentence, forms in there.items() if not forms or not all(forms))


class _Messages(list[Message]):
    charset = "utf-8"


def main() -> int:
    """Write every .mo that has changed; return 1 if a catalogue lacks something."""
    found = 0
    for path, catalogue in catalogues():
        for trouble in troubles(catalogue):
            found += 1
            print(f"{path.name}: {trouble}", file=sys.stderr)
        target, content = path.with_suffix(".mo"), compiled(catalogue)
        if not target.exists() or target.read_bytes() != content:
            target.write_bytes(content)
            print(f"written: {target.relative_to(ROOT)}")
    return 1 if found else 0


def _said_in(path: Path) -> Iterator[Sentence]:
    # The syntax tree, because the usual extractors do not look into f-strings.
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("say", "count"):
            said = node.args[: 1 if node.func.attr == "say" else 2]
            texts = tuple(
                each.value for each in said if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )
            if len(texts) != len(said):
                raise ValueError(f"{path.name}:{node.lineno}: the sentence is not written out here")
            yield texts


def _forms(text: str | list[str] | tuple[str, ...] | None) -> Sentence:
    return (text,) if isinstance(text, str) else tuple(text or ())


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, errors.BackhaulError)


if __name__ == "__main__":
    sys.exit(main())
