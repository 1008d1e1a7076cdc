"""Pages without people in them: structure stays, what was typed and what rows say goes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from backhaul.sessions.pages import Page

if TYPE_CHECKING:
    from lxml.html import HtmlElement

COVER = "***"
DIGITS = r"\+?\d(?:[ .()\-]{0,2}\d){5,}"
"""Six digits or more, as phone numbers, ids and card numbers are written."""
EMAIL = r"[\w.+\-]+@[\w\-]+\.[\w.\-]+"
CELLS = "td, th, dd, pre, code, output, [role=cell], [role=gridcell], [role=rowheader]"
"""Where pages show rows. Headings of columns are told apart by their place."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{2}[./-]\d{2}[./-]\d{4}")
_MASKED = re.compile(rf"(?P<email>{EMAIL})|(?P<token>[A-Za-z0-9_+/=\-]{{20,}})|(?P<digits>{DIGITS})")
# fmt: off
_KEPT = frozenset({
    "accept-charset", "action", "aria-expanded", "aria-haspopup", "aria-label", "autocomplete", "charset",
    "checked", "class", "colspan", "content", "data-target", "data-toggle", "disabled", "enctype", "for",
    "form", "formaction", "formenctype", "formmethod", "hidden", "href", "http-equiv", "id", "lang",
    "maxlength", "method", "multiple", "name", "placeholder", "readonly", "rel", "required", "role", "rowspan",
    "selected", "size", "src", "tabindex", "target", "title", "type",
})
# fmt: on
_ADDRESSES = frozenset({"action", "formaction", "href", "src"})
_BUTTONS = frozenset({"submit", "button", "reset", "image"})
_EMPTIED = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object", "canvas"})
_CELL_TAGS = frozenset({"td", "dd", "pre", "code", "output"})
_CELL_ROLES = frozenset({"cell", "gridcell", "rowheader"})
_STILL_SHOWN = frozenset({"button", "label", "legend"})
_LONG_LIST = 30
"""A list with more choices than this is one of people or goods, not of formats."""
_SHORTEST_TOKEN = 8
_MOST_ROWS = 20
_MOST_ELEMENTS = 30_000
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""What no element may hold, and some pages send."""


class Cleaner:
    """Takes secrets, people's data and tokens out of pages and addresses.

    Args:
        secrets: what may stand nowhere: the account's user name and password, in every spelling.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.secrets = frozenset(secrets)

    def page(self, page: Page) -> bytes | None:
        """Return the page's HTML without what was typed, rows, tokens and secrets; None if one would not go."""
        from lxml import etree
        from lxml import html as lxml_html

        tree: HtmlElement = copy.deepcopy(page.tree)
        secret = _pattern(self.secrets | _tokens(tree))
        etree.strip_tags(tree, etree.Comment, etree.ProcessingInstruction)
        _shorten(tree)
        elements = [element for element in tree.iter() if isinstance(element.tag, str)]
        if len(elements) > _MOST_ELEMENTS:
            return None
        for element in elements:
            self._clean(element, secret)
        cleaned: bytes = lxml_html.tostring(tree, encoding="utf-8", doctype="<!DOCTYPE html>")
        # Where a user name is a word of HTML itself, nothing can be shown without it.
        left = _pattern(self.secrets)
        return None if left is not None and left.search(cleaned.decode("utf-8", "replace")) else cleaned

    def text(self, text: str) -> str:
        """Return text without secrets, addresses of people, long numbers and tokens."""
        return _without(text, _pattern(self.secrets))

    def path(self, path: str) -> str:
        """Return the path of an address, cleaned likewise."""
        return "/".join(self.text(part) for part in path.split("/"))

    def _clean(self, element: HtmlElement, secret: re.Pattern[str] | None) -> None:
        said = {str(name): self._attribute(element, str(name), str(value), secret) for name, value in element.items()}
        element.attrib.clear()
        for name, kept in said.items():
            if kept is not None:
                element.set(name, kept)
        if element.tag == "textarea" or (element.tag == "option" and _is_long(element)):
            element.text = _covered(element.text)
        is_row = _is_in_row(element)
        element.text = _covered(element.text) if is_row else _cleaned(element.text, secret)
        parent = element.getparent()
        if element.tail:
            tail_is_row = parent is not None and _is_in_row(parent)
            element.tail = _covered(element.tail) if tail_is_row else _cleaned(element.tail, secret)

    def _attribute(self, element: HtmlElement, name: str, value: str, secret: re.Pattern[str] | None) -> str | None:
        if name == "value":
            is_button = element.tag == "button" or (element.get("type") or "").lower() in _BUTTONS
            return _without(value, secret) if is_button else COVER if value else ""
        if name not in _KEPT or (name == "content" and element.get("http-equiv") is None):
            return None
        if name == "charset":
            return "utf-8"
        if name in ("title", "aria-label") and _is_in_row(element):
            return COVER
        if name in _ADDRESSES or name == "content":
            return _without(_path_only(value), secret)
        return _without(value, secret)


def _shorten(tree: HtmlElement) -> None:
    """Leave out scripts, drawings and what follows the first rows of a table."""
    for element in list(tree.iter(*_EMPTIED)):
        for child in list(element):
            element.remove(child)
        element.text = None
    for body in list(tree.iter("table", "tbody")):
        for row in body.findall("tr")[_MOST_ROWS:]:
            body.remove(row)


def _tokens(tree: HtmlElement) -> set[str]:
    """Return what hidden fields and meta elements hold: form tokens, which scripts repeat elsewhere."""
    found = {element.get("value") or "" for element in tree.iter("input") if (element.get("type") or "") == "hidden"}
    found |= {element.get("content") or "" for element in tree.iter("meta") if "token" in (element.get("name") or "")}
    return {each for each in found if len(each) >= _SHORTEST_TOKEN}


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if longest_first else None


def _without(text: str, secret: re.Pattern[str] | None) -> str:
    text = _CONTROLS.sub("", text)
    if secret is not None:
        text = secret.sub(COVER, text)
    return _MASKED.sub(_cover, text)


def _cover(found: re.Match[str]) -> str:
    said = found[0]
    if found["token"] is not None:
        # Long words are words; tokens have digits among their letters.
        is_token = any(sign.isdigit() for sign in said) and any(sign.isalpha() for sign in said)
        return COVER if is_token or sum(sign.isdigit() for sign in said) > 5 else said
    return said if found["digits"] is not None and _DAY.fullmatch(said) else COVER


def _cleaned(text: str | None, secret: re.Pattern[str] | None) -> str | None:
    return _without(text, secret) if text and text.strip() else text


def _covered(text: str | None) -> str | None:
    return COVER if text and text.strip() else text


def _path_only(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return COVER
    return parts.path if parts.scheme in ("", "http", "https") else COVER


def _is_long(option: HtmlElement) -> bool:
    parent = option.getparent()
    return parent is not None and len(parent) > _LONG_LIST


def _is_in_row(element: HtmlElement) -> bool:
    """Tell whether the text of element is a row's: it stands in a cell, and is no button or label there."""
    for near in (element, *element.iterancestors()):
        if near.tag in _STILL_SHOWN:
            return False
        if near.tag in _CELL_TAGS or near.get("role") in _CELL_ROLES:
            return True
        if near.tag == "th":
            row = near.getparent()
            return row is not None and row.find("td") is not None
    return False
