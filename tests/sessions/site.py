"""A small back office on loopback: a login with CSRF, one page per kind of export, faults on demand.

Every export answers a CSV that repeats what the site was asked for, so that a test sees what was sent.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlencode, urlsplit

USERNAME = "petugas"
PASSWORD = "kata-sandi-uji"

Pairs = list[tuple[str, str]]

LOGIN_FORM = """<form method="post" action="/elsewhere" id="masuk">
<input type="hidden" name="_token" value="{token}"><input name="email"><input type="password" name="password">
</form>
<button form="masuk" formaction="/login" name="go" value="in">Masuk</button>"""

SCRIPT_LOGIN = """<form id="masuk" method="post" action="/login">
<input type="hidden" name="_token" value="{token}">
<input name="email"><input type="password" name="password"><input type="hidden" name="go"></form>
<button id="go" type="button" onclick="masuk.go.value = 'in'; masuk.submit()">Masuk</button>"""

PAGES = {
    "/dates": """<form method="post" action="/dates/export">
<input type="hidden" name="_token" value="{token}">
<input type="date" name="start_date"><input type="date" name="end_date">
<input name="off" value="never" disabled><textarea name="note">
two
lines</textarea><button>  Export
 all</button></form>""",
    "/slashed": """<form method="post" action="/dates/export">
<input type="hidden" name="_token" value="{token}">
<input name="start_date"><input name="end_date" readonly><button>Export</button></form>""",
    "/options": """<form id="f" method="post" action="/nowhere" enctype="multipart/form-data">
<input type="hidden" name="_token" value="{token}">
<select name="format"><option value="0">CSV file</option><option value="1">Excel file</option></select>
<label><input type="checkbox" name="col" value="id" checked>Id</label>
<label><input type="checkbox" name="col" value="name" checked>Name</label>
<label><input type="checkbox" name="col" value="city">City</label>
<input type="radio" name="sort" value="up" checked><input type="radio" name="sort" value="down">
<button name="do" value="preview">Preview</button></form>
<input name="extra" value="outside" form="f">
<input type="submit" form="f" formaction="/options/export" name="do" value="Export">""",
    "/filter": """<form action="/list"><input name="start"><input name="end"><button>Filter</button>
</form>""",
    "/prepared": """<form method="post" action="/prepared/start">
<input type="hidden" name="_token" value="{token}"><button>Prepare</button></form>""",
    "/again": """<form method="post" action="/again/export">
<input type="hidden" name="_token" value="{token}">
<input name="start"><button>Export</button></form>""",
    "/script": """<input id="from"><button type="button" onclick="save()">Export</button><script>
async function save() {{
  if (!confirm("Really?")) return;
  const answer = await fetch("/echo.csv?from=" + document.getElementById("from").value);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = "data.csv";
  link.click();
}}</script>""",
    "/outside": """<input id="from"><a id="x" href="/echo.csv" onclick="this.href += '?from=' +
document.getElementById('from').value">Export</a>""",
    "/late": """<div id="here"></div><script>setTimeout(() => {{
document.getElementById("here").innerHTML = '<a href="/echo.csv?made=late">Export</a>'; }}, 200)</script>""",
    "/people": """<form><input type="password" name="new_password"></form>
<a href="/echo.csv?a=1">Export</a>""",
    "/empty-day": """<form method="post" action="/empty-day/export">
<input type="hidden" name="_token" value="{token}"><button>Export</button></form>""",
}


class Site:
    """The running site, as a context manager; its attributes are the switches and what it has seen."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.tokens: set[str] = set()
        self.asked: list[str] = []
        self.passwords: list[str] = []
        self.waits = 2
        self.login_page = ""
        self.after_login = ""
        self.login_delay_s = 0.0
        self.login_status = 200
        self.refresh = ""
        self.expire_at: str | None = None
        self.expire_always = False
        self.needs_script = False
        self.shows_form_always = False
        self.greets_strangers = False
        self.greeting = "<p>Welcome, stranger</p>"
        site = self

        class Handler(_Handler):
            pass

        Handler.site = site
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Site:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self) -> str:
        """Return a fresh form token; each is good for one form."""
        token = secrets.token_hex(8)
        self.tokens.add(token)
        return token


class _Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        self._handle([])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        kind = self.headers.get("Content-Type", "")
        pairs = _multipart(body) if kind.startswith("multipart/") else parse_qsl(body.decode(), True)
        self._handle(pairs)

    def _handle(self, form: Pairs) -> None:
        path = urlsplit(self.path).path
        query = parse_qsl(urlsplit(self.path).query, True)
        self.site.asked.append(f"{self.command} {path}")
        if path == "/favicon.ico":
            self._send(404, b"")
            return
        if self.command == "POST":
            referer = self.headers.get("Referer", "")
            token = dict(form).get("_token", "")
            if not referer.startswith(self.site.url) or self.headers.get("Origin") != self.site.url:
                self._page(403, "Referer or Origin is missing", "")
                return
            if token not in self.site.tokens:
                self._page(419, "Page expired", "")
                return
            self.site.tokens.discard(token)
        if path == "/login":
            self._login(form)
            return
        if self.site.expire_at == path or (self.site.expire_always and path != "/"):
            self.site.expire_at = None
            self.site.sessions.clear()
        if self._cookie() not in self.site.sessions:
            if self.site.greets_strangers:
                self._page(200, "Welcome", self.site.greeting)
                return
            self._redirect("/login?" + urlencode({"next": self.path}))
            return
        self._office(path, query, [pair for pair in form if pair[0] != "_token"])

    def _login(self, form: Pairs) -> None:
        said = dict(form)
        if self.command == "GET" and self._cookie() in self.site.sessions and not self.site.shows_form_always:
            self._redirect("/")
            return
        if self.command == "POST":
            time.sleep(self.site.login_delay_s)
            self.site.passwords.append(said.get("password", ""))
            if self.site.login_status != 200:
                self._page(self.site.login_status, "Masuk", LOGIN_FORM.format(token=self.site.token()))
                return
            if self.site.after_login:
                self._page(200, "One more step", self.site.after_login)
                return
            if (said.get("email"), said.get("password"), said.get("go")) == (USERNAME, PASSWORD, "in"):
                session = secrets.token_hex(8)
                self.site.sessions.add(session)
                self._redirect("/", f"session={session}; Path=/; HttpOnly")
                return
        self._page(200, "Masuk", (self.site.login_page or LOGIN_FORM).format(token=self.site.token()))
        return

    def _office(self, path: str, query: Pairs, form: Pairs) -> None:
        match path:
            case "/":
                self._page(200, "Home", '<a id="out" href="/logout">Keluar</a>')
            case "/dates/export" | "/options/export" | "/again/export" if self._is_ready(path):
                self._csv(form)
            case "/echo.csv":
                self._csv(query)
            case "/list":
                self._page(
                    200,
                    "List",
                    '<button type="button" aria-haspopup="true">More</button><ul style="display:none"><li>'
                    f'<a href="/echo.csv?{urlencode(query)}"><b>Download</b> CSV</a></li></ul>',
                )
            case "/prepared/start":
                self._redirect("/prepared/file")
            case "/prepared/file" if self._is_ready(path):
                self._csv([("prepared", "yes")])
            case "/prepared/file" | "/again/export":
                self._page(200, "Wait", f'{self.site.refresh}<p id="waiting">Your file is being prepared</p>')
            case "/awaited":
                done = '<a id="done" href="/echo.csv?awaited=yes">Get</a>' if self._is_ready(path) else "..."
                self._page(200, "Jobs", done)
            case "/empty-day/export":
                self._page(200, "Report", '<div class="alert">No data</div>')
            case "/broken/page":
                self._page(200, "Galat: basis data", "<p>an error of the site</p>")
            case "/broken/empty":
                self._send(200, b"", "text/csv", 'attachment; filename="a.csv"')
            case "/broken/cut":
                self._send(200, b"id,what\n1,a\n" * 50, "text/csv", 'attachment; filename="a.csv"', length=9000)
            case "/broken/busy":
                self._send(429, b"busy", "text/plain", retry_after="7")
            case "/broken/down":
                self._send(503, b"<html><title>Down</title></html>", "text/html")
            case "/broken/loop":
                self._redirect("/broken/loop")
            case "/broken/slow":
                time.sleep(2.5)
                self._csv([("slow", "yes")])
            case "/broken/disguised":
                page = b"<!DOCTYPE html><html><title>Oops</title><body>no</body></html>"
                self._send(200, page, "application/vnd.ms-excel", 'attachment; filename="a.xls"')
            case "/broken/login":
                page = b"<html><body>" + LOGIN_FORM.encode() + b"</body></html>"
                self._send(200, page, "text/csv", 'attachment; filename="a.csv"')
            case "/broken/forbidden":
                self._page(403, "Forbidden", "<p>not yours</p>")
            case _ if path in PAGES:
                self._page(200, "Export", PAGES[path].format(token=self.site.token()))
            case _:
                self._page(404, "Not found", "")

    def _is_ready(self, path: str) -> bool:
        """Tell whether a prepared file is there: after as many tries as the site is told to wait."""
        if path not in ("/prepared/file", "/again/export", "/awaited"):
            return True
        self.site.waits -= 1
        return self.site.waits < 0

    def _cookie(self) -> str:
        found = SimpleCookie(self.headers.get("Cookie", "")).get("session")
        return found.value if found else ""

    def _csv(self, pairs: Pairs) -> None:
        lines = ["id,name,value", *(f"{n},{name},{value!r}" for n, (name, value) in enumerate(pairs, 1))]
        body = ("\r\n".join(lines) + "\r\n").encode()
        self._send(200, body, "text/csv", 'attachment; filename="../export of today.CSV"')

    def _page(self, status: int, title: str, body: str) -> None:
        html = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"
        self._send(status, html.encode(), "text/html; charset=utf-8")

    def _redirect(self, to: str, cookie: str | None = None) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        if cookie is not None:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str = "text/html",
        disposition: str | None = None,
        *,
        length: int | None = None,
        retry_after: str | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        if disposition is not None:
            self.send_header("Content-Disposition", disposition)
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        # A client that has given up is what some tests are about.
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            self.wfile.write(body)


def _multipart(body: bytes) -> Pairs:
    pairs = []
    for part in body.split(b"\r\n--"):
        head, _, value = part.partition(b"\r\n\r\n")
        if b'name="' in head:
            pairs.append((head.split(b'name="')[1].split(b'"')[0].decode(), value.decode()))
    return pairs
