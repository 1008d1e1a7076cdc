"""`python -m benchmarks --peer-python PATH`: measures all and prints one table. It never fails on time."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import andalan, archive, chat, idle, merge, mongo, office, school, search, start
from benchmarks.figures import Figure, Options, table

BENCHMARKS = {
    "start": start.figures,
    "office": office.figures,
    "merge": merge.figures,
    "andalan": andalan.figures,
    "archive": archive.figures,
    "chat": chat.figures,
    "school": school.figures,
    "mongo": mongo.figures,
    "idle": idle.figures,
    "search": search.figures,
}


def main() -> int:
    """Run the chosen benchmarks; a wrong count is an error, a missed figure is only told."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--peer-python", type=Path, required=True, help="Python of the environment with the peers")
    arguments.add_argument("--rows", type=int, default=1_000_000, help="rows of the large merge")
    arguments.add_argument("--rounds", type=int, default=5, help="rounds of each comparison")
    arguments.add_argument("--only", choices=BENCHMARKS, action="append", help="measure only this; may be repeated")
    given = arguments.parse_args()
    if not sys.platform.startswith("linux"):
        arguments.error("process trees are measured through /proc, on Linux only")
    # Not resolved: the link inside the environment is what makes it that environment.
    options = Options(given.peer_python.absolute(), given.rows, given.rounds)
    found: list[Figure] = []
    for name in given.only or BENCHMARKS:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        found += BENCHMARKS[name](options)
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
