"""The sandbox back office on a real socket of this machine, with the faults of a bad connection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit

from backhaul.sandbox.office.data import Row
from backhaul.sandbox.office.exchange import Recorded, Reply, Request, page_reply
from backhaul.sandbox.office.exports import Variant
from backhaul.sandbox.office.faults import Fault, Faults, Moment, PlannedFault
from backhaul.sandbox.office.pages import error_page
from backhaul.sandbox.office.site import Site
from backhaul.sandbox.office.visits import COOKIE, Visit
from backhaul.sandbox.serving import SandboxServer, Serving, shut

_DRIPS = 20
_BODY_LIMIT_BYTES = 64 * 1024


class SandboxBackOffice:
    """A back office as system A has it, on loopback; runs between `with` and its end.

    Every wait of a slow answer ends when the office closes.

    Args:
        faults: strike from the start; `office.faults` adds and clears them later.
        port: 0 takes any free one.
        ready_after: how often the waiting page of the background variant is shown before the file.
    """

    def __init__(
        self,
        variant: Variant = Variant.STANDARD,
        faults: Iterable[Fault | PlannedFault] = (),
        *,
        port: int = 0,
        ready_after: int = 2,
    ) -> None:
        self.faults = Faults(faults)
        self._site = Site(variant, self.faults, ready_after)
        self._server = _Server(("127.0.0.1", port), self._site, self.faults)
        self._serving = Serving(self._server, "sandbox")

    def __enter__(self) -> SandboxBackOffice:
        self._serving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and give the port back; may be called twice."""
        self._serving.close()

    @property
    def url(self) -> str:
        """The address, without a slash at the end."""
        return self._server.url

    @property
    def username(self) -> str:
        """The one user, made up at start."""
        return self._site.sign_in.username

    @property
    def password(self) -> str:
        """The user's password, made up at start."""
        return self._site.sign_in.password

    @property
    def code(self) -> str:
        """What the second factor of Fault.CODE_STEP asks for."""
        return self._site.sign_in.code

    @property
    def data(self) -> dict[str, list[Row]]:
        """The rows by stream, to be edited in place."""
        return self._site.data

    @property
    def requests(self) -> list[Recorded]:
        """Every request that was answered, oldest first."""
        return list(self._server.recorded)

    @property
    def logins(self) -> int:
        """How often somebody was let in."""
        return self._site.sign_in.logins

    @property
    def refused_logins(self) -> int:
        """How often a password or code was wrong."""
        return self._site.sign_in.refused_logins

    def expire_sessions(self) -> None:
        """Sign everybody out, as a server does over night."""
        self._site.visits.forget_all()


class _Server(SandboxServer):
    def __init__(self, address: tuple[str, int], site: Site, faults: Faults) -> None:
        super().__init__(address, _Handler)
        self.site = site
        self.faults = faults
        self.recorded: list[Recorded] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a request that only looks."""
        self._handle()

    def do_POST(self) -> None:
        """Answer a request that sends fields."""
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the requests are recorded, and standard error belongs to the caller."""

    def _handle(self) -> None:
        size_bytes = int(self.headers.get("Content-Length") or 0)
        if size_bytes > _BODY_LIMIT_BYTES:
            self.close_connection = True
            text = "Permintaan terlalu besar."
            self._send(page_reply(error_page("413", text), HTTPStatus.REQUEST_ENTITY_TOO_LARGE), None)
            return
        sent = self.rfile.read(size_bytes).decode("utf-8", "replace")
        path = urlsplit(self.path).path
        struck = self.server.faults.take(Moment.REQUEST, path)
        if slow := struck.get(Fault.SLOW_FIRST_BYTE):
            self.server.closing.wait(slow.seconds)
        if (failed := _failure(struck)) is not None:
            self._send(failed, None)
            return
        visit = self.server.site.visits.of(self._cookie())
        reply = self.server.site.answer(self._request(path, sent, visit))
        self._send(reply, visit)

    def _request(self, path: str, sent: str, visit: Visit) -> Request:
        query = urlsplit(self.path).query
        return Request(
            method=self.command,
            path=path,
            target=self.path,
            fields=dict(parse_qsl(sent if self.command == "POST" else query, keep_blank_values=True)),
            header_token=self.headers.get("X-CSRF-TOKEN"),
            is_same_origin=self._is_from_here(),
            visit=visit,
        )

    def _is_from_here(self) -> bool:
        sender = urlsplit(self.headers.get("Origin") or self.headers.get("Referer") or "")
        return sender.scheme == "http" and sender.netloc == self.headers.get("Host")

    def _cookie(self) -> str | None:
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return None
        return cookies[COOKIE].value if COOKIE in cookies else None

    def _send(self, reply: Reply, visit: Visit | None) -> None:
        # Recorded first: who has read the answer finds the request in the list.
        recorded = Recorded(self.command, urlsplit(self.path).path, int(reply.status))
        self.server.recorded.append(recorded)
        self.send_response(reply.status, "Page Expired" if reply.status == 419 else None)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.send_header("Cache-Control", "no-store")
        if visit is not None:
            self.send_header("Set-Cookie", f"{COOKIE}={visit.cookie}; Path=/; HttpOnly; SameSite=Lax")
        self.end_headers()
        self._send_body(reply)

    def _send_body(self, reply: Reply) -> None:
        body = reply.body[: len(reply.body) // 2] if reply.is_cut else reply.body
        if reply.drip_s:
            step = len(body) // _DRIPS + 1
            for start in range(0, len(body), step):
                self.server.closing.wait(reply.drip_s / _DRIPS)
                self.wfile.write(body[start : start + step])
        else:
            self.wfile.write(body)
        if reply.is_cut:
            self.close_connection = True
            shut(self.connection)


def _failure(struck: Mapping[Fault, PlannedFault]) -> Reply | None:
    if limit := struck.get(Fault.TOO_MANY_REQUESTS):
        reply = page_reply(error_page("429", "Terlalu banyak permintaan."), HTTPStatus.TOO_MANY_REQUESTS)
        headers = {**reply.headers, "Retry-After": f"{limit.seconds:.0f}"}
        return Reply(reply.status, reply.body, headers)
    if Fault.SERVER_ERROR in struck:
        return page_reply(error_page("500", "Terjadi kesalahan."), HTTPStatus.INTERNAL_SERVER_ERROR)
    if Fault.UNAVAILABLE in struck:
        return page_reply(error_page("503", "Sedang dalam perawatan."), HTTPStatus.SERVICE_UNAVAILABLE)
    return None
