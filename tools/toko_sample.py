"""Makes the sample backups of systems/toko: a small made-up shop on two days, written by the real pg_dump.

`python -m tools.toko_sample` needs a PostgreSQL as the tests do.
"""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from backhaul.sandbox.shop import OWNER, Shop, load, load_sales
from tests.postgres import Server, execute, programs, server

FOLDER = Path(__file__).resolve().parents[1] / "systems" / "toko" / "sample"
DATABASE = "i5_contoh"
ITEMS, SALES_LINES = 280, 100
MADE_AT = datetime(2025, 9, 11, 18, 5)
_TIME_STARTS = 5 + 6 + 5
"""Bytes of an archive up to version 1.14 before its time: the magic, six facts of a byte each, an int."""
_INT_BYTES = 5


def main() -> None:
    """Write `backup_11092025-1805.i5bu` and the one of the day after."""
    shop = Shop(items=ITEMS, seed=2025, blemishes=0.01)
    FOLDER.mkdir(exist_ok=True)
    for day, each in enumerate((shop, shop.next_day())):
        moment = MADE_AT + timedelta(days=day)
        path = FOLDER / f"backup_{moment:%d%m%Y-%H%M}.i5bu"
        make_backup(server(), each, path, lines=SALES_LINES)
        path.write_bytes(dated(path.read_bytes(), moment))
        print(f"{path.name}: {path.stat().st_size:,} bytes")


def make_backup(place: Server, shop: Shop, path: Path, *, lines: int = 0, arguments: tuple[str, ...] = ()) -> None:
    """Load shop into a database of its own, write its backup to path, and drop the database.

    `arguments` are further ones of pg_dump, which is that of the server.
    """
    address = place.address(DATABASE)
    execute(place.address(), f"CREATE DATABASE {DATABASE} TEMPLATE template0")
    try:
        load(address, shop)
        if lines:
            load_sales(address, lines)
        execute(place.address(), f"ALTER DATABASE {DATABASE} OWNER TO {OWNER}")
        dump(address, path, arguments)
    finally:
        execute(place.address(), f"DROP DATABASE {DATABASE}")


def dump(address: str, path: Path, arguments: tuple[str, ...] = ()) -> None:
    """Write the backup of a database (a `postgresql://` URL) in the custom format."""
    command = [program("pg_dump"), "--format=custom", f"--file={path}", *arguments]
    subprocess.run(command, env=environment(address), check=True)


def program(name: str) -> str:
    """Return the path of one of the server's own programs."""
    folder = programs()
    assert folder is not None
    return str(folder / name)


def environment(address: str) -> dict[str, str]:
    """Return the environment in which PostgreSQL's programs reach a database without its password among arguments."""
    parts = urlsplit(address)
    return {
        **os.environ,
        "PGHOST": str(parts.hostname),
        "PGPORT": str(parts.port),
        "PGUSER": str(parts.username),
        "PGPASSWORD": str(parts.password),
        "PGDATABASE": parts.path.lstrip("/"),
    }


def dated(archive: bytes, moment: datetime) -> bytes:
    """Return an archive as if it were written at moment: samples tell one day from another."""
    facts = (moment.second, moment.minute, moment.hour, moment.day, moment.month - 1, moment.year - 1900, 0)
    time = b"".join(b"\0" + fact.to_bytes(_INT_BYTES - 1, "little") for fact in facts)
    return archive[:_TIME_STARTS] + time + archive[_TIME_STARTS + len(time) :]


if __name__ == "__main__":
    main()
