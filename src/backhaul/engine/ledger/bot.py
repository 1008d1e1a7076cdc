"""What a chat bot keeps in the ledger: which updates it has taken, and what its buttons stand for.

An update is taken before it is answered, in one transaction, so that of several processes one answers. What is killed
between the two leaves a question without an answer, which the person asks again; it never answers twice.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from backhaul.engine.ledger import tables as t
from backhaul.engine.ledger.file import LedgerFile
from backhaul.engine.ledger.ledger import Ledger

UPDATES_KEPT_FOR = timedelta(days=3)
"""Telegram repeats an update for a day; after a week without any, it may begin anew at any number."""

BUTTONS_KEPT_FOR = timedelta(days=1)


class BotDesk:
    """The updates and buttons of one bot, named by its number; the ledger may be shared by many processes."""

    def __init__(self, file: LedgerFile, bot: str) -> None:
        self._file = file
        self._bot = bot

    @classmethod
    def of(cls, ledger: Ledger, bot: str) -> BotDesk:
        """Return the desk of a bot in ledger."""
        return cls(LedgerFile(ledger.path), bot)

    def take(self, numbers: Iterable[int]) -> set[int]:
        """Take updates; return those that nobody had taken before."""
        table, wanted = t.bot_updates, set(numbers)
        mine = sa.and_(table.c.bot == self._bot, table.c.number.in_(wanted))
        with self._file.transaction() as db:
            # Writers take turns, so that nobody comes between the look and the entry.
            found = wanted - set(db.execute(sa.select(table.c.number).where(mine)).scalars())
            if found:
                at = _text(datetime.now(UTC))
                rows = [{"bot": self._bot, "number": number, "taken_at": at} for number in sorted(found)]
                db.execute(table.insert(), rows)
        return found

    def put_button(self, chat: int, facts: dict[str, Any], now: datetime) -> str:
        """Keep what a button in a chat stands for (JSON values); return its id, 12 letters that nobody guesses."""
        button = secrets.token_urlsafe(9)
        values = {"id": button, "bot": self._bot, "chat": chat, "facts": json.dumps(facts), "made_at": _text(now)}
        with self._file.transaction() as db:
            db.execute(t.bot_buttons.insert().values(**values))
        return button

    def press(self, chat: int, button: str, now: datetime) -> dict[str, Any] | None:
        """Return what a button stands for and forget it: a second press, or a late one, gets None."""
        table = t.bot_buttons
        mine = sa.and_(table.c.id == button, table.c.bot == self._bot, table.c.chat == chat)
        with self._file.transaction() as db:
            row = db.execute(sa.select(table.c.facts, table.c.made_at).where(mine)).mappings().first()
            if row is None:
                return None
            db.execute(table.delete().where(mine))
        facts: dict[str, Any] = json.loads(row["facts"])
        return None if now - datetime.fromisoformat(row["made_at"]) > BUTTONS_KEPT_FOR else facts

    def clear(self, now: datetime) -> None:
        """Forget the updates and the buttons of every bot that nobody will ask for any more."""
        with self._file.transaction() as db:
            db.execute(t.bot_updates.delete().where(t.bot_updates.c.taken_at < _text(now - UPDATES_KEPT_FOR)))
            db.execute(t.bot_buttons.delete().where(t.bot_buttons.c.made_at < _text(now - BUTTONS_KEPT_FOR)))


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
