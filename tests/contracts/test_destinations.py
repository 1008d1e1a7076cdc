"""Every destination passes the contract."""

import csv
import hashlib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import openpyxl
import polars as pl
import pytest
from bson import Decimal128

from backhaul.destinations import CsvFiles, ExcelWorkbook, GoogleSheet, MongoDB, Warehouse
from backhaul.errors import TransientError
from backhaul.model import Changes, Destination, Stream
from backhaul.sandbox import Book, SheetsFault
from backhaul.testing import DestinationContract
from tests import mongo_server
from tests.destinations.google_place import Google, google
from tests.destinations.killed_documents import killed_after_chunk
from tests.destinations.killing import kill_in_write
from tests.postgres import execute, needs_server, select, server


class TestWarehouse(DestinationContract):
    def destination(self, folder: Path) -> Destination:
        return Warehouse(str(folder / "warehouse.db"))

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        assert isinstance(destination, Warehouse)
        frames = list(destination.read(stream.target))
        return pl.concat(frames).sort(stream.key) if frames else pl.DataFrame()

    def fingerprint(self, destination: Destination) -> object:
        assert isinstance(destination, Warehouse)
        path = Path(str(destination.path))
        beside = sorted(each.name for each in path.parent.glob("warehouse.db*"))
        return beside, path.exists() and (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())


@needs_server
class TestWarehouseOnPostgres(DestinationContract):
    shared_with_people = True

    def destination(self, folder: Path) -> Destination:
        return Warehouse(server().schema())

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        assert isinstance(destination, Warehouse)
        frames = list(destination.read(stream.target))
        return pl.concat(frames).sort(stream.key) if frames else pl.DataFrame()

    def fingerprint(self, destination: Destination) -> object:
        url = address(destination)
        query = (
            "SELECT relname, relfilenode FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            " AND relkind = 'r' ORDER BY relname"
        )
        tables = select(url, query)
        return [(*table, select(url, f'SELECT ctid::text, xmin::text FROM "{table[0]}"')) for table in tables]

    def add_column_of_people(
        self, destination: Destination, stream: Stream, name: str, values: Mapping[str, str]
    ) -> None:
        url = address(destination)
        execute(url, f'ALTER TABLE "{stream.target}" ADD COLUMN "{name}" text')
        for key, value in values.items():
            execute(url, f"UPDATE \"{stream.target}\" SET \"{name}\" = '{value}' WHERE id = '{key}'")

    def add_row_of_people(self, destination: Destination, stream: Stream, values: Mapping[str, str]) -> None:
        names, typed = ", ".join(values), ", ".join(f"'{value}'" for value in values.values())
        execute(address(destination), f'INSERT INTO "{stream.target}" ({names}) VALUES ({typed})')


def address(destination: Destination) -> str:
    assert isinstance(destination, Warehouse)
    return str(destination.path)


class TestCsvFiles(DestinationContract):
    shared_with_people = True
    can_be_cut = True

    def destination(self, folder: Path) -> Destination:
        return CsvFiles(str(folder / "csv"))

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        path = csv_path(destination, stream)
        if not path.exists():
            return pl.DataFrame()
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file))
        # Polars itself leaves doubled quotes in names.
        frame = pl.read_csv(path, infer_schema=False, new_columns=names)
        numbers = [name for name in frame.columns if name == "total"]
        return frame.with_columns(pl.col(numbers).cast(pl.Int64)).sort(stream.key)

    def fingerprint(self, destination: Destination) -> object:
        assert isinstance(destination, CsvFiles)
        folder = Path(str(destination.folder))
        files = sorted(folder.glob("*")) if folder.exists() else []
        return [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in files]

    def kept(self, values: list[Any]) -> list[Any]:
        return [None if value is None else csv_text(value) for value in values]

    def add_column_of_people(
        self, destination: Destination, stream: Stream, name: str, values: Mapping[str, str]
    ) -> None:
        path = csv_path(destination, stream)
        frame = pl.read_csv(path, infer_schema=False)
        typed = pl.Series(name, [values[key] for key in frame["id"]])
        frame.insert_column(1, typed).write_csv(path)

    def add_row_of_people(self, destination: Destination, stream: Stream, values: Mapping[str, str]) -> None:
        path = csv_path(destination, stream)
        header = path.read_text(encoding="utf-8-sig").splitlines()[0].split(",")
        with path.open("a", encoding="utf-8") as file:
            file.write(",".join(values[name] for name in header) + "\n")

    def cut_write(self, destination: Destination, stream: Stream, changes: Changes) -> None:
        kill_in_write(destination, stream, changes)


def csv_path(destination: Destination, stream: Stream) -> Path:
    assert isinstance(destination, CsvFiles)
    return destination.path(stream)


def csv_text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case datetime():
            return value.astimezone(ZoneInfo("Asia/Jakarta")).isoformat(sep=" ")
        case date():
            return value.isoformat()
    return str(value)


class TestExcelWorkbook(DestinationContract):
    keeps_empty_text = False
    longest_text = 32_767
    shared_with_people = True
    remembers_deletions = True
    can_be_cut = True

    def destination(self, folder: Path) -> Destination:
        return ExcelWorkbook(str(folder / "book" / "orders.xlsx"))

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        path = workbook_path(destination)
        if not path.exists():
            return pl.DataFrame()
        header, *rows = openpyxl.load_workbook(path)["orders"].iter_rows(values_only=True)
        columns = zip(*rows, strict=True) if rows else [()] * len(header)
        frame = pl.DataFrame([column_of(str(name), list(each)) for name, each in zip(header, columns, strict=True)])
        return frame.sort(stream.key)

    def fingerprint(self, destination: Destination) -> object:
        path = workbook_path(destination)
        return path.exists() and (path.stat().st_mtime_ns, path.read_bytes())

    def kept(self, values: list[Any]) -> list[Any]:
        return column_of("value", [excel_value(value) for value in values]).to_list()

    def add_column_of_people(
        self, destination: Destination, stream: Stream, name: str, values: Mapping[str, str]
    ) -> None:
        path = workbook_path(destination)
        book = openpyxl.load_workbook(path)
        sheet = book["orders"]
        sheet.insert_cols(1)
        sheet["A1"] = name
        for row in range(2, sheet.max_row + 1):
            cell = sheet.cell(row, 1)
            cell.value = values[sheet.cell(row, 2).value]
            cell.data_type = "s"
        book.save(path)

    def add_row_of_people(self, destination: Destination, stream: Stream, values: Mapping[str, str]) -> None:
        path = workbook_path(destination)
        book = openpyxl.load_workbook(path)
        sheet = book["orders"]
        sheet.insert_rows(2)
        for column, name in enumerate((cell.value for cell in sheet[1]), start=1):
            sheet.cell(2, column).value = values[str(name)]
        book.save(path)

    def delete_row(self, destination: Destination, stream: Stream, key: str) -> None:
        path = workbook_path(destination)
        book = openpyxl.load_workbook(path)
        sheet = book["orders"]
        sheet.delete_rows(next(cell.row for cell in sheet["A"] if cell.value == key))
        book.save(path)

    def cut_write(self, destination: Destination, stream: Stream, changes: Changes) -> None:
        kill_in_write(destination, stream, changes)


def workbook_path(destination: Destination) -> Path:
    assert isinstance(destination, ExcelWorkbook)
    return destination.file


def column_of(name: str, values: list[Any]) -> pl.Series:
    """Return a column of cells; one with cells of several types is text."""
    types = {type(value) for value in values if value is not None} or {str}
    if types == {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values])
    if len(types) > 1:
        return pl.Series(name, [None if value is None else str(value) for value in values], dtype=pl.String)
    return pl.Series(
        name, [None if value is None else unescaped(value) for value in values], dtype=DTYPES[types.pop()]
    )


DTYPES = {str: pl.String, int: pl.Int64, float: pl.Float64, bool: pl.Boolean, datetime: pl.Datetime("us")}


def unescaped(value: Any) -> Any:
    return value.replace("_x005F_", "_") if isinstance(value, str) else value


def excel_value(value: Any) -> Any:
    """Return what a cell is to give back for a value of a batch."""
    match value:
        case bool():
            return value
        case int() if abs(value) >= 10**15:
            return str(value)
        case Decimal():
            return float(value)
        case datetime():
            local = value.astimezone(ZoneInfo("Asia/Jakarta")).replace(tzinfo=None)
            return local.replace(microsecond=local.microsecond // 1000 * 1000)
        case date():
            return datetime(value.year, value.month, value.day)
    return value


class TestGoogleSheet(DestinationContract):
    keeps_empty_text = False
    longest_text = 50_000
    shared_with_people = True
    remembers_deletions = True
    can_be_cut = True

    google: ClassVar[Google]
    books: ClassVar[dict[str, Book]] = {}

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def sandbox(cls) -> Iterator[None]:
        with google() as found:
            cls.google = found
            yield

    def destination(self, folder: Path) -> Destination:
        book = self.google.sandbox.add_spreadsheet()
        self.books[book.url] = book
        return self.google.sheet(book)

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        book = self.book(destination)
        header, *rows = book.values("Sheet1") or [[]]
        columns = [sheet_column(book, column, [row[column] for row in rows]) for column in range(len(header))]
        named = zip(header, columns, strict=True)
        return pl.DataFrame([each.alias(str(name)) for name, each in named]).sort(stream.key)

    def kept(self, values: list[Any]) -> list[Any]:
        """A column with a cell of text is text, as far as this reader can tell."""
        return [str(value) for value in values] if {type(value) for value in values} == {int} else values

    def fingerprint(self, destination: Destination) -> object:
        return self.book(destination).state.version

    def add_column_of_people(
        self, destination: Destination, stream: Stream, name: str, values: Mapping[str, str]
    ) -> None:
        book = self.book(destination)
        book.insert_column("Sheet1", 2, name)
        for row, (key, *_) in enumerate(book.values("Sheet1")[1:], start=1):
            book.tabs["Sheet1"].write(row, 1, [values[str(key)]])

    def add_row_of_people(self, destination: Destination, stream: Stream, values: Mapping[str, str]) -> None:
        book = self.book(destination)
        book.insert_row("Sheet1", 2, [values[str(name)] for name in book.values("Sheet1")[0]])

    def delete_row(self, destination: Destination, stream: Stream, key: str) -> None:
        book = self.book(destination)
        keys = [row[0] for row in book.values("Sheet1")]
        book.delete_row("Sheet1", keys.index(key) + 1)

    def cut_write(self, destination: Destination, stream: Stream, changes: Changes) -> None:
        """The connection is cut after the write was applied, and after it all other calls."""
        faults = self.google.sandbox.faults
        faults.add(SheetsFault.CUT_AFTER, method="POST", path="batchUpdate")
        faults.add(SheetsFault.CUT_BEFORE, method="GET", after=1, times=20)
        with pytest.raises(TransientError):
            destination.write(stream, changes)
        faults.clear()

    def book(self, destination: Destination) -> Book:
        assert isinstance(destination, GoogleSheet)
        return self.books[str(destination.sheet)]


def sheet_column(book: Book, column: int, values: list[Any]) -> pl.Series:
    """Return a column of cells as the types that their number formats tell."""
    letter = chr(ord("A") + column)
    shown = [book.cell("Sheet1", f"{letter}{row}").number_format for row in range(2, len(values) + 2)]
    cells = [sheet_value(value, form.pattern if form else "") for value, form in zip(values, shown, strict=True)]
    types = {type(value) for value in cells if value is not None}
    if types == {str, datetime}:
        return pl.Series([datetime.fromisoformat(each) if isinstance(each, str) else each for each in cells])
    if len(types) > 1:
        return pl.Series([None if value is None else str(value) for value in cells])
    return pl.Series(cells, dtype=None if types else pl.String)


def sheet_value(value: Any, pattern: str) -> Any:
    if isinstance(value, bool | str) or value is None:
        return value
    day = datetime(1899, 12, 30)
    if pattern == "yyyy-mm-dd":
        return (day + timedelta(days=value)).date()
    if pattern == "yyyy-mm-dd hh:mm:ss":
        local = day + timedelta(seconds=round(value * 86_400))
        return local.replace(tzinfo=ZoneInfo("Asia/Jakarta")).astimezone(UTC)
    if pattern.startswith("#,##0"):
        return Decimal(str(value))
    return int(value) if value == int(value) and abs(value) < 2**60 else value


class TestMongoDB(DestinationContract):
    shared_with_people = True
    can_be_cut = True

    def destination(self, folder: Path) -> Destination:
        return MongoDB(mongo_server.new_database(), url=mongo_server.url())

    def rows(self, destination: Destination, stream: Stream) -> pl.DataFrame:
        documents = list(self.database(destination)[stream.target].find({}, {"_id": 0, "_backhaul": 0}))
        names = dict.fromkeys(name for document in documents for name in document)
        columns = {name: [mongo_value(document.get(name)) for document in documents] for name in names}
        return pl.DataFrame(columns).sort(stream.key) if documents else pl.DataFrame()

    def fingerprint(self, destination: Destination) -> object:
        database = self.database(destination)
        names = sorted(database.list_collection_names())
        return [(name, list(database[name].find()), database[name].index_information()) for name in names]

    def kept(self, values: list[Any]) -> list[Any]:
        return [mongo_kept(value) for value in values]

    def add_column_of_people(
        self, destination: Destination, stream: Stream, name: str, values: Mapping[str, str]
    ) -> None:
        for key, value in values.items():
            self.database(destination)[stream.target].update_one({"id": key}, {"$set": {name: value}})

    def add_row_of_people(self, destination: Destination, stream: Stream, values: Mapping[str, str]) -> None:
        self.database(destination)[stream.target].insert_one(dict(values))

    def cut_write(self, destination: Destination, stream: Stream, changes: Changes) -> None:
        """The process is killed after its first chunk, of two rows."""
        killed_after_chunk(destination, stream, changes, 1, rows=2)

    def database(self, destination: Destination) -> Any:
        assert isinstance(destination, MongoDB)
        return mongo_server.client()[str(destination.database)]


def mongo_value(value: object) -> Any:
    return value.to_decimal() if isinstance(value, Decimal128) else value


def mongo_kept(value: object) -> object:
    match value:
        case datetime():
            return value.replace(microsecond=value.microsecond // 1000 * 1000)
        case date():
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value
