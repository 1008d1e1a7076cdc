"""How Google Sheets refuses a call: the texts and bodies that the real service sends."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

PROTECTED = (
    "You are trying to edit a protected cell or object. "
    "Please contact the spreadsheet owner to remove protection if you need to edit."
)
TOO_LONG = "Your input contains more than the maximum of 50000 characters in a single cell."
TOO_MANY_CELLS = "This action would increase the number of cells in the workbook above the limit of 10000000 cells."

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_PROJECT = "100000000001"


class Refused(Exception):
    """A call that is answered with an error; nothing of it was applied."""

    def __init__(
        self,
        message: str,
        status: int = HTTPStatus.BAD_REQUEST,
        details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = int(status)
        self.details = details

    def within(self, place: str) -> Refused:
        """Return the same refusal, said of one part of a batch such as `requests[0].addSheet`."""
        return Refused(f"Invalid {place}: {self.message}", self.status, self.details)

    def body(self) -> dict[str, Any]:
        """Return the body as JSON data."""
        error: dict[str, Any] = {"code": self.status, "message": self.message, "status": _STATUSES[self.status]}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def not_found() -> Refused:
    """Refuse an id that no spreadsheet has."""
    return Refused("Requested entity was not found.", HTTPStatus.NOT_FOUND)


def not_shared() -> Refused:
    """Refuse somebody with whom the spreadsheet is not shared."""
    return Refused("The caller does not have permission", HTTPStatus.FORBIDDEN)


def unparsable(range_text: str) -> Refused:
    """Refuse a range that names no cells of this spreadsheet."""
    return Refused(f"Unable to parse range: {range_text}")


def unknown_name(name: str, place: str) -> Refused:
    """Refuse a body with a field that the service does not know."""
    where = f" at '{place}'" if place else ""
    return _bad_request(f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.', place)


def wrong_shape(place: str, kind: str, value: object) -> Refused:
    """Refuse a body whose value at place is not of the kind that belongs there."""
    type_name = f"type.googleapis.com/google.protobuf.{kind}"
    return _bad_request(f"Invalid value at '{place}' ({type_name}), \"{value}\"", place)


def unknown_path(path: str) -> Refused:
    """Refuse a field mask that names what an answer never has."""
    message = f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'."
    return _bad_request(f"Request contains an invalid argument. {message}", path)


def quota_exceeded(kind: str, scope: str) -> Refused:
    """Refuse a call that is one too many in this minute; kind is Read or Write, scope `user` or `project`."""
    limit = f"{kind} requests per minute per user" if scope == "user" else f"{kind} requests per minute"
    message = (
        f"Quota exceeded for quota metric '{kind} requests' and limit '{limit}' "
        f"of service 'sheets.googleapis.com' for consumer 'project_number:{_PROJECT}'."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {"service": "sheets.googleapis.com", "quota_metric": f"{kind} requests"},
    }
    return Refused(message, HTTPStatus.TOO_MANY_REQUESTS, [info])


def service_disabled() -> Refused:
    """Refuse a project in which nobody has switched the Sheets API on."""
    message = (
        f"Google Sheets API has not been used in project {_PROJECT} before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/sheets.googleapis.com/overview?project={_PROJECT} "
        "then retry. If you enabled this API recently, wait a few minutes for the action to propagate "
        "to our systems and retry."
    )
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": "sheets.googleapis.com", "consumer": f"projects/{_PROJECT}"},
    }
    return Refused(message, HTTPStatus.FORBIDDEN, [info])


def bad_token() -> Refused:
    """Refuse a call without a token, or with one that is not valid any more."""
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie "
        "or other valid authentication credential. "
        "See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    return Refused(message, HTTPStatus.UNAUTHORIZED)


def narrow_scope() -> Refused:
    """Refuse a token whose scopes do not allow the call."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "domain": "googleapis.com",
    }
    message = "Request had insufficient authentication scopes."
    return Refused(message, HTTPStatus.FORBIDDEN, [info])


def _bad_request(message: str, place: str) -> Refused:
    violation = {"field": place, "description": message}
    detail = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [violation]}
    return Refused(message, HTTPStatus.BAD_REQUEST, [detail])
