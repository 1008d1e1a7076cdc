"""The catalogue: what an item costs and sells for, per unit, level and quantity, out of the tables of iPOS."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from backhaul import SourceChanged

from ..tables import ITEM, KEY, MODES, PRICE, STOCK, UNIT, many

ANY = "-"
"""Stands where a price holds for every level or every quantity, and for a unit without a name."""

MONEY_DECIMALS = 6
MOST = 10**12
"""What is as large is no number of a shop; with its decimals it would not fit into the warehouse's 18 digits."""

MATCHED = {UNIT: 0.5, PRICE: 0.5, STOCK: 0.05}
"""The least share of a table's rows that find their item; fewer mean that its codes are something else."""

_EXACT = pl.Decimal(38, 20)
MONEY = pl.Decimal(38, MONEY_DECIMALS)
_FACTOR = pl.Decimal(20, 3)
_MOST_COST, _MOST_FACTOR = 10**10, 10**7
"""Bounds within which a cost times a factor keeps 20 decimals in the 38 digits that there are."""

_LONG = r"^[+-]?[0-9]+(\.[0-9]*)?([eE]\+?[0-9]+)?$"
_SEEN = ("kodeitem", "satuan")
_CODES = ("kodeitem", "satuan", "kantor")
_NUMBERS = {
    ITEM: {"hargajual1": _EXACT, "hargapokok": _EXACT},
    UNIT: {"jumlahkonv": _FACTOR, "hargapokok": _EXACT},
    PRICE: {"hargajual": _EXACT, "jmlsampai": MONEY},
    STOCK: {"stok": _FACTOR},
}


def _unheard(words: str) -> None:
    """Take a remark that nobody listens to."""


def catalogue(tables: Mapping[str, pl.DataFrame], remark: Callable[[str], None] = _unheard) -> pl.DataFrame:
    """Return the catalogue, one row for each `KEY`, small units and quantities first, from tables of text.

    iPOS keeps a price in one of four ways (`sistemhargajual`):

    - `O`: `hargajual1` of the item, for its base unit; rows of `tbl_itemhj` say nothing.
    - `S`: a row of `tbl_itemhj` for each unit.
    - `L`: one for each unit and level.
    - `J`: one for each unit and quantity, `jumlah_sampai` being the last one that it holds for; 0 is no limit.

    What is kept in no known way is taken from what price rows there are, by unit, level and quantity, and else from
    `hargajual1`; `cara_harga` says what was met. Of rows that contradict each other the latest `dateupd` wins.
    A unit without a price is a row with an empty `hargajual`; a price row without a unit is for the base unit.

    `hargapokok` is the cost of this unit; where the unit's own is empty or 0, that of the item times `konversi`.
    That this is so in iPOS is not confirmed. `konversi` of the base unit is 1 where nothing else is said; one of 0
    says nothing. Money has at most six decimals, rounded half up; what is below 0 or too large to be true (a barcode
    typed as a price) is left out, so that one slip holds no catalogue up. `stok` is in base units, the fullest place
    first.

    `remark` is told how many prices, costs and other numbers were left out, and how many price rows are of no item.
    Raises SourceChanged for columns that hold no numbers, and for tables that do not fit together.
    """
    read = {name: _read(name, frame, remark) for name, frame in tables.items()}
    items = _items(read[ITEM])
    for name, least in MATCHED.items():
        _refuse_strangers(name, read[name], items, least)
    units = _units(read[UNIT], items)
    prices = _prices(read[PRICE], items)
    rows = (
        _priced_and_not(units, prices, items)
        .join(items.drop("satuan"), on="kodeitem", how="left")
        .join(units.drop("base"), on=_SEEN, how="left")
        .join(_stock(read[STOCK]), on="kodeitem", how="left")
        .with_columns(konversi=_factor(), hargapokok=_cost())
    )
    _tell_left_out(rows, read[PRICE], items, remark)
    return _shown(rows)


def _tell_left_out(
    rows: pl.DataFrame, prices: pl.DataFrame, items: pl.DataFrame, remark: Callable[[str], None]
) -> None:
    """Say what of the backup is not in the catalogue; rejected rows would keep gone items from being marked."""
    for name, what in (("harga", "price"), ("hargapokok", "cost")):
        if negative := rows.filter(pl.col(name) < 0).height:
            remark(f"left out: {many(negative, what)} below 0")
        if huge := rows.filter(pl.col(name) >= MOST).height:
            remark(f"left out: {many(huge, what)} of {MOST:,} or more")
    if strange := prices.join(items.select("kodeitem"), on="kodeitem", how="anti").height:
        remark(f"left out: {many(strange, 'row')} of {PRICE} without an item")


def _read(table: str, frame: pl.DataFrame, remark: Callable[[str], None]) -> pl.DataFrame:
    """Return a table with codes and units trimmed, as keys are kept (an empty one is null), and exact numbers.

    Raises SourceChanged for a column of numbers that holds something else.
    """
    text = frame.with_columns(pl.all().cast(pl.String))
    codes = [pl.col(name).str.strip_chars() for name in _CODES if name in frame.columns]
    numbers = [_number(text[name], table, dtype, remark) for name, dtype in _NUMBERS[table].items()]
    return text.with_columns(*(pl.when(each != "").then(each) for each in codes), *numbers)


def _items(items: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each item with a code; of several the last by name, so that it is always the same."""
    mode = pl.col("sistemhargajual").str.strip_chars().str.to_uppercase()
    sold = pl.col("statusjual").str.strip_chars().str.to_uppercase()
    return (
        items.filter(pl.col("kodeitem").is_not_null())
        .sort("kodeitem", "namaitem", "hargajual1", "hargapokok", "satuan", "sistemhargajual", "statusjual")
        .unique("kodeitem", keep="last", maintain_order=True)
        .select(
            "kodeitem",
            "namaitem",
            pl.col("satuan").fill_null(ANY),
            cara_harga=pl.when(mode != "").then(mode),
            item_price="hargajual1",
            item_cost="hargapokok",
            dijual=pl.when(sold == "Y").then(True).when(sold.is_in(["N", "T"])).then(False),
            statushapus="statushapus",
        )
    )


def _units(units: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Return one row for each item and unit, the base unit always among them, with factor, cost and barcodes.

    Each barcode of a unit is a row of its own in iPOS: they are gathered before anything is joined.
    """
    rows = units.filter(pl.col("kodeitem").is_not_null()).with_columns(
        pl.col("satuan").fill_null(ANY), factor="jumlahkonv", unit_cost="hargapokok"
    )
    known = (
        rows.join(items, on="kodeitem", how="semi")
        .sort("dateupd", "factor", "unit_cost", nulls_last=False)
        .group_by(_SEEN)
        .agg(_last_known("factor"), _last_known("unit_cost"))
        .join(_barcodes(rows), on=_SEEN, how="left")
    )
    base = items.select(_SEEN).with_columns(base=pl.lit(True))
    return known.join(base, on=_SEEN, how="full", coalesce=True).with_columns(pl.col("base").fill_null(False))


def _barcodes(rows: pl.DataFrame) -> pl.DataFrame:
    code = pl.col("kodebarcode").str.strip_chars()
    codes = rows.select(*_SEEN, barcode=code).filter(pl.col("barcode") != "").unique().sort("barcode")
    # Lists are joined all at once, which is faster than joining within each group.
    gathered = codes.group_by(_SEEN, maintain_order=True).agg("barcode")
    return gathered.with_columns(pl.col("barcode").list.join(" "))


def _last_known(name: str) -> pl.Expr:
    return pl.col(name).filter(pl.col(name).is_not_null()).last()


def _prices(prices: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Return the prices by KEY: of each item what its way of keeping prices makes of its rows."""
    about = items.select("kodeitem", "cara_harga", "item_price", base="satuan")
    level, up_to = pl.col("level").str.strip_chars(), pl.col("jmlsampai")
    mode = pl.col("cara_harga")
    is_unknown = ~mode.is_in(MODES).fill_null(False)
    rows = (
        prices.with_columns(harga="hargajual")
        .filter(pl.col("harga").is_not_null())
        .join(about, on="kodeitem", how="inner")
        .filter((mode != "O").fill_null(True))
        .with_columns(
            satuan=pl.coalesce("satuan", "base"),
            level=pl.when((mode == "L") | is_unknown, level != "").then(level).fill_null(ANY),
            jumlah_sampai=pl.when((mode == "J") | is_unknown, up_to > 0).then(_plain("jmlsampai")).fill_null(ANY),
        )
        .sort("dateupd", "iddetail", "harga", nulls_last=False)
        .unique(KEY, keep="last", maintain_order=True)
        .select(*KEY, "harga")
    )
    without = about.join(rows, on="kodeitem", how="anti").filter((mode == "O") | is_unknown)
    alone = without.select(
        "kodeitem", satuan="base", level=pl.lit(ANY), jumlah_sampai=pl.lit(ANY), harga="item_price"
    )
    return pl.concat([rows, alone.filter(pl.col("harga").is_not_null())])


def _priced_and_not(units: pl.DataFrame, prices: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """Return the prices, and a row without one for each unit that has none."""
    bare = units.join(prices, on=_SEEN, how="anti").select(*_SEEN)
    nothing = [pl.lit(ANY).alias("level"), pl.lit(ANY).alias("jumlah_sampai"), pl.lit(None, _EXACT).alias("harga")]
    base = items.select("kodeitem", base="satuan")
    return pl.concat([prices, bare.with_columns(nothing)]).join(base, on="kodeitem", how="left")


def _factor() -> pl.Expr:
    said = pl.when(pl.col("factor") > 0).then("factor")
    is_base = pl.col("satuan") == pl.col("base")
    return pl.coalesce(said, pl.when(is_base).then(pl.lit("1").cast(_FACTOR)))


def _cost() -> pl.Expr:
    """The unit's own cost; or that of the item for as much as the unit holds."""
    factor = _factor()
    is_safe = (pl.col("item_cost").abs() < _MOST_COST) & (factor < _MOST_FACTOR)
    whole = pl.when(is_safe).then("item_cost").cast(_EXACT) * pl.when(is_safe).then(factor)
    return pl.coalesce(pl.when(pl.col("unit_cost") != 0).then("unit_cost"), whole, "unit_cost")


def _stock(stock: pl.DataFrame) -> pl.DataFrame:
    """Return what each item has in each place, as one text: `UTM 12; GDG 3`."""
    held = (
        stock.with_columns(pl.col("kantor").fill_null(ANY), held="stok")
        .filter(pl.col("held").is_not_null())
        .group_by("kodeitem", "kantor")
        .agg(pl.col("held").sum())
        .sort("held", "kantor", descending=[True, False])
    )
    shown = held.select("kodeitem", stok=pl.concat_str("kantor", pl.lit(" "), _plain("held")))
    places = shown.group_by("kodeitem", maintain_order=True).agg("stok")
    return places.with_columns(pl.col("stok").list.join("; "))


def _shown(rows: pl.DataFrame) -> pl.DataFrame:
    columns = rows.select(
        "namaitem",
        "konversi",
        "satuan",
        _money("hargapokok"),
        _money("harga").alias("hargajual"),
        "kodeitem",
        "level",
        "jumlah_sampai",
        "cara_harga",
        "barcode",
        "stok",
        "dijual",
        "statushapus",
    )
    narrow = [narrowed(columns[name]) for name in ("hargapokok", "hargajual")]
    up_to = pl.col("jumlah_sampai").cast(MONEY, strict=False)
    return columns.with_columns(narrow).sort("kodeitem", "konversi", "satuan", "level", up_to)


def _money(name: str) -> pl.Expr:
    rounded = pl.col(name).round(MONEY_DECIMALS, mode="half_away_from_zero").cast(MONEY)
    return pl.when(rounded >= 0, rounded < MOST).then(rounded).alias(name)


def narrowed(money: pl.Series) -> pl.Series:
    """Return money (a decimal with `MONEY_DECIMALS`) with no more decimals than its values need."""
    for decimals in range(MONEY_DECIMALS):
        narrow = money.cast(pl.Decimal(38, decimals))
        if (narrow.cast(MONEY) == money).all():
            return narrow
    return money


def _plain(name: str) -> pl.Expr:
    """A column with decimals as people write them: `2.500` is `2.5`, `40.000` is `40`."""
    return pl.col(name).cast(pl.String).str.replace(r"\.?0*$", "")


def _number(column: pl.Series, table: str, dtype: pl.Decimal, remark: Callable[[str], None]) -> pl.Series:
    """Return a column of text as exact decimals; what PostgreSQL calls NaN or Infinity is null, as is one over MOST.

    Raises SourceChanged if something else is no number.
    """
    text = column.str.strip_chars()
    # By way of most decimals, so that a factor of 2.50000000000000000000 is read as what it is.
    number = text.cast(_EXACT, strict=False).cast(dtype, strict=False)
    is_said = text.is_not_null() & ~text.is_in(["", "NaN", "Infinity", "-Infinity"])
    is_huge = (number.abs() >= MOST).fill_null(False) | (is_said & number.is_null() & text.str.contains(_LONG))
    if strange := int((is_said & number.is_null() & ~is_huge).sum()):
        raise SourceChanged(
            f"{table}: column {column.name!r} holds {strange:,} values that are no numbers",
            next_step="Compare the columns of the backup with those that rules/catalogue.py expects.",
        )
    if huge := int(is_huge.sum()):
        remark(f"left out: {many(huge, 'value')} of {MOST:,} or more in column {column.name!r} of {table}")
    return number.set(is_huge, None)


def _refuse_strangers(name: str, frame: pl.DataFrame, items: pl.DataFrame, least: float) -> None:
    matched = frame.join(items.select("kodeitem"), on="kodeitem", how="semi").height
    if matched < frame.height * least:
        raise SourceChanged(
            f"{name}: only {matched:,} of {frame.height:,} rows find their item in {ITEM}",
            next_step="Compare the columns of the backup with those that rules/catalogue.py expects.",
        )
