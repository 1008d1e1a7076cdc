"""What tells the builds of the page apart: each was seen in public on or before the date that names it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Build(StrEnum):
    """The builds that the sandbox can serve."""

    OF_2025 = "2025"
    OF_2026_04 = "2026-04"
    OF_2026_09 = "2026-09"


class Ids(StrEnum):
    """What `data-id` of a message holds."""

    PACKED = "packed"
    """`false_<chat>@g.us_<message>_<participant>@lid`"""
    BARE = "bare"
    """The message id alone."""
    NONE = "none"
    """There is no such attribute."""


class Body(StrEnum):
    """How the element with a message's text is marked."""

    CLASS = "class"
    """`span.selectable-text`"""
    DIRECTION = "direction"
    """Nothing but `span[dir]`."""
    TEST_ID = "test_id"
    """`span[data-testid="selectable-text"]`"""


class Search(StrEnum):
    """What the search box above the chats is."""

    EDITABLE = "editable"
    """A `div[contenteditable]`; takes any text that a person or an input method enters."""
    INPUT = "input"
    """An `input` that looks at its value when a key is let go, and at no other time."""


@dataclass(frozen=True)
class Traits:
    """How the page is written; one of BUILDS, or a changed copy of one.

    Args:
        ids: the form of `data-id`.
        direction_classes: `.message-in` and `.message-out` exist.
        test_ids: `data-testid` exists.
        body: how a message's text is marked.
        search: the kind of search box.
        header_attribute: the attribute with time, date and sender of a message.
        row_role: the `role` of a chat in the list of chats.
        qr: `canvas` or `img`.
        scroller_policy: the scroller of messages carries `data-scrolltracepolicy`.
        labels: `aria-label` exists; without, nothing names the parts of the page.
    """

    ids: Ids = Ids.BARE
    direction_classes: bool = False
    test_ids: bool = True
    body: Body = Body.TEST_ID
    search: Search = Search.INPUT
    header_attribute: str = "data-pre-plain-text"
    row_role: str = "row"
    qr: str = "canvas"
    scroller_policy: bool = False
    labels: bool = True


BUILDS = {
    Build.OF_2025: Traits(
        ids=Ids.PACKED,
        direction_classes=True,
        test_ids=False,
        body=Body.CLASS,
        search=Search.EDITABLE,
        row_role="listitem",
        scroller_policy=True,
    ),
    Build.OF_2026_04: Traits(direction_classes=True, test_ids=False, body=Body.DIRECTION),
    Build.OF_2026_09: Traits(qr="img"),
}
"""By build."""
