"""Asking a site over HTTP: cookies, time-outs, and every failure of the network as one of our errors."""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from http.cookiejar import Cookie
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from backhaul.errors import SourceChanged, TransientError
from backhaul.sessions.answers import NeedsBrowser, check_address, check_home, claims_file, is_table_file
from backhaul.sessions.evidence import Asked, Evidence
from backhaul.sessions.forms import Submission
from backhaul.sessions.lean import without_command_line
from backhaul.sessions.pages import Page, is_page, path_of

if TYPE_CHECKING:
    import httpx

_CONNECT_TIMEOUT_S = 20.0
_PAGE_BYTES = 16 * 1024 * 1024
_CLAIMED_BYTES = 1024 * 1024
"""HTML that came as a file and is longer is no login page; its proof looks at it as it does at every file."""
_FILE_BYTES = 4 * 1024**3
"""The most that one answer may bring: a server that never ends would fill the disk."""
_FREE_BYTES = 64 * 1024**2
_MAX_RATIO = 250
"""How many times larger than its packed bytes an answer of over 64 MB may be; honest ones stay under 100."""
_HOMES = "backhaul_homes"
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
            self.page = self._page(claims_file(self.content_type, self.disposition) and not response.is_error)

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

    def _page(self, is_claimed: bool) -> Page | None:
        """Return the page that has come; None for a table that came as a file, whose bytes stay to be read."""
        body = bytearray()
        # Not by chunks(): leaving that one early would close what is still to come.
        for chunk in itertools.chain(self._head, self._rest):
            body += chunk
            if is_claimed and len(body) > _CLAIMED_BYTES:
                self._head = [bytes(body)]
                return None
            if len(body) > _PAGE_BYTES:
                self.close()
                raise SourceChanged(f"{self.asked} answered a page of over 16 MB where a page or a file was expected")
        self.close()
        page = Page.read(bytes(body), self.url, self._response.charset_encoding)
        if not (is_claimed and is_table_file(page)):
            return page
        self._head, self._rest = [bytes(body)], iter(())
        return None


class _Watched(threading.local):
    """What the requests of one thread are noted in, and the last of them."""

    evidence: Evidence | None = None
    asked: Asked | None = None


class Wire:
    """Cookies and connections to one site; several threads may use it side by side."""

    def __init__(self, source: str, homes: tuple[str, ...], *, allow_http: bool) -> None:
        """Reach homes[0]; a password goes to the hosts of homes alone."""
        from backhaul.sessions.deadline import Deadline, bind

        check_address(source, homes[0], allow_http=allow_http)
        self.source = source
        self._homes = homes
        self._watched = _Watched()
        self._client = _client(source, homes[0], allow_http=allow_http)
        self._client.event_hooks["request"].append(self._note_request)
        self._client.event_hooks["response"].append(self._note_response)
        self._deadline = Deadline()
        bind(self._client, self._deadline)

    def watch(self, evidence: Evidence | None) -> None:
        """Note the requests of this thread, and the page they lead to, in evidence; None ends it."""
        self._watched.evidence = evidence

    def _note_request(self, request: httpx.Request) -> None:
        if (evidence := self._watched.evidence) is not None:
            self._watched.asked = evidence.ask(request.method, str(request.url))

    def _note_response(self, response: httpx.Response) -> None:
        evidence, asked = self._watched.evidence, self._watched.asked
        if evidence is not None and asked is not None:
            evidence.hear(asked, response.status_code)

    def cookies(self) -> list[Cookie]:
        """Return the cookies of the session, for the other driver."""
        return list(self._client.cookies.jar)

    def take_cookies(self, cookies: Iterable[Cookie]) -> None:
        """Go on with the session that the other driver has signed in."""
        for cookie in cookies:
            self._client.cookies.jar.set_cookie(cookie)

    def drop_cookies(self) -> None:
        """Forget every cookie."""
        self._client.cookies.clear()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, url: str, deadline: float, referer: str | None = None) -> Answer:
        """Ask for url, as by a link on the page referer."""
        headers = {} if referer is None else {"Referer": _without_fragment(referer)}
        return self.ask(self._request("GET", url, headers=headers), deadline)

    def again(self, answer: Answer, deadline: float) -> Answer:
        """Ask what brought answer once more, the way a browser reloads: with the same form data."""
        last = answer.request
        headers = {name: last.headers[name] for name in _REPEATED if name in last.headers}
        body = last.content or None
        request = self._request(last.method, str(last.url), headers=headers, content=body)
        return self.ask(request, deadline)

    def submit(self, sent: Submission, page: Page, deadline: float, *, is_secret: bool = False) -> Answer:
        """Submit a form of page; one with a password (is_secret) goes to no other host, also not redirected."""
        if is_secret:
            check_home(self.source, sent.url, *self._homes)
        if sent.method == "GET":
            return self.get(sent.url, deadline, page.url)
        if sent.method != "POST":
            raise NeedsBrowser(f"{self.source}: a form on {page} works by script", is_certain=True)
        parts = urlsplit(page.url)
        headers = {"Referer": _without_fragment(page.url), "Origin": f"{parts.scheme}://{parts.netloc}"}
        if sent.is_multipart:
            files = [(name, (None, value.encode())) for name, value in sent.pairs]
            request = self._request("POST", sent.url, headers=headers, files=files)
        else:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(sent.pairs).encode()
            request = self._request("POST", sent.url, headers=headers, content=body)
        if is_secret:
            request.extensions = {**request.extensions, _HOMES: self._homes}
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
        answer = Answer(asked, response, chunks)  # type: ignore[arg-type]
        if self._watched.evidence is not None and answer.page is not None:
            self._watched.evidence.see(answer.page)
        return answer

    def _request(self, method: str, url: str, **parts: Any) -> httpx.Request:
        try:
            return self._client.build_request(method, url, **parts)
        except (_httpx().InvalidURL, ValueError):
            # What is wrong with it may be a cookie as well: nothing of it is repeated.
            raise SourceChanged(f"{self.source}: {method} leads to an address that is no web address") from None

    def _sent(self, asked: str, request: httpx.Request, deadline: float) -> Iterator[httpx.Response | bytes]:
        """Yield the response, then its bytes; every failure of the network comes as TransientError."""
        httpx = _httpx()
        self._deadline.at = deadline
        response = None
        try:
            response = self._client.send(request, stream=True)
            _check_encoding(asked, response)
            yield response
            size = 0
            for chunk in response.iter_bytes():
                size += len(chunk)
                _check_size(asked, response, size)
                yield chunk
                self._deadline.at = deadline
                if time.monotonic() > deadline:
                    response.close()
                    raise _still_sending(asked)
        except httpx.TimeoutException as error:
            if response is not None and time.monotonic() > deadline:
                raise _still_sending(asked) from None
            seconds = request.extensions["timeout"]["read"]
            raise TransientError(
                f"{asked} did not answer within {seconds:.0f} s ({type(error).__name__})",
                next_step="Run again; if the site is simply slow, give the export a longer timeout_s.",
            ) from None
        except httpx.TooManyRedirects:
            raise TransientError(f"{asked} was sent on and on (redirect loop)") from None
        except httpx.UnsupportedProtocol:
            raise SourceChanged(f"{asked} leads to an address that is no web address") from None
        except httpx.ConnectError as error:
            raise TransientError(
                f"{asked}: the site cannot be reached ({_why(error)})",
                next_step="Check the address of the site in the settings and this machine's network, then run again.",
            ) from None
        except (httpx.RequestError, httpx.StreamError, UnicodeError) as error:
            why = _why(error)
            raise TransientError(f"{asked} was cut off or not reached ({why})") from None


def _client(source: str, base_url: str, *, allow_http: bool) -> httpx.Client:
    is_loopback = base_url.startswith("http://") and not allow_http
    # Reading all certificate authorities costs 0.1 s of CPU; plain http on loopback needs none.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_loopback else True

    def check(request: httpx.Request) -> None:
        check_address(source, str(request.url), allow_http=allow_http)
        if _HOMES in request.extensions and request.method != "GET":
            check_home(source, str(request.url), *request.extensions[_HOMES])

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


def _check_encoding(asked: str, response: httpx.Response) -> None:
    """Refuse a body that is packed several times over, or as nobody asked for: it could unpack to anything."""
    said = response.headers.get("content-encoding", "").lower().split(",")
    packed = [each.strip() for each in said if each.strip() not in ("", "identity")]
    if len(packed) > 1 or not set(packed) <= {"gzip", "deflate"}:
        response.close()
        raise SourceChanged(f"{asked} answered in an encoding that was not asked for: {', '.join(packed)[:60]}")


def _check_size(asked: str, response: httpx.Response, size: int) -> None:
    packed = response.num_bytes_downloaded
    if size > _FILE_BYTES:
        response.close()
        raise SourceChanged(f"{asked} sent over {_FILE_BYTES // 1024**3} GB; the rest was not taken")
    if size > _FREE_BYTES and size > _MAX_RATIO * packed:
        response.close()
        raise SourceChanged(
            f"{asked} sent {packed:,} bytes that unpack to {size:,} or more, a decompression bomb",
            next_step="Nothing of it was kept; open the export by hand and ask the site's owner.",
        )


def _still_sending(asked: str) -> TransientError:
    return TransientError(
        f"{asked} was still sending when its time was over",
        next_step="Run again; if the file is simply large, give the export more timeout_s.",
    )


def _why(error: Exception) -> str:
    """Return what is wrong in words; a message about broken headers would quote a cookie."""
    said = str(error)
    quotes = isinstance(error, (_httpx().ProtocolError, UnicodeError))
    if quotes and not said.startswith(("peer closed", "Server disconnected")):
        said = ""
    return f"{type(error).__name__}: {said}".rstrip(": ")


def _without_fragment(url: str) -> str:
    return urlsplit(url)._replace(fragment="").geturl()


def _httpx() -> Any:
    """Return httpx."""
    without_command_line()
    import httpx

    return httpx
