"""System B's catalogue out of a large backup, against restoring the backup into a server and asking that.

The backup is a real one: pg_dump's, of a made-up shop in a server that runs for the benchmark only and writes through
to the disk, as PostgreSQL does unless it is told not to.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from backhaul.sandbox.shop import OWNER, Shop, load, load_sales
from benchmarks.figures import Figure, Options, at_most, holds, median, ratio
from benchmarks.measure import Cost, measured
from tests.postgres import Server, execute
from tools.toko_sample import dump, environment, program

ROOT = Path(__file__).resolve().parents[1]
ITEMS, SALES_LINES = 20_000, 3_000_000
DATABASE = "i5_benchmark"
OLD_QUERY = (
    "SELECT i.namaitem, u.jumlahkonv, u.satuan, u.hargapokok, h.hargajual FROM tbl_item i"
    " JOIN tbl_itemsatuanjml u ON u.kodeitem = i.kodeitem"
    " JOIN tbl_itemhj h ON h.kodeitem = u.kodeitem AND h.satuan = u.satuan"
)
"""The five columns that the shop had made before."""


@dataclass(frozen=True)
class Backups:
    """The same backup twice: written to a file, which holds where each table begins, and through a pipe."""

    file: Path
    piped: Path


def figures(options: Options) -> list[Figure]:
    """Make the backup, read it both ways, then restore it once and compare what came out."""
    place = Server(durable=True).start()
    try:
        with tempfile.TemporaryDirectory(prefix="bench-archive-") as name:
            folder = Path(name)
            backups = _backups(place, folder)
            ours = [_catalogue(backups.file, folder) for _ in range(options.rounds + 1)][1:]
            piped = [_catalogue(backups.piped, folder) for _ in range(options.rounds + 1)][1:]
            whole = [_extract(backups.file, folder) for _ in range(options.rounds + 1)][1:]
            restored_s = _restored(place, backups.file, folder)
            is_whole = _rows(folder / "restored.csv") <= _rows(folder / "catalogue.csv")
            size_mb = backups.file.stat().st_size / 1e6
    finally:
        place.remove()
    wall_s, piped_s = median(cost.wall_s for cost in ours), median(cost.wall_s for cost in piped)
    what = f"archive: catalogue from {size_mb:.0f} MB"
    return [
        at_most(f"{what}, wall", wall_s, 1.0, "s"),
        at_most(f"{what} by `backhaul extract`, wall", median(cost.wall_s for cost in whole), 1.5, "s"),
        at_most(f"{what} by `backhaul extract`, peak memory", max(cost.peak_rss_mb for cost in whole), 250, "MB"),
        Figure(f"{what}, CPU", "", f"{median(cost.cpu_s for cost in ours):.3g} s", True),
        at_most(f"{what}, peak memory", max(cost.peak_rss_mb for cost in [*ours, *piped]), 200, "MB"),
        ratio(f"{what}, ours/restoring", ours=wall_s, peer=restored_s, limit=0.01, unit="s"),
        ratio("archive: piped backup/one with offsets", ours=piped_s, peer=wall_s, limit=1.5, unit="s"),
        holds("archive: every row of the old query is in the catalogue", is_whole, otherwise="rows are missing"),
    ]


def _backups(place: Server, folder: Path) -> Backups:
    execute(place.address(), f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    address = place.address(DATABASE)
    # A tidy shop: of faulty rows the old query makes rows that the catalogue rightly lacks.
    load(address, Shop(items=ITEMS, blemishes=0))
    load_sales(address, SALES_LINES)
    execute(place.address(), f"ALTER DATABASE {DATABASE} OWNER TO {OWNER}")
    backups = Backups(folder / "file.i5bu", folder / "piped.i5bu")
    dump(address, backups.file)
    command = [program("pg_dump"), "--format=custom"]
    # Through a real pipe: pg_dump goes back to write offsets wherever it can seek.
    with (
        subprocess.Popen(command, env=environment(address), stdout=subprocess.PIPE) as running,
        backups.piped.open("wb") as out,
    ):
        assert running.stdout is not None
        shutil.copyfileobj(running.stdout, out, 1 << 20)
    if running.returncode:
        raise RuntimeError(f"pg_dump ended with {running.returncode}")
    return backups


def _catalogue(backup: Path, folder: Path) -> Cost:
    command = [sys.executable, "-m", "benchmarks.toko_catalogue", str(backup), str(folder / "catalogue.csv")]
    return measured(command, folder=folder, environment={**os.environ, "PYTHONPATH": str(ROOT)})


def _extract(backup: Path, folder: Path) -> Cost:
    shutil.copytree(ROOT / "systems" / "toko", folder / "systems" / "toko", dirs_exist_ok=True)
    command = [sys.executable, "-m", "backhaul", "extract", "toko", str(backup), "--to", str(folder / "extract.csv")]
    return measured(command, folder=folder, environment={**os.environ, "BACKHAUL_HOME": str(folder)})


def _restored(place: Server, backup: Path, folder: Path) -> float:
    """Return the seconds of the described way: dropdb, createdb, pg_restore of everything, COPY of the join."""
    reached = environment(place.address(DATABASE))
    commands = [
        [program("dropdb"), DATABASE],
        [program("createdb"), "--template=template0", f"--owner={OWNER}", DATABASE],
        [program("pg_restore"), f"--dbname={DATABASE}", str(backup)],
        [program("psql"), "--quiet", "-c", f"\\copy ({OLD_QUERY}) TO '{folder / 'restored.csv'}' CSV HEADER"],
    ]
    # The clients; what the server does for them is waited for, its CPU is not in any figure.
    started = time.monotonic()
    for command in commands:
        subprocess.run(command, env=reached, check=True)
    return time.monotonic() - started


def _rows(path: Path) -> set[tuple[str, str, Decimal]]:
    """Return name, unit and price of each row with a price; the first five columns of both files are the same."""
    with path.open(encoding="utf-8", newline="") as file:
        return {(row[0], row[2], Decimal(row[4])) for row in list(csv.reader(file))[1:] if row[4]}
