"""The sandbox Dropbox on a socket: addresses, tokens, ranges, and bad connections."""

from __future__ import annotations

import base64
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from backhaul.sandbox.dropbox.faults import DropboxFault, DropboxFaults, Endpoint, PlannedDropboxFault
from backhaul.sandbox.dropbox.store import CallError, Store, StoredFile
from backhaul.sandbox.serving import SandboxServer, shut

_PAGE = b"<html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"
_BODY_BYTES = 1024 * 1024
_PATH_PATTERN = re.compile(r"(/(.|[\r\n])*)|id:.*|(ns:[0-9]+(/.*)?)")


@dataclass(frozen=True)
class RecordedDropboxCall:
    """One call: its arguments, the range it asked for, the status as answered (0: cut off); no token is in it."""

    endpoint: str
    arguments: dict[str, Any]
    range: str | None
    status: int


@dataclass
class App:
    """The one app that is registered, and the tokens that are out; an access token stands by its expiry."""

    key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    refresh_token: str = field(default_factory=lambda: secrets.token_urlsafe(48), repr=False)
    lasts_s: int = 14_400
    tokens: dict[str, bool] = field(default_factory=dict, repr=False)
    codes: set[str] = field(default_factory=set, repr=False)
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answer(self, form: dict[str, str], basic: tuple[str, str] | None) -> dict[str, Any]:
        """Return the tokens that a refresh token or the code of a permission stands for. Raises CallError."""
        key, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
        if key != self.key or (secret and secret != self.secret):
            raise CallError(400, "invalid_client", words="Invalid client_id or client_secret")
        token = f"sl.{secrets.token_urlsafe(60)}"
        answer = {"access_token": token, "expires_in": self.lasts_s, "token_type": "bearer"}
        if form.get("grant_type") == "authorization_code":
            if form.get("code") not in self.codes:
                raise CallError(400, "invalid_grant", words="code doesn't exist or has expired")
            self.codes.discard(form["code"])
            answer["refresh_token"] = self.refresh_token
        elif form.get("grant_type") != "refresh_token":
            raise CallError(400, "unsupported_grant_type", words="refresh_token or authorization_code")
        elif form.get("refresh_token") != self.refresh_token:
            raise CallError(400, "invalid_grant", words="refresh token is invalid or revoked")
        with self.lock:
            self.tokens[token] = True
        return answer

    def check(self, authorization: str) -> str:
        """Return the token that a call comes with. Raises CallError."""
        token = authorization.removeprefix("Bearer ")
        is_good = self.tokens.get(token)
        if is_good is None:
            raise CallError(401, "invalid_access_token")
        if not is_good:
            raise CallError(401, "expired_access_token")
        return token


class DropboxServer(SandboxServer):
    """Answers for one app and one account."""

    def __init__(self, address: tuple[str, int], app: App, store: Store, faults: DropboxFaults) -> None:
        super().__init__(address, _Handler)
        self.app = app
        self.store = store
        self.faults = faults
        self.calls: list[RecordedDropboxCall] = []


class _Handler(BaseHTTPRequestHandler):
    server: DropboxServer
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a download."""
        self._handle()

    def do_POST(self) -> None:
        """Answer a call."""
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the calls are recorded, and standard error belongs to the caller."""

    def _handle(self) -> None:
        size_bytes = int(self.headers.get("Content-Length") or 0)
        if size_bytes > _BODY_BYTES:
            self.close_connection = True
            self._write(413, b"Request Entity Too Large", "text/plain")
            return
        self._body = self.rfile.read(size_bytes)
        path = urlsplit(self.path).path
        try:
            self._endpoint = Endpoint(path.removeprefix("/2/") if path.startswith("/2/") else path.lstrip("/"))
        except ValueError:
            self._write(404, b"Unknown API function", "text/plain")
            return
        self._arguments: dict[str, Any] = {}
        try:
            self._arguments = self._said()
            struck = self.server.faults.take(self._endpoint)
            if struck is not None and self._fails(struck):
                return
            self._answer(struck)
        except CallError as error:
            self._refuse(error)

    def _answer(self, struck: PlannedDropboxFault | None) -> None:
        store, said = self.server.store, self._arguments
        if self._endpoint is Endpoint.TOKEN:
            form = dict(parse_qsl(self._body.decode()))
            self._json(200, self.server.app.answer(form, self._basic()))
            return
        self.server.app.check(self.headers.get("Authorization", ""))
        match self._endpoint:
            case Endpoint.LIST:
                recursive, limit = said.get("recursive") is True, said.get("limit")
                self._json(200, store.listing(_folder(said), is_recursive=recursive, limit=limit))
            case Endpoint.CONTINUE:
                self._json(200, store.more(str(said.get("cursor"))))
            case Endpoint.METADATA:
                self._json(200, store.metadata(str(said.get("path"))))
            case Endpoint.DOWNLOAD:
                self._download(store.find(str(said.get("path"))), struck)

    def _download(self, file: StoredFile, struck: PlannedDropboxFault | None) -> None:
        fault = struck.fault if struck else None
        if fault is DropboxFault.REPLACED:
            self.server.store.replace_file(file)
            raise CallError(409, "path", "not_found")
        content, headers, status = file.content, {"Accept-Ranges": "bytes", "ETag": f'"{file.rev}"'}, 200
        if (asked := self._range(len(content))) and fault is not DropboxFault.WHOLE:
            start, end = asked
            if start >= len(content):
                self._write(416, b"", "text/plain", {"Content-Range": f"bytes */{len(content)}"})
                return
            if fault is DropboxFault.WRONG_RANGE:
                start = max(0, start - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
        if fault is DropboxFault.WRONG_BYTES:
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault is DropboxFault.TRUNCATED and struck:
            content = content[: struck.size_bytes]
        headers["Dropbox-API-Result"] = json.dumps(file.entry)
        if struck and fault in (DropboxFault.CUT, DropboxFault.STALL):
            self._cut_after(struck, status, content, headers)
            return
        self._write(status, content, "application/octet-stream", headers)

    def _cut_after(self, struck: PlannedDropboxFault, status: int, content: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(content), "application/octet-stream", headers)
        self.wfile.write(content[: struck.size_bytes])
        self.wfile.flush()
        if struck.fault is DropboxFault.STALL:
            self.server.closing.wait(struck.seconds)
        self.close_connection = True
        shut(self.connection)

    def _fails(self, struck: PlannedDropboxFault) -> bool:
        """Answer as the fault says; return False where the call goes on as usual."""
        match struck.fault:
            case DropboxFault.EXPIRED_TOKEN:
                token = self.server.app.check(self.headers.get("Authorization", ""))
                with self.server.app.lock:
                    self.server.app.tokens[token] = False
                raise CallError(401, "expired_access_token")
            case DropboxFault.INVALID_TOKEN:
                raise CallError(401, "invalid_access_token")
            case DropboxFault.MISSING_SCOPE:
                raise CallError(401, "missing_scope")
            case DropboxFault.INVALID_GRANT:
                raise CallError(400, "invalid_grant", words="refresh token is invalid or revoked")
            case DropboxFault.RESET:
                raise CallError(409, "reset")
            case DropboxFault.TOO_MANY_REQUESTS:
                wait = max(0, -int(-struck.seconds // 1))
                content = {
                    "error_summary": "too_many_requests/..",
                    "error": {"reason": {".tag": "too_many_requests"}, "retry_after": wait},
                }
                self._json(429, content, {"Retry-After": str(wait)})
            case DropboxFault.SERVER_ERROR:
                self._json(500, {"error_summary": "internal_error/..", "error": {".tag": "internal_error"}})
            case DropboxFault.UNAVAILABLE_HTML:
                self._write(503, _PAGE, "text/html")
            case DropboxFault.PROXY_PAGE:
                self._write(200, _PAGE, "text/html")
            case DropboxFault.HANG | DropboxFault.CUT_BEFORE:
                if struck.fault is DropboxFault.HANG:
                    self.server.closing.wait(struck.seconds)
                self._record(0)
                self.close_connection = True
                shut(self.connection)
            case DropboxFault.SLOW:
                self.server.closing.wait(struck.seconds)
                return False
            case _:
                return False
        return True

    def _said(self) -> dict[str, Any]:
        """Return the arguments of a call. Raises CallError for what is no JSON."""
        if self._endpoint is Endpoint.TOKEN:
            return {}
        said: str | bytes = self._body
        if self._endpoint is Endpoint.DOWNLOAD:
            said = self.headers.get("Dropbox-API-Arg") or parse_qs(urlsplit(self.path).query).get("arg", [""])[0]
        try:
            arguments = json.loads(said)
        except ValueError:
            arguments = None
        if not isinstance(arguments, dict):
            raise CallError(400, words=f'Error in call to API function "{self._endpoint}": could not decode input')
        return arguments

    def _basic(self) -> tuple[str, str] | None:
        kind, _, said = self.headers.get("Authorization", "").partition(" ")
        if kind != "Basic":
            return None
        key, _, secret = base64.b64decode(said).decode().partition(":")
        return key, secret

    def _range(self, size: int) -> tuple[int, int] | None:
        """Return the first and last byte that are asked for, or None where the whole file is."""
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if found is None or not (found[1] or found[2]):
            return None
        if not found[1]:
            return max(0, size - int(found[2])), size - 1
        return int(found[1]), min(int(found[2] or size), size - 1)

    def _refuse(self, error: CallError) -> None:
        if self._endpoint is Endpoint.TOKEN:
            self._json(error.status, {"error": error.tags[0], "error_description": error.words})
        elif error.status == 400:
            self._write(400, error.words.encode(), "text/plain; charset=utf-8")
        else:
            said: dict[str, Any] = {}
            for tag in reversed(error.tags):
                said = {".tag": tag, **({tag: said} if said else {})}
            self._json(error.status, {"error_summary": f"{'/'.join(error.tags)}/..", "error": said})

    def _json(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._write(status, json.dumps(content).encode(), "application/json", headers)

    def _write(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self._head(status, len(body), kind, headers)
        self.wfile.write(body)

    def _head(self, status: int, size: int, kind: str, headers: dict[str, str] | None) -> None:
        # Recorded first: who has read the answer finds the call in the list.
        self._record(status)
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(size), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("X-Dropbox-Request-Id", secrets.token_hex(16))
        self.end_headers()

    def _record(self, status: int) -> None:
        if hasattr(self, "_endpoint"):
            asked = self.headers.get("Range")
            self.server.calls.append(RecordedDropboxCall(self._endpoint, self._arguments, asked, status))


def _folder(said: dict[str, Any]) -> str:
    """Return the folder of a listing. Raises CallError for one that Dropbox would not understand."""
    path = said.get("path")
    where = 'Error in call to API function "files/list_folder": request body: path: '
    if path == "/":
        raise CallError(400, words=f'{where}Specify the root folder as an empty string rather than as "/".')
    if not isinstance(path, str) or (path and not _PATH_PATTERN.fullmatch(path)):
        raise CallError(400, words=f"{where}did not match pattern")
    limit = said.get("limit")
    if limit is not None and not (isinstance(limit, int) and 1 <= limit <= 2000):
        raise CallError(400, words='Error in call to API function "files/list_folder": request body: limit')
    if path.endswith("/"):
        raise CallError(409, "path", "malformed_path")
    return path
