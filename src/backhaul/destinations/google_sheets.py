"""Google Sheets: a tab that people work in, merged by key without harming what they typed there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.config import Secret, Setting, Text, text
from backhaul.errors import ConfigError, DeliveryError
from backhaul.sessions.google.access import Access, Patience, access_to
from backhaul.sessions.google.client import connected
from backhaul.sessions.google.tabs import id_of

if TYPE_CHECKING:
    from backhaul.destinations.google.calls import Calls
    from backhaul.model import Batch, Changes, Counts, Rejected, Stream


@dataclass(frozen=True)
class GoogleSheet:
    """A tab of a spreadsheet that is shared with a service account as Editor.

    New rows go below the last one, changed cells are rewritten where they stand; columns of people, formulas and
    other tabs are not touched, and a delivered row that a person deletes is not added again. What was delivered is
    remembered in a hidden tab beside it.

    Args:
        sheet: the spreadsheet's address or id.
        tab: the tab's name; without one, the first tab.
        account: the service account's key in any form of `google_keys.load_account`, or the path of its file.
        update_only: change rows that are there, and add no row, column, header or mark; rows without one are
            unchanged. A column of the batch that the tab lacks is an error; a formula in the way refuses its row, and
            so do two rows of its key.
        adds_only: add rows whose key was neither delivered before nor stands there, and change, mark or clear none;
            what stands there is people's, and unchanged.
        adds_key: a filled tab that has the batch's columns but not the key's gets those at its right; the rows that
            stand there stay people's own.
        days: how text of the batch writes days, `DD/MM/YYYY` or `MM/DD/YYYY`; where a cell holds a date, such text is
            compared and written as that day, as `YYYY-MM-DD` always is.
        name: unique within a stream; two sheets of one stream need two names.
        patience: how long calls are tried, and by which clock.
    """

    sheet: Text
    tab: Text | None = None
    account: Text = field(default=Secret("GOOGLE_SERVICE_ACCOUNT_JSON", also=("CREDENTIALS_FILE",)), repr=False)
    api_url: Text = field(default=Setting("GOOGLE_API_URL", default="https://sheets.googleapis.com"))
    update_only: bool = False
    adds_only: bool = False
    adds_key: bool = False
    days: str = "DD/MM/YYYY"
    name: str = "google sheet"
    patience: Patience = field(default=Patience(), repr=False)

    def __post_init__(self) -> None:
        """Raise ConfigError for options that contradict each other."""
        if self.update_only and self.adds_only:
            raise ConfigError(
                f"{self.name}: update_only adds no rows, adds_only changes none", next_step="Choose one of the two."
            )
        if self.update_only and self.adds_key:
            raise ConfigError(
                f"{self.name}: update_only adds no columns, adds_key adds the key's",
                next_step="Choose one of the two.",
            )
        if self.days not in ("DD/MM/YYYY", "MM/DD/YYYY"):
            raise ConfigError(
                f"{self.name}: days={self.days!r} is no way to write days", next_step="Say DD/MM/YYYY or MM/DD/YYYY."
            )

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify each row of batch against the sheet; reads only.

        Raises DeliveryError for what a person must put right in the sheet, TransientError, ConfigError for the key.
        """
        from backhaul.destinations.google.delivery import Delivery

        with self._calls() as (calls, _):
            return Delivery(calls, stream, batch).compare()

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Add the new rows and rewrite the changed cells, chunk by chunk, each chunk whole or not at all.

        Everything is looked at anew: people may have edited since the comparison. Raises the same as `compare`.
        """
        return self.write_judged(stream, changes)[0]

    def write_judged(self, stream: Stream, changes: Changes) -> tuple[Counts, tuple[Rejected, ...]]:
        """Do what `write` does; return beside the counts the rows that only what people did since then refuses."""
        from backhaul.destinations.google.delivery import Delivery

        found = changes.counts
        if not found.new and not found.updated and not found.removed:
            return found, ()
        with self._calls() as (calls, access), access.turn(calls.spreadsheet):
            return Delivery(calls, stream, changes.batch).write(changes)

    def check(self) -> str:
        """Return a line that says which spreadsheet and tab this is; proves key and sharing. Raises our errors."""
        with self._calls() as (calls, access):
            title, tabs = calls.tabs()
        shown = [place.title for place, is_hidden in tabs if not is_hidden]
        wanted = calls.tab or (shown[0] if shown else "")
        if wanted.casefold() not in (each.title.casefold() for each, _ in tabs):
            there = ", ".join(map(repr, shown))
            raise DeliveryError(
                f"{self.name}: there is no tab {wanted!r}; the spreadsheet has {there}",
                next_step=f"Give the tab its name {wanted!r} back, or name another one in the pipeline.",
            )
        return f"{title}, tab {wanted}, shared with {access.account.client_email}"

    @contextmanager
    def _calls(self) -> Iterator[tuple[Calls, Access]]:
        from backhaul.destinations.google.calls import Calls
        from backhaul.destinations.google.manner import DayOrder, Manner

        manner = Manner(
            update_only=self.update_only,
            adds_only=self.adds_only,
            adds_key=self.adds_key,
            days=DayOrder(self.days),
        )
        access = access_to(text(self.account), text(self.api_url), self.patience)
        spreadsheet = id_of(text(self.sheet))
        tab = (text(self.tab) or None) if self.tab is not None else None
        with connected(access, self.name) as client:
            yield Calls(client, spreadsheet, tab, self.name, access.hints, self.patience.sleep, manner), access
