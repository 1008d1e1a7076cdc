"""`mark`, `backup`, `restore` and `migrate`: what people do with the rows of a destination."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from backhaul.cli.output import Output
from backhaul.cli.run import installation
from backhaul.config import home
from backhaul.engine.backup import Restored, chosen, make_backup, restore
from backhaul.engine.backup_files import Backup
from backhaul.engine.systems import find
from backhaul.engine.upkeep import MigratedPlace, mark, migrate
from backhaul.engine.words import counted
from backhaul.errors import ConfigError

WORDS = {"true": True, "false": False, "null": None}
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
KILOBYTE = 1000


def mark_named(output: Output, name: str, who: str, entry: str | None, said: Iterable[str], *, dry_run: bool) -> None:
    """Set fields of one row, or of one entry of its list, and print what they were and are."""
    targets = find(home() / "systems", name)
    stream, marked = mark(targets, installation(), who, entry, changes_in(said), dry_run=dry_run)
    if output.json:
        output.document({"stream": stream, "dry_run": dry_run, "changed": [asdict(each) for each in marked]})
        return
    if not marked:
        output.say(f"{stream}: nothing to change, it says so already")
        return
    lines = [(each.label, each.field, _shown(each.before), _shown(each.after)) for each in marked]
    output.table(("row", "field", "before", "would be" if dry_run else "now"), lines)
    if dry_run:
        output.say("dry run: nothing was written")


def changes_in(said: Iterable[str]) -> dict[str, Any]:
    """Return by field what each FIELD=VALUE says: true, false, null, a number, else text; "5" in quotes is text.

    Raises ConfigError for what has no = and for a field that stands twice.
    """
    changes: dict[str, Any] = {}
    for each in said:
        field, equals, value = each.partition("=")
        if not equals or not field.strip():
            raise ConfigError("a change is written FIELD=VALUE", next_step="Say for example: paid=true.")
        if field in changes:
            raise ConfigError(f"field {field!r} stands twice", next_step="Say each field once.")
        changes[field] = _value(value)
    return changes


def _value(said: str) -> Any:
    if said in WORDS:
        return WORDS[said]
    # A phone keeps its zero and its plus: only what JSON calls a number is one.
    if NUMBER.fullmatch(said) or re.fullmatch(r'".*"', said, re.DOTALL):
        try:
            value = json.loads(said)
        except ValueError:
            return said
        # 1e999 is more than a number holds.
        return said if isinstance(value, float) and not math.isfinite(value) else value
    return said


def _shown(value: Any) -> str:
    return "-" if value is None else json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else value


def backup_named(output: Output, name: str, folder: Path, *, keep: int | None) -> None:
    """Back up the collections of what name stands for, and say where, and whether it is encrypted."""
    folder = folder.expanduser().absolute()
    made = make_backup(name, find(home() / "systems", name), installation(), folder, keep=keep)
    backup = made.backup
    if output.json:
        output.document(
            {
                "folder": str(backup.folder),
                "of": backup.of,
                "made_at": backup.made_at.isoformat(),
                "key": backup.key,
                "collections": [asdict(each) for each in backup.collections],
                "gone": [str(each) for each in made.gone],
            }
        )
        return
    lines = [
        (each.collection, each.documents, each.file, f"{each.size_bytes / KILOBYTE:,.0f}")
        for each in backup.collections
    ]
    output.table(("collection", "documents", "file", "kB"), lines)
    output.say(f"in {backup.folder}, {_encryption(backup)}")
    if made.gone:
        output.say(
            f"{counted(len(made.gone), 'older back-up')} removed: {', '.join(each.name for each in made.gone)}"
        )
    output.say(f"  next: to look at what it would bring back: backhaul restore {name} {backup.folder} --dry-run")


def _encryption(backup: Backup) -> str:
    if backup.key:
        return f"encrypted with the key {backup.key}, which it takes to restore it"
    return "not encrypted: no key is set (`backhaul sessions new-key` makes one)"


def restore_named(output: Output, name: str, folder: Path, *, dry_run: bool) -> int:
    """Bring collections back from a back-up and print the counts; return 1 if documents were refused, else 0."""
    targets, here = find(home() / "systems", name), installation()
    backup = chosen(name, targets, here, folder.expanduser().absolute())
    results = restore(name, targets, here, backup, dry_run=dry_run)
    is_whole = not any(each.counts.rejected for each in results)
    if output.json:
        collections = [
            {
                "stream": each.stream,
                "collection": each.collection,
                "new": each.counts.new,
                "updated": each.counts.updated,
                "unchanged": each.counts.unchanged,
                "rejected": each.counts.rejected,
                "has_pending_migrations": each.has_pending_migrations,
            }
            for each in results
        ]
        said = {"folder": str(backup.folder), "made_at": backup.made_at.isoformat(), "dry_run": dry_run}
        output.document({**said, "collections": collections})
        return 0 if is_whole else 1
    _tell_restored(output, name, backup, results, dry_run=dry_run)
    return 0 if is_whole else 1


def _tell_restored(output: Output, name: str, backup: Backup, results: list[Restored], *, dry_run: bool) -> None:
    lines = [
        (each.collection, each.counts.new, each.counts.updated, each.counts.unchanged, each.counts.rejected)
        for each in results
    ]
    output.table(("collection", "new", "updated", "unchanged", "rejected"), lines)
    what = "dry run: nothing was written; " if dry_run else ""
    output.say(f"{what}from {backup.folder}, made {backup.made_at:%Y-%m-%d %H:%M} UTC; other documents stay")
    for each in results:
        if each.counts.rejected:
            output.say(f"{each.collection}: {counted(each.counts.rejected, 'document')} refused by the server")
            output.say("  next: look for other documents with their keys, and at the collection's validation rules")
    if not dry_run and any(each.has_pending_migrations for each in results):
        output.say(f"  next: backhaul migrate {name}")


def migrate_named(output: Output, name: str, *, dry_run: bool) -> int:
    """Do the migrations that wait and print what they came to; return 1 if one stays undone, else 0."""
    results = list(migrate(find(home() / "systems", name), installation(), dry_run=dry_run))
    exit_code = int(any(each.refused for result in results for each in result.migrations))
    if output.json:
        output.document({"exit_code": exit_code, "dry_run": dry_run, "streams": [asdict(each) for each in results]})
        return exit_code
    _tell_migrated(output, results, dry_run=dry_run)
    return exit_code


def _tell_migrated(output: Output, results: list[MigratedPlace], *, dry_run: bool) -> None:
    rows = [
        (result.stream, each.number, each.name, each.rows, each.changed, each.refused, _state(each.refused, dry_run))
        for result in results
        for each in result.migrations
    ]
    if not rows:
        output.say("no migration waits")
        return
    output.table(("stream", "number", "migration", "rows", "changed", "refused", "state"), rows)
    for result in results:
        for each in result.migrations:
            if each.refused:
                ids = f", among them {', '.join(each.ids)}" if each.ids else ""
                output.say(f"{result.stream}: migration {each.number} refuses {counted(each.refused, 'row')}{ids}")
                output.say("  next: correct these rows or the migration, then run the command again")
    if dry_run:
        output.say("dry run: nothing was written")


def _state(refused: int, dry_run: bool) -> str:
    if dry_run:
        return "would stay undone" if refused else "would be done"
    return "not done" if refused else "done"
