"""PostgreSQL's words: real types, `COPY` into temporary tables, and what it cannot keep.

Money is `numeric(38, scale)`, a day is a `date`, a moment is a `timestamptz`; a `timestamp` without a zone is read
as UTC. A column that has no value yet is text with a comment that says so, so that its first value decides its type.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from backhaul.destinations.sql.dialect import (
    ARCHIVE_SUFFIX,
    ARCHIVED_AT,
    INSERTED,
    KEYS,
    STAGE,
    ill_typed,
    listed,
    literal,
    lost_digits,
    quoted,
)
from backhaul.destinations.sql.kinds import (
    MOMENT,
    NUMBER,
    REAL,
    TEXT,
    UNKNOWN,
    Form,
    Kind,
    as_text,
    kind_of_dtype,
)
from backhaul.errors import DeliveryError
from backhaul.model import ROW

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy import Connection

LONGEST_NAME_BYTES = 63
LONGEST_KEY_BYTES = 2600
"""An entry of an index has 2704 bytes at most."""

DIGITS = 38
NO_VALUE_YET = "backhaul: no value yet"
ARRIVALS = "_backhaul_new"
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")

WORDS = {
    Form.UNKNOWN: "text",
    Form.TEXT: "text",
    Form.INTEGER: "bigint",
    Form.REAL: "double precision",
    Form.BOOLEAN: "boolean",
    Form.DATE: "date",
    Form.MOMENT: "timestamp with time zone",
    Form.NUMBER: "numeric",
}
KINDS = {
    **{word: Kind(form) for form, word in WORDS.items()},
    "text": TEXT,
    "character varying": TEXT,
    "integer": Kind(Form.INTEGER),
    "smallint": Kind(Form.INTEGER),
    "timestamp without time zone": MOMENT,
}


def declared(kind: Kind) -> str:
    """Return the type of a column of kind, such as `text` or `numeric(38,2)`."""
    if kind.form is Form.MONEY:
        return f"numeric({DIGITS},{kind.scale})"
    return kind.native if kind.form is Form.FOREIGN else WORDS[kind.form]


def kind_of_declared(word: str) -> Kind:
    """Return the kind of a column by its type, as PostgreSQL formats it."""
    if money := re.fullmatch(r"numeric\(\d+,(\d+)\)", word):
        return Kind(Form.MONEY, int(money[1]))
    if word.startswith("character varying("):
        return TEXT
    return KINDS.get(word) or Kind(Form.FOREIGN, native=word)


@dataclass(frozen=True)
class PostgresDialect:
    """See Dialect."""

    temporary: str = "pg_temp"
    differs: str = "IS DISTINCT FROM"
    now: str = "now()"
    clock: Kind = MOMENT
    slice_rows: int = 50_000
    most_digits: int = DIGITS
    is_choosy: bool = True

    def folded(self, name: str) -> str:
        """Names in quotes are what they are."""
        return name

    def refuse_names(self, table: str, names: Iterable[str]) -> None:
        """See Dialect. Longer names would be cut without a word."""
        if _bytes(table + ARCHIVE_SUFFIX) > LONGEST_NAME_BYTES or not table:
            most = LONGEST_NAME_BYTES - _bytes(ARCHIVE_SUFFIX)
            raise DeliveryError(
                f"table {table}: the name has {_bytes(table)} bytes; PostgreSQL takes 1 to {most}",
                next_step="Give the stream a shorter table=.",
            )
        for name in names:
            if not 0 < _bytes(name) <= LONGEST_NAME_BYTES or "\0" in name:
                raise DeliveryError(
                    f"table {table}: the name of column {name!r} has {_bytes(name)} bytes;"
                    f" PostgreSQL takes 1 to {LONGEST_NAME_BYTES}, none of them NUL",
                    next_step="Rename the column in the stream's transform.",
                )
            if name in SYSTEM_COLUMNS:
                raise DeliveryError(
                    f"table {table}: {name!r} is a name that PostgreSQL keeps for itself",
                    next_step="Rename the column in the stream's transform.",
                )

    def unfit(self, frame: pl.DataFrame, key: Collection[str]) -> Mapping[int, str]:
        """See Dialect. Text cannot hold a NUL character, and an index no endless key."""
        import polars as pl

        texts = [name for name, dtype in frame.schema.items() if dtype == pl.String]
        nul = pl.any_horizontal(pl.col(name).str.contains("\0", literal=True) for name in texts)
        length = pl.sum_horizontal(pl.col(name).str.len_bytes() for name in key)
        too_long = f"key of over {LONGEST_KEY_BYTES} bytes"
        reasons = {"text with a NUL character": nul, too_long: length > LONGEST_KEY_BYTES}
        flags = frame.select(**{reason: condition.fill_null(False) for reason, condition in reasons.items()})
        found: dict[int, str] = {}
        for flag in flags:
            found = {**dict.fromkeys(flag.arg_true().to_list(), flag.name), **found}
        return dict(sorted(found.items()))

    def stored(self, name: str, dtype: pl.DataType, kind: Kind) -> pl.Expr:
        """See Dialect. Days and moments go as text, in the form that every server reads alike."""
        import polars as pl

        column: pl.Expr = pl.col(name)
        own = kind_of_dtype(dtype)
        if own.form in (Form.UNKNOWN, Form.TEXT) or own == kind:
            return as_text(name, dtype) if own.form in (Form.DATE, Form.MOMENT) else column
        if kind.form is Form.MONEY:
            return column.cast(pl.Decimal(DIGITS, kind.scale))
        return column.cast(pl.Float64) if kind.form is Form.REAL else as_text(name, dtype)

    def converted(self, column: str, old: Kind, new: Kind) -> str:
        """See Dialect."""
        if old == new or new == UNKNOWN:
            return column
        if old == UNKNOWN:
            return f"{column}::{declared(new)}"
        if new == REAL:
            return f"{column}::double precision"
        if new == NUMBER or new.form is Form.MONEY:
            return f"{column}::text::numeric" if old == REAL else f"{column}::numeric"
        return _text(column, old)

    def compared(self, value: str, kind: Kind) -> str:
        """Not every foreign type can be compared, but its text can."""
        return f"{value}::text" if kind.form is Form.FOREIGN else value

    def columns(self, connection: Connection, table: str) -> dict[str, Kind]:
        """See Dialect. What is marked as without a value is looked at: people may have put some in."""
        rows = connection.exec_driver_sql(
            "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum) FROM pg_attribute"
            f" WHERE attrelid = {_class(table)} AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
        ).all()
        marked = [row[0] for row in rows if row[2] == NO_VALUE_YET and row[1] == "text"]
        kinds = {row[0]: kind_of_declared(row[1]) for row in rows}
        if marked:
            counts = ", ".join(f"count({quoted(name)})" for name in marked)
            found = connection.exec_driver_sql(f"SELECT {counts} FROM {quoted(table)}").one()
            kinds.update({name: UNKNOWN for name, number in zip(marked, found, strict=True) if not number})
        return kinds

    def tables(self, connection: Connection) -> list[str]:
        """See Dialect; those that need no schema before their names."""
        rows = connection.exec_driver_sql(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind IN ('r', 'p')"
            " AND pg_table_is_visible(pg_class.oid) AND nspname !~ '^(pg_|information_schema$)' ORDER BY relname"
        )
        return [row[0] for row in rows]

    def unique_columns(self, connection: Connection, table: str) -> list[set[str]]:
        """See Dialect; only those that a conflict of keys can be told by."""
        rows = connection.exec_driver_sql(
            "SELECT array_agg(attname::text) FROM pg_index JOIN pg_attribute ON attrelid = indrelid"
            " AND attnum = ANY ((indkey::int2[])[0:indnkeyatts - 1])"
            f" WHERE indrelid = {_class(table)} AND indisunique AND indisvalid AND indimmediate"
            " AND indpred IS NULL AND indexprs IS NULL GROUP BY indexrelid"
        )
        return [set(row[0]) for row in rows]

    def create(self, connection: Connection, table: str, kinds: Mapping[str, Kind], key: tuple[str, ...]) -> None:
        """See Dialect."""
        columns = ", ".join(f"{quoted(name)} {declared(kind)}" for name, kind in kinds.items())
        keyed = f", PRIMARY KEY ({listed(key)})" if key else ""
        connection.exec_driver_sql(f"CREATE TABLE {quoted(table)} ({columns}{keyed})")
        for name, kind in kinds.items():
            if kind == UNKNOWN:
                self._comment(connection, table, name, NO_VALUE_YET)

    def add_column(self, connection: Connection, table: str, name: str, kind: Kind) -> None:
        """See Dialect."""
        connection.exec_driver_sql(f"ALTER TABLE {quoted(table)} ADD COLUMN {quoted(name)} {declared(kind)}")
        if kind == UNKNOWN:
            self._comment(connection, table, name, NO_VALUE_YET)

    def widen(self, connection: Connection, table: str, name: str, kinds: tuple[Kind, Kind]) -> None:
        """See Dialect."""
        there, kind = kinds
        column = quoted(name)
        lost = None
        if there.form in (Form.INTEGER, Form.MONEY):
            if kind.form is Form.MONEY:
                lost = f"abs({column}::numeric) >= 1e{DIGITS - kind.scale}::numeric"
            elif kind == REAL:
                lost = f"{column}::double precision::text::numeric <> {column}"
        if lost:
            query = f"SELECT count(*) FROM {quoted(table)} WHERE {lost}"
            if found := connection.exec_driver_sql(query).scalar_one():
                raise lost_digits(table, name, found)
        connection.exec_driver_sql(
            f"ALTER TABLE {quoted(table)} ALTER COLUMN {column} TYPE {declared(kind)}"
            f" USING {self.converted(column, there, kind)}"
        )
        if there == UNKNOWN:
            self._comment(connection, table, name, None)

    def make_stage(self, connection: Connection, kinds: Mapping[str, Kind]) -> None:
        """See Dialect."""
        self._make_temporary(connection, STAGE, kinds)

    def make_keys(self, connection: Connection, kinds: Mapping[str, Kind]) -> None:
        """See Dialect."""
        self._make_temporary(connection, KEYS, kinds)

    def clear(self, connection: Connection, name: str) -> None:
        """See Dialect. Rows that are deleted would stay in the way until the transaction ends."""
        connection.exec_driver_sql(f"TRUNCATE pg_temp.{name}")

    def row_number(self, kinds: Mapping[str, Kind]) -> str:
        """See Dialect. No batch has a column of this name for data."""
        return ROW

    def fill(self, connection: Connection, name: str, frame: pl.DataFrame) -> None:
        """See Dialect."""
        _copy(connection, f"pg_temp.{name}", frame.with_row_index(ROW, offset=1))

    def insert_new(
        self, connection: Connection, table: str, key: tuple[str, ...], frame: pl.DataFrame, run: str
    ) -> int:
        """See Dialect."""
        columns = listed(frame.columns)
        connection.exec_driver_sql(
            f"CREATE TEMP TABLE {ARRIVALS} ON COMMIT DROP AS SELECT {columns} FROM {quoted(table)} LIMIT 0"
        )
        _copy(connection, f"pg_temp.{ARRIVALS}", frame)
        result = connection.exec_driver_sql(
            f"INSERT INTO {quoted(table)} ({columns}, {INSERTED}) SELECT {columns}, {literal(run)}"
            f" FROM pg_temp.{ARRIVALS} ON CONFLICT ({listed(key)}) DO NOTHING"
        )
        connection.exec_driver_sql(f"DROP TABLE pg_temp.{ARRIVALS}")
        return int(result.rowcount)

    def load(self, connection: Connection, table: str, key: tuple[str, ...], frame: pl.DataFrame, run: str) -> int:
        """See Dialect."""
        import polars as pl

        _copy(connection, quoted(table), frame.with_columns(pl.lit(run).alias(INSERTED)))
        return frame.height

    def lock(self, connection: Connection, name: str) -> None:
        """See Dialect. Only merges wait for each other; readers and people's programs do not."""
        digest = hashlib.sha256(f"backhaul {name}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({number})")

    def read(self, connection: Connection, table: str, kinds: Mapping[str, Kind]) -> Iterator[pl.DataFrame]:
        """See Dialect. A cursor of the server hands out slice by slice."""
        import polars as pl

        kinds = _with_scales(connection, table, kinds)
        storage = {name: _storage_dtype(kind) for name, kind in kinds.items()}
        wanted = ", ".join(_wanted(quoted(name), kind) for name, kind in kinds.items())
        streamed = connection.execution_options(stream_results=True, max_row_buffer=self.slice_rows)
        order = f" ORDER BY {ARCHIVED_AT}" if table.endswith(ARCHIVE_SUFFIX) and ARCHIVED_AT in kinds else ""
        with streamed.exec_driver_sql(f"SELECT {wanted} FROM {quoted(table)}{order}") as result:
            for rows in result.partitions(self.slice_rows):
                try:
                    frame = pl.DataFrame([tuple(row) for row in rows], schema=storage, orient="row")
                    typed = frame.select(_restored(name, kind) for name, kind in kinds.items())
                except (pl.exceptions.PolarsError, TypeError, OverflowError):
                    raise ill_typed(table, {name: declared(kind) for name, kind in kinds.items()}) from None
                yield typed

    def _make_temporary(self, connection: Connection, name: str, kinds: Mapping[str, Kind]) -> None:
        columns = ", ".join(f"{quoted(each)} {declared(kind)}" for each, kind in kinds.items())
        connection.exec_driver_sql(f"DROP TABLE IF EXISTS pg_temp.{name}")
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} ({ROW} integer, {columns}) ON COMMIT DROP")

    def _comment(self, connection: Connection, table: str, name: str, words: str | None) -> None:
        said = literal(words) if words else "NULL"
        connection.exec_driver_sql(f"COMMENT ON COLUMN {quoted(table)}.{quoted(name)} IS {said}")


def _bytes(name: str) -> int:
    return len(name.encode())


def _class(table: str) -> str:
    return f"to_regclass({literal(quoted(table))})"


def _copy(connection: Connection, into: str, frame: pl.DataFrame) -> None:
    """Append frame to a table by `COPY`. In its CSV, an empty text has quotes and NULL has none."""
    text = BytesIO()
    frame.write_csv(text, include_header=False, quote_style="non_numeric")
    raw: Any = connection.connection.driver_connection
    statement = f"COPY {into} ({listed(frame.columns)}) FROM STDIN (FORMAT csv)"
    with raw.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text.getbuffer())


def _text(column: str, kind: Kind) -> str:
    """Return SQL for the text that a value of kind becomes in a column of text, as frames have it."""
    if kind.form is Form.DATE:
        return f"to_char({column}, 'YYYY-MM-DD')"
    if kind.form is Form.MOMENT:
        part = f"extract(microseconds FROM {column})::bigint"
        seconds = 'YYYY-MM-DD"T"HH24:MI:SS'
        how = f"CASE WHEN {part} % 1000000 = 0 THEN '{seconds}\"Z\"' WHEN {part} % 1000 = 0 THEN '{seconds}.MS\"Z\"'"
        return f"to_char({column}, {how} ELSE '{seconds}.US\"Z\"' END)"
    if kind == REAL:
        whole = f"{column} = trunc({column}) AND abs({column}) < 1e15"
        return f"CASE WHEN {whole} THEN {column}::bigint::text || '.0' ELSE {column}::text END"
    return f"{column}::text"


def _with_scales(connection: Connection, table: str, kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """Return kinds with numbers of any size as money with as many decimals as the longest of them has."""
    numbers = [name for name, kind in kinds.items() if kind == NUMBER]
    if not numbers:
        return dict(kinds)
    longest = ", ".join(f"max(scale({quoted(name)}))" for name in numbers)
    scales = connection.exec_driver_sql(f"SELECT {longest} FROM {quoted(table)}").one()
    money = {name: Kind(Form.MONEY, min(scale or 0, DIGITS)) for name, scale in zip(numbers, scales, strict=True)}
    return {**kinds, **money}


def _wanted(column: str, kind: Kind) -> str:
    """Return SQL that gives a value the form that `_restored` takes: numbers, or text."""
    if kind.form is Form.DATE:
        return f"{column} - DATE '1970-01-01'"
    if kind.form is Form.MOMENT:
        return f"(extract(epoch FROM {column}) * 1000000)::bigint"
    return column if kind.form in (Form.INTEGER, Form.REAL, Form.BOOLEAN) else f"{column}::text"


def _storage_dtype(kind: Kind) -> Any:
    import polars as pl

    types = {
        Form.INTEGER: pl.Int64,
        Form.REAL: pl.Float64,
        Form.BOOLEAN: pl.Boolean,
        Form.DATE: pl.Int32,
        Form.MOMENT: pl.Int64,
    }
    return types.get(kind.form, pl.String)


def _restored(name: str, kind: Kind) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    if kind.form is Form.DATE:
        return column.cast(pl.Date)
    if kind.form is Form.MOMENT:
        return column.cast(pl.Datetime("us", "UTC"))
    return column.cast(pl.Decimal(DIGITS, kind.scale)) if kind.form is Form.MONEY else column
