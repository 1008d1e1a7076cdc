"""Dated copies of a CSV file: what they are called, how old they are by that name, and which of them go."""

from __future__ import annotations

import contextlib
import filecmp
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.destinations.csv.table import CsvTable, write_frame, write_header
from backhaul.errors import ConfigError, DeliveryError
from backhaul.lake.durable import write_text
from backhaul.lake.landing import safe_name
from backhaul.lake.whole_file import WholeFile
from backhaul.model import REMOVED_AT

if TYPE_CHECKING:
    import polars as pl

TABLE = "{table}"
OWNER = ".snapshots"
"""The file that says which table the copies in its folder are of, where their names do not."""

_DIGITS = {"%Y": 4, "%m": 2, "%d": 2, "%H": 2, "%M": 2, "%S": 2}
"""The parts of a moment that a name may hold, and how many digits each has."""

_NEEDED = (("%Y", "%m", "%d"), ("%Y", "%m", "%d", "%H"), ("%Y", "%m", "%d", "%H", "%M"), tuple(_DIGITS))
"""A name says the moment down to some part, and leaves out none of those before it."""


@dataclass(frozen=True)
class SnapshotName:
    """How copies are called, without `.csv`: TABLE stands for the table, `%Y %m %d %H %M %S` for the moment.

    Raises ConfigError for a form that says no clear moment, or that not every platform takes as a name.
    """

    form: str

    def __post_init__(self) -> None:
        codes = re.findall("%.?", self.form)
        if sorted(codes) not in [sorted(each) for each in _NEEDED]:
            raise ConfigError(
                f"snapshots named {self.form!r} do not say clearly when they were taken",
                next_step="Use each of %Y %m %d once, and after them %H, %M and %S as far as wanted.",
            )
        name = self.of("table", datetime(2000, 1, 1))
        if safe_name(name) != name:
            raise ConfigError(
                f"snapshots named {self.form!r}: not every platform takes that as a file name",
                next_step=f"Use letters, digits and . = @ + - _ beside {TABLE} and the codes.",
            )

    @property
    def is_of_one_table(self) -> bool:
        """Whether a name says which table the copy is of."""
        return TABLE in self.form

    def of(self, table: str, moment: datetime) -> str:
        """Return the name of the copy of that moment, by the clock that moment shows."""
        values = {"%Y": f"{moment.year:04}", **{code: moment.strftime(code) for code in _DIGITS if code != "%Y"}}
        parts = (values[part] if part in values else part.replace(TABLE, table) for part in self._parts)
        return "".join(parts) + ".csv"

    def moment(self, table: str, name: str) -> datetime | None:
        """Return when a file of this name was taken, without a zone; None if it is no copy of the table."""
        pattern = "".join(
            f"(?P<{part[1]}>[0-9]{{{_DIGITS[part]}}})" if part in _DIGITS else re.escape(part.replace(TABLE, table))
            for part in self._parts
        )
        found = re.fullmatch(pattern + re.escape(".csv"), name)
        if not found:
            return None
        said = {code: int(digits) for code, digits in found.groupdict().items()}
        try:
            return datetime(said["Y"], said["m"], said["d"], said.get("H", 0), said.get("M", 0), said.get("S", 0))
        except ValueError:
            return None

    @property
    def _parts(self) -> list[str]:
        """The codes of the form and the texts between them."""
        return re.split("(%.)", self.form)


@dataclass(frozen=True)
class Snapshots:
    """The dated copies beside one file, `most` of them; `name` is the destination's, for messages."""

    table: CsvTable
    form: SnapshotName
    most: int
    name: str

    @property
    def path(self) -> Path:
        """The file that is copied."""
        return self.table.path

    def claim(self) -> None:
        """Make copies that are not named after their table this table's own in the folder; the first has them.

        Raises DeliveryError if they are another table's: each would replace and remove the other's.
        """
        if self.form.is_of_one_table:
            return
        owner = WholeFile(self.path.with_name(OWNER), self.name)
        with owner.locked(), owner.errors_told():
            if not self.owner():
                write_text(owner.path, self.path.stem)
        self.refuse_others()

    def refuse_others(self) -> None:
        """Raise DeliveryError if the copies in the folder are another table's; changes nothing."""
        if not self.form.is_of_one_table and (owner := self.owner()) not in ("", self.path.stem):
            raise DeliveryError(
                f"{self.name}: dated copies in {self.path.parent.name} are of table {owner}; nothing was changed",
                next_step=f"Put {TABLE} into dated=, or deliver {self.path.stem} to a folder of its own;"
                f" if {owner} is no more, remove {OWNER} from the folder.",
            )

    def owner(self) -> str:
        """Return the table that the folder's copies are of where their names do not say it; empty if none are."""
        path = self.path.with_name(OWNER)
        return path.read_text("utf-8", errors="replace").strip() if path.exists() else ""

    def there(self) -> list[Path]:
        """Return the copies that are there, oldest first by what their names say; other files are not ours."""
        found = [(self.form.moment(self.path.stem, each.name), each) for each in self.path.parent.iterdir()]
        ours = [(moment, each) for moment, each in found if moment and each != self.path and each.is_file()]
        return [each for _, each in sorted(ours)]

    def take(self, moment: datetime, *, is_complete: bool, marked: bool) -> None:
        """Copy the file, unless the newest copy holds the same; remove the oldest beyond their number.

        A copy of the same moment is replaced. The copy of a complete stream holds what was there then: rows that
        are marked as removed are left out.
        """
        there, copy = self.there(), self.path.with_name(self.form.of(self.path.stem, moment))
        with WholeFile(copy, self.name).replaced() as part:
            self._write(part, is_complete=is_complete, marked=marked)
            if there and filecmp.cmp(part, there[-1], shallow=False):
                part.unlink()
        # A copy that was just taken stays, also where the clock was put back and others look newer.
        others = [each for each in there if each != copy]
        for old in others[: max(0, len(others) + copy.exists() - self.most)]:
            # Windows removes no file that somebody has open; the next change does.
            with contextlib.suppress(PermissionError):
                old.unlink(missing_ok=True)

    def _write(self, part: Path, *, is_complete: bool, marked: bool) -> None:
        names = [name.strip() for name in self.table.header()]
        if not is_complete or REMOVED_AT not in names:
            shutil.copyfile(self.path, part)
            return
        shown = [place for place, name in enumerate(names) if name != REMOVED_AT]
        with part.open("wb") as out:
            write_header(out, [names[place] for place in shown], self.table.separator, marked=marked)
            for block in self.table.blocks(len(names)):
                present = block.filter(_is_present(names.index(REMOVED_AT)))
                write_frame(out, present.select(str(place) for place in shown), self.table.separator)


def _is_present(place: int) -> pl.Expr:
    import polars as pl

    return pl.col(str(place)).fill_null("") == ""
