"""The made-up shop as it is on a day: its goods, and the rows of its tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from backhaul.sandbox.shop.goods import FIRST_DAY, MODES, PLACES, Good, a_day_later, made_up_good
from backhaul.sandbox.shop.tables import Row, Table

if TYPE_CHECKING:
    import polars as pl

GONE_SHARE = 0.002
MISSING_ITEM = "BRG-HILANG"
CUSTOMERS = 200


@dataclass(frozen=True)
class Shop:
    """A shop; the same arguments give the same shop on every machine.

    Args:
        items: how many goods it has on its first day.
        modes: the ways of keeping prices that it uses, each with its share of the goods.
        blemishes: the share of goods with each one of the faults that real data has; 0 is a tidy shop.
        days: the seeds of the days that have gone by.
    """

    items: int = 20_000
    seed: int = 1
    modes: tuple[tuple[str, float], ...] = MODES
    blemishes: float = 0.003
    days: tuple[int, ...] = ()

    def next_day(self, seed: int = 1) -> Shop:
        """Return the shop a day later: some prices changed, some goods gone, some new, stock moved."""
        return replace(self, days=(*self.days, seed))

    @cached_property
    def goods(self) -> tuple[Good, ...]:
        """The goods that it has now, by number."""
        if not self.days:
            return tuple(self._made_up(number) for number in range(1, self.items + 1))
        yesterday = replace(self, days=self.days[:-1]).goods
        random = Random(f"{self.seed} {self.days}")
        now = FIRST_DAY + timedelta(days=len(self.days))
        come_or_gone = max(1, round(len(yesterday) * GONE_SHARE))
        gone = set(random.sample(range(len(yesterday)), min(come_or_gone, len(yesterday))))
        kept = [a_day_later(each, random, now) for place, each in enumerate(yesterday) if place not in gone]
        first = max((each.number for each in yesterday), default=0) + 1
        return (*kept, *(self._made_up(number) for number in range(first, first + come_or_gone)))

    def rows(self, table: Table) -> Iterator[Row]:
        """Yield the rows of a table; those of sales are made on a server, see `load_sales`."""
        makers = {
            "tbl_item": self._items,
            "tbl_itemsatuanjml": self._units,
            "tbl_itemhj": self._prices,
            "tbl_itemstok": self._stock,
            "tbl_infodb": self._info,
            "tbl_itemjenis": self._kinds,
            "tbl_itemmerek": self._brands,
            "tbl_itemsatuan": self._unit_names,
            "tbl_kantor": self._places,
            "tbl_supelgrup": self._groups,
            "tbl_supel": self._customers,
        }
        yield from makers[table.name]() if table.name in makers else ()

    def frame(self, table: Table, columns: Iterable[str] | None = None) -> pl.DataFrame:
        """Return a table (or some columns) as a reader of its backup gives it: all text, NULL as null."""
        import polars as pl

        names = tuple(columns or table.names)
        rows = [dict(zip(table.names, values, strict=True)) for values in table.texts(self.rows(table))]
        return pl.DataFrame(
            {name: [row[name] for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String)
        )

    def _made_up(self, number: int) -> Good:
        return made_up_good(number, self.seed, modes=self.modes, blemishes=self.blemishes)

    def _items(self) -> Iterator[Row]:
        for good in self.goods:
            yield {
                "kodeitem": good.code,
                "namaitem": good.name,
                "jenis": good.group,
                "tipe": "Y",
                "matauang": "IDR",
                "serial": "N",
                "konsinyasi": "N",
                "stokmin": Decimal(good.number % 12),
                "sistemhargajual": good.mode,
                "opsihargajual": False,
                "rak": f"R{good.number % 40:02d}",
                "satuan": good.base,
                "hargapokok": good.cost,
                "prhargajual1": Decimal(0),
                "hargajual1": good.price,
                "keterangan": None if good.number % 50 else "Titipan\tlama\\baru",
                "supplier1": f"SUP{good.number % 25:03d}",
                "gambar": self._picture(good),
                "statusjual": good.sold,
                "merek": good.brand,
                "hppsys": "FIFO",
                "sistempajak": "N",
                "opsiflexhargajual": False,
                "statushapus": good.deleted,
                "stok": sum((held for _, held in good.stock), Decimal(0)),
                "dept": "TOKO",
                "dateupd": good.changed_at,
                "tmphp": Decimal(0),
                "opt": "",
            }

    def _picture(self, good: Good) -> bytes | None:
        return Random(f"{self.seed} picture {good.number}").randbytes(good.picture_bytes) or None

    def _units(self) -> Iterator[Row]:
        for good in self.goods:
            for unit in good.units:
                for place, code in enumerate(unit.barcodes or (None,)):
                    yield {
                        "iddetail": f"{good.code}-{unit.name}-{place}",
                        "kodeitem": good.code,
                        "satuan": unit.name,
                        "jumlahkonv": unit.factor,
                        "kodebarcode": code,
                        "hargapokok": unit.cost,
                        "tipe": "D" if unit.name == good.base else "K",
                        "dateupd": good.changed_at,
                        "poin": Decimal(0),
                    }

    def _prices(self) -> Iterator[Row]:
        for good in self.goods:
            for place, price in enumerate(good.prices):
                yield {
                    "iddetail": f"{good.code}-{place}",
                    "kodeitem": good.code,
                    "tipehj": good.mode,
                    "jmlsampai": price.up_to,
                    "level": price.level,
                    "prosentase": Decimal(0),
                    "satuan": price.unit,
                    "hargajual": price.price,
                    "dateupd": price.changed_at,
                }
        if self.blemishes:
            yield {
                "iddetail": f"{MISSING_ITEM}-0",
                "kodeitem": MISSING_ITEM,
                "level": 1,
                "satuan": "PCS",
                "hargajual": Decimal(5_000),
                "dateupd": FIRST_DAY,
            }

    def _stock(self) -> Iterator[Row]:
        for good in self.goods:
            for place, held in good.stock:
                yield {"kodeitem": good.code, "kantor": place, "stok": held, "hppdasar": good.cost}

    def _info(self) -> Iterator[Row]:
        yield {"versidb": "5.0.7.9", "versiupdate": "5079"}

    def _kinds(self) -> Iterator[Row]:
        for name in sorted({good.group for good in self.goods}):
            yield {"jenis": name, "keterangan": name.title()}

    def _brands(self) -> Iterator[Row]:
        for name in sorted({good.brand for good in self.goods}):
            yield {"merek": name}

    def _unit_names(self) -> Iterator[Row]:
        names = {unit.name for good in self.goods for unit in good.units} | {good.base for good in self.goods}
        for name in sorted(names):
            yield {"satuan": name}

    def _places(self) -> Iterator[Row]:
        names = {"UTM": "Toko Utama", "GDG": "Gudang Belakang"}
        for place in PLACES:
            yield {"kantor": place, "namakantor": names[place]}

    def _groups(self) -> Iterator[Row]:
        names = ("Umum", "Langganan", "Grosir")
        for level, name in enumerate(names, start=1):
            yield {"kodegrup": f"G{level}", "namagrup": name, "levelharga": level}

    def _customers(self) -> Iterator[Row]:
        for number in range(1, CUSTOMERS + 1):
            name = f"Pelanggan Rekaan {number:03d}"
            yield {"kode": f"P{number:04d}", "nama": name, "tipe": "CS", "grup": f"G{number % 3 + 1}"}
