"""What is remembered of a folder and what Dropbox tells of its changes, together, are always what is there."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backhaul.config import resolved
from backhaul.sandbox.dropbox.service import SandboxDropbox
from backhaul.sources import DropboxFolder
from backhaul.sources.dropbox import listing as remembered
from backhaul.sources.dropbox.client import DropboxClient
from backhaul.sources.dropbox.listing import RemoteFile, listing_of

NIGHT = datetime(2025, 9, 12, tzinfo=UTC)
NAMES = [f"{letter}.i5bu" for letter in "abcdefgh"]
CHANGES = st.one_of(
    st.tuples(st.just("put"), st.sampled_from([*NAMES, "a.txt"]), st.integers(0, 9)),
    st.tuples(st.just("put"), st.sampled_from(NAMES), st.integers(0, 9)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.just(0)),
    st.tuples(st.just("reset"), st.just(""), st.just(0)),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
    st.tuples(st.just("look"), st.just(""), st.just(0)),
)
LOOK = ("look", "", 0)
OLDER_THAN_WHAT_IS_FORGOTTEN = [
    *(("put", name, day) for day, name in enumerate(NAMES[:3], 3)),
    LOOK,
    ("delete", NAMES[2], 0),
    LOOK,
    ("put", NAMES[4], 0),
    LOOK,
    ("delete", NAMES[1], 0),
]


@settings(max_examples=60)
@example(OLDER_THAN_WHAT_IS_FORGOTTEN)
@given(st.lists(CHANGES, max_size=25))
def test_the_newest_is_that_of_the_folder_after_any_changes(changes: list[tuple[str, str, int]]) -> None:
    there: dict[str, tuple[datetime, str]] = {}
    saved = None
    with SandboxDropbox(page_entries=2) as dropbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr(remembered, "MOST_REMEMBERED", 2)
        source = resolved(DropboxFolder(), dropbox.settings)
        client = source.open(None)
        assert isinstance(client, DropboxClient)
        for kind, name, day in [*changes, LOOK]:
            if kind == "put":
                stored = dropbox.put_file(name, b"x", server_modified=NIGHT + timedelta(days=day))
                there[name] = (stored.server_modified, stored.rev)
            elif kind == "delete" and name in there:
                dropbox.delete(name)
                del there[name]
            elif kind == "reset":
                dropbox.reset_cursors()
            elif kind == "look":
                listing = listing_of(saved, "/IPOS", "*.i5bu")
                listing.refresh(client)
                saved = listing.dumps()
                assert found(listing.newest) == newest(there)
        client.close()


def found(file: RemoteFile | None) -> tuple[str, str] | None:
    return (file.name, file.rev) if file else None


def newest(there: dict[str, tuple[datetime, str]]) -> tuple[str, str] | None:
    files = [(when, name, rev) for name, (when, rev) in there.items() if name.endswith(".i5bu")]
    return max(files)[1:] if files else None
