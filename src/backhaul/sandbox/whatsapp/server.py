"""The page and its data on a socket of this machine; whatever else is asked for is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, tzinfo
from http.server import BaseHTTPRequestHandler
from importlib import resources
from time import monotonic
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from backhaul.sandbox.serving import SandboxServer
from backhaul.sandbox.whatsapp import shown
from backhaul.sandbox.whatsapp.world import Touch, World

_SCRIPTS = ("app", "side", "panel", "rows", "text", "screens")
_FILES = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    **{f"/{name}.js": (f"{name}.js", "text/javascript") for name in _SCRIPTS},
}
_POLICY = "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; form-action 'none'"
_POLL_S = 2
_BODY_BYTES = 64 * 1024


class WhatsAppServer(SandboxServer):
    """Answers for one account."""

    def __init__(
        self, address: tuple[str, int], world: World, *, loading_s: float, today: Callable[[tzinfo], date]
    ) -> None:
        super().__init__(address, _Handler)
        self.world = world
        self.loading_s = loading_s
        self.today = today
        self.paths: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: WhatsAppServer
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer with a file of the page, the state, or a chat."""
        address = urlsplit(self.path)
        asked = dict(parse_qsl(address.query))
        self.server.paths.append(address.path)
        if address.path in _FILES:
            name, kind = _FILES[address.path]
            body = resources.files("backhaul.sandbox.whatsapp").joinpath("page", name).read_bytes()
            self._write(200, body, f"{kind}; charset=utf-8")
        elif address.path == "/api/state":
            self._state(asked)
        elif address.path == "/api/chat":
            self._chat(asked)
        else:
            self._write(404, b"", "text/plain")

    def do_POST(self) -> None:
        """Take note of something that was typed, sent or reacted."""
        size_bytes = _number(self.headers.get("Content-Length") or "0")
        said = dict(parse_qsl(self.rfile.read(min(size_bytes, _BODY_BYTES)).decode("utf-8", "replace")))
        with self.server.world.changed:
            self.server.world.touches.append(Touch(said.get("what", ""), said.get("group", "")))
        self._write(204, b"", "text/plain")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: standard error belongs to the caller."""

    def _state(self, asked: dict[str, str]) -> None:
        """Answer when something is other than the page knows, at the latest after some seconds."""
        world, device = self.server.world, asked.get("device", "")
        ends_at = monotonic() + _POLL_S
        with world.changed:
            while str(world.revision) == asked.get("since") and not self.server.closing.is_set():
                if monotonic() > ends_at:
                    break
                world.changed.wait(0.1)
            said = shown.state(world, device, self.server.loading_s)
        self._json(said)

    def _chat(self, asked: dict[str, str]) -> None:
        zone = _zone(asked.get("zone", "UTC"))
        self.server.closing.wait(self.server.world.answer_delay_s)
        start = _number(asked.get("start", "0"))
        said = shown.chat(
            self.server.world, asked.get("id", ""), start=start, zone=zone, today=self.server.today(zone)
        )
        if said is None:
            self._write(404, b"", "text/plain")
        else:
            self._json(said)

    def _json(self, said: dict[str, shown.Json]) -> None:
        self._write(200, json.dumps(said).encode(), "application/json")

    def _write(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("Cache-Control", "no-store")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return 0


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
