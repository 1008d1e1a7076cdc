"""A write into MongoDB in a process of its own that is killed at its n-th chunk, as a power cut would.

Run as a program it takes a pickle of (destination, stream, changes), the number of rows in a chunk, and the chunk
after which it is killed.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from backhaul.model import Changes, Destination, Stream

ROOT = Path(__file__).resolve().parents[2]


def killed_after_chunk(destination: Destination, stream: Stream, changes: Changes, chunk: int, *, rows: int) -> None:
    """Let a process write chunks of so many rows, and kill it when chunk is written."""
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.pickle"
        plan.write_bytes(pickle.dumps((destination, stream, changes)))
        command = [sys.executable, "-m", "tests.destinations.killed_documents", str(plan), str(rows), str(chunk)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def main() -> None:
    """Write what the plan says, and be killed on the way."""
    from backhaul.destinations.mongo import delivery, write

    destination, stream, changes = pickle.loads(Path(sys.argv[1]).read_bytes())
    delivery.CHUNK_ROWS = int(sys.argv[2])
    left = int(sys.argv[3])
    whole = write.ChunkWriter.write

    def counted(writer: write.ChunkWriter, rows: Any) -> Any:
        nonlocal left
        tally = whole(writer, rows)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return tally

    write.ChunkWriter.write = counted  # type: ignore[method-assign]
    destination.write(stream, changes)


if __name__ == "__main__":
    main()
