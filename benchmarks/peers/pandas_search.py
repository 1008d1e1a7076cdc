"""The peers of the search: pandas `str.contains` for each query, as described, and rapidfuzz over all names.

Arguments: a JSON file with `names` and `queries`. Prints JSON: for each way the milliseconds of each query, and the
place of its first hit or null.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from rapidfuzz import fuzz, process, utils

MOST_FUZZY = 40
"""Queries that all names are compared with: each takes a second among 200,000."""


def main() -> None:
    """Ask every way every query."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    names, queries = given["names"], given["queries"]
    frame = pd.DataFrame({"namaitem": names})
    prepared = [utils.default_process(name) for name in names]

    def contains(query: str) -> int | None:
        found = frame[frame["namaitem"].str.contains(query, case=False, na=False, regex=False)]
        return int(found.index[0]) if len(found) else None

    def fuzzy(query: str) -> int | None:
        found = process.extractOne(utils.default_process(query), prepared, scorer=fuzz.WRatio, processor=None)
        return None if found is None else int(found[2])

    print(json.dumps({"contains": _asked(contains, queries), "WRatio": _asked(fuzzy, queries[:MOST_FUZZY])}))


def _asked(way: Callable[[str], int | None], queries: list[str]) -> dict[str, list[float] | list[int | None]]:
    milliseconds, first = [], []
    for query in queries:
        started = time.perf_counter()
        first.append(way(query))
        milliseconds.append((time.perf_counter() - started) * 1000)
    return {"ms": milliseconds, "first": first}


if __name__ == "__main__":
    main()
