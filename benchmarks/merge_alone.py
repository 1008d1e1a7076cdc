"""Merges one file into a warehouse and prints the CPU time of the merge alone, in a process that is warm.

Usage: python -m benchmarks.merge_alone DATABASE CSV
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from backhaul import BackOffice
from backhaul.destinations import Warehouse
from backhaul.formats import read_table
from backhaul.model import ROW, Batch, Stream


def staged(folder: Path, stream: Stream, source: Path) -> Batch:
    """Return the rows of a file as the engine would stage them."""
    parts = []
    rows = 0
    for number, frame in enumerate(read_table(source, text_columns=stream.key)):
        part = folder / f"{number}.parquet"
        frame.with_row_index(ROW, offset=rows + 1).write_parquet(part)
        parts.append(part)
        rows += frame.height
    return Batch(f"alone-{source}", stream.name, tuple(parts), rows, duplicate=0, rejected=0, timezone="UTC")


def main() -> None:
    """Merge once into an empty database, so that all is loaded, then for the figure."""
    database, source = (Path(argument) for argument in sys.argv[1:3])
    stream = BackOffice(base_url="http://127.0.0.1:9").export("sales", key="id", page="/export", button="button")
    with tempfile.TemporaryDirectory(prefix="bench-alone-") as folder:
        batch = staged(Path(folder), stream, source)
        for target in (Path(folder) / "warm-up.db", database):
            warehouse = Warehouse(str(target))
            started = time.process_time()
            counts = warehouse.write(stream, warehouse.compare(stream, batch))
            cpu_s = time.process_time() - started
    print(json.dumps({"cpu_s": cpu_s, "counts": asdict(counts)}))


if __name__ == "__main__":
    main()
