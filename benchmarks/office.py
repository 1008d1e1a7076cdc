"""The main job on a real back office, beside the same job written with Selenium."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import ours
from benchmarks.figures import Figure, Options, at_most, holds, median, ratio
from benchmarks.measure import Cost, measured
from tests.office.data import DAY, ROWS_OF_DAY
from tests.office.server import DjangoOffice

PEER = Path(__file__).resolve().parent / "peers" / "selenium_office.py"
PEER_PROGRAMS = {"PEER_CHROME_BIN": "chromium", "PEER_CHROMEDRIVER_BIN": "chromedriver"}
BROWSERS = ("chrom", "headless_shell", "node")


def figures(options: Options) -> list[Figure]:
    """Measure both in turns, each on a fresh folder, then the memory of our browser driver."""
    programs = {name: shutil.which(os.environ.get(name, usual)) for name, usual in PEER_PROGRAMS.items()}
    if missing := [PEER_PROGRAMS[name] for name, found in programs.items() if found is None]:
        return [Figure("office", "", f"not measured: {' and '.join(missing)} not found, see README.md", True)]
    with DjangoOffice() as office, tempfile.TemporaryDirectory(prefix="bench-office-") as folder:
        settings = {
            "BACKEND_URL": office.url,
            "BACKEND_USERNAME": office.username,
            "BACKEND_PASSWORD": office.password,
            "EXPORT_DAY": str(DAY),
            "OFFICE_DRIVER": "auto",
            **{name: found for name, found in programs.items() if found},
        }
        place = _numbered(Path(folder))
        # One round each that does not count, so that neither side pays for a cold disk.
        _ours(place(), settings)
        _selenium(place(), settings, options)
        mine, peers = [], []
        for _ in range(options.rounds):
            mine.append(_ours(place(), settings))
            peers.append(_selenium(place(), settings, options))
        with_browser = _ours(place(), {**settings, "OFFICE_DRIVER": "browser"}, pss=True)
        peer_memory = _selenium(place(), settings, options, pss=True)
    browsers = sorted({name for cost in mine for name in cost.programs if name.startswith(BROWSERS)})
    return [
        ratio(
            "office: wall time, ours/Selenium",
            ours=median(cost.wall_s for cost in mine),
            peer=median(cost.wall_s for cost in peers),
            limit=0.6,
            unit="s",
        ),
        ratio(
            "office: CPU of the process tree, ours/Selenium",
            ours=median(cost.cpu_s for cost in mine),
            peer=median(cost.cpu_s for cost in peers),
            limit=1 / 3,
            unit="s",
        ),
        at_most("office: peak memory", median(cost.peak_rss_mb for cost in mine), 150, "MB"),
        holds("office: no browser is started", not browsers, otherwise=f"started {', '.join(browsers)}"),
        at_most(
            f"office: browser driver, peak PSS (Selenium: {peer_memory.peak_pss_mb:.0f} MB)",
            with_browser.peak_pss_mb,
            500,
            "MB",
        ),
    ]


def _numbered(folder: Path) -> Callable[[], Path]:
    made: list[Path] = []

    def place() -> Path:
        made.append(folder / str(len(made)))
        made[-1].mkdir()
        return made[-1]

    return place


def _ours(folder: Path, settings: dict[str, str], *, pss: bool = False) -> Cost:
    home = ours.make_home(folder)
    cost = ours.run(home, ["office", "--window", str(DAY)], settings=settings, pss=pss)
    _check({name: found["new"] for name, found in ours.counts(home).items()}, "backhaul")
    return cost


def _selenium(folder: Path, settings: dict[str, str], options: Options, *, pss: bool = False) -> Cost:
    output = folder / "said.json"
    cost = measured(
        [str(options.peer_python), str(PEER)],
        folder=folder,
        environment={**os.environ, **settings, "OUTPUT_FOLDER": str(folder)},
        pss=pss,
        output=output,
    )
    said = json.loads(output.read_text(encoding="utf-8"))
    _check({name: found["new"] for name, found in said.items()}, "Selenium")
    return cost


def _check(new_rows: dict[str, int], who: str) -> None:
    if new_rows != ROWS_OF_DAY:
        raise RuntimeError(f"{who} found {new_rows} new rows, the office holds {ROWS_OF_DAY}")
