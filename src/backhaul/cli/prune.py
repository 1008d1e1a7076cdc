"""`prune`: remove what retention lets go."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home, resolved
from backhaul.engine.prune import MEGABYTE, Pruned, prune_pipeline, prune_records
from backhaul.engine.systems import find, load_system, system_names
from backhaul.engine.words import counted


def prune_named(output: Output, name: str | None, *, dry_run: bool) -> None:
    """Prune what name stands for, everything without one, and print what went. Raises AlreadyRunning."""
    here, folder, now = installation(), home() / "systems", datetime.now(UTC)
    if name:
        targets = find(folder, name)
    else:
        targets = [target for system in system_names(folder) for target in load_system(folder / system)]
    ledger, lake = here.ledger, here.lake
    found: list[Pruned] = []
    for target in targets:
        # Nothing else of a pipeline needs its settings here.
        streams = tuple(
            replace(each, retention=resolved(each.retention, here.settings)) for each in target.pipeline.streams
        )
        lock = nullcontext() if dry_run else here.held(target.name, wait=False)
        with lock:
            found += prune_pipeline(target.name, streams, ledger=ledger, lake=lake, now=now, dry_run=dry_run)
    evidence = 0 if dry_run else prune_records(ledger, here.data / "evidence", now)
    _print(output, found, evidence, dry_run=dry_run)


def _print(output: Output, found: list[Pruned], evidence: int, *, dry_run: bool) -> None:
    if output.json:
        output.document({"dry_run": dry_run, "evidence": evidence, "streams": [asdict(each) for each in found]})
        return
    rows = [
        (each.stream, each.files, f"{each.size_bytes / MEGABYTE:,.1f}", each.oldest and f"{each.oldest:%Y-%m-%d}")
        for each in found
    ]
    output.table(("stream", "would go" if dry_run else "files gone", "MB", "oldest left"), rows)
    for each in found:
        for reason, number in each.waiting.items():
            output.say(f"{each.stream}: {counted(number, 'file')} beyond the retention kept: {reason}")
    if evidence:
        output.say(f"evidence of {counted(evidence, 'old run')} removed")
