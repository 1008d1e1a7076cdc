"""A million made-up messages of an Android phone (US), beside whatstk; then every locale against the truth.

`python -m benchmarks.chat FILE` is what is measured: it reads an export with its identities and prints the rows.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from backhaul.formats.chat import read_chat

if TYPE_CHECKING:
    from benchmarks.figures import Figure, Options
    from tests.formats.chat_truth import Row

ROOT = Path(__file__).resolve().parents[1]
PEER = ROOT / "benchmarks" / "peers" / "whatstk_chat.py"
SEED = 20_240_520
FEW = 20_000
"""Messages of each other locale."""

ZONE = "Asia/Jerusalem"
LATE = datetime(2100, 1, 1, tzinfo=UTC)


def figures(options: Options) -> list[Figure]:
    """Measure both sides on one file, options.rows messages, and compare every row of every locale."""
    from backhaul.sandbox.chat_files import LOCALES, exported, made_up_chat
    from benchmarks.figures import Figure, at_most, holds, median, ratio
    from benchmarks.measure import measured

    with tempfile.TemporaryDirectory(prefix="bench-chat-") as name:
        folder = Path(name)
        file = folder / "chat.txt"
        with file.open("w", encoding="utf-8", newline="") as out:
            out.writelines(exported(made_up_chat(SEED, options.rows), LOCALES["en-US"]))
        command = [sys.executable, "-m", "benchmarks.chat", str(file)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        ours = [measured(command, folder=folder, environment=environment) for _ in range(3)]
        rows = int((folder / "stdout").read_text())
        if rows != options.rows:
            raise RuntimeError(f"{rows:,} of {options.rows:,} messages")
        peer = measured([str(options.peer_python), str(PEER), str(file)], folder=folder)
        peer_rows = int((folder / "stdout").read_text())
        size_mb = file.stat().st_size / 1e6
        wrong = _wrong(file, "en-US", options.rows)
        file.unlink()
        wrong += sum(_wrong(folder / "few.txt", locale, FEW) for locale in LOCALES)
    what = f"chat export, {options.rows:,} messages, {size_mb:.0f} MB"
    cpu_s = median(cost.cpu_s for cost in ours)
    return [
        ratio(f"{what}: CPU, ours/whatstk", ours=cpu_s, peer=peer.cpu_s, limit=1 / 6, unit="s"),
        at_most(f"{what}: peak memory", max(cost.peak_rss_mb for cost in ours), 300, "MB"),
        Figure(f"{what}: peak memory, whatstk", "", f"{peer.peak_rss_mb:,.0f} MB", True),
        Figure(f"{what}: rows, whatstk", "", f"{peer_rows:,}", True),
        holds(
            f"chat export: every row as it is true, {len(LOCALES)} locales", not wrong, otherwise=f"{wrong:,} wrong"
        ),
    ]


def _wrong(file: Path, locale: str, count: int) -> int:
    """Return how many rows of a made-up export differ from the truth; the file is written if it is not there."""
    from backhaul.sandbox.chat_files import LOCALES, exported, made_up_chat
    from tests.formats.chat_truth import truth_of

    if count == FEW:
        with file.open("w", encoding="utf-8", newline="") as out:
            out.writelines(exported(made_up_chat(SEED, count), LOCALES[locale]))
    true = (truth_of(line, LOCALES[locale]) for line in made_up_chat(SEED, count))
    return sum(one != other for one, other in zip_longest(_rows(file), true))


def _rows(file: Path) -> Iterator[Row]:
    for frame in read_chat(file, chat="benchmark", timezone=ZONE, now=LATE):
        yield from frame.select("sent_at", "sender", "kind", "text", "is_edited").iter_rows()


def main() -> None:
    """Read the file named on the command line."""
    print(sum(frame.height for frame in read_chat(Path(sys.argv[1]), chat="benchmark", timezone=ZONE, now=LATE)))


if __name__ == "__main__":
    main()
