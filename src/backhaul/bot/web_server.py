"""A small web server: it takes the updates that Telegram sends, and tells how old the catalogue is."""

from __future__ import annotations

import hmac
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from backhaul.bot.clerk import Health
from backhaul.bot.heard import number_of
from backhaul.bot.webhook import Hook
from backhaul.errors import BackhaulError, ConfigError

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"
MOST_BYTES = 1024 * 1024
IDLE_S, BODY_S = 90.0, 20.0

Take = Callable[[list[dict[str, Any]]], Awaitable[None]]
HowIsIt = Callable[[], Awaitable[Health]]


@dataclass
class WebServer:
    """A server that listens; `port` is the one it has."""

    port: int
    _server: HTTPServer

    async def close(self) -> None:
        """Take nothing more, and hang up."""
        self._server.stop()
        await self._server.close_all_connections()


def served(host: str, port: int, *, take: Take, hook: Hook | None, health: HowIsIt) -> WebServer:
    """Return a server on host and port (0 takes any free one), with `/healthz`, and the hook if there is one.

    Raises ConfigError if the port cannot be used.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        place = socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigError(
            f"--listen: {host}:{port} cannot be used ({error.strerror})", next_step="Name another port."
        ) from None
    place.setblocking(False)
    routes: list[Any] = [("/healthz", Healthz, {"health": health})]
    if hook is not None:
        # A proxy may leave out what stands before the last part.
        routes.append((rf"/(?:[^?]*/)?{hook.part}", Updates, {"take": take, "secret": hook.secret}))
    application = Application(routes, default_handler_class=Nothing, log_function=lambda _: None)
    limits = {"max_buffer_size": MOST_BYTES, "max_body_size": MOST_BYTES}
    waits = {"idle_connection_timeout": IDLE_S, "body_timeout": BODY_S}
    server = HTTPServer(application, **limits, **waits)
    server.add_socket(place)
    return WebServer(place.getsockname()[1], server)


class Healthz(RequestHandler):
    """Tells the age of the catalogue: 200, or 503 where it is too old or not there."""

    def initialize(self, health: HowIsIt) -> None:
        """Take what tells the age."""
        self._health = health

    async def head(self) -> None:
        """Answer as `get` does, without the body: some watchmen ask like this."""
        await self.get()

    async def get(self) -> None:
        """Answer."""
        found = await self._health()
        self.set_status(200 if found.is_ok else 503)
        self.set_header("Cache-Control", "no-store")
        at = found.data_at and found.data_at.isoformat(timespec="seconds")
        self.finish({"status": found.status, "age_h": found.age_h, "products": found.products, "data_at": at})


class Updates(RequestHandler):
    """Takes one update a call. 503 has Telegram send it again."""

    def initialize(self, take: Take, secret: str) -> None:
        """Take who takes updates, and what only Telegram knows."""
        self._take = take
        self._secret = secret

    async def post(self) -> None:
        """Answer."""
        said = self.request.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(said.encode(), self._secret.encode()):
            self.set_status(403)
            return
        try:
            update = json.loads(self.request.body)
        except (ValueError, RecursionError):
            update = None
        if number_of(update) is None:
            self.set_status(400)
            return
        try:
            await self._take([update])
        except BackhaulError:
            self.set_status(503)


class Nothing(RequestHandler):
    """Is not there."""

    def prepare(self) -> None:
        """Answer."""
        self.set_status(404)
        self.finish()
