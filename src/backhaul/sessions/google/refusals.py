"""What Google's refusals mean, told so that the owner of a spreadsheet knows what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError
from backhaul.sessions.google.keys import NEW_KEY, Account

SWITCH_ON = (
    "Open https://console.cloud.google.com/apis/library/sheets.googleapis.com, choose project {}, press Enable."
)


class Refusal(StrEnum):
    """Kinds of a refused call; nothing of such a call was applied."""

    OVERTAKEN = "createDeveloperMetadata"
    RANGE = "Unable to parse range"
    OUTSIDE = "exceeds grid limits"
    NO_TAB = "No grid with id"
    TAB_EXISTS = "already exists"
    PROTECTED = "protected cell"
    FULL = "above the limit of"
    TOO_LONG = "50000 characters"
    OTHER = ""


class ApiRefusal(DeliveryError):
    """A call that Google refused for what it asked; `kind` lets the caller act on it."""

    def __init__(self, message: str, kind: Refusal, *, next_step: str | None = None) -> None:
        super().__init__(message, next_step=next_step)
        self.kind = kind


class NotShared(DeliveryError):
    """The spreadsheet is not shared with the account, or not for what was asked; `email` is the account's address."""

    def __init__(self, message: str, email: str) -> None:
        super().__init__(message, next_step=f"Open the spreadsheet, press Share, and add {email} as Editor.")
        self.email = email


def refusal(status: int, body: bytes, *, name: str, account: Account, retry_after_s: float | None) -> BackhaulError:
    """Return the error for an answer that is no success; Google's own text is not repeated: it may quote a cell."""
    said = _error_in(body)
    message = str(said.get("message", ""))
    if status == 429 or (status == 403 and _reason(said) in ("RATE_LIMIT_EXCEEDED", "rateLimitExceeded")):
        return TransientError(
            f"{name}: Google's quota of calls a minute is used up",
            next_step="It is tried again by itself; a minute is enough.",
            retry_after_s=retry_after_s,
        )
    if status >= 500 or status == 408:
        return TransientError(
            f"{name}: Google answered {status}",
            next_step="Google has a problem of its own; it is tried again by itself.",
            retry_after_s=retry_after_s,
        )
    if status == 401:
        return ConfigError(f"{name}: Google does not accept the access of {account.client_email}", next_step=NEW_KEY)
    if status == 403:
        return _forbidden(said, message, name, account)
    if status == 404:
        return DeliveryError(
            f"{name}: there is no spreadsheet of this id",
            next_step="Open the spreadsheet in a browser and copy its address into the setting once more.",
        )
    return _bad_call(status, message, name)


def token_refusal(error: Exception, account: Account) -> BackhaulError:
    """Return the error for a token that Google's token service would not give."""
    said = str(error.args[0]) if error.args else ""
    if "invalid_grant" in said and re.search(r"short-lived|iat|exp\b|time", said):
        return ConfigError(
            f"Google does not accept the key of {account.client_email}: this machine's clock seems to be wrong",
            next_step="Set the clock of this machine right, then run again.",
        )
    return ConfigError(
        f"Google does not accept the key of {account.client_email} (its id ends in {account.key_id_tail}):"
        " it was deleted, or the account is switched off",
        next_step=NEW_KEY,
    )


def _forbidden(said: Mapping[str, Any], message: str, name: str, account: Account) -> BackhaulError:
    reason = _reason(said)
    if reason == "SERVICE_DISABLED" or "has not been used in project" in message:
        return ConfigError(
            f"{name}: the Google Sheets API is switched off in project {account.project}",
            next_step=SWITCH_ON.format(account.project),
        )
    if reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
        return ConfigError(f"{name}: the access of {account.client_email} does not cover spreadsheets")
    email = account.client_email
    return NotShared(f"{name}: the spreadsheet is not shared with {email}", email)


def _bad_call(status: int, message: str, name: str) -> ApiRefusal:
    kind = next(each for each in Refusal if each.value in message)
    texts = {
        Refusal.PROTECTED: (
            "a range or tab that we write to is protected",
            "Open Data > Protect sheets and ranges, and allow the service account to edit, or remove the protection.",
        ),
        Refusal.FULL: (
            "the spreadsheet is full: Google allows 10,000,000 cells over all tabs, empty ones included",
            "Delete tabs, empty rows and columns that nobody needs, or name another spreadsheet.",
        ),
        Refusal.RANGE: ("the tab is not there", "Name a tab that the spreadsheet has."),
        Refusal.NO_TAB: ("the tab was deleted in this moment", None),
        Refusal.OUTSIDE: ("rows or columns were deleted in this moment", None),
        Refusal.OVERTAKEN: ("another program delivered into the same tab in this moment", None),
        Refusal.TAB_EXISTS: ("a tab of this name was added in this moment", None),
        Refusal.TOO_LONG: ("a cell is longer than 50,000 characters", None),
    }
    if kind in texts:
        told, next_step = texts[kind]
        return ApiRefusal(f"{name}: {told}", kind, next_step=next_step)
    part = re.match(r"Invalid (requests\[\d+\]\.\w+)", message)
    where = f" at {part[1]}" if part else ""
    return ApiRefusal(
        f"{name}: Google refused the call ({status}{where})",
        Refusal.OTHER,
        next_step="Nothing was written. Run again; if it stays, please report it with this line.",
    )


def _reason(said: Mapping[str, Any]) -> str:
    details = said.get("details") or said.get("errors") or ()
    found = (each.get("reason") for each in details if isinstance(each, dict))
    return str(next((each for each in found if each), ""))


def _error_in(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    error = found.get("error") if isinstance(found, dict) else None
    return error if isinstance(error, dict) else {}
