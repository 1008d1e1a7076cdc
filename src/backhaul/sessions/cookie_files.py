"""Cookies that a person has exported from a browser: cookies.txt, the JSON of extensions, Playwright's state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.cookiejar import Cookie
from typing import Any

from backhaul.errors import ConfigError
from backhaul.sessions.cookies import alive, is_for, is_sound, new_cookie

MOST_BYTES = 8 << 20
HOW_TO = (
    "Sign in to the site in a browser, export its cookies with an extension (as cookies.txt or JSON), and name that"
    " file; delete it afterwards."
)
_HTTP_ONLY = "#HttpOnly_"
_FIELDS = 7
_NEVER = 1e15
"""Times beyond this are no times, whatever their unit."""
_NOT_READ = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Imported:
    """The cookies for the wanted hosts, and how many others there were: for other hosts, and of no use."""

    cookies: tuple[Cookie, ...] = field(repr=False)
    elsewhere: int
    useless: int


def read_cookies(content: bytes, hosts: Iterable[str]) -> Imported:
    """Return the cookies in content that a browser would send to one of hosts.

    Raises ConfigError if content is in none of the forms, or holds nothing for these hosts; it names places, never
    a cookie.
    """
    wanted = tuple(hosts)
    if len(content) > MOST_BYTES:
        raise ConfigError("the cookie file has over 8 MB, which no list of cookies has", next_step=HOW_TO)
    text = _text(content).strip()
    found = list(_from_json(text) if text.startswith(("[", "{")) else _from_netscape(text))
    if not found:
        raise ConfigError("the cookie file holds no cookies", next_step=HOW_TO)
    here = [cookie for cookie in found if any(is_for(cookie, host) for host in wanted)]
    useful = tuple(alive(cookie for cookie in here if is_sound(cookie)))
    if not useful:
        what = f"{len(here)} whose time is over" if here else "none"
        raise ConfigError(
            f"of its {len(found)} cookies the file has {what} for {' or '.join(wanted)}",
            next_step=f"{HOW_TO} Do it in the browser in which you are signed in to {wanted[0]}.",
        )
    return Imported(useful, len(found) - len(here), len(here) - len(useful))


def _text(content: bytes) -> str:
    for encoding in ("utf-16", "utf-8-sig") if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig",):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise ConfigError("the cookie file is no text in UTF-8", next_step=HOW_TO)


def _from_netscape(text: str) -> Iterator[Cookie]:
    """Yield the cookies of a cookies.txt: seven fields a line, parted by tabs."""
    for number, line in enumerate(text.splitlines(), 1):
        is_http_only = line.startswith(_HTTP_ONLY)
        line = line.removeprefix(_HTTP_ONLY)
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) == _FIELDS - 1:
            # Some programs leave out the tab before an empty value.
            fields.append("")
        if len(fields) != _FIELDS:
            raise ConfigError(
                f"line {number} of the cookie file has {len(fields)} fields parted by tabs, not {_FIELDS}",
                next_step=HOW_TO,
            )
        domain, covers_more, path, is_secure, expires, name, value = fields
        try:
            until = float(expires or 0)
        except ValueError:
            raise ConfigError(f"line {number} of the cookie file has no time in field 5", next_step=HOW_TO) from None
        yield new_cookie(
            name,
            value,
            domain=_domain(domain, is_host_only=covers_more.upper() != "TRUE"),
            path=path or "/",
            expires=until if 0 < until < _NEVER else None,
            is_secure=is_secure.upper() == "TRUE",
            is_http_only=is_http_only,
        )


def _from_json(text: str) -> Iterator[Cookie]:
    """Yield the cookies of a list of objects, alone or under `cookies` as in Playwright's storage state."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError("the cookie file begins like JSON and is none", next_step=HOW_TO) from None
    found = value.get("cookies") if isinstance(value, dict) else value
    if not isinstance(found, list):
        raise ConfigError("the JSON of the cookie file has no list of cookies", next_step=HOW_TO)
    for number, each in enumerate(found, 1):
        try:
            yield _from_object(each)
        except _NOT_READ:
            raise ConfigError(
                f"entry {number} of the cookie file is no cookie: one has name, value and domain", next_step=HOW_TO
            ) from None


def _from_object(found: Any) -> Cookie:
    until = found.get("expirationDate", found.get("expires", found.get("expiry")))
    domain = found["domain"]
    is_host_only = found.get("hostOnly", not domain.startswith("."))
    return new_cookie(
        _said(found["name"]),
        _said(found["value"]),
        domain=_domain(domain, is_host_only=is_host_only is True),
        path=_said(found.get("path") or "/"),
        # Times in words, as some tools write them, are left out: the cookie then counts until the site ends it.
        expires=float(until) if isinstance(until, (int, float)) and 0 < until < _NEVER else None,
        is_secure=found.get("secure") is True,
        is_http_only=found.get("httpOnly") is True,
    )


def _said(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _domain(domain: str, *, is_host_only: bool) -> str:
    bare = domain.strip().lstrip(".")
    return bare if is_host_only else f".{bare}"
