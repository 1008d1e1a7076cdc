"""The commands and their options; what they do lies in the modules beside this one, imported on use."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from backhaul.cli.deploy_app import deploy
from backhaul.cli.output import Output, told
from backhaul.cli.quarantine_app import quarantine
from backhaul.cli.upkeep_app import add_to as add_upkeep
from backhaul.version import __version__

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
    wait: Annotated[
        bool, typer.Option("--wait", help="If the pipeline is running already, wait for its end, then run.")
    ] = False,
    automated: Annotated[
        bool,
        typer.Option(
            "--automated", help="Skip what needs a person; exit 0 if the rest is done, 4 if there is no rest."
        ),
    ] = False,
    accept: Annotated[
        bool,
        typer.Option(
            "--accept", help="Deliver all that a check has held back, also in earlier runs; you looked at it."
        ),
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
def fetch(
    context: typer.Context,
    name: Name,
    window: Annotated[str | None, typer.Option("--window", help="As in `backhaul run`.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch what is new and keep it; the next run reads and delivers it.

    Example: backhaul fetch toko
    """
    from backhaul.cli.run import fetch_named
    from backhaul.engine.run import RunOptions

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(fetch_named(output, name, RunOptions(window=window, fetch_only=True)))


@app.command()
def extract(
    context: typer.Context,
    name: Name,
    file: Annotated[Path, typer.Argument(help="A file of the stream, such as a backup.")],
    to: Annotated[Path, typer.Option("--to", help="The CSV file to write; one that is there is replaced.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read a file as its stream reads it and write the rows as CSV; nothing is kept or delivered.

    Example: backhaul extract toko shop.i5bu --to prices.csv
    """
    from backhaul.cli.extract import extract_named

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(extract_named(output, name, file, to))


@app.command()
def search(
    context: typer.Context,
    query: Annotated[str, typer.Argument(help="Words, a code or a barcode.")],
    name: Annotated[
        str | None, typer.Option("--in", metavar="NAME", help="Which system's catalogue, where several have one.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many products at most.")] = 10,
    with_cost: Annotated[bool, typer.Option("--with-cost", help="Show what the shop pays as well.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Find products in the last catalogue, as the bot does: misspelt, abbreviated, in any order.

    The catalogue is there after the first run; if its file was lost, `backhaul replay NAME` makes it again.

    Example: backhaul search "minyak grg 2 liter"
    """
    from backhaul.cli.search import search as find

    output = _output(context, json, debug)
    with told(output):
        find(output, query, name, limit=limit, with_cost=with_cost)


@app.command()
def bot(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="A system; may be left out where only one has a bot")] = None,
    webhook: Annotated[
        str | None,
        typer.Option("--webhook", metavar="URL", help="The public https address that Telegram sends messages to."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where the proxy passes them on to.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Answer questions about prices in Telegram, until Ctrl-C. Settings are read at the start.

    Example: backhaul bot toko
    """
    from backhaul.cli.bot import run_bot

    output = _output(context, json, debug)
    with told(output):
        run_bot(output, name, webhook=webhook, listen=listen)


@app.command()
def kept(
    context: typer.Context,
    name: Name,
    copy: Annotated[
        str | None, typer.Option("--copy", metavar="FILE", help="Take a copy of this one, by name or id.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="The folder that the copy goes to.")] = Path(),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """List the files that are kept of a stream, or take a copy of one.

    Example: backhaul kept toko --copy backup_21112026-1900.i5bu
    """
    from backhaul.cli.kept import copy_named, list_kept

    output = _output(context, json, debug)
    with told(output):
        if copy is None:
            list_kept(output, name)
        else:
            copy_named(output, name, copy, to)


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
    """Rebuild a zone from the one before it, without any login: after a rule was repaired or a delivered file lost.

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
    most: Annotated[int, typer.Option("--most", min=1, help="How many, newest first.")] = 20,
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


@app.command()
def login(
    context: typer.Context,
    name: Name,
    cookies: Annotated[
        str | None,
        typer.Option("--cookies", metavar="FILE", help="Take over a browser's cookies; - reads them from stdin."),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", help="The host, where a system has several.")] = None,
    wait_minutes: Annotated[float, typer.Option("--wait-minutes", help="How long the window stays open.")] = 10.0,
    send: Annotated[
        bool, typer.Option("--send", help="WhatsApp: send the code's picture through the system's notifiers.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Sign in by hand, once: in a window, or by the cookies of your own browser. Later runs go on with that session.

    For a folder in Dropbox, its owner lets the app in on Dropbox's page, and the line for .env is printed.
    For WhatsApp Web, the code that the phone scans is shown here, and in a picture that is removed at the end.

    Example: backhaul login toko; backhaul login andalan --cookies cookies.txt; backhaul login kelas --send

    Exit codes: 0 signed in, 2 settings, 4 not signed in.
    """
    from backhaul.cli.connect import connect_dropbox, dropbox_of
    from backhaul.cli.sessions import login_named
    from backhaul.cli.whatsapp import login_whatsapp, whatsapp_of

    output = _output(context, json, debug)
    with told(output):
        if (whatsapp := whatsapp_of(name)) is not None:
            login_whatsapp(output, name, whatsapp, wait_minutes=wait_minutes, send=send)
            return
        if (dropbox := dropbox_of(name)) is not None:
            connect_dropbox(output, dropbox)
            return
        login_named(output, name, cookies=cookies, source=source, wait_minutes=wait_minutes)


sessions = typer.Typer(
    name="sessions",
    help="List saved sessions; forget, check, new-key.\n\nExample: backhaul sessions check andalan",
    invoke_without_command=True,
    rich_markup_mode="rich",
)
app.add_typer(sessions)


@sessions.callback()
def _sessions(context: typer.Context, json: Json = False, debug: Debug = False) -> None:
    from backhaul.cli.sessions import list_sessions

    context.obj = output = _output(context, json, debug)
    if context.invoked_subcommand is None:
        with told(output):
            list_sessions(output)


@sessions.command()
def forget(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="A system, or a source as `backhaul sessions` lists it.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove the saved sessions of a system or source.

    Example: backhaul sessions forget andalan
    """
    from backhaul.cli.sessions import forget_sessions

    output = _output(context, json, debug)
    with told(output):
        forget_sessions(output, name)


@sessions.command()
def check(context: typer.Context, name: Name, json: Json = False, debug: Debug = False) -> None:
    """Ask the site whether the saved session still holds; sends no password. Exit 4 if it does not.

    Example: backhaul sessions check andalan
    """
    from backhaul.cli.sessions import check_sessions

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(check_sessions(output, name))


@sessions.command("new-key")
def new_key(
    context: typer.Context,
    keyring: Annotated[
        bool, typer.Option("--keyring", help="Keep it in this machine's keyring in place of printing it.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make the key that sessions and personal files are encrypted with, as a line for .env.

    Example: backhaul sessions new-key >> .env
    """
    from backhaul.cli.sessions import make_key

    output = _output(context, json, debug)
    with told(output):
        make_key(output, in_keyring=keyring)


@app.command()
def prune(
    context: typer.Context,
    name: OptionalName = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, remove nothing.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove kept files that are older, or more, than their stream's retention says. Every run does it too.

    Example: backhaul prune andalan --dry-run
    """
    from backhaul.cli.prune import prune_named

    output = _output(context, json, debug)
    with told(output):
        prune_named(output, name, dry_run=dry_run)


@app.command()
def report(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="SYSTEM[.PIPELINE].REPORT, or a system or pipeline; all if left out"),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="History by week or by month.", show_default="week")] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, max=240, help="How many of them, up to now.", show_default="8")
    ] = None,
    days: Annotated[
        int | None, typer.Option("--days", min=0, max=36_500, help="How many days back a report looks.")
    ] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write it to a new file.")] = None,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="Write a report to a new workbook.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a report of a pipeline; without one, what the runs came to by week or month, and which reports there are.

    Example: backhaul report andalan --by month --last 6; backhaul report school.not_practised --days 14
    """
    from backhaul.cli.report import History, show_report
    from backhaul.cli.table_report import Wanted

    output = _output(context, json, debug)
    with told(output):
        show_report(output, name, History(by, last), Wanted(days, csv, xlsx))


@app.command()
def reconcile(
    context: typer.Context,
    name: Name,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write the differences to a new file.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare what each destination has with the curated tables, row by row; changes nothing.

    Example: backhaul reconcile andalan --csv differences.csv

    Exit codes: 0 all agree, 1 a destination could not be asked, 2 usage or settings, 3 there are differences.
    """
    from backhaul.cli.reconcile import reconcile_named

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(reconcile_named(output, name, csv))


app.add_typer(quarantine)
add_upkeep(app)


notify = typer.Typer(
    name="notify", help="The channels to people.\n\nExample: backhaul notify test andalan", no_args_is_help=True
)


@notify.command("test")
def notify_test(context: typer.Context, name: OptionalName = None, json: Json = False, debug: Debug = False) -> None:
    """Send a test message through every notifier. Exit 1 if one does not arrive.

    Example: backhaul notify test andalan
    """
    from backhaul.cli.notify import try_notifiers

    output = _output(context, json, debug)
    with told(output):
        raise typer.Exit(try_notifiers(output, name))


app.add_typer(notify)
app.add_typer(deploy)


def main() -> None:
    """Run the command line; consoles that are not UTF-8 get replacement characters, never a crash."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app()
