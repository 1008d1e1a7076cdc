"""`login` and `sessions`: signing in by hand, and what is saved of it."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backhaul.cli.output import Output
from backhaul.config import home, load_settings, resolved, text
from backhaul.engine.systems import find
from backhaul.engine.words import counted
from backhaul.errors import BackhaulError, ConfigError
from backhaul.sealing import KEY_SETTING, MAKE_A_KEY, Seal, keep_in_keyring, key_from
from backhaul.sealing import new_key as fresh_key
from backhaul.sessions.by_hand import Account, look, saved_session, sign_in_by_hand, take_over
from backhaul.sessions.cookie_files import MOST_BYTES
from backhaul.sessions.login import Standing
from backhaul.sessions.saved import Origin, SavedSession, masked
from backhaul.sessions.vault import SessionFacts, Vault
from backhaul.sources import BackOffice

NO_KEY = f"No key is set, so sessions are not saved. {MAKE_A_KEY}"
ENDS_AS_THE_SITE_SAYS = "as long as the site lets it"


def login_named(output: Output, name: str, *, cookies: str | None, source: str | None, wait_minutes: float) -> None:
    """Save a session for the source of what name stands for, and print what came of it."""
    vault, seal = _vault()
    if seal is None:
        raise ConfigError("no key is set, so a session could not be saved", next_step=MAKE_A_KEY)
    if not 0 < wait_minutes <= 24 * 60:
        raise ConfigError(f"--wait-minutes is {wait_minutes:g}; it is more than 0 and at most a day")
    account = _account(name, source)
    if cookies is not None:
        _take_over(output, account, vault, _read(cookies))
        return
    output.progress(f"A browser opens at {account.source}. Sign in there; it closes by itself when you are through.")
    session = sign_in_by_hand(account, vault, wait_minutes * 60)
    _tell_saved(output, account, session, Standing.SIGNED_IN)


def list_sessions(output: Output) -> None:
    """Print the saved sessions: whose, since when, until when, and whether they open here."""
    vault, seal = _vault()
    found = list(vault.saved_sessions())
    if output.json:
        output.document([_as_document(facts, seal) for facts in found])
        return
    headers = ("source", "user", "from", "saved", "holds until", "state")
    rows = [
        (
            facts.source,
            facts.user,
            facts.origin,
            _local(facts.saved_at),
            _local(facts.holds_until) or ENDS_AS_THE_SITE_SAYS,
            _state(facts, seal),
        )
        for facts in found
    ]
    if rows:
        output.table(headers, rows, spare=("from",))
    else:
        output.say("No session is saved. Runs save theirs; `backhaul login SYSTEM` saves one that needs a person.")
    if seal is None:
        output.say(NO_KEY)


def forget_sessions(output: Output, name: str) -> None:
    """Remove the sessions of a source as listed, or of a system."""
    vault, _ = _vault()
    listed = [facts for facts in vault.saved_sessions() if facts.source == name]
    if not listed:
        sources = {account.source for account in _accounts(name)}
        listed = [facts for facts in vault.saved_sessions() if facts.source in sources]
    for facts in listed:
        vault.forget_listed(facts)
    if output.json:
        output.document({"forgotten": len(listed)})
    output.say(
        f"{counted(len(listed), 'session')} of {name} forgotten." if listed else f"No session of {name} is saved."
    )


def check_sessions(output: Output, name: str) -> int:
    """Print what each site says of the saved session; return 4 if one is missing or signed out, else 0."""
    vault, seal = _vault()
    if seal is None:
        raise ConfigError("no key is set, so no session is saved", next_step=MAKE_A_KEY)
    found = [_checked(account, vault) for account in _accounts(name)]
    if output.json:
        output.document([{"source": account.source, "state": state} for account, state, _ in found])
    for account, state, _ in found:
        output.say(f"{account.source} ({masked(account.user)}): {state}")
    is_good = all(good for _, _, good in found)
    if not is_good:
        output.progress(f"  next: the next run signs in again; where that needs a person: backhaul login {name}")
    return 0 if is_good else 4


def make_key(output: Output, *, in_keyring: bool) -> None:
    """Print a fresh key as a line for .env, or keep it in the keyring."""
    key = fresh_key()
    seal = key_from({KEY_SETTING: key})
    assert seal is not None
    if in_keyring:
        if (kept := key_from({})) is not None:
            raise ConfigError(
                f"the keyring holds a key already ({kept.key_id}); what it has sealed would be lost",
                next_step="Use that one. To change it, see `backhaul sessions new-key` without --keyring.",
            )
        where = keep_in_keyring(key)
        if output.json:
            output.document({"key_id": seal.key_id, "kept_in": where})
        output.say(
            f"A new key ({seal.key_id}) is kept in {where}. Write it down nowhere; other machines need their own."
        )
        return
    # Looked up first: with `>> .env` the printed line is in the file at once.
    before = _key_before()
    if output.json:
        output.document({"key_id": seal.key_id, "line": f"{KEY_SETTING}={key}"})
    output.say(f"{_line_break_before()}{KEY_SETTING}={key}")
    output.progress(f"It belongs into {home() / '.env'} (`>> .env` puts it there), and a copy where you keep")
    output.progress("passwords: without it, what is saved cannot be read again.")
    if before is not None:
        output.progress(
            f"A key is set already ({before.key_id}). To change keys, put the new one into {KEY_SETTING} and the old"
            " one into BACKHAUL_OLD_KEYS: it still opens what it has sealed."
        )


def _line_break_before() -> str:
    """Return a line break if stdout is appended to an .env whose last line is not ended, else nothing."""
    path = home() / ".env"
    try:
        if os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat()) and not path.read_bytes().endswith(b"\n"):
            return "\n" if path.stat().st_size else ""
    except OSError:
        # There is no such file, or stdout is none.
        return ""
    return ""


def _key_before() -> Seal | None:
    try:
        return key_from(load_settings(home()))
    except ConfigError:
        # What is set is no key: a new one is what is needed.
        return None


def _vault() -> tuple[Vault, Seal | None]:
    seal = key_from(load_settings(home()))
    return Vault(home() / "data" / "vault", seal), seal


def _accounts(name: str) -> list[Account]:
    """Return each account of the back offices in what name stands for, once.

    Settings of anything but the sources may be missing. Raises ConfigError if there is no back office.
    """
    settings = load_settings(home())
    found: dict[str, Account] = {}
    for target in find(home() / "systems", name):
        for stream in target.pipeline.streams:
            if isinstance(stream.source, BackOffice):
                source = resolved(stream.source, settings)
                account = Account(source.name, text(source.base_url), source.login, source.allow_http)
                found[account.name] = account
    if not found:
        raise ConfigError(
            f"{name} has no source with a login", next_step=f"`backhaul plan {name}` shows its sources."
        )
    return list(found.values())


def _account(name: str, source: str | None) -> Account:
    accounts = _accounts(name)
    chosen = [each for each in accounts if source is None or each.source == source]
    if len(chosen) != 1:
        known = ", ".join(dict.fromkeys(each.source for each in accounts))
        raise ConfigError(
            f"{name} has {counted(len(accounts), 'source')} with a login: {known}",
            next_step="Say which one: --source HOST; or name one stream: SYSTEM.STREAM.",
        )
    return chosen[0]


def _read(cookies: str) -> bytes:
    if cookies == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    path = Path(cookies).expanduser()
    if not path.is_file():
        raise ConfigError(f"--cookies {cookies}: there is no such file")
    with path.open("rb") as file:
        return file.read(MOST_BYTES + 1)


def _take_over(output: Output, account: Account, vault: Vault, content: bytes) -> None:
    imported, session, standing = take_over(account, vault, content)
    left = [
        f"{number} {why}"
        for number, why in ((imported.elsewhere, "for other hosts"), (imported.useless, "of no use"))
        if number
    ]
    rest = f"; {' and '.join(left)} left out" if left else ""
    output.say(f"{counted(len(imported.cookies), 'cookie')} for {account.source} taken{rest}.")
    _tell_saved(output, account, session, standing, left_out=imported.elsewhere + imported.useless)
    output.progress("Delete the file that the cookies came in: whoever has it is signed in as you.")


def _tell_saved(
    output: Output, account: Account, session: SavedSession, standing: Standing, *, left_out: int = 0
) -> None:
    until = session.holds_until
    if output.json:
        output.document(
            {
                "source": account.source,
                "user": masked(account.user),
                "from": session.origin,
                "standing": standing.name.lower().replace("_", " "),
                "cookies": len(session.cookies),
                "left_out": left_out,
                "holds_until": until.isoformat() if until else None,
            }
        )
    if session.origin is Origin.PERSON:
        said = "Signed in by hand"
    elif standing is Standing.SIGNED_IN:
        said = "The site takes them as signed in"
    else:
        said = "Whether the site takes them, the first run will show"
    held = f"until {_local(until)}" if until else ENDS_AS_THE_SITE_SAYS
    output.say(f"{said}; the session is saved and holds {held}.")


def _checked(account: Account, vault: Vault) -> tuple[Account, str, bool]:
    """Return what is to be said of the account's saved session, and whether it is good for a run."""
    try:
        session = saved_session(account, vault)
    except BackhaulError as error:
        return account, str(error), False
    if session is None or not session.cookies:
        return account, "no session is saved" if session is None else "expired", False
    standing = look(account, session.cookies)
    return account, standing.value, standing is not Standing.SIGNED_OUT


def _as_document(facts: SessionFacts, seal: Seal | None) -> dict[str, Any]:
    return {
        "source": facts.source,
        "user": facts.user,
        "from": facts.origin,
        "saved_at": facts.saved_at.isoformat() if facts.saved_at else None,
        "holds_until": facts.holds_until.isoformat() if facts.holds_until else None,
        "state": _state(facts, seal),
    }


def _state(facts: SessionFacts, seal: Seal | None) -> str:
    if facts.holds_until is not None and facts.holds_until < datetime.now(UTC):
        return "expired"
    if seal is None:
        return "no key"
    return "ready" if facts.key_id == "?" or seal.opens(facts.key_id) else f"sealed with another key, {facts.key_id}"


def _local(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M %Z}"
