"""The same message is the same one, read from the page or from an export of either kind of phone, in any language."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from backhaul.formats.chat import read_chat
from backhaul.sandbox.chat_files import LOCALES as EXPORTS
from backhaul.sandbox.chat_files import ChatLine, Said, exported, made_up_chat
from backhaul.sandbox.whatsapp.locales import LOCALES as PAGES
from backhaul.sessions.whatsapp.reading import End, PageRow, Reading, Shown
from tests.sources.whatsapp_chat import TITLE, ZONE, Page, Reader

NOW = datetime(2026, 11, 1, tzinfo=UTC)
START = datetime(2026, 5, 20, 7, 30)
LINES = list(made_up_chat(7, 900, start=START))
OWN = "Dana Levi"


def on_page(line: ChatLine, number: int, locale: str, you: str) -> PageRow:
    """Return how the page shows a line of a chat: without a header what has no words, without any mark of an edit."""
    words, sender = PAGES[locale], line.sender or ""
    is_own = sender == OWN
    shown = {Said.TEXT: Shown.TEXT, Said.DELETED: Shown.DELETED}.get(line.said, Shown.MEDIA)
    name = you if is_own else sender.replace("\u202f", " ")
    return PageRow(
        id=f"3A{number:018X}",
        header=words.header(line.at, name) if line.text else "",
        text=line.text,
        shown=shown,
        clock=words.clock(line.at),
        author="" if is_own else name,
        is_own=is_own,
        is_edited=line.is_edited,
    )


class WholePage(Page):
    """A page that shows a whole made-up chat at once."""

    def read(self, group, enough, deadline_s) -> Reading:  # type: ignore[no-untyped-def, override]
        said = [line for line in LINES if line.said not in (Said.SYSTEM, Said.EMPTY)]
        you = PAGES[self.locale].words["you"]
        rows = tuple(on_page(line, number, self.locale, you) for number, line in enumerate(said))
        enough(rows)
        return Reading(TITLE, rows, End.START, self.language)


@pytest.fixture(scope="module")
def from_page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pl.DataFrame]:
    """What is read of the page, by its language."""
    found = {}
    for locale in PAGES:
        folder = tmp_path_factory.mktemp("page")
        reader = Reader(WholePage(locale=locale, language=locale), folder, NOW, {"most": 5000, "own_name": OWN})
        frame = reader.take()
        assert frame is not None
        found[locale] = frame
    return found


def identities(frame: pl.DataFrame) -> set[tuple[str, str]]:
    return set(frame.select("fingerprint", pl.col("occurrence").cast(pl.String)).rows())


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_a_message_of_the_page_and_of_an_export_is_the_same_message(
    name: str, from_page: dict[str, pl.DataFrame], tmp_path: Path
) -> None:
    file = tmp_path / "_chat.txt"
    file.write_bytes("".join(exported(LINES, EXPORTS[name])).encode())

    exports = pl.concat(read_chat(file, chat="students", timezone=ZONE, now=NOW))

    said = exports.filter(~pl.col("kind").is_in(["system", "empty"]))
    assert said.height > 850
    for locale, page in from_page.items():
        assert not identities(page) - identities(said), locale
        # A photo between two days says nothing of its day, and is left out.
        assert said.height - page.height <= 3, locale
        assert identities(page) == identities(from_page["he"]), locale


def test_whoever_says_you_is_the_account_itself(from_page: dict[str, pl.DataFrame]) -> None:
    for locale, page in from_page.items():
        own = page.filter(pl.col("is_own"))
        assert set(own["sender"].to_list()) == {OWN}, locale
        assert own.height == page.filter(pl.col("sender") == OWN).height
