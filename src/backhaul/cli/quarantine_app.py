"""The group of commands about rejected rows; what they do lies in `quarantine.py`, imported on use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backhaul.cli.options import Debug, Json, StreamName, output_of
from backhaul.cli.output import told

quarantine = typer.Typer(name="quarantine", help="Look at rejected rows, repair them, try them again, let them go.")


@quarantine.callback(invoke_without_command=True)
def _list(context: typer.Context, json: Json = False, debug: Debug = False) -> None:
    """Look at rejected rows, repair them, try them again, let them go.

    Without a command: how many rows of each stream failed which check, since when.

    Example: backhaul quarantine
    """
    context.obj = output = output_of(context, json, debug)
    if context.invoked_subcommand is None:
        from backhaul.cli.quarantine import list_rejected

        with told(output):
            list_rejected(output)


@quarantine.command()
def show(
    context: typer.Context,
    stream: StreamName,
    most: Annotated[int, typer.Option("--most", min=1, help="How many rows, oldest file first.")] = 20,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show rejected rows with their columns and the check that each has failed.

    Example: backhaul quarantine show andalan.transaksi --most 5
    """
    from backhaul.cli.quarantine import show_rejected

    output = output_of(context, json, debug)
    with told(output):
        show_rejected(output, stream, most)


@quarantine.command()
def export(
    context: typer.Context,
    stream: StreamName,
    file: Annotated[Path, typer.Argument(help="A new file, .xlsx or .csv.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write rejected rows to a file, to be repaired in a spreadsheet.

    Example: backhaul quarantine export andalan.transaksi rejected.xlsx
    """
    from backhaul.cli.quarantine import export_rejected

    output = output_of(context, json, debug)
    with told(output):
        export_rejected(output, stream, file)


@quarantine.command()
def repair(
    context: typer.Context,
    stream: StreamName,
    file: Annotated[Path, typer.Argument(help="The file of `export`, with repaired cells.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Take repaired rows back: check them, deliver those that pass. The same file twice changes nothing.

    Example: backhaul quarantine repair andalan.transaksi rejected.xlsx
    """
    from backhaul.cli.quarantine import repair_rejected

    output = output_of(context, json, debug)
    with told(output):
        raise typer.Exit(repair_rejected(output, stream, file))


@quarantine.command()
def requeue(context: typer.Context, stream: StreamName, json: Json = False, debug: Debug = False) -> None:
    """Try rejected rows again as they are, after a check or a transform was repaired.

    Example: backhaul quarantine requeue andalan.transaksi
    """
    from backhaul.cli.quarantine import requeue_rejected

    output = output_of(context, json, debug)
    with told(output):
        raise typer.Exit(requeue_rejected(output, stream))


@quarantine.command()
def dismiss(
    context: typer.Context,
    stream: StreamName,
    check: Annotated[str | None, typer.Option("--check", help="Only rows that failed this check.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Let go of rejected rows, and of the stream's refused files unless --check is given.

    Example: backhaul quarantine dismiss andalan.transaksi --check "Total is below 0"
    """
    from backhaul.cli.quarantine import dismiss_rejected

    output = output_of(context, json, debug)
    with told(output):
        dismiss_rejected(output, stream, check)
