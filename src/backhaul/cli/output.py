"""What commands print, and how errors leave the program."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from backhaul.errors import AlreadyRunning, BackhaulError, ConfigError, LoginRequired

WIDEST_TABLE = 240
STYLE = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Output:
    """How this call wants its answers."""

    json: bool = False
    debug: bool = False

    def document(self, value: Any) -> None:
        """Print one JSON document on stdout."""
        print(json.dumps(value, indent=2, ensure_ascii=not _is_utf8(), default=str))

    def line(self, value: Any) -> None:
        """Print one JSON value on one line of stdout."""
        print(json.dumps(value, ensure_ascii=not _is_utf8(), default=str))

    def say(self, text: str = "") -> None:
        """Print a line on stdout; nothing with --json."""
        if not self.json:
            print(text)

    def progress(self, text: str) -> None:
        """Print a line on stderr."""
        print(text, file=sys.stderr, flush=True)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[object]], *, spare: Sequence[str] = ()) -> None:
        """Print a table on stdout; columns of numbers are flush right, empty cells are blank.

        Where a terminal is too narrow, the spare columns are left out, the first named first, and that is said.
        """
        shown, left_out = list(headers), []
        lines = _drawn(headers, rows, shown)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST_TABLE
        for header in spare:
            if max(len(STYLE.sub("", line)) for line in lines) <= width:
                break
            shown.remove(header)
            left_out.append(header)
            lines = _drawn(headers, rows, shown)
        print("\n".join(lines))
        if left_out:
            self.say(f"({width} columns are too few for: {', '.join(left_out)})")

    def traceback(self, error: BaseException) -> None:
        """Print an error's traceback on stderr, if this call wants it."""
        if self.debug:
            print("\n".join(_traced(error)), file=sys.stderr)

    def error(self, error: BackhaulError, *, exit_code: int) -> None:
        """Tell an error: what, and what to do next; with --json as the document."""
        self.traceback(error)
        if self.json:
            self.document(
                {
                    "status": "error",
                    "exit_code": exit_code,
                    "error": type(error).__name__,
                    "message": str(error),
                    "next_step": error.next_step,
                }
            )
        self.progress(f"error: {error}")
        self.progress(f"  next: {error.next_step}")


def _is_utf8() -> bool:
    """Tell whether stdout takes every letter; a console or pipe of Windows may not, and JSON has another way."""
    return (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "") == "utf8"


def _drawn(headers: Sequence[str], rows: Sequence[Sequence[object]], shown: Sequence[str]) -> list[str]:
    """Return the lines of a table with the columns that are shown."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    places = [index for index, header in enumerate(headers) if header in shown]
    for index in places:
        numbers = rows and all(isinstance(row[index], (int, float)) for row in rows)
        table.add_column(headers[index], justify="right" if numbers else "left", no_wrap=True)
    for row in rows:
        table.add_row(*("" if row[index] is None else str(row[index]) for index in places))
    # Wide enough for every table: a narrow terminal wraps lines, which reads better than folded cells.
    console = Console(width=WIDEST_TABLE)
    with console.capture() as drawn:
        console.print(table, markup=False, highlight=False, soft_wrap=True)
    return [line.rstrip() for line in drawn.get().splitlines()]


def _traced(error: BaseException) -> Iterator[str]:
    """Yield the traceback of error, its causes first.

    What an error of our own says holds no secret and no row; of others only those are told that speak of code.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _traced(cause)
        yield "which led to:"
    yield "Traceback (most recent call last):"
    yield from "".join(traceback.format_tb(error.__traceback__)).splitlines()
    told = isinstance(error, (BackhaulError, OSError, NameError, AttributeError, ImportError, SyntaxError, TypeError))
    yield f"{type(error).__name__}: {error if told else '(its words are left out: they may quote a row)'}"


def exit_code_of(error: BackhaulError) -> int:
    """Return the exit code of a command that ends with this error."""
    if isinstance(error, ConfigError):
        return 2
    if isinstance(error, LoginRequired):
        return 4
    return 5 if isinstance(error, AlreadyRunning) else 1


@contextlib.contextmanager
def told(output: Output) -> Iterator[None]:
    """Turn errors and Ctrl-C into messages and exit codes; SIGTERM counts as Ctrl-C."""
    _end_on_sigterm()
    try:
        try:
            yield
        finally:
            _flush()
    except BackhaulError as error:
        code = exit_code_of(error)
        output.error(error, exit_code=code)
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        words = "interrupted; run again, what is done is not done twice"
        if output.json:
            output.document({"status": "interrupted", "exit_code": 130, "message": words})
        output.progress(words)
        _flush()
        if any(not each.daemon for each in threading.enumerate() if each is not threading.main_thread()):
            # A thread that waits for an answer would keep the process until the answer comes.
            os._exit(130)
        raise typer.Exit(130) from None
    except BrokenPipeError:
        _flush()
        raise typer.Exit(0) from None
    except OSError as error:
        failure = BackhaulError(
            f"{error.filename or 'the system'}: {error.strerror or type(error).__name__}",
            next_step="Check that the folder is there, may be written and has room, then run again.",
        )
        failure.__cause__ = error
        output.error(failure, exit_code=1)
        raise typer.Exit(1) from None


def _flush() -> None:
    """Write out what was printed; where the reader, such as `head`, has seen enough, the rest goes nowhere."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _end_on_sigterm() -> None:
    import signal

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    # Windows has no SIGTERM from outside: Ctrl-Break, and a console that is closed, come as SIGBREAK.
    for number in (signal.SIGTERM, getattr(signal, "SIGBREAK", None)):
        if number is not None:
            signal.signal(number, interrupt)
