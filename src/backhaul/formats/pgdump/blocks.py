"""Where the data of each table begin in an archive, and the proof that they are there to their end."""

from __future__ import annotations

from collections.abc import Iterator

from backhaul.formats.pgdump.contents import Contents, Entry
from backhaul.formats.pgdump.reader import Reader

_DATA, _LARGE_OBJECTS = 1, 3


def places_of(reader: Reader, contents: Contents) -> dict[int, int]:
    """Return where the block of each entry with data begins, by id, after passing over every block to its end.

    Nothing is unpacked. Raises TransientError if one is cut off, missing, somewhere else, or damaged.
    """
    reader.go(contents.end)
    places: dict[int, int] = {}
    expected = sorted(contents.entries.values(), key=lambda entry: entry.offset or 0)
    while reader.at < reader.size:
        at = reader.at
        if len(places) == len(expected):
            reader.what = "what follows the last table's data"
            raise reader.damaged(f"{reader.size - at:,} bytes are there that nothing announces")
        reader.what = f"the data of {expected[len(places)]}"
        kind, id_ = reader.byte(), reader.count()
        entry = contents.entries.get(id_)
        if entry is None or id_ in places or kind not in (_DATA, _LARGE_OBJECTS):
            raise reader.damaged("no table's data begin where some should", at)
        if entry.offset not in (None, at) or (kind != _DATA and entry.copy is not None):
            raise reader.damaged(f"the data of {entry} begin where others should", at)
        reader.what = f"the data of {entry}"
        if kind == _DATA:
            reader.pass_chunks()
        else:
            while reader.count():
                reader.pass_chunks()
        places[id_] = at
    if missing := [entry for entry in expected if entry.id not in places]:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        reader.what = f"the data of {missing[0]}{more}"
        raise reader.cut(1)
    return places


def chunks_of(reader: Reader, entry: Entry, at: int) -> Iterator[bytes]:
    """Yield the chunks of a table's block, which begins at an offset. Raises TransientError if it is not there."""
    reader.what = f"the data of {entry}"
    reader.go(at)
    kind, id_ = reader.byte(), reader.count()
    if kind != _DATA or id_ != entry.id:
        raise reader.damaged("other data begin where they should", at)
    yield from reader.chunks()
