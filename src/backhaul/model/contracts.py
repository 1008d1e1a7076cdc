"""What the parts of a pipeline can do: sources, destinations, and what they are given to work with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from backhaul.model.batch import Batch, Changes
from backhaul.model.checks import Rejected
from backhaul.model.facts import Artifact, Counts, Fetched, Landed, Origin, Window
from backhaul.model.stream import Stream

if TYPE_CHECKING:
    import polars as pl


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
        origin: Origin | None = None,
    ) -> Landed:
        """Save a stream of bytes. What `prove` or the stream raises leaves no file behind."""

    def resume(
        self,
        chunks_from: Callable[[int], Iterable[bytes]],
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
        origin: Origin,
    ) -> Landed:
        """Save a large file: what a cut-off attempt, also of an earlier run, brought of this very origin is kept.

        `chunks_from` takes the number of bytes that are here already and gives what follows. What `prove` raises
        leaves no file behind.
        """

    def adopt(
        self,
        path: Path,
        *,
        name: str,
        window: Window | None,
        prove: Callable[[Path], None],
        origin: Origin | None = None,
    ) -> Landed:
        """Copy a file that lies somewhere already, such as a browser's download."""

    def is_kept(self, origin: str) -> bool:
        """Tell whether a file with this origin's id was kept for the stream before, good or not."""

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
class StreamsCheckable(Protocol):
    """A source whose check also tells what it lacks of the streams that are made of it."""

    def check_streams(self, streams: Iterable[Stream]) -> str:
        """Return what `check` says, and what of these streams is not there; raises the same."""


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


@runtime_checkable
class Judging(Protocol):
    """A destination whose service refuses rows by rules of its own while they are written; `write` stays too."""

    def write_judged(self, stream: Stream, changes: Changes) -> tuple[Counts, tuple[Rejected, ...]]:
        """Do what `write` does, and return beside the counts the rows that were refused only now."""
