"""A notifier that writes to a list, or refuses: a channel whose far side the test itself is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from backhaul.notices import Message, Notice


@dataclass(frozen=True)
class Board:
    """Tells every notice by its kind; `refuse` may raise what a channel raises."""

    name: str = "board"
    posted: list[str] = field(default_factory=list, compare=False)
    notices: list[Notice] = field(default_factory=list, compare=False)
    refuse: Callable[[], None] = field(default=lambda: None, compare=False)

    def compose(self, notice: Notice) -> Message | None:
        self.notices.append(notice)
        return Message(f"{type(notice).__name__} {getattr(notice, 'stream', '')}".strip())

    def send(self, message: Message, skip_parts: int = 0) -> None:
        self.refuse()
        self.posted.append(message.text)
