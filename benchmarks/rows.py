"""Makes the CSV files of the merge benchmark: the same rows each time, and the second load's changes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

HEADER = ("id", "sku", "product", "branch", "cashier", "quantity", "price", "total", "sold_at", "paid")
PRODUCTS = ("Notebook 38 sheets", "Gel pen 0.5 mm", "Paper A4 70 g", "Plastic folder", "Board marker")
BRANCHES = ("North", "Market", "Station")
FIRST_SALE = datetime(2025, 1, 1, 8, 0, 0)


@dataclass(frozen=True)
class Truth:
    """What a merge of a file must count."""

    new: int
    updated: int
    unchanged: int


def _row(number: int, changed: bool = False) -> tuple[str, ...]:
    quantity = number % 40 + (2 if changed else 1)
    price = (number * 7919 % 100_000 + 100) * 25
    sold_at = FIRST_SALE + timedelta(seconds=20 * number)
    return (
        f"{number:010d}",
        f"{number * 31 % 1_000_000:08d}",
        PRODUCTS[number % len(PRODUCTS)],
        BRANCHES[number % len(BRANCHES)],
        f"Cashier {number % 17}",
        str(quantity),
        f"{price / 100:.2f}",
        f"{price * quantity / 100:.2f}",
        sold_at.isoformat(sep=" "),
        "true" if number % 3 else "false",
    )


def write_csv(path: Path, rows: Iterator[tuple[str, ...]]) -> None:
    """Write rows under the header."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(rows)


def first_load(path: Path, rows: int) -> Truth:
    """Write rows that nobody has seen."""
    write_csv(path, (_row(number) for number in range(rows)))
    return Truth(new=rows, updated=0, unchanged=0)


def second_load(path: Path, rows: int) -> Truth:
    """Write the same rows, but each hundredth changed, and one in a hundred more."""
    more = rows // 100
    write_csv(path, (_row(number, changed=number < rows and number % 100 == 0) for number in range(rows + more)))
    changed = (rows + 99) // 100
    return Truth(new=more, updated=changed, unchanged=rows - changed)


def few(path: Path, rows: int) -> Truth:
    """Write 100 rows into a table that has had both loads: 10 changed, 10 new, the others known."""
    start = rows + rows // 100 - 90
    write_csv(path, (_row(number, changed=number < start + 10) for number in range(start, start + 100)))
    return Truth(new=10, updated=10, unchanged=80)
