"""`doctor`: is this machine fit, are the settings there? Reads only."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backhaul.bot import ShopBot
from backhaul.bot.declared import bots_of
from backhaul.cli.output import Output
from backhaul.config import home, load_settings, missing_settings, resolved, says_yes, text
from backhaul.engine.filled import silenced
from backhaul.engine.run import LEDGER_URL, NO_NOTIFICATIONS, Installation, check_key
from backhaul.engine.systems import Target, load_system, system_names
from backhaul.engine.words import counted
from backhaul.errors import BackhaulError, ConfigError
from backhaul.model import Checkable, Stream, StreamsCheckable
from backhaul.notify.telegram_api import BotApi

LEAST_FREE_BYTES = 500_000_000
ONLY_SCRIPTS = "Only pages that need JavaScript need it."


class Verdict(StrEnum):
    """How a check came out; only FAIL makes the command fail."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one check found, and what to do about it."""

    name: str
    verdict: Verdict
    detail: str
    hint: str = ""


def diagnose(output: Output, only: str | None) -> int:
    """Print every finding; return 1 if a check fails, else 0."""
    checks: list[Callable[[], Finding]] = [_python, _sqlite, _time_zones, _folder, _disk, _ledger, _browser]
    findings = [check() for check in checks]
    for folder in [home() / "systems" / name for name in system_names(home() / "systems")]:
        findings += _system(folder, load_settings(home()))
    if only:
        known = [finding.name for finding in findings]
        findings = [finding for finding in findings if finding.name == only]
        if not findings:
            raise ConfigError(f"there is no check {only!r}", next_step=f"Choose from: {', '.join(known)}.")
    is_ok = all(finding.verdict is not Verdict.FAIL for finding in findings)
    if output.json:
        checks_found = [{"ok": each.verdict is not Verdict.FAIL, **asdict(each)} for each in findings]
        output.document({"ok": is_ok, "checks": checks_found})
        return 0 if is_ok else 1
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        output.say(f"{finding.verdict.upper():5} {finding.name:{width}}  {finding.detail}")
        if finding.hint:
            output.say(f"{'':{width + 7}} {finding.hint}")
    return 0 if is_ok else 1


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    is_fit = sys.version_info >= (3, 11)
    return Finding(
        "python", Verdict.PASS if is_fit else Verdict.FAIL, version, "" if is_fit else "Install Python 3.11 or newer."
    )


def _sqlite() -> Finding:
    is_fit = sqlite3.sqlite_version_info >= (3, 35)
    hint = "" if is_fit else "Use a Python whose SQLite is 3.35 or newer."
    return Finding("sqlite", Verdict.PASS if is_fit else Verdict.FAIL, sqlite3.sqlite_version, hint)


def _time_zones() -> Finding:
    try:
        ZoneInfo("Asia/Jakarta")
    except ZoneInfoNotFoundError:
        return Finding("time zones", Verdict.FAIL, "no time zone data", "Install it: pip install tzdata")
    return Finding("time zones", Verdict.PASS, "found")


def _folder() -> Finding:
    folder = home()
    names = system_names(folder / "systems")
    if not os.access(folder, os.W_OK):
        return Finding("folder", Verdict.FAIL, f"{folder} cannot be written", "Choose another BACKHAUL_HOME.")
    if not names:
        hint = "Start with: backhaul init --from andalan"
        return Finding("folder", Verdict.WARN, f"{folder} holds no systems", hint)
    return Finding("folder", Verdict.PASS, f"{folder}: {', '.join(names)}")


def _disk() -> Finding:
    free = shutil.disk_usage(home()).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", Verdict.WARN, detail, "Make room: every fetched file is kept.")
    return Finding("disk", Verdict.PASS, detail)


def _ledger() -> Finding:
    settings = load_settings(home())
    if settings.get(LEDGER_URL):
        return _ledger_by_url(settings)
    path = home() / "data" / "ledger.db"
    if not path.exists():
        return Finding("ledger", Verdict.PASS, "not there yet; the first run makes it")
    hint = f"Put {path} of a backup in its place."
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            sound = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        connection.close()
    except sqlite3.OperationalError as error:
        whole = f"Check that {path.parent} may be written; the ledger itself may be whole."
        return Finding("ledger", Verdict.FAIL, f"{path.name}: {error}", whole)
    except sqlite3.DatabaseError as error:
        return Finding("ledger", Verdict.FAIL, f"{path.name}: {error}", hint)
    if sound != "ok":
        return Finding("ledger", Verdict.FAIL, f"{path.name}: {sound}", hint)
    return Finding("ledger", Verdict.PASS, f"{path.name}: sound")


def _ledger_by_url(settings: dict[str, str]) -> Finding:
    try:
        runs = Installation(home() / "data", settings).ledger.history.runs(most=1)
    except BackhaulError as error:
        return Finding("ledger", Verdict.FAIL, str(error), error.next_step)
    detail = f"PostgreSQL, last run {runs[0]['id']}" if runs else "PostgreSQL, no runs yet"
    return Finding("ledger", Verdict.PASS, detail)


def _browser() -> Finding:
    from backhaul.sessions.chromium import INSTALL, find_chromium

    hint = f"{ONLY_SCRIPTS} Install it: pip install 'backhaul[browser]'"
    if find_spec("playwright") is None:
        return Finding("browser", Verdict.WARN, "Playwright is not installed", hint)
    from backhaul.sessions.browser import DRIVER_HINT, driver_trouble

    if trouble := driver_trouble():
        return Finding("browser", Verdict.WARN, trouble, DRIVER_HINT)
    found = find_chromium(headless=True)
    if found is None:
        return Finding("browser", Verdict.WARN, "no Chrome or Chromium found", f"{ONLY_SCRIPTS} {INSTALL}")
    return Finding("browser", Verdict.PASS, str(found))


def _system(folder: Path, settings: dict[str, str]) -> list[Finding]:
    """Check a system's settings and, where they are all there, each of its destinations and notifiers."""
    name = f"system {folder.name}"
    try:
        targets = [_audible(target, settings) for target in load_system(folder)]
    except BackhaulError as error:
        return [Finding(name, Verdict.FAIL, str(error), error.next_step)]
    missing = [each for target in targets for each in missing_settings(target.pipeline, settings)]
    if missing:
        hint = f"Put them into {home() / '.env'} or into the environment."
        return [Finding(name, Verdict.FAIL, f"missing settings: {', '.join(dict.fromkeys(missing))}", hint)]
    streams = sum(len(tuple(target.pipeline.streams)) for target in targets)
    findings = [Finding(name, Verdict.PASS, f"{counted(streams, 'stream')}, all settings are there")]
    asked: list[object] = []
    here = Installation(home() / "data", settings)
    for target in targets:
        try:
            check_key(target.name, tuple(target.pipeline.streams), here)
        except BackhaulError as error:
            findings.append(Finding(target.name, Verdict.FAIL, str(error), error.next_step))
        try:
            found = _connections(target, settings, asked)
        except BackhaulError as error:
            found = [Finding(target.name, Verdict.FAIL, str(error), error.next_step)]
        findings += [each for each in found if each not in findings]
    return [*findings, *(_bot(bot, settings) for bot in bots_of(folder.name))]


def _checked(part: Checkable, streams: Sequence[Stream]) -> str:
    return part.check_streams(streams) if isinstance(part, StreamsCheckable) else part.check()


def _audible(target: Target, settings: dict[str, str]) -> Target:
    """Return target without its notifiers where they are silenced: a run asks for none of their settings then."""
    if says_yes(settings, NO_NOTIFICATIONS):
        return replace(target, pipeline=silenced(target.pipeline))
    return target


def _bot(bot: ShopBot, settings: dict[str, str]) -> Finding:
    """Check who may ask the bot, what it has to answer with, and that Telegram knows it."""
    try:
        ready = resolved(bot, settings)
        people, status = ready.people, ready.catalogue.catalogue().status()
        with BotApi(text(ready.api_url), text(ready.token)) as api:
            known = api.call("getMe", {})
    except BackhaulError as error:
        return Finding("bot", Verdict.WARN, str(error), error.next_step)
    everybody = counted(len(people.staff | people.owners), "person", "people")
    name = str(known.get("username", "")) if isinstance(known, dict) else ""
    owners = counted(len(people.owners), "owner")
    detail = f"@{name}, {counted(status.products, 'product')}; {everybody} may ask, of them {owners}"
    if people.is_empty:
        return Finding("bot", Verdict.WARN, detail, "Put Telegram ids into ALLOWED_USERS and OWNER_USERS.")
    return Finding("bot", Verdict.PASS, detail)


def _connections(target: Target, settings: dict[str, str], asked: list[object]) -> list[Finding]:
    """Reach every source, destination and notifier that can be asked; signs in nowhere, writes nothing.

    Those in `asked` were reached for another pipeline of the system; it grows.
    """
    pipeline = resolved(target.pipeline, settings)
    sources = {id(stream.source): stream.source for stream in pipeline.streams}.values()
    parts: list[tuple[str, object]] = [(f"source {source.name}", source) for source in sources]
    parts += [(f"{stream.name} {each.name}", each) for stream in pipeline.streams for each in stream.to]
    parts += [(notifier.name, notifier) for notifier in pipeline.notify]
    findings = []
    for name, part in parts:
        if isinstance(part, Checkable) and part not in asked:
            asked.append(part)
            try:
                told = _checked(part, [each for each in pipeline.streams if id(each.source) == id(part)])
                findings.append(Finding(name, Verdict.PASS, told))
            except BackhaulError as error:
                # A source does not know which system it works for.
                system = target.name.partition(".")[0]
                step = error.next_step.replace("backhaul login SYSTEM", f"backhaul login {system}")
                findings.append(Finding(name, Verdict.FAIL, str(error), step))
    return findings
