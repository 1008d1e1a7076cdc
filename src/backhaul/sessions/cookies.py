"""Cookies in the one form that both drivers, the vault and browsers' own exports share."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from http.cookiejar import Cookie
from typing import Any

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x3a\x3c-\x7e]*")
_MILLISECONDS = 1e11
"""A moment above this many seconds since 1970 is meant in milliseconds: it would be in the year 5138."""


def as_browser(cookie: Cookie) -> Any:
    """Return cookie as Playwright takes it; the cookie jar calls the host localhost by another name."""
    return {
        "name": cookie.name,
        "value": cookie.value or "",
        "domain": "localhost" if cookie.domain == "localhost.local" else cookie.domain,
        "path": cookie.path,
        "secure": cookie.secure,
        "httpOnly": cookie.has_nonstandard_attr("HttpOnly"),
        "expires": cookie.expires if cookie.expires is not None else -1,
    }


def from_browser(found: Mapping[str, Any]) -> Cookie:
    """Return the cookie that Playwright describes."""
    expires = found.get("expires", -1)
    return new_cookie(
        str(found["name"]),
        str(found["value"]),
        domain=str(found["domain"]),
        path=str(found.get("path") or "/"),
        expires=int(expires) if isinstance(expires, (int, float)) and expires > 0 else None,
        is_secure=found.get("secure") is True,
        is_http_only=found.get("httpOnly") is True,
    )


def new_cookie(
    name: str,
    value: str,
    *,
    domain: str,
    path: str,
    expires: float | None,
    is_secure: bool,
    is_http_only: bool,
) -> Cookie:
    """Return a cookie; a domain that begins with a dot counts for the hosts below it, `expires` is in seconds."""
    if expires is not None and expires > _MILLISECONDS:
        expires /= 1000
    domain = "localhost.local" if domain == "localhost" else domain.lower()
    return Cookie(
        version=0,
        name=name,
        value=value,
        port=None,
        port_specified=False,
        domain=domain,
        domain_specified=domain.startswith("."),
        domain_initial_dot=domain.startswith("."),
        path=path,
        path_specified=True,
        secure=is_secure,
        expires=None if expires is None else int(expires),
        discard=expires is None,
        comment=None,
        comment_url=None,
        rest={"HttpOnly": ""} if is_http_only else {},
    )


def is_sound(cookie: Cookie) -> bool:
    """Tell whether cookie can be sent as it is: no character in it that would end the header."""
    return bool(_NAME.fullmatch(cookie.name) and _VALUE.fullmatch(cookie.value or "") and cookie.path.startswith("/"))


def is_for(cookie: Cookie, host: str) -> bool:
    """Tell whether a browser would send cookie to host."""
    host = "localhost.local" if host == "localhost" else host.lower()
    domain = cookie.domain.removeprefix(".")
    return host == domain or (cookie.domain.startswith(".") and host.endswith(f".{domain}"))


def alive(cookies: Iterable[Cookie]) -> list[Cookie]:
    """Return the cookies whose time is not over."""
    now = time.time()
    return [cookie for cookie in cookies if cookie.expires is None or cookie.expires > now]


def holds_until(cookies: Iterable[Cookie]) -> int | None:
    """Return when the first cookie that looks like a session's ends, in seconds since 1970; None if none says.

    Sites hide their session's cookie from scripts (HttpOnly); counters and languages, which end at other times,
    are not hidden, so they count only where nothing else is there.
    """
    timed = [cookie for cookie in cookies if cookie.expires is not None]
    hidden = [cookie for cookie in timed if cookie.has_nonstandard_attr("HttpOnly")]
    return min((cookie.expires for cookie in hidden or timed if cookie.expires is not None), default=None)
