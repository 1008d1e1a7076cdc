"""`python -m benchmarks.toko_catalogue BACKUP CSV`: system B's catalogue out of a backup, as a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

from backhaul.formats.pgdump import Archive
from systems.toko.rules.catalogue import catalogue
from systems.toko.tables import TABLES


def main() -> None:
    """Write the catalogue."""
    archive = Archive.open(Path(sys.argv[1]))
    tables = {each.name: pl.concat(list(archive.read(each.name, each.wanted))) for each in TABLES}
    catalogue(tables).write_csv(sys.argv[2])


if __name__ == "__main__":
    main()
