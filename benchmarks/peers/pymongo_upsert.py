"""The peer of merging documents: pymongo writes every row with `UpdateOne($set, upsert)` in one `bulk_write`.

Arguments: address, database, a JSON file with the documents. Prints the counts and the write commands. What people
have marked as paid is overwritten, and nobody knows which documents have changed before.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pymongo
from pymongo import monitoring
from pymongo.collection import Collection

WRITES = ("insert", "update", "delete", "findAndModify", "bulkWrite", "create", "createIndexes", "drop")


class Writes(monitoring.CommandListener):
    """Counts the commands that write, by their names."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Count."""
        if event.command_name in WRITES:
            self.sent[event.command_name] = self.sent.get(event.command_name, 0) + 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Nothing to count."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Nothing to count."""


def main() -> None:
    """Write."""
    url, database, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    writes = Writes()
    started = time.process_time()
    rows = json.loads(path.read_text(encoding="utf-8"))
    client: pymongo.MongoClient[dict[str, object]]
    with pymongo.MongoClient(url, event_listeners=[writes]) as client:
        collection: Collection[dict[str, object]] = client[database]["student_stats"]
        done = collection.bulk_write(
            [pymongo.UpdateOne({"uniq_id": row["uniq_id"]}, {"$set": row}, upsert=True) for row in rows],
            ordered=False,
        )
    cpu_s = time.process_time() - started
    counts = {"new": done.upserted_count, "updated": done.modified_count}
    print(json.dumps({"cpu_s": cpu_s, "counts": counts, "writes": writes.sent}))


if __name__ == "__main__":
    main()
