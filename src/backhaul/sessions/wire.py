"""Asking a site over HTTP: cookies, time-outs, and every failure of the network as one of our errors."""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Iterable, Iterator
from http.cookiejar import Cookie
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from backhaul.errors import SourceChanged, TransientError
from backhaul.sessions.answers import NeedsBrowser, check_address
from backhaul.sessions.forms import Submission
from backhaul.sessions.pages import Page, is_page, path_of

if TYPE_CHECKING:
    import httpx

_CONNECT_TIMEOUT_S = 20.0
_PAGE_BYTES = 16 * 1024 * 1024
_REPEATED = ("Referer", "Origin", "Content-Type")
_USER_AGENT = "Mozilla/5.0 (compatible; backhaul)"


class Answer:
    """One answer of the site: a page, read whole, or a file whose bytes are still to come."""

    def __init__(self, asked: str, response: httpx.Response, chunks: Iterator[bytes]) -> None:
        self.asked = asked
        self.url = str(response.url)
        self.request_url = str((response.history[0] if response.history else response).url)
        self.request = response.request
        self.disposition = response.headers.get("content-disposition", "")
        self._response = response
        self._head: list[bytes] = []
        size = 0
        for chunk in chunks:
            self._head.append(chunk)
            size += len(chunk)
            if size >= 512:
                break
        self._rest = chunks
        head = b"".join(self._head)
        self.page: Page | None = None
        if response.is_error or not head or is_page(head, self.content_type, self.disposition):
            self.page = Page.read(self._whole(), self.url, response.charset_encoding)
            self.close()

    @property
    def content_type(self) -> str:
        """What the server calls it."""
        return str(self._response.headers.get("content-type", ""))

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status_code

    @property
    def retry_after(self) -> str | None:
        """The Retry-After header."""
        return str(self._response.headers.get("retry-after", "")) or None

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes of the file."""
        yield from self._head
        yield from self._rest

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()

    def _whole(self) -> bytes:
        body = bytearray()
        for chunk in self.chunks():
            body += chunk
            if len(body) > _PAGE_BYTES:
                self.close()
                raise SourceChanged(f"{self.asked} answered a page of over 16 MB where a page or a file was expected")
        return bytes(body)


class Wire:
    """Cookies and connections to one site; several threads may use it side by side."""

    def __init__(self, source: str, base_url: str, *, allow_http: bool) -> None:
        check_address(source, base_url, allow_http=allow_http)
        self.source = source
        self._client = _client(source, base_url, allow_http=allow_http)

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session, for the other driver."""
        return list(self._client.cookies.jar)

    def take_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Go on with the session that the other driver has signed in."""
        for cookie in cookies:
            self._client.cookies.jar.set_cookie(cookie)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, deadline: float, referer: str | None = None) -> Answer:
        """Ask for url, as by a link on the page referer."""
        headers = {} if referer is None else {"Referer": _without_fragment(referer)}
        return self.ask(self._client.build_request("GET", url, headers=headers), deadline)

    def again(self, answer: Answer, deadline: float) -> Answer:
        """Ask what brought answer once more, the way a browser reloads: with the same form data."""
        last = answer.request
        headers = {name: last.headers[name] for name in _REPEATED if name in last.headers}
        body = last.content or None
        request = self._client.build_request(last.method, last.url, headers=headers, content=body)
        return self.ask(request, deadline)

    def submit(self, sent: Submission, page: Page, deadline: float) -> Answer:
        """Submit a form of page."""
        if sent.method == "GET":
            return self.get(sent.url, deadline, page.url)
        if sent.method != "POST":
            raise NeedsBrowser(f"{self.source}: a form on {page} works by script", is_certain=True)
        parts = urlsplit(page.url)
        headers = {"Referer": _without_fragment(page.url), "Origin": f"{parts.scheme}://{parts.netloc}"}
        if sent.is_multipart:
            files = [(name, (None, value.encode())) for name, value in sent.pairs]
            request = self._client.build_request("POST", sent.url, headers=headers, files=files)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(sent.pairs).encode()
            request = self._client.build_request("POST", sent.url, headers=headers, content=body)
        return self.ask(request, deadline)

    def ask(self, request: httpx.Request, deadline: float) -> Answer:
        """Send request, follow redirects, and return the answer whatever its status.

        Raises TransientError for what happened on the way, and for a deadline that has passed.
        """
        httpx = _httpx()
        asked = f"{self.source}: {request.method} {path_of(str(request.url))}"
        left = deadline - time.monotonic()
        if left <= 0:
            raise TransientError(f"{asked} was not reached within the time-out of the export")
        timeout = httpx.Timeout(left, connect=min(_CONNECT_TIMEOUT_S, left))
        request.extensions = {**request.extensions, "timeout": timeout.as_dict()}
        chunks = self._sent(asked, request, deadline)
        response = next(chunks)
        assert isinstance(response, httpx.Response)
        return Answer(asked, response, chunks)  # type: ignore[arg-type]

    def _sent(self, asked: str, request: httpx.Request, deadline: float) -> Iterator[httpx.Response | bytes]:
        """Yield the response, then its bytes; every failure of the network comes as TransientError."""
        httpx = _httpx()
        try:
            response = self._client.send(request, stream=True)
            yield response
            for chunk in response.iter_bytes():
                yield chunk
                if time.monotonic() > deadline:
                    response.close()
                    raise TransientError(
                        f"{asked} was still sending when its time was over",
                        next_step="Run again; if the file is simply large, give the export more timeout_s.",
                    )
        except httpx.TimeoutException as error:
            seconds = request.extensions["timeout"]["read"]
            raise TransientError(
                f"{asked} did not answer within {seconds:.0f} s ({type(error).__name__})",
                next_step="Run again; if the site is simply slow, give the export a longer timeout_s.",
            ) from None
        except httpx.TooManyRedirects:
            raise TransientError(f"{asked} was sent on and on (redirect loop)") from None
        except httpx.UnsupportedProtocol:
            raise SourceChanged(f"{asked} leads to an address that is no web address") from None
        except (httpx.RequestError, httpx.StreamError) as error:
            why = f"{type(error).__name__}: {error}".rstrip(": ")
            raise TransientError(f"{asked} was cut off or not reached ({why})") from None


def _client(source: str, base_url: str, *, allow_http: bool) -> httpx.Client:
    is_loopback = base_url.startswith("http://") and not allow_http
    # Reading all certificate authorities costs 0.1 s of CPU; plain http on loopback needs none.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_loopback else True

    def check(request: httpx.Request) -> None:
        check_address(source, str(request.url), allow_http=allow_http)

    client: httpx.Client = _httpx().Client(
        verify=verify,
        follow_redirects=True,
        max_redirects=20,
        trust_env=not is_loopback,
        event_hooks={"request": [check]},
        headers={
            "User-Agent": _USER_AGENT,
            "Accept": "text/html,application/xhtml+xml,*/*;q=0.8",
            "Accept-Encoding": "gzip, deflate",
        },
    )
    return client


def _without_fragment(url: str) -> str:
    return urlsplit(url)._replace(fragment="").geturl()


def _httpx() -> Any:
    """Return httpx, imported without its command line, which would load click and rich for nothing."""
    if "httpx" not in sys.modules:

        def main() -> None:
            raise SystemExit("the command line of httpx is not loaded here")

        command_line = ModuleType("httpx._main")
        command_line.main = main  # type: ignore[attr-defined]
        sys.modules["httpx._main"] = command_line
    import httpx

    return httpx
