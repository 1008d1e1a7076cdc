"""HTML forms without a browser: fill controls, and say what a browser would send on a click."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from backhaul.errors import ConfigError, SourceChanged
from backhaul.sessions.selectors import visible_text

if TYPE_CHECKING:
    from lxml.html import HtmlElement

    from backhaul.sessions.pages import Page

_BUTTONS = frozenset({"submit", "image", "button", "reset"})
_BOXES = frozenset({"checkbox", "radio"})


@dataclass(frozen=True)
class Submission:
    """What a click on a submit button sends: pairs in page order, names may stand twice."""

    method: str
    url: str
    pairs: tuple[tuple[str, str], ...]
    is_multipart: bool


def kind(control: HtmlElement) -> str:
    """Return what control is: the type of an input ("text" by default) or button, else its tag."""
    given = (control.get("type") or "").strip().lower()
    if control.tag == "input":
        return str(given or "text")
    if control.tag == "button":
        return given if given in ("button", "reset") else "submit"
    return str(control.tag)


def fill(control: HtmlElement, value: str) -> None:
    """Put value into a text-like control.

    Raises SourceChanged if it is none, ConfigError for a date that is not written as its field wants it.
    """
    what = kind(control)
    if control.tag not in ("input", "textarea") or what in _BUTTONS or what in _BOXES or what == "file":
        raise SourceChanged(f"is a {what}, nothing to write into")
    if is_disabled(control):
        raise SourceChanged("is disabled")
    if what == "date":
        check_date(value)
    if control.tag == "textarea":
        for child in list(control):
            control.remove(child)
        control.text = value
    else:
        control.set("value", value)


def check_date(value: str) -> None:
    """Raise ConfigError if a browser's date field would refuse value."""
    try:
        if len(value) == 10 and date.fromisoformat(value):
            return
    except ValueError:
        pass
    raise ConfigError(f"is a date field, which takes YYYY-MM-DD, not {value!r}: leave date_format as it is")


def select(control: HtmlElement, label: str) -> None:
    """Choose the option whose visible text is label. Raises SourceChanged if there is none."""
    if control.tag != "select":
        raise SourceChanged(f"is a {kind(control)}, not a list to choose from")
    options = list(control.iter("option"))
    wanted = " ".join(label.split())
    chosen = next((option for option in options if visible_text(option) == wanted), None)
    if chosen is None:
        raise SourceChanged(f"has no choice {label!r} among its {len(options)}")
    for option in options:
        option.attrib.pop("selected", None)
    chosen.set("selected", "selected")


def tick(control: HtmlElement) -> None:
    """Tick a box, or choose a radio button and let the others of its group go."""
    what = kind(control)
    if what not in _BOXES:
        raise SourceChanged(f"is a {what}, not a box to tick")
    if what == "radio":
        group, form = control.get("name"), owner(control)
        for other in control.getroottree().getroot().iter("input"):
            if kind(other) == "radio" and other.get("name") == group and owner(other) is form:
                other.attrib.pop("checked", None)
    control.set("checked", "checked")


def untick(control: HtmlElement) -> None:
    """Take the tick off a box."""
    if kind(control) != "checkbox":
        raise SourceChanged(f"is a {kind(control)}, not a box to untick")
    control.attrib.pop("checked", None)


def owner(control: HtmlElement) -> HtmlElement | None:
    """Return the form that control belongs to: the one it names with `form=`, else the one around it."""
    if (named := control.get("form")) is not None:
        root = control.getroottree().getroot()
        return next((form for form in root.iter("form") if form.get("id") == named), None)
    return next(control.iterancestors("form"), None)


def controls(form: HtmlElement) -> list[HtmlElement]:
    """Return the controls of form in page order, those tied to it by `form="id"` included."""
    root = form.getroottree().getroot()
    return [found for found in root.iter("input", "button", "select", "textarea") if owner(found) is form]


def submit_button(form: HtmlElement) -> HtmlElement | None:
    """Return the button that Enter would press: the first submit button of form, if there is one."""
    return next((found for found in controls(form) if kind(found) in ("submit", "image")), None)


def submitted_form(button: HtmlElement) -> HtmlElement | None:
    """Return the form that a click on button submits, or None if that is left to a script."""
    return owner(button) if kind(button) in ("submit", "image") else None


def form_to(page: Page, path: str) -> HtmlElement | None:
    """Return the first form of page that is sent to path, which may be a whole address; None if there is none."""
    wanted = urlsplit(page.address(path))[:3]
    for form in page.tree.iter("form"):
        if form.get("action") and urlsplit(page.address(form.get("action") or ""))[:3] == wanted:
            return form
    return None


def is_disabled(control: HtmlElement) -> bool:
    """Tell whether control is disabled, by itself or by a fieldset around it (but for its legend)."""
    if control.get("disabled") is not None:
        return True
    for fieldset in control.iterancestors("fieldset"):
        if fieldset.get("disabled") is not None:
            legend = fieldset.find("legend")
            if legend is None or legend not in control.iterancestors("legend"):
                return True
    return False


def submission(form: HtmlElement, button: HtmlElement | None, page: Page) -> Submission:
    """Return what a browser sends when button (None: Enter) submits form, which stands on page."""

    def said(name: str, default: str) -> str:
        if button is not None and (own := button.get(f"form{name}")) is not None:
            return str(own).strip()
        return str(form.get(name) or default).strip()

    pairs = [pair for control in controls(form) for pair in _pairs(control, button)]
    action = said("action", "")
    url = page.address(action) if action else page.url
    method = said("method", "get").upper()
    if method != "POST":
        url = urlsplit(url)._replace(query=urlencode(pairs), fragment="").geturl()
        return Submission("GET" if method != "DIALOG" else method, url, (), False)
    is_multipart = said("enctype", "").lower() == "multipart/form-data"
    return Submission("POST", url, tuple(pairs), is_multipart)


def _pairs(control: HtmlElement, button: HtmlElement | None) -> list[tuple[str, str]]:
    """Return the name=value pairs that control adds to its form's submission."""
    name, what, value = control.get("name"), kind(control), control.get("value") or ""
    if is_disabled(control):
        return []
    if what == "image" and control is button:
        prefix = f"{name}." if name else ""
        return [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
    if not name:
        return []
    if what in _BUTTONS:
        return [(name, value)] if control is button else []
    if what in _BOXES:
        return [(name, control.get("value", "on"))] if control.get("checked") is not None else []
    if what == "select":
        return [(name, value) for value in _chosen(control)]
    if what == "textarea":
        text = "".join(control.itertext()).removeprefix("\n")
        return [(name, re.sub(r"\r\n?|\n", "\r\n", text))]
    return [(name, "" if what == "file" else value)]


def _chosen(control: HtmlElement) -> list[str]:
    """Return the values of the chosen options; a list that shows one line always has one chosen."""
    options = list(control.iter("option"))
    usable = [option for option in options if not _is_option_disabled(option)]
    chosen = [option for option in options if option.get("selected") is not None]
    if control.get("multiple") is None:
        one_line = (control.get("size") or "1").strip() in ("", "0", "1")
        chosen = chosen[-1:] or (usable[:1] if one_line else [])
    return [option.get("value", visible_text(option)) for option in chosen if not _is_option_disabled(option)]


def _is_option_disabled(option: HtmlElement) -> bool:
    group = next(option.iterancestors("optgroup"), None)
    return option.get("disabled") is not None or (group is not None and group.get("disabled") is not None)
