"""What an answer of the outside means for an export, and where its file goes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from backhaul.errors import BackhaulError, ConfigError, SourceChanged, TransientError
from backhaul.model import Landed, Landing, Window
from backhaul.sessions.pages import Page

_LOST_SESSION = frozenset({401, 403, 419, 440})
"""Statuses that may mean "sign in again"; 419 is Laravel's word for an expired form token."""

_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1")


class SessionExpired(Exception):
    """The site wants a sign-in. `otherwise` is what to raise if a fresh sign-in does not help."""

    def __init__(self, otherwise: BackhaulError | None = None) -> None:
        super().__init__("the session has expired")
        self.otherwise = otherwise


class NeedsBrowser(SourceChanged):
    """What was asked for needs scripts, or seems to; with `driver=auto` a browser tries it.

    `is_certain` tells a button that works by script only from a page that may merely have changed.
    """

    default_next_step = "Open the page in a browser; if it works there, give the BackOffice driver='browser'."

    def __init__(self, message: str, *, is_certain: bool) -> None:
        super().__init__(message)
        self.is_certain = is_certain


class NoData(Exception):
    """The site says that the window has no rows."""


@dataclass(frozen=True)
class Slot:
    """Where the file of one export lands: its name without suffix, its window, and its proof."""

    landing: Landing
    name: str
    window: Window
    prove: Callable[[Path], None]

    def receive(self, chunks: Iterable[bytes], suffix: str) -> Landed:
        """Land a stream of bytes."""
        return self.landing.receive(chunks, name=self.name + suffix, window=self.window, prove=self.prove)

    def adopt(self, path: Path, suffix: str) -> Landed:
        """Land a file that a browser has saved."""
        return self.landing.adopt(path, name=self.name + suffix, window=self.window, prove=self.prove)


def check_status(asked: str, status: int, retry_after: str | None) -> None:
    """Raise what an HTTP status stands for; asked names the request ("office: GET /export")."""
    said = f"{asked} answered {status}"
    if status == 429 or status == 408 or status >= 500:
        raise TransientError(said, retry_after_s=seconds_to_wait(retry_after))
    if status in _LOST_SESSION:
        raise SessionExpired(SourceChanged(f"{said}, although the session is fresh"))
    if status >= 400:
        raise SourceChanged(said)


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, written as seconds or as a date, or None."""
    from email.utils import parsedate_to_datetime

    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        until = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


def check_address(source: str, url: str, *, allow_http: bool) -> None:
    """Raise ConfigError for an address that would carry a session in clear over a network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" or (parts.scheme == "http" and (allow_http or _LOOPBACK.fullmatch(host))):
        return
    if parts.scheme == "http":
        raise ConfigError(
            f"{source}: {host} would be reached over plain http, readable by anyone on the way",
            next_step="Use its https address; if there is none, give the BackOffice allow_http=True.",
        )
    raise ConfigError(f"{source}: {parts.scheme or 'an address without https://'} is no web address")


def check_home(source: str, url: str, *homes: str) -> None:
    """Raise ConfigError if url, where a password would go, is on another host than all of homes."""
    if _site(url) not in [_site(home) for home in homes]:
        there, here = (urlsplit(each).hostname or "another host" for each in (url, homes[0]))
        raise ConfigError(
            f"{source}: the login form would send the password to {there}, not to {here}; it was not sent",
            next_step="If the office does sign in there, give FormLogin the whole address as its path: https://...",
        )


def _site(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    port = None if parts.port in (80, 443) else parts.port
    return (parts.hostname or "").lower().removeprefix("www."), port


def suffix_of(disposition: str, url: str) -> str:
    """Return the suffix (".xlsx") of the name that the server gave its file, or of the address, or "".

    Only the suffix: a server's own name is never used as a path.
    """
    named = re.search(r"filename\*\s*=\s*[\w-]*'[^']*'([^;]+)", disposition, re.IGNORECASE)
    named = named or re.search(r'filename\s*=\s*("[^"]*"|[^;]+)', disposition, re.IGNORECASE)
    name = unquote(named[1].strip().strip('"')) if named else urlsplit(url).path
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    return suffix if re.fullmatch(r"\.[a-z][a-z0-9]{0,7}", suffix) else ""


def claims_file(content_type: str, disposition: str) -> bool:
    """Tell whether the headers of an answer call it a file: as an attachment, or as something else than text."""
    kind = content_type.partition(";")[0].strip().lower()
    is_other = bool(kind) and not kind.startswith("text/") and kind != "application/xhtml+xml"
    return is_other or disposition.lower().startswith("attachment")


def is_table_file(page: Page) -> bool:
    """Tell whether HTML that came as a file is one: a table, and nothing that a person would fill in or press.

    Back offices serve their tables under a workbook's name; some serve their login page under it.
    """
    outside = "[not(ancestor::table)]"
    controls = page.tree.xpath(
        f"//input[not(translate(@type, 'HIDEN', 'hiden') = 'hidden')]{outside}"
        f"|//select{outside}|//textarea{outside}|//button{outside}"
        "|//input[translate(@type, 'PASWORD', 'pasword') = 'password']"
    )
    return not controls and bool(page.tree.xpath("//table[.//th or .//tr[count(td) > 1]]"))


def no_file(asked: str, page: Page) -> BackhaulError:
    """Return the error for a page that came where a file was expected."""
    if page.is_blank:
        return TransientError(f"{asked} answered nothing where a file was expected: a broken download")
    return SourceChanged(f"{asked} answered {page} where a file was expected")
