"""The commands about rows that lie in a destination; what they do lies in `upkeep.py`, imported on use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backhaul.cli.options import Debug, Json, output_of
from backhaul.cli.output import told

Name = Annotated[str, typer.Argument(help="SYSTEM, SYSTEM.PIPELINE or SYSTEM[.PIPELINE].STREAM")]


def mark(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A stream; a system or pipeline where only one can be marked")],
    who: Annotated[str, typer.Argument(help="The row: its name, or its key.")],
    changes: Annotated[
        list[str], typer.Argument(metavar="FIELD=VALUE", help="The value is true, false, null, a number, or text.")
    ],
    entry: Annotated[
        str | None, typer.Option("--entry", metavar="KEY", help="One entry of the row's list, such as a lesson.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, write nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Set a field that only people write, such as paid, in one row of a MongoDB collection.

    Example: backhaul mark kelas.students.student_stats "Dana Levi" --entry 5 paid=true
    """
    from backhaul.cli.upkeep import mark_named

    output = output_of(context, json, debug)
    with told(output):
        mark_named(output, name, who, entry, changes, dry_run=dry_run)


def backup(
    context: typer.Context,
    name: Name,
    to: Annotated[Path, typer.Option("--to", help="The folder in which each back-up gets a folder of its own.")],
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="How many back-ups of this name stay there; all without it.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Back up the MongoDB collections that a pipeline delivers to; encrypted where a key is set.

    Example: backhaul backup kelas --to backups --keep 14
    """
    from backhaul.cli.upkeep import backup_named

    output = output_of(context, json, debug)
    with told(output):
        backup_named(output, name, to, keep=keep)


def restore(
    context: typer.Context,
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A back-up, or the folder of several: the newest.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Prove it and compare, write nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Bring collections back from a back-up, once it is proven whole; documents that it has not stay.

    Example: backhaul restore kelas backups --dry-run
    """
    from backhaul.cli.upkeep import restore_named

    output = output_of(context, json, debug)
    with told(output):
        raise typer.Exit(restore_named(output, name, folder, dry_run=dry_run))


def migrate(
    context: typer.Context,
    name: Name,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, write nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take the documents of a pipeline's collections to their new shape: each migration once, in order.

    Example: backhaul migrate kelas --dry-run

    Exit codes: 0 done, 1 a migration stays undone, 2 settings, 5 the pipeline is running.
    """
    from backhaul.cli.upkeep import migrate_named

    output = output_of(context, json, debug)
    with told(output):
        raise typer.Exit(migrate_named(output, name, dry_run=dry_run))


def add_to(app: typer.Typer) -> None:
    """Add these commands to the application's."""
    for command in (mark, backup, restore, migrate):
        app.command()(command)
