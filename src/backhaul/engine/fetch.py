"""Fetching one stream: attempts in the shared session, then one in a session of its own, all recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backhaul.engine.context import Interrupted, RunContext
from backhaul.engine.events import AttemptFailed, OwnSession, Recovered, SessionFailed
from backhaul.errors import BackhaulError, LoginRequired, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Fetched, Landed, Origin, Session, Stream, Window
from backhaul.retry import retried


@dataclass
class Fetcher:
    """Fetches one stream in one run; `attempts` counts how often it was tried."""

    context: RunContext
    stream: Stream
    name: str
    attempts: int = 0

    def fetch(self, window: Window | None) -> Fetched:
        """Return the landed files; of a run that was given a file, that one.

        Raises the errors of the source once the budget is spent; a source that cannot be opened at all is not
        tried again by each of its streams.
        """
        context = self.context
        if context.file:
            return Fetched((self._given_file(window),))
        assert window is not None
        if context.individual_sessions:
            fetched = retried(lambda: self._in_own_session(window), context.budget, self._tell)
        else:
            fetched = self._in_shared_session(window)
        if self.attempts > 1:
            context.emit(Recovered(run=context.run, stream=self.name, attempt=self.attempts))
        return fetched

    def _in_shared_session(self, window: Window) -> Fetched:
        context = self.context
        session = context.sessions.get(self.stream.source, self._tell, self._tell_session)
        try:
            return retried(lambda: self._attempt(window, session, own=False), context.budget, self._tell)
        except TransientError as error:
            context.emit(OwnSession(run=context.run, stream=self.name, message=str(error)))
            try:
                return self._in_own_session(window)
            except LoginRequired:
                # The shared session was signed in; that a second one needs a person is not why it failed.
                raise error from None

    def _in_own_session(self, window: Window) -> Fetched:
        with self.context.sessions.own(self.stream.source) as session:
            return self._attempt(window, session, own=True)

    def _attempt(self, window: Window, session: Session, *, own: bool) -> Fetched:
        context, ledger = self.context, self.context.ledger
        self._stop_if_told()
        self.attempts += 1
        attempt = ledger.start_attempt(context.run, self.name, self.attempts, own_session=own)
        cursor = context.remembered.cursor(self.name).cursor
        landing = self._landing()
        try:
            fetched = self.stream.source.fetch(session, self.stream, window, cursor, landing)
        except BackhaulError as error:
            ledger.end_attempt(attempt, type(error).__name__, str(error))
            self._stop_if_told()
            raise
        ledger.end_attempt(attempt, "ok")
        self._stop_if_told()
        return fetched

    def _landing(self) -> LandingFolder:
        context = self.context
        landing = context.lake.landing(context.pipeline, self.stream.name)
        return replace(
            landing,
            evidence=context.evidence / self.stream.name,
            kept_before=lambda origin: context.remembered.artifacts.is_kept(self.name, origin),
        )

    def _stop_if_told(self) -> None:
        if self.context.stop.is_set():
            raise Interrupted(f"{self.name}: interrupted while it was fetched")

    def _given_file(self, window: Window | None) -> Landed:
        from backhaul.formats import prove

        path = self.context.file
        assert path is not None
        landing = self._landing()
        try:
            # Of a file that holds everything, its age is that of the data.
            origin = _origin(path) if self.stream.complete else None
            return landing.adopt(path, name=path.name, window=window, prove=prove, origin=origin)
        except TransientError as error:
            why = str(error).removeprefix(f"{path.name}: ")
            raise SourceChanged(f"{path.name}: {why}", next_step="Download the file once more, by hand.") from None

    def _tell_session(self, error: BackhaulError) -> None:
        self.context.emit(
            SessionFailed(
                run=self.context.run,
                source=self.stream.source.name,
                error=type(error).__name__,
                message=str(error),
                next_step=self.context.named(error.next_step),
            )
        )

    def _tell(self, error: TransientError, attempt: int) -> None:
        self.context.emit(
            AttemptFailed(
                run=self.context.run,
                stream=self.name,
                attempt=attempt,
                of=self.context.budget.attempts,
                error=type(error).__name__,
                message=str(error),
            )
        )


def _origin(path: Path) -> Origin:
    """Return where a file comes from that a person gave: it was made when it was last written to."""
    changed_at = path.stat().st_mtime
    return Origin(f"file:{path.name}@{changed_at}", datetime.fromtimestamp(changed_at, UTC))
