"""Misspelt, abbreviated and reordered queries in 20,000 and 200,000 made-up products, beside pandas and rapidfuzz."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path

from backhaul.search import SearchIndex
from benchmarks.figures import Figure, Options, at_most, median, ratio
from tests.search.catalogues import compared, frame, maker, row
from tests.search.goods import Item, Query, goods, queries
from tests.search.judging import is_right, judged

PEER = Path(__file__).resolve().parent / "peers" / "pandas_search.py"
SEED = 8_675_309
ASKED = 1000
LIMITS = {20_000: (5.0, 100.0, 1.0), 200_000: (20.0, 300.0, 12.0)}
"""By the number of products: p50 and p99 (ms), and what building the index may take (s)."""


def figures(options: Options) -> list[Figure]:
    """Measure each size once; every answer is judged."""
    return [figure for products in LIMITS for figure in _of_size(products, options)]


def _of_size(products: int, options: Options) -> list[Figure]:
    items = goods(SEED, products)
    asked = queries(SEED + 1, items, ASKED)
    p50_ms, p99_ms, build_s = LIMITS[products]
    with tempfile.TemporaryDirectory(prefix="bench-search-") as name:
        folder = Path(name)
        index = SearchIndex(str(folder / "catalogue.db"))
        makes = maker(folder)
        changes = compared(index, makes, frame(row(each.code, each.name) for each in items))
        started = time.perf_counter()
        index.write(makes.stream, changes)
        built_s = time.perf_counter() - started
        catalogue = index.catalogue()
        catalogue.find("warm")
        mine = judged(catalogue, asked)
        peer = _peer(folder, items, asked, options)
    size = f"search, {products:,} products"
    return [
        at_most(f"{size}: index built", built_s, build_s, "s"),
        at_most(f"{size}: p50", mine.percentile(0.5), p50_ms, "ms"),
        at_most(f"{size}: p99", mine.percentile(0.99), p99_ms, "ms"),
        _share(f"{size}: first hit right", mine.share, 0.9),
        *_beside(size, "contains", peer["contains"], mine.percentile(0.5), items, asked, limit=1.0),
        *_beside(size, "WRatio", peer["WRatio"], mine.percentile(0.5), items, asked, limit=0.1),
    ]


def _share(name: str, share: float, least: float | None) -> Figure:
    asked = "" if least is None else f">= {least:.0%}"
    return Figure(name, asked, f"{share:.1%}", least is None or share >= least)


def _beside(
    size: str,
    way: str,
    peer: dict[str, list[int | None]],
    p50_ms: float,
    items: list[Item],
    asked: list[Query],
    *,
    limit: float,
) -> list[Figure]:
    named = [None if place is None else items[place].name for place in peer["first"]]
    right = sum(
        name is not None and is_right(query, name) for query, name in zip(asked[: len(named)], named, strict=True)
    )
    theirs_ms = median(each for each in peer["ms"] if each is not None)
    return [
        ratio(f"{size}: p50, ours/{way}", ours=p50_ms, peer=theirs_ms, limit=limit, unit="ms"),
        _share(f"{size}: first hit right, {way}", right / len(named), None),
    ]


def _peer(
    folder: Path, items: list[Item], asked: list[Query], options: Options
) -> dict[str, dict[str, list[int | None]]]:
    plan = folder / "plan.json"
    plan.write_text(
        json.dumps({"names": [each.name for each in items], "queries": [each.text for each in asked]}),
        encoding="utf-8",
    )
    done = subprocess.run([str(options.peer_python), str(PEER), str(plan)], check=True, capture_output=True)
    said: dict[str, dict[str, list[int | None]]] = json.loads(done.stdout)
    return said
