"""A run: the lock, the ledger, the streams side by side, and what it all came to."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Flag
from threading import Lock

from backhaul.config import resolved, says_yes
from backhaul.destinations import Warehouse
from backhaul.engine.announce import Announcer
from backhaul.engine.context import RunContext, Status, StreamResult, failure_event
from backhaul.engine.derive import WORDS as DERIVED
from backhaul.engine.derive import Derivation
from backhaul.engine.derived import is_derived
from backhaul.engine.events import Event, RunEnded, RunStarted, Subscriber, Warned
from backhaul.engine.filled import filled_without_sources, heard, silenced
from backhaul.engine.haul import Haul
from backhaul.engine.ledger import Ledger
from backhaul.engine.lock import pipeline_lock
from backhaul.engine.memory import peak_bytes
from backhaul.engine.pipeline import Pipeline
from backhaul.engine.prune import prune_pipeline, prune_records
from backhaul.engine.sessions import SharedSessions
from backhaul.engine.systems import Target
from backhaul.engine.unforeseen import ours_alone
from backhaul.engine.window import parse_window
from backhaul.errors import BackhaulError, ConfigError
from backhaul.lake import Lake
from backhaul.model import Counts, Stream
from backhaul.retry import Budget
from backhaul.sealing import Seal, key_from
from backhaul.sessions.vault import Vault
from backhaul.version import __version__

CURATED = "curated"
LEDGER_URL, WAREHOUSE_URL = "BACKHAUL_LEDGER_URL", "BACKHAUL_WAREHOUSE_URL"
STATELESS, NO_NOTIFICATIONS = "BACKHAUL_STATELESS", "DISABLE_NOTIFICATIONS"
GRACE_S = 3.0
"""How long an interrupted run waits for what its streams are in the middle of."""
_LOOK_S = 0.5
"""How often a run looks whether it is to stop."""


@dataclass(frozen=True)
class Installation:
    """Where one installation keeps its data, and its settings by name."""

    data: Path
    settings: dict[str, str] = field(repr=False)

    @property
    def ledger(self) -> Ledger:
        """The ledger: a file, or PostgreSQL by BACKHAUL_LEDGER_URL."""
        return Ledger(self.settings.get(LEDGER_URL) or self.data / "ledger.db")

    @property
    def lake(self) -> Lake:
        """The zones."""
        return Lake(self.data / "lake", self.seal)

    @property
    def warehouse(self) -> Path:
        """The file of the curated tables, where they are in a file."""
        return self.data / "warehouse.db"

    @property
    def curated(self) -> Warehouse:
        """The curated tables as a destination: a file, or PostgreSQL by BACKHAUL_WAREHOUSE_URL."""
        return Warehouse(self.settings.get(WAREHOUSE_URL) or str(self.warehouse), name=CURATED)

    @contextmanager
    def held(self, pipeline: str, *, wait: bool) -> Iterator[None]:
        """Hold a pipeline: on this machine, and among all that share its ledger on a server.

        Raises AlreadyRunning if another one has it and wait is False.
        """
        with (
            pipeline_lock(self.data / "locks", pipeline, wait=wait),
            self.ledger.held(pipeline, wait=wait),
        ):
            yield

    @property
    def is_stateless(self) -> bool:
        """Whether this machine forgets its disk between runs (BACKHAUL_STATELESS)."""
        return says_yes(self.settings, STATELESS)

    @property
    def seal(self) -> Seal | None:
        """What encrypts sessions and personal files, or None where no key is set."""
        return key_from(self.settings)


@dataclass(frozen=True)
class RunOptions:
    """What a person may say about one run; see `backhaul run --help`."""

    window: str | None = None
    file: Path | None = None
    dry_run: bool = False
    accept: bool = False
    individual_sessions: bool = False
    wait: bool = False
    automated: bool = False
    fetch_only: bool = False
    budget: Budget = Budget()


@dataclass(frozen=True)
class RunResult:
    """A run that has ended."""

    run: str
    pipeline: str
    status: str
    exit_code: int
    seconds: float
    streams: tuple[StreamResult, ...]

    @property
    def counts(self) -> Counts:
        """The headline counts of all streams together."""
        return sum((each.counts for each in self.streams), Counts())


def run_pipeline(
    target: Target,
    installation: Installation,
    options: RunOptions,
    subscribers: Sequence[Subscriber] = (),
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    stop: Flag | None = None,
) -> RunResult:
    """Run a pipeline once and return what came of it; whoever sets `stop` from another thread interrupts it.

    Raises ConfigError before anything starts, AlreadyRunning, and KeyboardInterrupt after recording the run as
    interrupted.
    """
    pipeline, unheard = _filled(target.pipeline, installation.settings, options)
    streams = tuple(pipeline.streams)
    _check(target.name, streams, options)
    check_key(target.name, streams, installation)
    if options.window:
        parse_window(options.window, clock(), pipeline.timezone)
    with ExitStack() as stack:
        if not options.dry_run:
            stack.enter_context(installation.held(target.name, wait=options.wait))
        place = stack.enter_context(_place(installation, options.dry_run))
        run = new_run_id(clock())
        tell = Telling([place.ledger.record, *subscribers])
        context = _context(target.name, pipeline, installation, place, options, run, tell, clock(), stop or Flag())
        context = replace(context, siblings=target.siblings or streams)
        context.lake.clear_landing(target.name)
        if unheard:
            have = "has" if len(unheard) == 1 else "have"
            message = f"nobody is told of this run: {', '.join(unheard)} {have} no value"
            tell(Warned(run=run, message=message))
        if pipeline.notify and not options.dry_run and not options.fetch_only:
            announcer = Announcer(
                name=target.name,
                run=run,
                pipeline=pipeline,
                ledger=place.ledger,
                evidence=context.evidence,
                own_sessions=options.individual_sessions,
                clock=clock,
                on_trouble=tell,
            )
            stack.callback(announcer.finish)
            tell.add(announcer)
        return _recorded_run(context, streams, options)


def _filled(pipeline: Pipeline, settings: dict[str, str], options: RunOptions) -> tuple[Pipeline, list[str]]:
    """Return the pipeline as this run uses it, and the settings for want of which somebody is not told.

    A file that a person gives needs no source, and it is read also where nobody can be told yet.
    """
    if says_yes(settings, NO_NOTIFICATIONS):
        pipeline = silenced(pipeline)
    if options.file is None:
        return resolved(pipeline, settings), []
    pipeline, unheard = heard(pipeline, settings)
    return filled_without_sources(pipeline, settings), unheard


def _context(
    name: str,
    pipeline: Pipeline,
    installation: Installation,
    place: Installation,
    options: RunOptions,
    run: str,
    tell: Telling,
    now: datetime,
    stop: Flag,
) -> RunContext:
    """Return what the streams of a run share; place is the installation, or in a dry run an empty one."""
    evidence = place.data / "evidence" / run
    folder = installation.data / "vault"
    vault = Vault(folder, installation.seal, evidence / "sign-in", is_read_only=options.dry_run)
    return RunContext(
        run=run,
        pipeline=name,
        timezone=pipeline.timezone,
        now=now,
        lake=place.lake,
        ledger=place.ledger,
        sessions=SharedSessions(vault, options.budget),
        curated=installation.curated,
        evidence=evidence,
        budget=options.budget,
        emit=tell,
        stop=stop,
        window=options.window,
        file=options.file,
        dry_run=options.dry_run,
        accept=options.accept,
        individual_sessions=options.individual_sessions,
        fetch_only=options.fetch_only,
        is_stateless=installation.is_stateless,
        streams=tuple(pipeline.streams),
        memory=installation.ledger if options.dry_run else None,
    )


def _recorded_run(context: RunContext, streams: tuple[Stream, ...], options: RunOptions) -> RunResult:
    started, ledger = time.monotonic(), context.ledger
    ledger.open_run(context.run, context.pipeline, options.window or "", __version__)
    context.emit(
        RunStarted(run=context.run, pipeline=context.pipeline, streams=len(streams), dry_run=options.dry_run)
    )
    try:
        results = _haul_all(context, streams)
    except KeyboardInterrupt:
        _close(context, "interrupted", 130, started)
        raise
    finally:
        context.sessions.close()
    status, exit_code = outcome(results, automated=options.automated)
    seconds = _close(context, status, exit_code, started)
    context.lake.clear_landing(context.pipeline)
    if not context.dry_run:
        _prune(context)
    return RunResult(context.run, context.pipeline, status, exit_code, seconds, tuple(results))


def _prune(context: RunContext) -> None:
    """Let go of what retention no longer keeps; where that fails, the run is no worse for it."""
    try:
        prune_pipeline(context.pipeline, context.streams, ledger=context.ledger, lake=context.lake, now=context.now)
        prune_records(context.ledger, context.evidence.parent, context.now)
    except (BackhaulError, OSError) as error:
        message = f"old files were not removed: {error}; `backhaul prune` tries again"
        context.emit(Warned(run=context.run, message=message))


def _close(context: RunContext, status: str, exit_code: int, started: float) -> float:
    """Close the run, tell it, and return its seconds."""
    seconds = time.monotonic() - started
    context.ledger.close_run(context.run, status, exit_code, peak_bytes())
    context.emit(RunEnded(run=context.run, status=status, exit_code=exit_code, seconds=round(seconds, 3)))
    return seconds


def _haul_all(context: RunContext, streams: tuple[Stream, ...]) -> list[StreamResult]:
    """Haul what is fetched, then compute what is derived from it, in the order of the pipeline."""
    if context.fetch_only:
        streams = tuple(stream for stream in streams if not is_derived(stream))
    fetched = tuple(stream for stream in streams if not is_derived(stream))
    results = _haul_side_by_side(context, fetched)
    for stream in streams:
        if is_derived(stream):
            _stop_if_told(context)
            results[stream.name] = _recorded(context, Derivation(context, stream, context.siblings))
    return [results[stream.name] for stream in streams]


def _haul_side_by_side(context: RunContext, streams: tuple[Stream, ...]) -> dict[str, StreamResult]:
    """Haul the streams of each source side by side, as many as the source allows, and the sources as well."""
    by_source: dict[int, list[Stream]] = {}
    for stream in streams:
        by_source.setdefault(id(stream.source), []).append(stream)
    futures: dict[str, Future[StreamResult]] = {}
    pools = []
    try:
        for group in by_source.values():
            workers = min(len(group), max(1, group[0].source.parallel))
            pools.append(ThreadPoolExecutor(workers, thread_name_prefix="haul"))
            for stream in group:
                futures[stream.name] = pools[-1].submit(_recorded, context, Haul(context, stream))
        while wait(futures.values(), timeout=_LOOK_S).not_done:
            _stop_if_told(context)
        results = {stream.name: futures[stream.name].result() for stream in streams}
        if any(each.status is Status.INTERRUPTED for each in results.values()):
            # They have heard of it sooner than we have looked.
            raise KeyboardInterrupt
        return results
    except KeyboardInterrupt:
        context.stop.set()
        for future in futures.values():
            future.cancel()
        context.sessions.close()
        wait(futures.values(), timeout=GRACE_S)
        raise
    finally:
        # A thread that waits for an answer which does not come is left behind; it stops when it wakes.
        for pool in pools:
            pool.shutdown(wait=not context.stop.is_set(), cancel_futures=True)


def _stop_if_told(context: RunContext) -> None:
    if context.stop.is_set():
        raise KeyboardInterrupt


def _recorded(context: RunContext, work: Haul | Derivation) -> StreamResult:
    started = time.monotonic()
    try:
        with ours_alone(work.name):
            return work.run()
    except BackhaulError as unforeseen:
        seconds = time.monotonic() - started
        result = StreamResult(work.name, Status.FAILED, "", work.counts, work.attempts, seconds, unforeseen)
        context.emit(failure_event(context.run, work.name, unforeseen, work.attempts, counts=work.counts))
        result.record(context.ledger, context.run)
        return result


def outcome(results: Sequence[StreamResult], *, automated: bool) -> tuple[str, int]:
    """Return the run's status in a word and its exit code, from what its streams came to.

    That something could be computed from old tables makes no run better in which nothing was fetched.
    """
    weighty = [result for result in results if result.window != DERIVED or result.status is not Status.DONE]
    statuses = {result.status for result in weighty or results}
    bad = statuses - {Status.DONE, Status.LOGIN}
    if not bad:
        if Status.LOGIN not in statuses:
            return "done", 0
        return "login needed", 0 if automated and Status.DONE in statuses else 4
    if Status.DONE in statuses or bad == {Status.PENDING}:
        return "partly done", 3
    return "failed", 1


def outcome_of_all(results: Sequence[RunResult]) -> int:
    """Return the exit code of several runs: the gravest, in the order 1, 3, 4, 0."""
    codes = {result.exit_code for result in results}
    return next((code for code in (1, 3, 4) if code in codes), 0)


def new_run_id(now: datetime) -> str:
    """Return an id that sorts by time and that two processes do not share."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S}{now.microsecond // 1000:03}-{secrets.token_hex(2)}"


def _check(name: str, streams: tuple[Stream, ...], options: RunOptions) -> None:
    if options.file:
        fetched = [stream for stream in streams if not is_derived(stream)]
        if len(fetched) != 1:
            names = ", ".join(f"{name}.{stream.name}" for stream in fetched)
            raise ConfigError(
                f"--file feeds one stream; {name} has {len(fetched)}",
                next_step=f"Name one of: {names}." if fetched else "A derived stream is computed; it takes no file.",
            )
        if not options.file.is_file():
            raise ConfigError(f"--file {options.file}: there is no such file", next_step="Check its path.")
    for stream in streams:
        names_of_destinations = [CURATED, *(each.name for each in stream.to)]
        if len(set(names_of_destinations)) < len(names_of_destinations):
            raise ConfigError(f"{name}.{stream.name}: two destinations share a name: {names_of_destinations}")


def check_key(name: str, streams: Sequence[Stream], installation: Installation) -> None:
    """Raise ConfigError if streams hold personal data and no key is set to encrypt their files with."""
    personal = [stream.name for stream in streams if stream.personal]
    if personal and installation.seal is None:
        holds = "holds" if len(personal) == 1 else "hold"
        raise ConfigError(
            f"{name}: {', '.join(personal)} {holds} personal data, whose files are kept encrypted; there is no key",
            next_step="Make one with `backhaul sessions new-key` and put its line into .env.",
        )


@contextmanager
def _place(installation: Installation, dry_run: bool) -> Iterator[Installation]:
    """Give the installation itself, or for a dry run an empty one that is thrown away."""
    if not dry_run:
        yield installation
        return
    with tempfile.TemporaryDirectory(prefix="backhaul-dry-run-") as folder:
        settings = {name: value for name, value in installation.settings.items() if name != LEDGER_URL}
        yield replace(installation, data=Path(folder), settings=settings)


class Telling:
    """Tells each event to every subscriber, one at a time."""

    def __init__(self, subscribers: Sequence[Subscriber]) -> None:
        self._subscribers = list(subscribers)
        self._lock = Lock()

    def add(self, subscriber: Subscriber) -> None:
        """Tell subscriber too, from now on."""
        self._subscribers.append(subscriber)

    def __call__(self, event: Event) -> None:
        """Tell event."""
        with self._lock:
            for subscriber in self._subscribers:
                subscriber(event)
