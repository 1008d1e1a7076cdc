"""An index made from rows: products, their words, their codes."""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from backhaul.search.normal import words_of
from backhaul.search.products import PriceColumns

if TYPE_CHECKING:
    import polars as pl

MOST_NAME_WORDS = 40
SLICE_ROWS = 50_000
LONG = 5
"""Letters of a spelling that is worth guessing at; shorter ones are understood only as they are."""


def spelled(text: str, synonyms: Mapping[str, str]) -> list[str]:
    """Return the words of text as they are compared, each spelling replaced by what it stands for."""
    return [each for word in words_of(text) for each in synonyms.get(word, word).split()]


def code_of(text: str) -> str:
    """Return a code or barcode as it is compared: in upper case, without spaces."""
    # Half a character, as a broken message may hold, is in no code.
    return "".join(text.split()).upper().encode(errors="ignore").decode()


def fill(
    connection: sqlite3.Connection, rows: pl.DataFrame, columns: PriceColumns, synonyms: Mapping[str, str]
) -> int:
    """Put the products of rows into an empty index; returns how many there are.

    Products are numbered with those first that are sold and have few words; documents in order of the codes.
    """
    connection.executemany("INSERT INTO synonym VALUES (?, ?)", synonyms.items())
    said = _Said(synonyms)
    for products in _products(rows, columns):
        documents = range(len(said.ends), len(said.ends) + products.height)
        for name, is_sold in zip(products["name"], products["is_sold"], strict=True):
            said.add(words_of(name or "")[:MOST_NAME_WORDS], is_sold=is_sold)
        connection.executemany("INSERT INTO document VALUES (?, ?)", zip(documents, products["rows"], strict=True))
        connection.executemany("INSERT OR IGNORE INTO code VALUES (?, ?)", _codes(products, documents))
    said.write(connection)
    return len(said.ends)


@dataclass
class _Said:
    """The words of all products: numbers in one long row, so that a large catalogue takes little room."""

    synonyms: Mapping[str, str]
    ids: dict[str, int] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    words: array[int] = field(default_factory=lambda: array("I"))
    ends: array[int] = field(default_factory=lambda: array("I"))
    sold: bytearray = field(default_factory=bytearray)

    def add(self, words: list[str], *, is_sold: bool) -> None:
        """Take the next product."""
        for word in words:
            meant = self.synonyms.get(word, word).split()
            if meant != [word] and len(meant) == 1:
                self.spellings[word] = meant[0]
            self.words.extend(self.ids.setdefault(each, len(self.ids)) for each in meant)
        self.ends.append(len(self.words))
        self.sold.append(is_sold)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write products and vocabulary. A word's number becomes its place in the sorted vocabulary."""
        long = {word: meant for word, meant in self.synonyms.items() if len(word) >= LONG and meant in self.ids}
        spellings = {word: meant for word, meant in {**long, **self.spellings}.items() if word not in self.ids}
        vocabulary = sorted([*self.ids, *spellings])
        places = {word: new for new, word in enumerate(vocabulary)}
        place = array("I", (places[word] for word in self.ids))
        products = array("I", bytes(4 * len(vocabulary)))
        order = sorted(range(len(self.ends)), key=lambda at: (not self.sold[at], len(self._words_at(at))))
        for number, at in enumerate(order):
            words = array("I", [place[word] for word in self._words_at(at)])
            distinct = sorted(set(words))
            for each in distinct:
                products[each] += 1
            connection.execute(
                "INSERT INTO product VALUES (?, ?, ?, ?)", (number, at, self.sold[at], words.tobytes())
            )
            connection.execute(
                "INSERT INTO said (rowid, words) VALUES (?, ?)", (number, " ".join(map(str, distinct)))
            )
        connection.executemany(
            "INSERT INTO word VALUES (?, ?, ?, ?)",
            (
                (new, word, number, places[spellings.get(word, word)])
                for new, (word, number) in enumerate(zip(vocabulary, products, strict=True))
            ),
        )

    def _words_at(self, at: int) -> array[int]:
        return self.words[self.ends[at - 1] if at else 0 : self.ends[at]]


def _products(rows: pl.DataFrame, columns: PriceColumns) -> Iterator[pl.DataFrame]:
    """Yield a row for each product, in order of the codes: name, its rows as JSON, its barcodes, whether it is sold.

    Rows without a code are left out.
    """
    import polars as pl

    names = [name for name in dict.fromkeys(vars(columns).values()) if name in rows.columns]
    barcodes = pl.col(columns.barcodes) if columns.barcodes in names else pl.lit(None, dtype=pl.String)
    said = pl.col(columns.is_sold) if columns.is_sold in names else pl.lit(None, dtype=pl.String)
    for some in _slices(rows.select(names), columns.code):
        yield (
            some.cast(pl.String)
            .select(
                code=pl.col(columns.code),
                name=pl.col(columns.name),
                json=pl.struct(names).struct.json_encode(),
                barcodes=barcodes,
                is_sold=said != "false",
            )
            .group_by("code", maintain_order=True)
            .agg(
                pl.col("name").drop_nulls().first(),
                rows=pl.lit("[") + pl.col("json").str.join(",") + pl.lit("]"),
                barcodes=pl.col("barcodes").drop_nulls().unique(maintain_order=True).str.join(" "),
                is_sold=pl.col("is_sold").any() | pl.col("is_sold").is_null().all(),
            )
        )


def _slices(rows: pl.DataFrame, code: str) -> Iterator[pl.DataFrame]:
    """Yield rows in order of code, some at a time; the rows of one code stay together."""
    import polars as pl

    order = rows.select(pl.col(code).cast(pl.String), at=pl.int_range(pl.len())).drop_nulls().sort(code)
    codes, start = order[code], 0
    while start < order.height:
        last = codes[min(start + SLICE_ROWS, order.height) - 1]
        end = int(codes.search_sorted(last, side="right"))
        yield rows[order["at"][start:end]]
        start = end


def _codes(products: pl.DataFrame, documents: range) -> Iterator[tuple[str, int]]:
    for number, code, barcodes in zip(documents, products["code"], products["barcodes"], strict=True):
        yield code_of(code), number
        for barcode in (barcodes or "").split():
            yield code_of(barcode), number
