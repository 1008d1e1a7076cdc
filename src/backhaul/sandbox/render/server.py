"""The sandbox Render on a socket: addresses, the key, and what can go wrong on demand."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from backhaul.sandbox.serving import SandboxServer, shut

_BODY_BYTES = 1024 * 1024
_PAGE = b"<html><body><h1>Bad gateway</h1></body></html>"


class RenderFault(StrEnum):
    """One way to misbehave; those named `after` do what was asked first, and lose the answer."""

    BAD_REQUEST = "bad-request"
    PAYMENT_REQUIRED = "payment-required"
    FORBIDDEN = "forbidden"
    NOT_ACCEPTABLE = "not-acceptable"
    CONFLICT = "conflict"
    GONE = "gone"
    TOO_MANY_REQUESTS = "too-many-requests"
    TOO_MANY_UNTIL = "too-many-until"
    SERVER_ERROR = "server-error"
    UNAVAILABLE_AFTER = "unavailable-after"
    NOT_JSON = "not-json"
    NOT_JSON_AFTER = "not-json-after"
    HANG = "hang"
    CUT_BEFORE = "cut-before"
    CUT_AFTER = "cut-after"


_STATUS = {
    RenderFault.BAD_REQUEST: 400,
    RenderFault.PAYMENT_REQUIRED: 402,
    RenderFault.FORBIDDEN: 403,
    RenderFault.NOT_ACCEPTABLE: 406,
    RenderFault.CONFLICT: 409,
    RenderFault.GONE: 410,
    RenderFault.TOO_MANY_REQUESTS: 429,
    RenderFault.TOO_MANY_UNTIL: 429,
    RenderFault.SERVER_ERROR: 500,
}


@dataclass(frozen=True)
class PlannedRenderFault:
    """A fault that strikes the next `times` calls of this method whose path holds `path`.

    Args:
        seconds: what a 429 asks to wait, and how long a hanging answer hangs. TOO_MANY_REQUESTS says it in
            Retry-After, TOO_MANY_UNTIL in Ratelimit-Reset as a moment.
    """

    fault: RenderFault
    method: str = ""
    path: str = ""
    times: int = 1
    seconds: float = 1.0


class RenderFaults:
    """The faults that are still to come; may be changed while the sandbox runs, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[PlannedRenderFault] = []

    def add(
        self, fault: RenderFault, *, method: str = "", path: str = "", times: int = 1, seconds: float = 1.0
    ) -> None:
        """Plan one more fault; see PlannedRenderFault."""
        with self._lock:
            self._planned.append(PlannedRenderFault(fault, method, path, times, seconds))

    def clear(self) -> None:
        """Behave well from now on."""
        with self._lock:
            self._planned.clear()

    def take(self, method: str, path: str) -> PlannedRenderFault | None:
        """Return the fault that strikes this call, if any, and count it."""
        with self._lock:
            for number, planned in enumerate(self._planned):
                if planned.method in ("", method) and planned.path in path:
                    left = replace(planned, times=planned.times - 1)
                    self._planned[number : number + 1] = [left] if left.times else []
                    return planned
        return None


@dataclass(frozen=True)
class RecordedRenderCall:
    """One call that was answered: path without its query, status as sent (0 where it was cut off); no key."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int


class Workspace(Protocol):
    """Who knows the answers: status and content of each call."""

    def list_services(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer the list of services."""

    def list_deploys(self, service: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer the list of deploys."""

    def get_deploy(self, service: str, deploy: str) -> tuple[int, Any]:
        """Answer one deploy."""

    def create_deploy(self, service: str, body: object) -> tuple[int, Any]:
        """Answer a trigger."""

    def list_events(self, service: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer the list of events."""

    def list_logs(self, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a page of lines."""

    def list_figures(self, metric: str, query: dict[str, str]) -> tuple[int, Any]:
        """Answer a metric."""


class RenderServer(SandboxServer):
    """Answers for one workspace."""

    def __init__(self, address: tuple[str, int], key: str, workspace: Workspace) -> None:
        super().__init__(address, _Handler)
        self.key = key
        self.workspace = workspace
        self.faults = getattr(workspace, "faults", RenderFaults())
        self.calls: list[RecordedRenderCall] = []


class _Handler(BaseHTTPRequestHandler):
    server: RenderServer
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a read."""
        self._handle()

    def do_POST(self) -> None:
        """Answer a write."""
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the calls are recorded, and standard error belongs to the caller."""

    def _handle(self) -> None:
        size = self.headers.get("Content-Length", "0")
        if not size.isdecimal() or int(size) > _BODY_BYTES:
            self.close_connection = True
            self._send(413, {"message": "too large"})
            return
        sent = self.rfile.read(int(size))
        parts = urlsplit(self.path)
        self._path, self._query = unquote(parts.path), dict(parse_qsl(parts.query))
        self._body = _parsed(sent)
        if self.headers.get("Authorization") != f"Bearer {self.server.key}":
            self._send(401, {"id": "err-unauthorized", "message": "Unauthorized"})
            return
        struck = self.server.faults.take(self.command, self._path)
        if struck is not None and self._fails(struck):
            return
        status, content = self._answer()
        match struck.fault if struck else None:
            case RenderFault.CUT_AFTER:
                self._cut()
            case RenderFault.UNAVAILABLE_AFTER:
                self._send(503, {"message": "try again later"})
            case RenderFault.NOT_JSON_AFTER:
                self._write(200, _PAGE, "text/html")
            case _:
                self._send(status, content)

    def _fails(self, struck: PlannedRenderFault) -> bool:
        """Answer as the fault says; return False where the call is done first."""
        match struck.fault:
            case RenderFault.CUT_BEFORE:
                self._cut()
            case RenderFault.HANG:
                self.server.closing.wait(struck.seconds)
                self._cut()
            case RenderFault.NOT_JSON:
                self._write(200, _PAGE, "text/html")
            case fault if fault in _STATUS:
                headers = {"Ratelimit-Limit": "400", "Ratelimit-Remaining": "0"}
                if fault is RenderFault.TOO_MANY_REQUESTS:
                    headers["Retry-After"] = f"{struck.seconds:g}"
                elif fault is RenderFault.TOO_MANY_UNTIL:
                    headers["Ratelimit-Reset"] = f"{time.time() + struck.seconds:.3f}"
                self._send(_STATUS[fault], {"id": "err-planned", "message": f"planned: {fault}"}, headers)
            case _:
                return False
        return True

    def _answer(self) -> tuple[int, Any]:
        there = self.server.workspace
        match self.command, _pieces(self._path):
            case "GET", ["services"]:
                return there.list_services(self._query)
            case "GET", ["services", service, "deploys"]:
                return there.list_deploys(service, self._query)
            case "POST", ["services", service, "deploys"]:
                return there.create_deploy(service, self._body)
            case "GET", ["services", service, "deploys", deploy]:
                return there.get_deploy(service, deploy)
            case "GET", ["services", service, "events"]:
                return there.list_events(service, self._query)
            case "GET", ["logs"]:
                return there.list_logs(self._query)
            case "GET", ["metrics", metric]:
                return there.list_figures(metric, self._query)
        return 404, {"id": "err-unknown", "message": "no such address"}

    def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self._write(status, body, "application/json; charset=utf-8", headers)

    def _write(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        # Recorded first: who has read the answer finds the call in the list.
        self._record(status)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _record(self, status: int) -> None:
        path, query = getattr(self, "_path", ""), getattr(self, "_query", {})
        self.server.calls.append(RecordedRenderCall(self.command, path, query, getattr(self, "_body", None), status))

    def _cut(self) -> None:
        self._record(0)
        self.close_connection = True
        shut(self.connection)


def _pieces(path: str) -> list[str]:
    found = re.fullmatch(r"/v1/(.+)", path)
    return found[1].split("/") if found else []


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None
