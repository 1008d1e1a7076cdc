"""The commands and their options; what they do lies in the modules beside this one, imported on use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backhaul import __version__
from backhaul.cli.output import Output, told

app = typer.Typer(
    name="backhaul",
    help="Haul data out of places without an API, prove it, classify every row, deliver it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Name = Annotated[str, typer.Argument(help="SYSTEM, SYSTEM.PIPELINE or SYSTEM[.PIPELINE].STREAM")]
OptionalName = Annotated[str | None, typer.Argument(help="A system or pipeline; all if left out")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def _version(wanted: bool) -> None:
    if wanted:
        print(f"backhaul {__version__}")
        raise typer.Exit


@app.callback()
def _global(
    context: typer.Context,
    json: Json = False,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    context.obj = Output(json=json, debug=debug)


def _output(context: typer.Context, json: bool, debug: bool) -> Output:
    """Flags count before and after the command."""
    before: Output = context.obj
    return Output(json=before.json or json, debug=before.debug or debug)


@app.command()
def init(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to set up.")] = Path(),
    origin: Annotated[
        str | None, typer.Option("--from", metavar="NAME", help="Copy this system, e.g. andalan.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Set up a folder: systems/, .env and .gitignore. Overwrites nothing.

    Example: backhaul init --from andalan shop
    """
    from backhaul.cli.init import init_folder

    output = _output(context, json, debug)
    with told(output):
        init_folder(output, folder, origin)


@app.command()
def plan(context: typer.Context, name: Name, json: Json = False, debug: Debug = False) -> None:
    """Print a pipeline as a table: streams, keys, destinations, schedule, settings.

    Example: backhaul plan andalan
    """
    from backhaul.cli.show import show_plan

    output = _output(context, json, debug)
    with told(output):
        show_plan(output, name)


@app.command()
def run(
    context: typer.Context,
    name: Name,
    window: Annotated[
        str | None,
        typer.Option(
            "--window",
            help="2025-09-12, 2025-09-01..2025-09-12, today, yesterday or last:7d;"
            " without it, from the last success to now.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fetch and classify, write nothing.")] = False,
    file: Annotated[
        Path | None, typer.Option("--file", help="Feed one stream with a file downloaded by hand.")
    ] = None,
    individual_sessions: Annotated[
        bool, typer.Option("--individual-sessions", help="A login of its own for each stream.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for a run that holds the pipeline.")] = False,
    automated: Annotated[
        bool, typer.Option("--automated", help="Skip what needs a person; exit 0 if the rest is done.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Deliver what a check has held back; you looked at it.")
    ] = False,
    headed: Annotated[
        bool, typer.Option("--headed", help="Show the browser, slowed down, and use it for every page.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run a pipeline: sign in, fetch, prove, classify, deliver.

    Example: backhaul run andalan --window yesterday

    Exit codes: 0 done, 1 failed, 2 usage or settings, 3 partly done, 4 login needed, 5 already running,
    130 interrupted.
    """
    from backhaul.cli.run import run_named
    from backhaul.engine.run import RunOptions

    output = _output(context, json, debug)
    with told(output):
        options = RunOptions(
            window=window,
            file=file,
            dry_run=dry_run,
            accept=accept,
            individual_sessions=individual_sessions,
            wait=wait,
            automated=automated,
        )
        raise typer.Exit(run_named(output, name, options, headed=headed))


@app.command()
def replay(
    context: typer.Context,
    name: Name,
    zone: Annotated[
        str | None,
        typer.Argument(help="staging (from raw) or curated (from staging); both if left out"),
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Rebuild a zone from the one before it, without any login: after a parser or a rule was repaired.

    Example: backhaul replay andalan.transaksi
    """
    from backhaul.cli.run import replay_named

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(replay_named(output, name, zone))


@app.command()
def status(context: typer.Context, name: OptionalName = None, json: Json = False, debug: Debug = False) -> None:
    """Show each stream's last result, how far it is, and what waits.

    Example: backhaul status andalan
    """
    from backhaul.cli.show import show_status

    output = _output(context, json, debug)
    with told(output):
        show_status(output, name)


@app.command()
def runs(
    context: typer.Context,
    name: OptionalName = None,
    most: Annotated[int, typer.Option("--most", help="How many, newest first.")] = 20,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List runs, newest first.

    Example: backhaul runs andalan --most 5
    """
    from backhaul.cli.show import show_runs

    output = _output(context, json, debug)
    with told(output):
        show_runs(output, name, most)


@app.command()
def logs(
    context: typer.Context,
    run_id: Annotated[
        str | None, typer.Argument(metavar="RUN", help="A run's id or its beginning; the last run if left out")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show what happened in a run, step by step. With --json one event a line.

    Example: backhaul logs 20251122T0415
    """
    from backhaul.cli.logs import show_logs

    output = _output(context, json, debug)
    with told(output):
        show_logs(output, run_id)


@app.command()
def doctor(
    context: typer.Context,
    only: Annotated[str | None, typer.Option("--only", help="Just the check of this name.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check this machine and the settings; changes nothing. Exit 1 if a check fails.

    Example: backhaul doctor --json
    """
    from backhaul.cli.doctor import diagnose

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(diagnose(output, only))


@app.command()
def demo(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the demo lives; made anew each time.")] = Path(
        "backhaul-demo"
    ),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Run every system against a sandbox on this machine, twice. Needs no account and no network.

    Example: backhaul demo
    """
    from backhaul.cli.demo import run_demo

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(run_demo(output, folder))


def main() -> None:
    """Run the command line; consoles that are not UTF-8 get replacement characters, never a crash."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
