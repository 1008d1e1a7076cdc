"""The sandbox Bot API on a socket: addresses, bodies in every form that clients send, and bad connections."""

from __future__ import annotations

import email.parser
import email.policy
import json
import re
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from backhaul.sandbox.serving import SandboxServer, shut
from backhaul.sandbox.telegram.call import Call, decoded
from backhaul.sandbox.telegram.calls import DOWNLOAD_BYTES, answer
from backhaul.sandbox.telegram.faults import PlannedTelegramFault, TelegramFault, TelegramFaults
from backhaul.sandbox.telegram.world import ApiError, World, refusal

_BODY_BYTES = 60 * 1024 * 1024
_PATH = re.compile(r"/bot(?P<token>[^/]+)/(?P<method>\w+)")
_FILE_PATH = re.compile(r"/file/bot(?P<token>[^/]+)/\w+/(?P<file>\w+)")
_GATEWAY_PAGE = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True)
class RecordedCall:
    """One call that was answered: its method, its fields, and the status as sent; the token is left out."""

    method: str
    fields: dict[str, Any]
    status: int


class TelegramServer(SandboxServer):
    """Answers for one bot."""

    def __init__(self, address: tuple[str, int], token: str, world: World, faults: TelegramFaults) -> None:
        super().__init__(address, _Handler)
        self.token = token
        self.world = world
        self.faults = faults
        self.calls: list[RecordedCall] = []


class _Handler(BaseHTTPRequestHandler):
    server: TelegramServer
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a call whose fields stand in the address, or a download."""
        self._handle()

    def do_POST(self) -> None:
        """Answer a call whose fields stand in the body."""
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the calls are recorded, and standard error belongs to the caller."""

    def _handle(self) -> None:
        size_bytes = int(self.headers.get("Content-Length") or 0)
        if size_bytes > _BODY_BYTES:
            self.close_connection = True
            self._refuse(ApiError(413, "Request Entity Too Large"))
            return
        body = self.rfile.read(size_bytes)
        path = unquote(urlsplit(self.path).path)
        if file := _FILE_PATH.fullmatch(path):
            self._download(file["token"], file["file"])
        elif (called := _PATH.fullmatch(path)) is None:
            self._refuse(ApiError(404, "Not Found"))
        elif called["token"] != self.server.token:
            self._refuse(ApiError(401, "Unauthorized"))
        else:
            self._call(Call(called["method"], *self._content(body)))

    def _call(self, call: Call) -> None:
        struck = self.server.faults.take(call.method)
        if struck is not None and self._fails(struck, call):
            return
        try:
            result = answer(self.server.world, call)
        except ApiError as error:
            self._refuse(error, call)
            return
        if struck is not None and struck.fault is TelegramFault.CUT_AFTER:
            self._cut(call)
            return
        self._send(200, {"ok": True, "result": result}, call)

    def _fails(self, struck: PlannedTelegramFault, call: Call) -> bool:
        """Answer as the fault says; return False where the call goes on as usual."""
        match struck.fault:
            case TelegramFault.CUT_BEFORE:
                self._cut(call)
            case TelegramFault.HANG:
                self.server.closing.wait(struck.seconds)
                self._cut(call)
            case TelegramFault.BAD_GATEWAY:
                self._record(call, 502)
                self._write(502, _GATEWAY_PAGE, "text/html")
            case _:
                try:
                    said = refusal(struck.fault, struck.seconds, self.server.world, call.fields.get("chat_id"))
                except ApiError as error:
                    said = error
                if said is None:
                    return False
                self._refuse(said, call)
        return True

    def _content(self, body: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
        """Return the fields and files of the request, in whatever form they came."""
        fields: dict[str, Any] = dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))
        kind = self.headers.get("Content-Type", "")
        files: dict[str, tuple[str, bytes]] = {}
        if kind.startswith("application/json"):
            try:
                said = json.loads(body or b"{}")
            except ValueError:
                said = {}
            fields |= said if isinstance(said, dict) else {}
        elif kind.startswith("multipart/form-data"):
            sent, files = _multipart(kind, body)
            fields |= sent
        else:
            fields |= dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        return {
            name: decoded(v) if isinstance(v, str) and _is_object(name) else v for name, v in fields.items()
        }, files

    def _download(self, token: str, file_id: str) -> None:
        file = self.server.world.files.get(file_id)
        if token != self.server.token:
            self._refuse(ApiError(401, "Unauthorized"))
        elif file is None or len(file.content) > DOWNLOAD_BYTES:
            self._refuse(ApiError(404, "Not Found"))
        else:
            self._write(200, file.content, "application/octet-stream")

    def _refuse(self, error: ApiError, call: Call | None = None) -> None:
        content: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
        if error.parameters:
            content["parameters"] = error.parameters
        self._send(error.code, content, call)

    def _send(self, status: int, content: dict[str, Any], call: Call | None) -> None:
        # Recorded first: who has read the answer finds the call in the list.
        self._record(call, status)
        self._write(status, json.dumps(content).encode(), "application/json")

    def _record(self, call: Call | None, status: int) -> None:
        if call is not None:
            self.server.calls.append(RecordedCall(call.method, dict(call.fields), status))

    def _write(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _cut(self, call: Call) -> None:
        self._record(call, 0)
        self.close_connection = True
        shut(self.connection)


def _is_object(name: str) -> bool:
    """Tell whether a field holds JSON in forms; a text that begins with a brace is still a text."""
    return name not in ("text", "caption", "callback_query_id", "file_id")


def _multipart(kind: str, body: bytes) -> tuple[dict[str, Any], dict[str, tuple[str, bytes]]]:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    whole = parser.parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + body)
    fields: dict[str, Any] = {}
    files: dict[str, tuple[str, bytes]] = {}
    for part in whole.iter_parts():
        name = str(part.get_param("name", "", header="content-disposition"))
        content = part.get_payload(decode=True)
        data = content if isinstance(content, bytes) else b""
        if (filename := part.get_filename()) is not None:
            files[name] = (filename, data)
        else:
            fields[name] = data.decode("utf-8", "replace")
    return fields, _attached(fields, files)


def _attached(fields: dict[str, Any], files: dict[str, tuple[str, bytes]]) -> dict[str, tuple[str, bytes]]:
    """Return the files by the field that they belong to: a field may say `attach://NAME`."""
    named = {
        name: files[value[9:]] for name, value in fields.items() if value[:9] == "attach://" and value[9:] in files
    }
    return files | named
