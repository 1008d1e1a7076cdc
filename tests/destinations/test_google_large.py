"""A sheet of 2.7 million cells takes a delivery of 200 rows in few calls and little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from backhaul.sandbox import SandboxSheets
from backhaul.testing import BatchMaker

ROWS, COLUMNS = 100_000, 27
PEAK_BYTES = 300_000_000

DELIVER = """
import json, sys
from pathlib import Path
from backhaul.destinations import GoogleSheet
from backhaul.lake import StagingArea
from backhaul.testing.batches import BatchMaker
url, key, api_url, folder, name = sys.argv[1:]
target = GoogleSheet(url, account=key, api_url=api_url)
batch = StagingArea(Path(folder)).load(name)
stream = BatchMaker(Path(folder)).stream
counts = target.write(stream, target.compare(stream, batch))
# Not ru_maxrss: it begins with the memory of the process that started this one.
status = Path("/proc/self/status").read_text()
peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps([counts.new, counts.updated, counts.unchanged, peak]))
"""


def row(number: int) -> list[str]:
    return [f"TRX-{number:07}", *(f"value {number} {column}" for column in range(1, COLUMNS))]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("is_adopted", [True, False])
def test_a_hundred_changed_and_a_hundred_new_rows_of_a_hundred_thousand(tmp_path: Path, is_adopted: bool) -> None:
    names = ["id", *(f"c{column}" for column in range(1, COLUMNS))]
    maker = BatchMaker(tmp_path / "staging")
    with SandboxSheets() as sandbox:
        book = sandbox.add_spreadsheet(rows=ROWS + 1, columns=COLUMNS)
        book.fill("Sheet1", [names, *(row(number) for number in range(ROWS))])
        key = tmp_path / "key.json"
        key.write_text(sandbox.service_account())

        def deliver(rows: list[list[str]]) -> list[int]:
            batch = maker.batch(pl.DataFrame(rows, schema=names, orient="row"))
            arguments = [book.url, str(key), sandbox.url, str(maker.folder), batch.id]
            done = subprocess.run(
                [sys.executable, "-c", DELIVER, *arguments], capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, done.stderr
            found: list[int] = json.loads(done.stdout)
            return found

        if not is_adopted:
            deliver([row(ROWS)])
            sandbox.reset_calls()
        # Scattered, so that no few ranges hold them all.
        changed = [[*row(number)[:-1], "changed"] for number in range(500, ROWS, 1_000)]
        new = [row(ROWS + 1 + number) for number in range(100)]
        *counts, peak = deliver(changed + new)

        assert counts == [100, 100, 0]
        assert len(sandbox.calls) <= 6
        assert sum(call.bytes_out for call in sandbox.calls) < 40_000_000
        print(peak)
        assert peak < PEAK_BYTES
        assert book.cell("Sheet1", "AA502").value == "changed"
        assert book.cell("Sheet1", "A100001").value == row(ROWS - 1)[0]
