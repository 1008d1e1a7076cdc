"""What a page that was answered is: read from its HTML, the same for every driver."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from backhaul.errors import SourceChanged
from backhaul.sessions.selectors import find

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_TITLE_LENGTH = 60
_BLANK = b"<html><body></body></html>"


@dataclass(frozen=True)
class Page:
    """One HTML page: where it came from and its tree. Filling a form changes the tree."""

    url: str
    tree: HtmlElement

    @classmethod
    def read(cls, html: bytes | str, url: str, charset: str | None = None) -> Page:
        """Return the page for html, whatever its state; charset is what the server said of bytes."""
        from lxml import html as lxml_html
        from lxml.etree import ParserError

        if isinstance(html, str):
            html, charset = html.encode("utf-8", "replace"), "utf-8"
        try:
            parser = lxml_html.HTMLParser(encoding=charset)
        except (LookupError, ValueError):
            parser = lxml_html.HTMLParser()
        if not html.strip():
            html = _BLANK
        try:
            tree = lxml_html.document_fromstring(html, parser=parser, ensure_head_body=True)
        except ParserError:
            # Nothing but a comment, a declaration or bytes that are no text: a page without content.
            tree = lxml_html.document_fromstring(_BLANK, ensure_head_body=True)
        return cls(url, tree)

    def find(self, selector: str) -> HtmlElement | None:
        """Return the first element that selector finds, or None."""
        return find(self.tree, selector)

    def has(self, selector: str | None) -> bool:
        """Tell whether selector finds anything; no selector finds nothing."""
        return selector is not None and self.find(selector) is not None

    @property
    def path(self) -> str:
        """The path of the page's address, without query: what messages show."""
        return path_of(self.url)

    @cached_property
    def title(self) -> str:
        """The page's title, shortened; the only words of a page that a message may repeat."""
        title = " ".join((self.tree.findtext(".//title") or "").split())
        return title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1] + "…"

    @cached_property
    def has_script(self) -> bool:
        """Tell whether scripts may do here what HTML alone does not."""
        return self.tree.find(".//script") is not None

    @cached_property
    def is_blank(self) -> bool:
        """Tell whether nothing at all stands on the page, as after an empty answer."""
        return not self.tree.xpath("//body//*|//script|//title|//body//text()[normalize-space()]")

    @cached_property
    def base(self) -> str:
        """The address that links on this page start from."""
        found = self.tree.find(".//base[@href]")
        return self.url if found is None else self._joined(self.url, found.get("href") or "")

    @cached_property
    def refresh(self) -> str | None:
        """The address that the page goes on to by itself (`<meta http-equiv=refresh>`), or None."""
        for meta in self.tree.iterfind(".//meta[@http-equiv]"):
            if (meta.get("http-equiv") or "").lower() == "refresh":
                _, _, target = (meta.get("content") or "").partition(";")
                _, _, address = target.partition("=")
                return self.address(address.strip().strip("'\"")) if address else self.url
        return None

    def address(self, link: str) -> str:
        """Return the whole address that link on this page leads to. Raises SourceChanged if it is none."""
        return self._joined(self.base, link)

    def _joined(self, base: str, link: str) -> str:
        try:
            return urljoin(base, link)
        except ValueError:
            raise SourceChanged(f"{self} leads to an address that is no web address") from None

    def __str__(self) -> str:
        return f"the page {self.title!r} at {self.path}" if self.title else f"a page without title at {self.path}"


def path_of(url: str) -> str:
    """Return the path of url: its query may hold tokens, so messages leave it out."""
    return urlsplit(url).path or "/"


def is_page(head: bytes, content_type: str, disposition: str) -> bool:
    """Tell whether an answer is a page for people: by its first bytes, and by its headers where these help.

    Some sites call every file text/html, and some send their login page under a file's name.
    """
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")):
        return True
    html = content_type.partition(";")[0].strip().lower() in ("text/html", "application/xhtml+xml")
    if start.startswith(b"<"):
        return html or not start.startswith(b"<?xml")
    is_text = b"\x00" not in head and not head.startswith((b"PK", b"\xd0\xcf", b"\xff\xfe", b"\xfe\xff"))
    return html and is_text and not disposition.lower().startswith("attachment")
