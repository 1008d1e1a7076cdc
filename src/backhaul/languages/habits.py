"""How a language writes numbers, moments and directions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from zoneinfo import ZoneInfo

LEFT_TO_RIGHT = "\N{LEFT-TO-RIGHT ISOLATE}"
AS_ITS_FIRST_LETTER = "\N{FIRST STRONG ISOLATE}"
END = "\N{POP DIRECTIONAL ISOLATE}"
RIGHT_TO_LEFT_MARK = "\N{RIGHT-TO-LEFT MARK}"

_LONG = Context(prec=120)
"""For amounts of any column: those have 38 digits at most, and shares of them more."""


@dataclass(frozen=True)
class Habit:
    """The marks of one language; `moment` is a strftime pattern without the zone."""

    thousands: str
    decimal: str
    moment: str
    is_right_to_left: bool = False

    def number(self, value: int | float | Decimal, decimals: int = 0) -> str:
        """Return value rounded half up to so many decimals, such as 1.234,5; `-0` does not occur."""
        step = Decimal(1).scaleb(-decimals)
        exact = Decimal(str(value)).quantize(step, ROUND_HALF_UP, _LONG)
        english = f"{exact if exact else abs(exact):,f}"
        marks = {",": self.thousands, ".": self.decimal}
        return "".join(marks.get(sign, sign) for sign in english)

    def local(self, at: datetime, timezone: str) -> str:
        """Return the moment on a clock in timezone, such as `12/09/2025 08:00:45 WIB`."""
        there = at.astimezone(ZoneInfo(timezone))
        return f"{there.strftime(self.moment)} {_zone_name(there)}"

    def isolated(self, value: str) -> str:
        """Return value so that its neighbours do not turn it round, where the language is written from the right."""
        if not self.is_right_to_left:
            return value
        begin = LEFT_TO_RIGHT if not any(letter.isalpha() for letter in value) else AS_ITS_FIRST_LETTER
        return f"{begin}{value}{END}"

    def marked(self, line: str) -> str:
        """Return line so that a reader's program writes it from the right where the language does."""
        return RIGHT_TO_LEFT_MARK + line if self.is_right_to_left and line else line


HABITS = {
    "en": Habit(thousands=",", decimal=".", moment="%Y-%m-%d %H:%M:%S"),
    "he": Habit(thousands=",", decimal=".", moment="%d/%m/%Y %H:%M:%S", is_right_to_left=True),
    "id": Habit(thousands=".", decimal=",", moment="%d/%m/%Y %H:%M:%S"),
}
"""By language; English writes the year first, as 12/09 is another day on each side of an ocean."""


def _zone_name(there: datetime) -> str:
    name = there.tzname() or ""
    if name[:1] not in "+-":
        return name
    # Zones without letters of their own are called by their offset alone, "+04".
    return f"UTC{name}"
