"""The way through the program pg_restore, where the own reader does not know an archive's version or packing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from backhaul.errors import SourceChanged, TransientError

TIMEOUT_S = 600.0
"""How long reading one table may take."""

_LIST_TIMEOUT_S = 60.0
_OLDEST = 12
"""Older ones take `-f -` for a file's name."""

_STEP_BYTES = 1024**2
_STATEMENT_BYTES = 1024**2
_END = b"\n\\.\n"
_LINE = re.compile(r"^\d+; \d+ \d+ TABLE DATA (?P<words>.+)$")
_DEFINED = re.compile(r"^\d+; \d+ \d+ (?:FOREIGN )?TABLE (?!DATA )(?P<words>.+)$")


@dataclass(frozen=True)
class PgRestore:
    """The program pg_restore on the PATH and its version, such as `17.10`."""

    program: str
    version: str

    @classmethod
    def find(cls) -> PgRestore | None:
        """Return the one on the PATH, or None where there is none that can be used."""
        program = shutil.which("pg_restore")
        if program is None:
            return None
        try:
            done = subprocess.run(
                [program, "--version"], capture_output=True, text=True, timeout=_LIST_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        found = re.search(r"\s(\d+)(\.\d+)*", done.stdout)
        return cls(program, found[0].strip()) if found and int(found[1]) >= _OLDEST else None

    def listed(self, path: Path) -> tuple[list[tuple[str, str]], list[tuple[str, str]]] | None:
        """Return the schema and name of each table with data and of each that is defined; None if it refuses path.

        Names with spaces are left out: the list does not tell where they end.
        """
        try:
            done = subprocess.run(
                [self.program, "-l", str(path)],
                capture_output=True,
                timeout=_LIST_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        if done.returncode:
            return None
        lines = done.stdout.decode(errors="replace").splitlines()
        return _named(lines, _LINE), _named(lines, _DEFINED)

    def statement(self, path: Path, schema: str, name: str) -> str:
        """Return the COPY statement of a table, "" if there is none. Raises TransientError, SourceChanged."""
        with closing(self.text(path, schema, name)) as pieces:
            return next(pieces, b"").decode(errors="replace")

    def text(self, path: Path, schema: str, name: str) -> Generator[bytes]:
        r"""Yield a table's COPY statement, then its rows as pieces of COPY text in UTF-8, `\.` included.

        Raises TransientError if it takes more than TIMEOUT_S, SourceChanged with the program's words if it fails.
        """
        command = [self.program, "--data-only", "-n", schema, "-t", name, "-f", "-", str(path)]
        with tempfile.TemporaryFile() as words:
            running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words)
            is_late = threading.Event()
            watch = threading.Timer(TIMEOUT_S, _stop, (running, is_late))
            watch.daemon = True
            watch.start()
            try:
                assert running.stdout is not None
                yield from _copied(running.stdout)
                if running.wait() or is_late.is_set():
                    raise self._failed(path, name, words, is_late=is_late.is_set())
            finally:
                watch.cancel()
                running.kill()
                running.communicate()

    def _failed(self, path: Path, name: str, words: IO[bytes], *, is_late: bool) -> TransientError | SourceChanged:
        if is_late:
            return TransientError(f"{path.name}: pg_restore {self.version} took over {TIMEOUT_S:,.0f} s for {name}")
        words.seek(0)
        said = words.read(_STEP_BYTES).decode(errors="replace").replace(str(path), path.name).strip().splitlines()
        errors = [line for line in said if "error" in line] or said or ["no word"]
        return SourceChanged(
            f"{path.name}: pg_restore {self.version} could not read {name}: {errors[0][:200]}",
            next_step="Make the backup again, or install a pg_restore as new as the pg_dump that made it.",
        )


def _stop(running: subprocess.Popen[bytes], is_late: threading.Event) -> None:
    is_late.set()
    running.kill()


def _named(lines: list[str], pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    found = [matched["words"].split(" ") for line in lines if (matched := pattern.match(line))]
    return [(words[0], words[1]) for words in found if len(words) == 3]


def _copied(output: IO[bytes]) -> Generator[bytes]:
    """Yield the COPY statement in output, then the rows up to their end mark; read the rest and leave it out."""
    head = b"\n"
    while (begin := _statement_end(head)) is None and len(head) < _STATEMENT_BYTES:
        piece = output.read(_STEP_BYTES)
        if not piece:
            return
        head += piece
    if begin is None:
        return
    yield head[head.index(b"\nCOPY ") + 1 : begin]
    # The line end before the rows is needed to see the end mark of a table without rows.
    held = b"\n" + head[begin:]
    first = 1
    while (end := held.find(_END)) < 0:
        kept = max(first, len(held) - len(_END))
        yield held[first:kept]
        held, first = held[kept:], 0
        piece = output.read(_STEP_BYTES)
        if not piece:
            yield held
            return
        held += piece
    yield held[first : end + len(_END)]
    while output.read(_STEP_BYTES):
        pass


def _statement_end(head: bytes) -> int | None:
    begin = head.find(b"\nCOPY ")
    end = head.find(b" FROM stdin;\n", begin) if begin >= 0 else -1
    return None if end < 0 else end + len(b" FROM stdin;\n")
