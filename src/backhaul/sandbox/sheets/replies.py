"""Answers of the sandbox's Google Sheets, the bad ones among them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus

from backhaul.sandbox.sheets.errors import (
    Refused,
    bad_token,
    not_found,
    not_shared,
    quota_exceeded,
    service_disabled,
)
from backhaul.sandbox.sheets.faults import CallKind, PlannedSheetsFault, SheetsFault

_HANG_S = 600.0
_JSON = "application/json; charset=UTF-8"
_HTML = "text/html; charset=UTF-8"


@dataclass(frozen=True)
class Reply:
    """An answer; with status 0 none is sent: the connection is cut after the wait."""

    status: int
    body: bytes = b""
    content_type: str = _JSON
    headers: tuple[tuple[str, str], ...] = ()
    wait_s: float = 0.0


def json_reply(status: int, body: object, *headers: tuple[str, str]) -> Reply:
    """Return an answer of JSON data."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    # A lone surrogate, which a client may send as an escape, has no UTF-8 form.
    return Reply(int(status), text.encode("utf-8", "replace"), _JSON, headers)


def refusal(refused: Refused, *headers: tuple[str, str]) -> Reply:
    """Return a refusal."""
    if refused.status == HTTPStatus.UNAUTHORIZED:
        headers += (("WWW-Authenticate", 'Bearer realm="https://accounts.google.com/", error="invalid_token"'),)
    return json_reply(refused.status, refused.body(), *headers)


def html_reply(status: int, text: str) -> Reply:
    """Return a page, as front-end servers send it that know no JSON."""
    page = (
        f"<!DOCTYPE html><html lang=en><title>Error {int(status)}</title><p><b>{int(status)}.</b> "
        f"<ins>That's an error.</ins><p>{text}</html>"
    )
    return Reply(int(status), page.encode(), _HTML)


def failure(struck: PlannedSheetsFault, kind: CallKind) -> Reply:
    """Return what is answered in place of the right answer; kind is that of the call."""
    retry_after = () if struck.seconds is None else (("Retry-After", f"{struck.seconds:.0f}"),)
    match struck.fault:
        case SheetsFault.TOO_MANY_REQUESTS:
            return refusal(quota_exceeded("Write" if kind is CallKind.WRITE else "Read", "user"), *retry_after)
        case SheetsFault.UNAVAILABLE_BEFORE | SheetsFault.UNAVAILABLE_AFTER:
            unavailable = Refused("The service is currently unavailable.", HTTPStatus.SERVICE_UNAVAILABLE)
            return refusal(unavailable, *retry_after)
        case SheetsFault.SERVER_ERROR:
            return refusal(Refused("Internal error encountered.", HTTPStatus.INTERNAL_SERVER_ERROR))
        case SheetsFault.BAD_GATEWAY_HTML | SheetsFault.TOKEN_BAD_GATEWAY:
            return html_reply(HTTPStatus.BAD_GATEWAY, "Please try again in 30 seconds.")
        case SheetsFault.EMPTY_503:
            return json_reply(HTTPStatus.SERVICE_UNAVAILABLE, {})
        case SheetsFault.HANG | SheetsFault.HANG_AFTER:
            return Reply(0, wait_s=_HANG_S if struck.seconds is None else struck.seconds)
        case SheetsFault.CUT_BEFORE | SheetsFault.CUT_AFTER:
            return Reply(0)
        case SheetsFault.NOT_SHARED:
            return refusal(not_shared())
        case SheetsFault.NOT_FOUND:
            return refusal(not_found())
        case SheetsFault.SERVICE_DISABLED:
            return refusal(service_disabled())
        case SheetsFault.UNAUTHENTICATED:
            return refusal(bad_token())
        case SheetsFault.TOKEN_REFUSED:
            return grant_refusal("Invalid grant: account not found")
        case SheetsFault.TOKEN_UNAVAILABLE:
            return json_reply(HTTPStatus.SERVICE_UNAVAILABLE, {"error": "internal_failure"})


def grant_refusal(reason: str) -> Reply:
    """Return how the token address refuses an assertion."""
    return json_reply(HTTPStatus.BAD_REQUEST, {"error": "invalid_grant", "error_description": reason})
