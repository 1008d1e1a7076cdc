"""Options that several groups of commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from backhaul.cli.output import Output

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
StreamName = Annotated[str, typer.Argument(metavar="STREAM", help="SYSTEM[.PIPELINE].STREAM")]


def output_of(context: typer.Context, json: bool, debug: bool) -> Output:
    """Return how this call wants its answers; flags count before and after the command."""
    before: Output = context.obj
    return Output(json=before.json or json, debug=before.debug or debug)
