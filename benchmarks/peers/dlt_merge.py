"""The peer of the merge benchmark: one CSV file merged into SQLite with dlt, tuned, from Arrow tables.

Usage: dlt_merge.py CSV DATABASE STATE_FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import dlt
import pyarrow.csv

# Without keys and unique indexes in the destination, dlt's second load takes quadratic time.
TUNED = {"create_primary_keys": True, "create_unique_indexes": True}


def main() -> None:
    """Merge the file by its column `id`."""
    source, database, state = (Path(argument).resolve() for argument in sys.argv[1:4])
    text = pyarrow.csv.ConvertOptions(column_types={"id": "string", "sku": "string"})
    table = pyarrow.csv.read_csv(source, convert_options=text)
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=str(state),
        destination=dlt.destinations.sqlalchemy(credentials=f"sqlite:///{database}", **TUNED),
        dataset_name="bench",
    )
    rows = dlt.resource(
        table,
        name="sales",
        primary_key="id",
        # dlt refuses `upsert` on SQLite; this way to merge ends in the same rows.
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
    )
    pipeline.run(rows)


if __name__ == "__main__":
    main()
