"""Selectors, one language for every driver: CSS plus `:has-text("...")`, compiled to XPath."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from backhaul.errors import ConfigError

if TYPE_CHECKING:
    from lxml.etree import XPath
    from lxml.html import HtmlElement

_NAMESPACE = "backhaul"
_UNREAD = frozenset({"script", "style", "noscript"})


def visible_text(element: HtmlElement) -> str:
    """Return element's text, white space as single blanks; of an `<input>` button, what is written on it."""
    if element.tag == "input" and (element.get("type") or "").lower() in ("submit", "button"):
        return " ".join((element.get("value") or "").split())
    return " ".join("".join(_texts(element)).split())


def check_selector(selector: str) -> None:
    """Raise ConfigError if selector is not CSS with `:has-text()`."""
    _compiled(selector)


def find(tree: HtmlElement, selector: str) -> HtmlElement | None:
    """Return the first element that selector finds below tree, in the order of the page, or None.

    Raises ConfigError if selector is not CSS with `:has-text()`.
    """
    found: Any = _compiled(selector)(tree)
    return found[0] if found else None


def _texts(element: HtmlElement) -> list[str]:
    if not isinstance(element.tag, str) or element.tag in _UNREAD:
        return []
    texts = [element.text or ""]
    for child in element:
        texts += [*_texts(child), child.tail or ""]
    return texts


def _has_text(context: object, elements: list[HtmlElement], wanted: str) -> bool:
    return wanted in visible_text(elements[0]).casefold()


@lru_cache(maxsize=512)
def _compiled(selector: str) -> XPath:
    from cssselect import ExpressionError, HTMLTranslator, SelectorError
    from cssselect.parser import Function
    from cssselect.xpath import XPathExpr
    from lxml.etree import XPath

    class Translator(HTMLTranslator):
        def xpath_has_text_function(self, xpath: XPathExpr, function: Function) -> XPathExpr:
            if function.argument_types() not in (["STRING"], ["IDENT"]):
                raise ExpressionError('write it as :has-text("some text")')
            wanted = " ".join(str(function.arguments[0].value).split()).casefold()
            return xpath.add_condition(f"text:has-text(., {self.xpath_literal(wanted)})")

    try:
        path = Translator().css_to_xpath(selector)
    except SelectorError as error:
        raise ConfigError(
            f"selector {selector!r} cannot be read: {error}",
            next_step='Selectors are CSS and :has-text("..."), the same for both drivers.',
        ) from error
    return XPath(path, namespaces={"text": _NAMESPACE}, extensions={(_NAMESPACE, "has-text"): _has_text})
