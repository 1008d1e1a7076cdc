"""`demo`: every system against the sandbox, twice, in a folder of its own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from backhaul.cli import demo_school
from backhaul.cli.demo_bot import Said, conversation
from backhaul.cli.demo_page import page
from backhaul.cli.init import copy_system
from backhaul.cli.output import Output
from backhaul.cli.progress import Progress
from backhaul.cli.run import report
from backhaul.cli.table_files import drawn
from backhaul.engine.run import Installation, RunOptions, RunResult, outcome_of_all, run_pipeline
from backhaul.engine.systems import Target, bundled_systems, load_system, system_names
from backhaul.engine.words import counted
from backhaul.errors import ConfigError
from backhaul.sandbox.outside import Outside
from backhaul.sealing import KEY_SETTING, new_key

DAY = "2025-09-12"
MOST_LINES = 14
PASSES = (
    "first pass: everything is new",
    "second pass: the shop has a newer backup, the school another day; in the back office nothing has changed",
)
MARK = ".backhaul-demo"
PAGE = "what-people-see.html"
NEEDED = ("cryptography", "gspread", "rapidfuzz", "telegram")
"""Modules of the extra `demo`: what the bundled systems and the sandbox need beside backhaul's own packages."""


def run_demo(output: Output, folder: Path) -> int:
    """Run all bundled systems in folder, which is made anew; return the exit code."""
    if missing := [each for each in NEEDED if find_spec(each) is None]:
        raise ConfigError(
            f"the demo delivers to Google Sheets and runs a bot; packages are not installed: {', '.join(missing)}",
            next_step='Install them: pip install "backhaul[demo]"',
        )
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / MARK).exists())):
        raise ConfigError(
            f"{folder} is there already and was not made by the demo; nothing was touched",
            next_step="Name another folder: backhaul demo FOLDER.",
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    os.environ["BACKHAUL_HOME"] = str(folder.resolve())
    school = demo_school.possible()
    for name in system_names(bundled_systems()):
        if name != demo_school.NAME or not school.why_not:
            copy_system(folder, name)
    with Outside() as outside:
        own = {} if school.why_not else demo_school.opened(outside, folder, school)
        # Only what is missing comes from the sandbox in name; here all of it does, so that nothing real is touched.
        settings = {**outside.settings, KEY_SETTING: new_key(), **own}
        here = Installation(data=folder.resolve() / "data", settings=settings)
        output.progress(
            f"sandbox: back office {outside.office.url}, sheets {outside.sheets.url}, Dropbox {outside.dropbox.url},"
            " a Telegram group and a bot, a school with its WhatsApp page"
        )
        if school.why_not:
            output.progress(f"left out: {demo_school.NAME}; {school.why_not}")
        elif school.why_no_page:
            output.progress(f"{demo_school.NAME}: {school.why_no_page}")
        targets = [
            target for name in system_names(folder / "systems") for target in load_system(folder / "systems" / name)
        ]
        exit_code = _passes(output, targets, here, outside)
        said = [] if exit_code else conversation(folder, here, outside)
        _show_outside(output, outside, folder, said)
        if not exit_code and not school.why_not:
            for title, table in demo_school.told(folder, here):
                output.say(f"The school's report {title}:")
                _quote(output, "\n".join(drawn(table.columns, table.rows(), demo_school.ZONE)))
    if not exit_code:
        _say_where(output, folder, with_school=not school.why_not)
    return exit_code


def _show_outside(output: Output, outside: Outside, folder: Path, said: list[Said]) -> None:
    """Say what has arrived in the sheets and in the group, what the bot has said, and leave a page of it."""
    sheets = {book.title: book.formatted(next(iter(book.tabs))) for book in outside.books.values()}
    messages = [message.text for message in outside.telegram.messages(outside.telegram.chat_id)]
    (folder / PAGE).write_text(page(sheets, messages, said), encoding="utf-8")
    output.say("\nIn the spreadsheets:")
    for title, rows in sheets.items():
        shown = f"{counted(max(0, len(rows) - 1), 'row')} of {counted(len(rows[0]) if rows else 0, 'column')}"
        output.say(f"  {title:20} {shown}")
    output.say("Calls to Google Sheets: " + _calls(outside))
    output.say(f"In the Telegram group, {counted(len(messages), 'message')}; the last two:")
    for text in messages[-2:]:
        _quote(output, text)
    for each in said:
        output.say(f"{each.who} asks the shop's bot: {each.question}")
        _quote(output, each.answer)


def _quote(output: Output, text: str) -> None:
    """Print the beginning of a message."""
    lines = text.splitlines()
    output.say("\n".join(f"  | {line}" for line in lines[:MOST_LINES]))
    if len(lines) > MOST_LINES:
        output.say(f"  | ... and {len(lines) - MOST_LINES} more lines")


def _calls(outside: Outside) -> str:
    reads, writes = outside.sheets.reads, outside.sheets.writes
    return f"{counted(reads, 'read')} and {counted(writes, 'write')} in both passes"


def _passes(output: Output, targets: list[Target], here: Installation, outside: Outside) -> int:
    results: list[RunResult] = []
    for number, title in enumerate(PASSES):
        if number:
            outside.upload_backup(number)
            if outside.school:
                outside.school.live(number)
        output.progress("")
        output.say(f"\n{title}")
        passed = [run_pipeline(target, here, RunOptions(window=DAY), [Progress(output)]) for target in targets]
        results += passed
        if not output.json:
            report(output, passed, dry_run=False)
    if output.json:
        return report(output, results, dry_run=False)
    return outcome_of_all(results)


def _say_where(output: Output, folder: Path, *, with_school: bool) -> None:
    program = program_in(folder)
    output.say("\nWhere to look:")
    output.say(f"  {folder / PAGE}  the sheets, the messages and the bot, as people see them: open it in a browser")
    output.say(f"  {folder / 'data' / 'katalog'}  the shop's price catalogue as CSV, and a dated copy")
    output.say(f"  {folder / 'data' / 'warehouse.db'}  the rows, an SQLite file with one table for each stream")
    output.say(f"  {folder / 'data' / 'lake'}  every file as it was fetched (raw) and as rows (staging)")
    output.say(f"  {folder / 'systems'}  the pipelines that ran")
    output.say("What happened, step by step:")
    output.say(f"  cd {quoted(str(folder))}")
    output.say(f"  {program} runs")
    output.say(f"  {program} logs")
    output.say(f'  {program} search "sabun colek"')
    if with_school:
        output.say(f"  {program} report kelas.not_practised --days 1")
    output.say("A folder of your own next, beside this one:")
    output.say(f"  {program} init --from andalan {quoted(str(Path('..', 'office')))}")
    output.say(f"  {program} init --from toko {quoted(str(Path('..', 'shop')))}")
    output.say(f"  {program} init --from kelas {quoted(str(Path('..', 'school')))}")


def program_in(folder: Path) -> str:
    """Return what to type in folder to start this backhaul: by name if the shell finds it, else by its path."""
    script = Path(sys.executable).with_name("backhaul.exe" if os.name == "nt" else "backhaul")
    if not script.exists():
        return f"{quoted(sys.executable)} -m backhaul"
    found = shutil.which("backhaul")
    if found and Path(found) == script:
        return "backhaul"
    near, here = Path.cwd(), folder.resolve()
    return quoted(os.path.relpath(script, here) if script.is_relative_to(near) else str(script))


def quoted(words: str) -> str:
    """Return words as one argument, as the shell of this machine wants it."""
    return subprocess.list2cmdline([words]) if os.name == "nt" else shlex.quote(words)
