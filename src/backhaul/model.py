"""The facts that travel through a run, and the contracts of the parts that handle them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, runtime_checkable

if TYPE_CHECKING:
    import polars as pl

ROW = "_row"
"""Column of a staged frame: the row's number in its artifact, from 1, header not counted."""

REMOVED_AT = "removed_at"
"""Column of a destination: when a complete stream's row was first missing (UTC); empty for rows that are there."""


@dataclass(frozen=True)
class Window:
    """Calendar days from start to end, both included, as a clock in timezone counts them."""

    start: date
    end: date
    timezone: str

    def __post_init__(self) -> None:
        if self.start > self.end:
            raise ValueError(f"window starts on {self.start}, after its end {self.end}")

    def __str__(self) -> str:
        return f"{self.start}" if self.start == self.end else f"{self.start}..{self.end}"


@dataclass(frozen=True)
class Counts:
    """What became of rows; every row that was read is in exactly one of the first five fields.

    `removed` are rows of the destination that a complete artifact no longer has: they were not read.
    """

    new: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicate: int = 0
    rejected: int = 0
    removed: int = 0

    @property
    def rows(self) -> int:
        """The number of rows read."""
        return self.new + self.updated + self.unchanged + self.duplicate + self.rejected

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.new + other.new,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.duplicate + other.duplicate,
            self.rejected + other.rejected,
            self.removed + other.removed,
        )


class RowClass(IntEnum):
    """What a destination found for one row of a batch; stored as one byte a row."""

    NEW = 0
    UPDATED = 1
    UNCHANGED = 2
    REFUSED = 3


@dataclass(frozen=True)
class Landed:
    """A proven file in the landing zone, not yet kept."""

    path: Path
    name: str
    sha256: str
    size_bytes: int
    window: Window | None


@dataclass(frozen=True)
class Artifact:
    """A kept file: path is its read-only place in raw, named by its hash; what it is, is hash, name and window.

    `is_repair` tells the file of rows that a person has repaired: they are parsed and transformed already.
    """

    id: str
    path: Path
    name: str
    sha256: str
    size_bytes: int
    window: Window | None
    fetched_at: datetime
    is_repair: bool = False


@dataclass(frozen=True)
class Fetched:
    """What one fetch brought: none, one or more files (none is an empty day) and where the next one goes on."""

    artifacts: tuple[Landed, ...]
    cursor: str | None = None


class Severity(StrEnum):
    """What a failed check does: tell, put the row aside, or hold the whole batch for a person."""

    WARN = "warn"
    REJECT = "reject"
    STOP = "stop"


@dataclass(frozen=True)
class RowCheck:
    """A rule that each row passes or not: `rule` is a boolean expression, null counts as failed."""

    name: str
    rule: pl.Expr
    severity: Severity = Severity.REJECT


@dataclass(frozen=True)
class BatchFacts:
    """What a table check may look at: the batch's good rows, and the row counts of earlier ones, newest first."""

    frame: pl.LazyFrame
    rows: int
    earlier_rows: tuple[int, ...]
    window: Window | None
    now: datetime


@dataclass(frozen=True)
class TableCheck:
    """A rule about a whole batch: `rule` returns what is wrong in words, or None. REJECT is not for tables."""

    name: str
    rule: Callable[[BatchFacts], str | None]
    severity: Severity = Severity.STOP


Check = RowCheck | TableCheck


@dataclass(frozen=True)
class Rejected:
    """One row that was put aside: where it stands in its artifact, and the name of the check it failed."""

    row: int
    check: str


@dataclass(frozen=True)
class Batch:
    """The staged rows of one artifact: Parquet parts in file order, each key once, `_row` beside the data.

    `id` is stable over a crash and names the batch to every destination. Rows read = rows + duplicate + rejected.
    `empty` are the columns without a single value: their type is unknown, and `schema` says Null.
    One that is not `is_whole` has only some rows of its file: what it lacks is not gone from a complete stream.
    `unsealed` reads a part that is encrypted; parts are read through `frames` and `lazy` only.
    """

    id: str
    stream: str
    parts: tuple[Path, ...]
    rows: int
    duplicate: int
    rejected: int
    timezone: str
    empty: tuple[str, ...] = ()
    is_whole: bool = True
    unsealed: Callable[[Path], bytes] | None = field(default=None, compare=False, repr=False)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield the kept rows part by part (bounded memory); the first column is `_row`."""
        import polars as pl

        for part in self.parts:
            yield pl.read_parquet(self._readable(part))

    def lazy(self) -> pl.LazyFrame:
        """Return all kept rows as one lazy frame, which reads them part by part."""
        import polars as pl
        from polars.io.plugins import register_io_source

        if self.unsealed is None:
            return pl.scan_parquet(list(self.parts))

        def rows(
            columns: list[str] | None, predicate: pl.Expr | None, most: int | None, _size: int | None
        ) -> Iterator[pl.DataFrame]:
            for frame in self.frames():
                taken = frame if most is None else frame.head(most)
                most = None if most is None else most - taken.height
                taken = taken if predicate is None else taken.filter(predicate)
                yield taken if columns is None else taken.select(columns)

        return register_io_source(rows, schema=pl.read_parquet_schema(self._readable(self.parts[0])))

    def schema(self) -> dict[str, pl.DataType]:
        """Return the type of each data column (`_row` left out), in file order; the same in every part."""
        import polars as pl

        if not self.parts:
            return {}
        schema = pl.read_parquet_schema(self._readable(self.parts[0]))
        return {name: pl.Null() if name in self.empty else dtype for name, dtype in schema.items() if name != ROW}

    def _readable(self, part: Path) -> Path | BytesIO:
        return part if self.unsealed is None else BytesIO(self.unsealed(part))


@dataclass(frozen=True)
class Changes:
    """What a destination would do with a batch: one RowClass byte for each kept row, in order.

    `removed` is how many rows of the destination a complete stream's batch no longer has.
    """

    batch: Batch
    classes: pl.Series
    refused: tuple[Rejected, ...] = ()
    removed: int = 0

    def rows(self, wanted: RowClass) -> Iterator[pl.DataFrame]:
        """Yield the rows of one class, part by part; parts without any are left out."""
        offset = 0
        for frame in self.batch.frames():
            classes = self.classes.slice(offset, frame.height)
            offset += frame.height
            chosen = frame.filter(classes == int(wanted))
            if chosen.height:
                yield chosen

    @property
    def counts(self) -> Counts:
        """What `write` will report if nothing changes in between."""
        found = [int((self.classes == int(kind)).sum()) for kind in RowClass]
        return Counts(
            new=found[RowClass.NEW],
            updated=found[RowClass.UPDATED],
            unchanged=found[RowClass.UNCHANGED],
            duplicate=self.batch.duplicate,
            rejected=self.batch.rejected + found[RowClass.REFUSED],
            removed=self.removed,
        )


@dataclass(frozen=True)
class Retention:
    """How long a stream's raw files are kept, and how much of them at most (a megabyte is 1,000,000 bytes).

    What is not delivered everywhere, or has rows in quarantine, is kept longer.
    """

    days: int = 30
    megabytes: int = 200


class StreamOptions(TypedDict, total=False):
    """What every verb of every source accepts beside its own arguments; see Stream."""

    title: str | None
    table: str | None
    cursor: str | None
    window_column: str | None
    complete: bool
    personal: bool
    look_back_days: int
    checks: Iterable[Check]
    transform: Callable[[pl.DataFrame], pl.DataFrame] | None
    to: Destination | Iterable[Destination]
    retention: Retention


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One table's way from a source into curated and on to its destinations. Sources make streams.

    Args:
        request: what to fetch, in the source's own terms; nobody else reads it.
        key: the columns that name a row, at least one.
        title: how messages to people call the stream, by default by its name.
        table: the curated table, by default the stream's name; several streams may share one.
        window_column: the date column that proves that the window was obeyed.
        complete: an artifact holds everything, so that a key it lacks gets `removed_at`; no row is deleted.
        personal: the artifacts hold personal data; the lake keeps them encrypted.
        look_back_days: days before the last success that a window without a word begins at.
        transform: pure, frame to frame; may rename, cast, add and drop columns and rows.
    """

    name: str
    source: Source
    request: object
    key: tuple[str, ...]
    title: str | None = None
    table: str | None = None
    cursor: str | None = None
    window_column: str | None = None
    complete: bool = False
    personal: bool = False
    look_back_days: int = 1
    checks: tuple[Check, ...] = ()
    transform: Callable[[pl.DataFrame], pl.DataFrame] | None = field(default=None, compare=False)
    to: tuple[Destination, ...] = ()
    retention: Retention = Retention()

    @classmethod
    def made_by(
        cls,
        source: Source,
        name: str,
        *,
        key: str | Iterable[str],
        request: object,
        options: StreamOptions,
    ) -> Stream:
        """Return a stream, lone values of key, checks and `to` brought into tuples: for sources' verbs."""
        rest: dict[str, Any] = dict(options)
        to, checks = rest.pop("to", ()), rest.pop("checks", ())
        return cls(
            name=name,
            source=source,
            request=request,
            key=(key,) if isinstance(key, str) else tuple(key),
            checks=tuple(checks),
            to=tuple(to) if isinstance(to, Iterable) else (to,),
            **rest,
        )

    @property
    def target(self) -> str:
        """The name of the curated table."""
        return self.table or self.name


class Vault(Protocol):
    """What survives between runs for one source: sessions, and small facts such as the driver that worked."""

    def recall(self, name: str) -> str | None:
        """Return what was remembered under name, or None."""

    def remember(self, name: str, value: str) -> None:
        """Keep value under name. No secrets."""

    def recall_session(self, name: str) -> bytes | None:
        """Return the saved session of this name (cookies, as its driver wrote them), or None; decrypted."""

    def save_session(self, name: str, state: bytes) -> None:
        """Keep a session encrypted; where no key is set, forget it instead."""

    def forget_session(self, name: str) -> None:
        """Remove a saved session that has proved useless."""

    def without_sessions(self) -> Vault:
        """Return the same vault for those who sign in by themselves: it has no saved session and takes none."""

    def keep_evidence(self, name: str, content: bytes) -> None:
        """Keep a file that shows why signing in failed (page, screenshot), cleaned of secrets by the caller."""


class Landing(Protocol):
    """Where `fetch` puts files. Both ways write to a `.part`, prove it, hash it and only then give it its name."""

    def receive(
        self,
        chunks: Iterable[bytes],
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
    ) -> Landed:
        """Save a stream of bytes. What `prove` or the stream raises leaves no file behind."""

    def adopt(self, path: Path, *, name: str, window: Window | None, prove: Callable[[Path], None]) -> Landed:
        """Copy a file that lies somewhere already, such as a browser's download."""

    def keep_evidence(self, name: str, content: bytes) -> None:
        """Keep a file that shows why an attempt failed (page, screenshot), cleaned of secrets by the caller."""


class Session(Protocol):
    """An open way to the outside, signed in if need be; used by several threads at once."""

    def close(self) -> None:
        """Let go of everything; never raises, may be called twice."""


class Source(Protocol):
    """A place to haul from. Frozen; makes streams with a verb of its own. One class serves every stream it made."""

    @property
    def name(self) -> str:
        """How the source is called in messages and in the vault: a host, a folder."""

    @property
    def parallel(self) -> int:
        """How many streams may use one session at once."""

    def open(self, vault: Vault) -> Session:
        """Return a session. Raises LoginRequired, TransientError, SourceChanged, ConfigError."""

    def fetch(
        self,
        session: Session,
        stream: Stream,
        window: Window,
        cursor: str | None,
        landing: Landing,
    ) -> Fetched:
        """Save files to landing and do nothing else. Raises the same as `open`."""

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the artifact's rows, typed, in file order; pure. Raises SourceChanged for what it cannot read."""


@runtime_checkable
class Checkable(Protocol):
    """A destination or notifier that can prove its connection without changing anything, for `doctor`."""

    def check(self) -> str:
        """Return what was found, in a line. Raises the errors that using it would raise."""


class Destination(Protocol):
    """A place to deliver to. Both calls may raise DeliveryError and TransientError."""

    @property
    def name(self) -> str:
        """How the destination is called in messages and in the ledger."""

    def compare(self, stream: Stream, batch: Batch) -> Changes:
        """Classify the batch against what is there; reads only: the dry run ends here."""

    def write(self, stream: Stream, changes: Changes) -> Counts:
        """Make it so, once, however often it is called; the counts are what the destination says it did."""
