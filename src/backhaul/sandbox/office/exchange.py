"""A request as the sandbox reads it and a reply as it sends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from backhaul.sandbox.office.visits import Visit

HTML = "text/html; charset=UTF-8"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class Recorded:
    """One request that was answered: path without its query, status as sent."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Request:
    """A request that was read whole; of a field that was sent twice, the last value stands.

    Args:
        target: path and query as sent, to come back to after a login.
        header_token: the CSRF token that a script sends as a header.
        is_same_origin: Origin or Referer is there and names this server.
    """

    method: str
    path: str
    target: str
    fields: Mapping[str, str]
    header_token: str | None
    is_same_origin: bool
    visit: Visit

    @property
    def has_token(self) -> bool:
        """Tell whether the request comes from one of our pages, in this visit."""
        token = self.fields.get("_token") or self.header_token
        return self.is_same_origin and token == self.visit.token


@dataclass(frozen=True)
class Reply:
    """An answer. `drip_s` spreads the body over seconds; a cut one ends in the middle of its body."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    drip_s: float = 0.0
    is_cut: bool = False


@dataclass(frozen=True)
class Route:
    """Who answers at an address; an open one needs no login."""

    answer: Callable[[Request], Reply]
    is_open: bool = False


Routes = dict[tuple[str, str], Route]
"""By method and path."""


def page_reply(html: str, status: int = HTTPStatus.OK) -> Reply:
    """Return a page."""
    return Reply(status, html.encode(), {"Content-Type": HTML})


def redirect(target: str) -> Reply:
    """Return an answer that sends the visitor to target."""
    return Reply(HTTPStatus.FOUND, b"", {"Location": target, "Content-Type": HTML})


def file_reply(body: bytes, name: str) -> Reply:
    """Return a download; whatever the bytes are, it claims to be a workbook."""
    return Reply(
        HTTPStatus.OK,
        body,
        {"Content-Type": XLSX, "Content-Disposition": f'attachment; filename="{name}"'},
    )
