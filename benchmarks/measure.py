"""Runs one command and writes down what its whole process tree took; Linux only, standard library only.

It is a program of its own, and small: the peak memory of a child includes what its parent held.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
SAMPLE_S = 0.05


@dataclass
class Cost:
    """What a command and all processes below it took.

    Attributes:
        cpu_s: user and system time of the tree.
        peak_rss_mb: of the largest single process.
        peak_pss_mb: of the tree at once, shared pages counted once; 0 if it was not asked for.
        programs: the names of all processes that were seen.
    """

    exit_code: int = -1
    wall_s: float = 0.0
    cpu_s: float = 0.0
    peak_rss_mb: float = 0.0
    peak_pss_mb: float = 0.0
    programs: list[str] = field(default_factory=list)


def measured(
    command: list[str],
    *,
    folder: Path,
    environment: dict[str, str] | None = None,
    pss: bool = False,
    output: Path | None = None,
    timeout_s: float = 1800.0,
) -> Cost:
    """Return what command took; its output goes to the file output, its errors beside it."""
    report = folder / "cost.json"
    report.unlink(missing_ok=True)
    output = output or folder / "stdout"
    errors = output.with_suffix(".stderr")
    measure = [sys.executable, "-S", "-E", __file__, *(["--pss"] if pss else []), str(report), *command]
    with output.open("wb") as out, errors.open("wb") as err:
        subprocess.run(measure, stdout=out, stderr=err, env=environment, timeout=timeout_s, check=True)
    cost = Cost(**json.loads(report.read_text(encoding="utf-8")))
    if cost.exit_code != 0:
        words = (output.read_bytes() + errors.read_bytes()).decode("utf-8", "replace")
        raise RuntimeError(f"exit code {cost.exit_code} from {' '.join(command)}: {words[-3000:]}")
    return cost


def descendants(pid: int) -> list[int]:
    """Return the processes below pid that live now."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for children in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                below = [int(child) for child in children.read_text().split()]
                found += below
                waiting += below
    return found


def pss_kb(pid: int) -> int:
    """Return the memory of pid in kB, a shared page counted by its share; 0 if it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def _watch(cost: Cost, ended: threading.Event, with_pss: bool) -> None:
    seen: set[str] = set()
    while not ended.wait(SAMPLE_S):
        pids = descendants(os.getpid())
        for pid in pids:
            with contextlib.suppress(OSError):
                seen.add(Path(f"/proc/{pid}/comm").read_text().strip())
        if with_pss:
            cost.peak_pss_mb = max(cost.peak_pss_mb, sum(map(pss_kb, pids)) / 1024)
    cost.programs = sorted(seen)


def _reap_all() -> None:
    """End and collect what the command left behind: only collected processes count into the CPU time."""
    for pid in descendants(os.getpid()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)


def main() -> None:
    """Run the command given after the report's path."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--pss", action="store_true")
    arguments.add_argument("report", type=Path)
    arguments.add_argument("command", nargs=argparse.REMAINDER)
    given = arguments.parse_args()
    # Orphans come to us instead of to init, so that their CPU time is not lost.
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")
    cost = Cost()
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(cost, ended, given.pss))
    started = time.monotonic()
    command = subprocess.Popen(given.command)
    watcher.start()
    cost.exit_code = command.wait()
    cost.wall_s = time.monotonic() - started
    ended.set()
    watcher.join()
    _reap_all()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cost.cpu_s = usage.ru_utime + usage.ru_stime
    cost.peak_rss_mb = usage.ru_maxrss / 1024
    given.report.write_text(json.dumps(asdict(cost)), encoding="utf-8")


if __name__ == "__main__":
    main()
