"""What Dropbox says no with, as one of our errors that says what a person has to do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from backhaul.errors import BackhaulError, ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.sessions.answers import seconds_to_wait

RECONNECT = "Connect Dropbox anew, as the owner of the folder: backhaul login SYSTEM"
_APP_STEP = "Copy the app's key and secret again from dropbox.com/developers/apps to DROPBOX_APP_KEY and _APP_SECRET."
_SCOPE_STEP = (
    "Tick files.metadata.read and files.content.read under Permissions of the app at dropbox.com/developers/apps,"
    " then connect anew: a refresh token has the permissions of its own day."
)
_FOLDER_STEP = "Correct DROPBOX_FOLDER_PATH: as Dropbox shows it, from the top, such as /IPOS; / is the top itself."
_LATER_STEP = "It is tried again by itself; look at status.dropbox.com if it goes on."


class ExpiredToken(LoginRequired):
    """The access token is too old; a new one is got by itself, once."""

    default_next_step = RECONNECT


class EndpointRefused(SourceChanged):
    """A call was understood and refused (409): `tags` are its reasons from the outside in: path, not_found."""

    default_next_step = _FOLDER_STEP

    def __init__(self, message: str, tags: tuple[str, ...]) -> None:
        super().__init__(message)
        self.tags = tags


class BadRequest(ConfigError):
    """Dropbox does not understand a call (400): a setting it holds is wrong."""

    default_next_step = _FOLDER_STEP


def refusal(what: str, status: int, headers: Mapping[str, str], body: bytes) -> BackhaulError:
    """Return the error that an answer of this status stands for; what names the call ("Dropbox /IPOS: listing")."""
    said = _content(body)
    tags = _tags(said)
    if status == 429 or status >= 500 or status == 408:
        words = "asks to wait (429)" if status == 429 else f"answers {status}"
        wait_s = seconds_to_wait(headers.get("retry-after")) or _asked_wait(said)
        return TransientError(f"{what}: Dropbox {words}", next_step=_LATER_STEP, retry_after_s=wait_s)
    if status == 401:
        return _unauthorized(what, tags)
    if status == 409 and tags:
        return EndpointRefused(f"{what}: Dropbox says {'/'.join(tags)[:120]}", tags)
    if status == 403:
        message = f"{what}: Dropbox does not let the app in (403 {'/'.join(tags)[:80]})".replace(" )", ")")
        return LoginRequired(message, next_step=RECONNECT)
    if status == 400:
        return BadRequest(f"{what}: Dropbox does not understand the call (400)")
    return SourceChanged(
        f"{what}: Dropbox answers {status}, which is not known", next_step="Run `backhaul doctor`; then ask for help."
    )


def token_refusal(what: str, status: int, headers: Mapping[str, str], body: bytes) -> BackhaulError:
    """Return the error that a refused refresh of the access token stands for."""
    error = str(_content(body).get("error", ""))
    if error == "invalid_grant":
        return LoginRequired(f"{what}: Dropbox does not accept the refresh token any more", next_step=RECONNECT)
    if error in ("invalid_client", "unauthorized_client") or status in (400, 401):
        return ConfigError(f"{what}: Dropbox does not know the app by its key and secret", next_step=_APP_STEP)
    return refusal(what, status, headers, body)


def code_refusal(what: str, status: int, headers: Mapping[str, str], body: bytes) -> BackhaulError:
    """Return the error that a refused code of a person's permission stands for."""
    if _content(body).get("error") == "invalid_grant":
        return LoginRequired(
            f"{what}: Dropbox does not know the code (any more)",
            next_step="Open the address again, allow it once more, and give the new code within some minutes.",
        )
    return token_refusal(what, status, headers, body)


def not_dropbox(what: str, status: int) -> TransientError:
    """Return the error for a success that is none of Dropbox's: a proxy's page, a hotel's sign-in."""
    return TransientError(f"{what}: the answer ({status}) is a page that is none of Dropbox's", next_step=_LATER_STEP)


def folder_refusal(error: EndpointRefused, what: str, folder: str) -> BackhaulError:
    """Return what a refused listing means: a folder that is not there is a setting to correct."""
    shown = folder or "/"
    if "not_found" in error.tags:
        return ConfigError(f"{what}: there is no folder {shown} in Dropbox", next_step=_FOLDER_STEP)
    if "not_folder" in error.tags:
        return ConfigError(f"{what}: {shown} is a file in Dropbox, not a folder", next_step=_FOLDER_STEP)
    return ConfigError(str(error), next_step=_FOLDER_STEP)


def _unauthorized(what: str, tags: tuple[str, ...]) -> BackhaulError:
    if "expired_access_token" in tags:
        return ExpiredToken(f"{what}: Dropbox says that a fresh access token is expired")
    if "missing_scope" in tags:
        return ConfigError(f"{what}: the app may not read files (missing_scope)", next_step=_SCOPE_STEP)
    reason = tags[0][:60] if tags else "no reason given"
    return LoginRequired(f"{what}: Dropbox does not accept the access token ({reason})", next_step=RECONNECT)


def _content(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _tags(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the tags of an error from the outside in; of one that has none, the parts of its summary."""
    found: list[str] = []
    node = said.get("error")
    while isinstance(node, dict) and isinstance(node.get(".tag"), str) and len(found) < 5:
        found.append(node[".tag"])
        node = node.get(node[".tag"])
    summary = said.get("error_summary")
    if not found and isinstance(summary, str):
        found = [part for part in summary.rstrip(".").split("/") if part][:5]
    return tuple(found)


def _asked_wait(said: Mapping[str, Any]) -> float | None:
    error = said.get("error")
    seconds = error.get("retry_after") if isinstance(error, dict) else None
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds >= 0
    return float(seconds) if is_number else None  # type: ignore[arg-type]
