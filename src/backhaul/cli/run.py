"""`run` and `replay`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from backhaul.cli.level import level_in
from backhaul.cli.output import Output, exit_code_of
from backhaul.cli.progress import Progress, in_words
from backhaul.config import home, load_settings
from backhaul.engine.events import ArtifactKept, Event, Subscriber
from backhaul.engine.run import Installation, RunOptions, RunResult, outcome_of_all, run_pipeline
from backhaul.engine.side_by_side import run_side_by_side
from backhaul.engine.systems import find
from backhaul.engine.words import counted, reason
from backhaul.errors import BackhaulError, ConfigError
from backhaul.model import Counts

SPARE = ("seconds", "days", "duplicate")


@dataclass(frozen=True)
class Unstarted:
    """A pipeline that was to run with others and did not begin."""

    pipeline: str
    error: BackhaulError


def installation() -> Installation:
    """Return the installation of this process: BACKHAUL_HOME or the current folder."""
    return Installation(data=home() / "data", settings=load_settings(home()))


def run_named(output: Output, name: str, options: RunOptions, *, headed: bool) -> int:
    """Run what name stands for, print the result, return the exit code."""
    if headed:
        os.environ["BACKHAUL_HEADED"] = "1"
    if options.file:
        options = replace(options, file=options.file.expanduser())
    results, failures = _all_run(output, name, options)
    return report(output, results, failures, dry_run=options.dry_run)


def _all_run(
    output: Output, name: str, options: RunOptions, *subscribers: Subscriber
) -> tuple[list[RunResult], list[Unstarted]]:
    """Run what name stands for; return what came of it, and which pipelines did not begin.

    Raises the error itself where there is but one, and none that has begun.
    """
    here = installation()
    told: list[Subscriber] = [Progress(output, level_in(here.settings)), *subscribers]
    targets = find(home() / "systems", name)
    if len(targets) == 1:
        return [run_pipeline(targets[0], here, options, told)], []
    ended = run_side_by_side(targets, here, options, told)
    results = [each for each in ended if isinstance(each, RunResult)]
    pairs = zip(targets, ended, strict=True)
    failures = [Unstarted(target.name, each) for target, each in pairs if isinstance(each, BackhaulError)]
    if not results and len({str(each.error) for each in failures}) == 1:
        raise failures[0].error
    return results, failures


def fetch_named(output: Output, name: str, options: RunOptions) -> int:
    """Fetch and keep what is new of what name stands for, print which files, return the exit code."""
    kept = list[ArtifactKept]()

    def note(event: Event) -> None:
        if isinstance(event, ArtifactKept):
            kept.append(event)

    results, failures = _all_run(output, name, options, note)
    exit_code = _exit_code(results, failures)
    if output.json:
        files = [{"run": each.run, **each.facts()} for each in kept]
        output.document({"exit_code": exit_code, "files": files, **_errors(failures)})
        return exit_code
    _tell_unstarted(output, failures)
    for result in results:
        tell_failures(output, _by_failure(result), len(result.streams))
    for each in kept:
        output.say(f"{each.stream}: {each.name}, {each.size_bytes:,} bytes, is kept")
    if kept:
        output.say(f"next: `backhaul run {name}` reads and delivers {'it' if len(kept) == 1 else 'them'}")
    elif not exit_code:
        output.say(f"{name}: nothing new")
    return exit_code


def replay_named(output: Output, name: str, zone: str | None) -> int:
    """Rebuild zones of what name stands for, print the result, return the exit code."""
    from backhaul.engine.replay import ZONES, replay_pipeline

    if zone is not None and zone not in ZONES:
        raise ConfigError(f"zone {zone!r} cannot be replayed", next_step=f"Say {' or '.join(ZONES)}, or nothing.")
    here = installation()
    least = level_in(here.settings)
    zones = (zone,) if zone else ZONES
    targets = find(home() / "systems", name)
    results = [replay_pipeline(target, here, zones, [Progress(output, least)]) for target in targets]
    return report(output, results, dry_run=False)


def report(output: Output, results: list[RunResult], failures: Sequence[Unstarted] = (), *, dry_run: bool) -> int:
    """Print what came of runs: a table, or a JSON document. Return the exit code of them all."""
    exit_code = _exit_code(results, failures)
    for error in (each.error for result in results for each in result.streams if each.error):
        output.traceback(error)
    if output.json:
        documents = [as_document(result, dry_run=dry_run) for result in results]
        alone = len(documents) == 1 and not failures
        output.document(documents[0] if alone else {"exit_code": exit_code, "runs": documents, **_errors(failures)})
        return exit_code
    for result in results:
        output.say()
        output.table(*_table(result), spare=SPARE)
        output.say()
        for each in result.streams:
            if each.left_over.rows:
                output.say(f"{each.stream}: also delivered, left over from earlier runs: {in_words(each.left_over)}")
        tell_failures(output, _by_failure(result), len(result.streams))
        _say_evidence(output, result)
        written = "dry run: nothing was written; " if dry_run else ""
        is_idle = result.status == "done" and not result.counts.rows and not result.counts.removed
        rows = "nothing new" if is_idle else counted(result.counts.rows, "row")
        output.say(
            f"{written}run {result.run} of {result.pipeline}: {result.status}, {rows} in {result.seconds:.1f} s"
        )
    _tell_unstarted(output, failures)
    return exit_code


def _exit_code(results: Sequence[RunResult], failures: Sequence[Unstarted]) -> int:
    """Return the exit code of several pipelines; partly done where some could not begin."""
    codes = {exit_code_of(each.error) for each in failures}
    if not results:
        return codes.pop() if len(codes) == 1 else 1
    return outcome_of_all(results) if not codes else 1 if outcome_of_all(results) == 1 else 3


def _tell_unstarted(output: Output, failures: Sequence[Unstarted]) -> None:
    for each in failures:
        output.traceback(each.error)
        output.progress(f"error: {each.pipeline} was not run: {each.error}")
        output.progress(f"  next: {each.error.next_step}")


def _errors(failures: Sequence[Unstarted]) -> dict[str, Any]:
    """Return the pipelines that did not begin as a part of a JSON document; nothing where all have."""
    errors = [
        {
            "pipeline": each.pipeline,
            "error": type(each.error).__name__,
            "message": str(each.error),
            "next_step": each.error.next_step,
        }
        for each in failures
    ]
    return {"errors": errors} if errors else {}


def _table(result: RunResult) -> tuple[list[str], list[list[object]]]:
    """Return headers and rows of a run's table; `removed` has a column where it happened."""
    names = [name for name in vars(Counts()) if name != "removed" or result.counts.removed]
    headers = ["stream", "days", "rows", *names, "seconds", "result"]
    rows: list[list[object]] = [
        [
            each.stream.removeprefix(f"{result.pipeline}."),
            each.window,
            each.counts.rows,
            *(getattr(each.counts, name) for name in names),
            round(each.seconds, 1),
            each.status,
        ]
        for each in result.streams
    ]
    return headers, rows


def _say_evidence(output: Output, result: RunResult) -> None:
    """Say where the pages and screenshots of failed attempts lie, if there are any."""
    folder = home() / "data" / "evidence" / result.run
    if folder.is_dir() and any(each.error for each in result.streams):
        output.say(f"what the site showed, without secrets: {folder}")


def tell_failures(output: Output, failures: dict[tuple[str, str], list[str]], of: int) -> None:
    """Print each (message, next step) once, after the names of its streams; `of` is how many streams there are."""
    for (message, next_step), streams in failures.items():
        names = f"all {of} streams" if len(streams) == of > 1 else ", ".join(streams)
        output.say(f"{names}: {message}")
        if next_step:
            output.say(f"  next: {next_step}")


def _by_failure(result: RunResult) -> dict[tuple[str, str], list[str]]:
    """Return the streams that have failed, those with the same message together."""
    found: dict[tuple[str, str], list[str]] = {}
    for each in result.streams:
        if each.error:
            message = reason(each.stream, str(each.error))
            found.setdefault((message, each.error.next_step), []).append(each.stream)
    return found


def as_document(result: RunResult, *, dry_run: bool) -> dict[str, Any]:
    """Return a run's result as JSON values."""
    return {
        "run": result.run,
        "pipeline": result.pipeline,
        "status": result.status,
        "exit_code": result.exit_code,
        "dry_run": dry_run,
        "seconds": round(result.seconds, 3),
        "streams": [
            {
                "stream": each.stream,
                "status": each.status,
                "window": each.window,
                "rows": each.counts.rows,
                **asdict(each.counts),
                "left_over": each.left_over.rows,
                "attempts": each.attempts,
                "seconds": round(each.seconds, 3),
                "error": type(each.error).__name__ if each.error else None,
                "message": str(each.error) if each.error else None,
                "next_step": each.error.next_step if each.error else None,
            }
            for each in result.streams
        ],
    }
