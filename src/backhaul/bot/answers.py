"""What the bot says: each answer as messages of HTML that fit. Pure; knows nothing of Telegram.

`plain` makes of them what a terminal shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape

from backhaul.bot.cards import Cards, cleaned, decimals_of, money, packed, percent
from backhaul.bot.people import Role
from backhaul.languages import Translator
from backhaul.notify.markup import without_tags
from backhaul.notify.wording import shortened
from backhaul.search.products import Found, Way

COMMANDS = ("start", "help", "status", "perubahan", "me")
OWNER_COMMANDS = ("sync",)
QUERY_SHOWN = 60


@dataclass(frozen=True)
class Answer:
    """Messages of HTML, in order; `more` is where the next page of products begins, None where there is none."""

    messages: tuple[str, ...]
    more: int | None = None


@dataclass(frozen=True)
class State:
    """What `/status` tells.

    Args:
        products: how many the catalogue has; None where there is none yet.
        data_at: when the shop made the data that the catalogue holds, as far as that is known (UTC).
        run_at: when the last run began; None where there was none. `run_status` is its word in the ledger.
        reason: what the last run said of a failure, for owners; empty where it went well.
    """

    products: int | None
    data_at: datetime | None
    run_at: datetime | None = None
    run_status: str = ""
    reason: str = ""
    next_step: str = ""


@dataclass(frozen=True)
class PriceChange:
    """One price that is not what it was; amounts are None where there was, or is, no price."""

    name: str
    unit: str
    level: str
    up_to: str
    price_before: Decimal | None
    price: Decimal | None
    cost_before: Decimal | None
    cost: Decimal | None
    at: datetime


def products(found: Found, cards: Cards, *, skip: int, page: int, is_old: bool = False) -> Answer:
    """Return one page of products, the first of which is the one after `skip`; one more than a page shows that
    there are others. That a catalogue is old is said on the first page.
    """
    words, shown = cards.words, found.products[:page]
    numbered = [cards.product(product, number) for number, product in enumerate(shown, skip + 1)]
    if found.way is Way.SIMILAR and not skip:
        numbered.insert(0, words.line(f"<i>{words.say('Nothing has all these words. This comes nearest:')}</i>"))
    if is_old and not skip:
        numbered.insert(0, words.line(_old(words)))
    return Answer(packed(numbered), more=skip + page if len(found.products) > page else None)


def nothing_found(query: str, words: Translator) -> Answer:
    """Return what to try where nothing fits the words of a person."""
    lines = [
        words.say('Nothing found for "{query}".', query=cleaned(query, QUERY_SHOWN)),
        words.say("Try fewer words, one word of the name, or the code or barcode as it stands on the package."),
    ]
    return _answer(lines, words)


def no_more(words: Translator) -> Answer:
    """Return that the catalogue has no further products; it may have been renewed since."""
    return _answer([words.say("There are no more products for this question.")], words)


def no_words(words: Translator) -> Answer:
    """Return what to do, for a message without any words to look for."""
    return _answer([words.say("Send the name of a product, its code or its barcode, as text.")], words)


def no_catalogue(words: Translator) -> Answer:
    """Return that there is nothing to look in yet."""
    return _answer([words.say("There is no catalogue yet: no sync has ended well so far.")], words)


def failed(reason: str, next_step: str, words: Translator, *, is_owner: bool) -> Answer:
    """Return that an answer was not possible; owners are told why, and what to do."""
    lines = [words.say("That did not work. Please try again in a while.")]
    if is_owner and reason:
        lines += _reason(reason, next_step, words)
    return _answer(lines, words)


def greeting(role: Role, words: Translator) -> Answer:
    """Return the answer to /start and /help: how to ask, and what else there is."""
    lines = [
        f"<b>{words.say('What does it cost?')}</b>",
        words.say("Send the name of a product, its code or its barcode; a few letters of each word are enough."),
        f"{words.say('For example:')} <code>{words.isolated('indomie grg 40')}</code>",
        "",
    ]
    lines += [f"{words.isolated(f'/{name}')} - {said}" for name, said in menu(role, words)[1:]]
    return _answer(lines, words)


def menu(role: Role, words: Translator) -> list[tuple[str, str]]:
    """Return the commands that a role has, each with what it does."""
    said = {
        "start": words.say("how to ask"),
        "help": words.say("how to ask"),
        "status": words.say("how old the prices are"),
        "perubahan": words.say("the latest price changes"),
        "me": words.say("your id and role"),
        "sync": words.say("fetch the newest prices now"),
    }
    names = (*COMMANDS, *OWNER_COMMANDS) if role is Role.OWNER else COMMANDS
    return [(name, said[name]) for name in names]


def who(user: int, role: Role, words: Translator) -> Answer:
    """Return the answer to /me."""
    called = {Role.OWNER: words.say("owner"), Role.STAFF: words.say("staff"), Role.STRANGER: words.say("unknown")}
    lines = [
        f"{words.say('Your id:')} <code>{words.isolated(str(user))}</code>",
        words.say("Your role: {role}", role=called[role]),
    ]
    return _answer(lines, words)


def refusal(user: int, words: Translator) -> Answer:
    """Return what a person hears who is on no list."""
    lines = [
        words.say("Sorry, this bot answers only the people of the shop."),
        f"{words.say('If you are one of them, give the owner your id:')} <code>{words.isolated(str(user))}</code>",
    ]
    return _answer(lines, words)


def owners_only(words: Translator) -> Answer:
    """Return what staff hear who send an owner's command."""
    return _answer([words.say("Only owners may do that.")], words)


def too_fast(seconds: int, words: Translator) -> Answer:
    """Return what a person hears who asks too often."""
    return _answer([words.say("That was a lot at once. Go on in {seconds} s.", seconds=seconds)], words)


def status(state: State, *, now: datetime, timezone: str, stale_after_h: float, words: Translator) -> Answer:
    """Return the answer to /status: the age of the data, how many products, and how the last sync went."""
    lines = [f"<b>{words.say('Status')}</b>"]
    if state.products is None:
        lines.append(words.say("There is no catalogue yet: no sync has ended well so far."))
    else:
        lines.append(words.count("{n} product", "{n} products", state.products))
    if state.data_at is not None:
        age = now - state.data_at
        at = words.moment(state.data_at, timezone)
        said = words.duration(max(age.total_seconds(), 0))
        lines.append(words.say("Prices as of {at}, {age} ago", at=at, age=said))
        if age > timedelta(hours=stale_after_h):
            lines.append(_old(words))
    if state.run_at is None:
        lines.append(words.say("No sync has run yet."))
    else:
        at = words.moment(state.run_at, timezone)
        lines.append(words.say("Last sync: {at}, {status}", at=at, status=run_word(state.run_status, words)))
    lines += _reason(state.reason, state.next_step, words) if state.reason else []
    return _answer(lines, words)


def run_word(status: str, words: Translator) -> str:
    """Return how a run has ended, in the language; a word that is not known stays as it is."""
    said = {
        "done": words.say("succeeded"),
        "partly done": words.say("succeeded in part"),
        "failed": words.say("failed"),
        "login needed": words.say("login needed"),
        "interrupted": words.say("interrupted"),
        "killed": words.say("interrupted"),
        "running": words.say("still running"),
    }
    return said.get(status, cleaned(status))


def changes(found: Iterable[PriceChange], *, timezone: str, words: Translator, with_costs: bool) -> Answer:
    """Return the latest price changes, newest first as given, those of one product at one moment together.

    Changes of costs alone are for owners.
    """
    together: dict[tuple[str, datetime], list[PriceChange]] = {}
    for change in found:
        if with_costs or change.price != change.price_before:
            together.setdefault((change.name, change.at), []).append(change)
    if not together:
        return _answer([words.say("No price has changed lately.")], words)
    cards = [
        "\n".join(words.line(line) for line in _changes(name, at, group, timezone, words, with_costs))
        for (name, at), group in together.items()
    ]
    return Answer(packed([words.line(f"<b>{words.say('Latest price changes')}</b>"), *cards]))


def plain(answer: Answer) -> str:
    """Return an answer as a terminal shows it."""
    return "\n\n".join(without_tags(message) for message in answer.messages)


def _changes(
    name: str,
    at: datetime,
    found: Sequence[PriceChange],
    timezone: str,
    words: Translator,
    with_costs: bool,
) -> Iterator[str]:
    """Yield the lines of one product's changes: its name, when, and each price and cost that changed."""
    moment = words.isolated(words.moment(at, timezone))
    yield f"<b>{words.isolated(cleaned(name))}</b> <i>{moment}</i>"
    units = list(dict.fromkeys(change.unit for change in found))
    for change in sorted(found, key=lambda each: (units.index(each.unit), *_place(each))):
        where = _where(change, words)
        if change.price != change.price_before:
            yield f"{where}: {_moved(change.price_before, change.price, words)}"
        if with_costs and change.cost != change.cost_before:
            yield f"{where}, {words.say('Cost')}: {_moved(change.cost_before, change.cost, words)}"


def _where(change: PriceChange, words: Translator) -> str:
    parts = [words.isolated(cleaned(change.unit))]
    if change.level not in ("", "-"):
        parts.append(words.say("Level {level}", level=cleaned(change.level)))
    if change.up_to not in ("", "-"):
        limit = _limit(change.up_to)
        quantity = cleaned(change.up_to) if limit is None else words.number(limit, decimals_of(limit, 3))
        parts.append(words.say("up to {quantity}", quantity=quantity))
    return f"\N{BULLET} {', '.join(parts)}"


def _place(change: PriceChange) -> tuple[str, Decimal]:
    """Return where a price stands among those of its unit: small quantities before large ones."""
    limit = _limit(change.up_to)
    return change.level.rjust(9), Decimal("Infinity") if limit is None else limit


def _limit(up_to: str) -> Decimal | None:
    return Decimal(up_to) if re.fullmatch(r"\d{1,20}(?:\.\d{1,20})?", up_to, re.ASCII) else None


def _moved(before: Decimal | None, after: Decimal | None, words: Translator) -> str:
    old = words.say("no price") if before is None else money(before, words)
    new = words.say("no price") if after is None else money(after, words)
    said = words.say("from {old} to {new}", old=old, new=new)
    if before is None or after is None or not before:
        return said
    symbol = "\N{UPWARDS BLACK ARROW}" if after > before else "\N{DOWNWARDS BLACK ARROW}"
    share = percent(after - before, before, words)
    return f"{symbol} {said} ({words.isolated(share if share.startswith('-') else f'+{share}')})"


def _old(words: Translator) -> str:
    return f"\N{WARNING SIGN} {words.say('These prices are old; the shop may have newer ones.')}"


def _reason(reason: str, next_step: str, words: Translator) -> list[str]:
    lines = [words.say("Cause: {error}", error=cleaned(reason, 300))]
    if next_step:
        step = escape(shortened(words.known(next_step), 300), quote=False)
        lines.append(words.say("Next step: {step}", step=step))
    return lines


def _answer(lines: Iterable[str], words: Translator) -> Answer:
    return Answer(packed(["\n".join(words.line(line) for line in lines)]))
