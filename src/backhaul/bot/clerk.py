"""Decides what a question's answer is: looks it up and has it worded. Synchronous; called from several threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from backhaul.bot import answers
from backhaul.bot.answers import Answer, PriceChange, State
from backhaul.bot.cards import Cards
from backhaul.bot.people import Role
from backhaul.bot.shop_bot import ShopBot
from backhaul.engine.run import Installation
from backhaul.engine.systems import Target
from backhaul.errors import BackhaulError
from backhaul.languages import Translator
from backhaul.model import Destination
from backhaul.search import CatalogueStatus, SearchIndex

if TYPE_CHECKING:
    import polars as pl

MOST_CHANGES = 40
STALE = "stale"
LETTERS_READ = 4096
"""What is read of a question; Telegram takes no more."""


@dataclass(frozen=True)
class Asker:
    """Who asks, and where: costs are told to owners, and only where nobody else reads along."""

    user: int
    role: Role
    is_private: bool

    @property
    def sees_costs(self) -> bool:
        """Whether an answer may say what the shop pays."""
        return self.role is Role.OWNER and self.is_private


@dataclass(frozen=True)
class Health:
    """How the catalogue is; hours are None where there is none."""

    status: str
    is_ok: bool
    products: int = 0
    age_h: float | None = None
    data_at: datetime | None = None


class Clerk:
    """The answers of one bot, whose settings are filled in."""

    def __init__(
        self,
        bot: ShopBot,
        target: Target,
        installation: Installation,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.words: Translator = bot.words
        self._bot = bot
        self._target = target
        self._timezone = target.pipeline.timezone
        self._installation = installation
        self._clock = clock
        self._page = bot.most_results
        self._catalogue = bot.catalogue.catalogue()

    def products(self, query: str, asker: Asker, skip: int = 0) -> Answer:
        """Return the products that fit a person's words, behind the first `skip`. Raises BackhaulError."""
        if not any(letter.isalnum() for letter in query):
            return answers.no_words(self.words)
        if not self._bot.catalogue.file.exists():
            return answers.no_catalogue(self.words)
        found = self._catalogue.find(query[:LETTERS_READ], self._page + 1, skip=skip)
        if not found.products:
            return answers.no_more(self.words) if skip else answers.nothing_found(query, self.words)
        is_old = not skip and self.health().status == STALE
        cards = Cards(self.words, asker.sees_costs)
        return answers.products(found, cards, skip=skip, page=self._page, is_old=is_old)

    def failed(self, error: BackhaulError, asker: Asker) -> Answer:
        """Return that something went wrong; why, for an owner."""
        return answers.failed(str(error), error.next_step, self.words, is_owner=asker.role is Role.OWNER)

    def command(self, name: str, asker: Asker) -> Answer:
        """Return the answer to a command but /sync; one that is not known gets the list of those there are.

        Raises BackhaulError.
        """
        if name == "status":
            return self._status(asker)
        if name in ("perubahan", "changes"):
            return self._changes(asker)
        return answers.who(asker.user, asker.role, self.words) if name == "me" else self._greeting(asker)

    def health(self) -> Health:
        """Return how old the catalogue is, and whether that is well; never raises a BackhaulError."""
        try:
            facts = self._facts()
            if facts is None:
                return Health("no catalogue", is_ok=False)
            data_at = self._data_at(facts)
        except BackhaulError:
            return Health("the catalogue cannot be read", is_ok=False)
        age_h = (self._clock() - data_at) / timedelta(hours=1)
        is_ok = age_h <= self._bot.stale_after_h
        return Health("ok" if is_ok else STALE, is_ok, facts.products, round(age_h, 2), data_at)

    def _greeting(self, asker: Asker) -> Answer:
        return answers.greeting(asker.role, self.words)

    def _status(self, asker: Asker) -> Answer:
        bot = self._bot
        facts = self._facts()
        data_at = None if facts is None else self._data_at(facts)
        state = State(products=None if facts is None else facts.products, data_at=data_at)
        runs = self._installation.ledger.history.runs([self._target.name], most=1)
        if runs:
            reason, next_step = self._reason(runs[0]) if asker.role is Role.OWNER else ("", "")
            started = datetime.fromisoformat(runs[0]["started_at"])
            state = State(state.products, data_at, started, runs[0]["status"], reason, next_step)
        now, stale = self._clock(), bot.stale_after_h
        return answers.status(state, now=now, timezone=self._timezone, stale_after_h=stale, words=self.words)

    def _facts(self) -> CatalogueStatus | None:
        return self._catalogue.status() if self._bot.catalogue.file.exists() else None

    def _data_at(self, facts: CatalogueStatus) -> datetime:
        """Return when the shop made what the catalogue holds, as far as the ledger knows that."""
        streams = [f"{self._target.name}.{name}" for name in streams_to(self._target, self._bot)]
        known = [self._installation.ledger.history.data_of(stream) for stream in streams]
        return max((at for at in known if at is not None), default=facts.changed_at)

    def _reason(self, run: dict[str, Any]) -> tuple[str, str]:
        """Return why a run did not go well, and what to do; empty where it did."""
        if run["status"] in ("done", "running"):
            return "", ""
        events = self._installation.ledger.history.events(run["id"])
        facts: dict[str, Any] = next((each["facts"] for each in events if each["kind"] == "StreamFailed"), {})
        return str(facts.get("message", "")), str(facts.get("next_step", ""))

    def _changes(self, asker: Asker) -> Answer:
        found = latest_changes(self._installation, self._bot.changes, with_costs=asker.sees_costs)
        timezone = self._timezone
        return answers.changes(found, timezone=timezone, words=self.words, with_costs=asker.sees_costs)


def streams_to(target: Target, bot: ShopBot) -> list[str]:
    """Return the names of the streams that are delivered to the bot's catalogue."""
    return [stream.name for stream in target.pipeline.streams if any(is_of(each, bot) for each in stream.to)]


def is_of(destination: Destination, bot: ShopBot) -> bool:
    """Tell whether a destination, perhaps with its settings not filled in, is the bot's catalogue."""
    return isinstance(destination, SearchIndex) and destination.name == bot.catalogue.name


def latest_changes(
    installation: Installation, table: str, *, with_costs: bool, most: int = MOST_CHANGES
) -> list[PriceChange]:
    """Return the latest price changes of a curated table, newest first; those of costs alone only where asked for.

    Raises BackhaulError.
    """
    import polars as pl

    newest: pl.DataFrame | None = None
    for frame in installation.curated.read(table):
        kept = frame if with_costs else frame.filter(pl.col("harga_lama").ne_missing(pl.col("harga_baru")))
        both = kept if newest is None else pl.concat([newest, kept], how="vertical_relaxed")
        newest = both.sort("berubah_pada", descending=True, nulls_last=True).head(most)
    return [] if newest is None else [_change(row) for row in newest.iter_rows(named=True)]


def _change(row: dict[str, Any]) -> PriceChange:
    at = row["berubah_pada"]
    moment = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    return PriceChange(
        name=str(row["namaitem"] or ""),
        unit=str(row["satuan"] or ""),
        level=str(row["level"] or ""),
        up_to=str(row["jumlah_sampai"] or ""),
        price_before=_amount(row["harga_lama"]),
        price=_amount(row["harga_baru"]),
        cost_before=_amount(row["pokok_lama"]),
        cost=_amount(row["pokok_baru"]),
        at=moment if moment.tzinfo else moment.replace(tzinfo=UTC),
    )


def _amount(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
