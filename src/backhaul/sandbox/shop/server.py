"""Loading the made-up shop into a PostgreSQL server, from which the real pg_dump makes its backup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from backhaul.errors import ConfigError
from backhaul.sandbox.shop import schema
from backhaul.sandbox.shop.shop import Shop

if TYPE_CHECKING:
    import psycopg

OWNER = "sysi5adm"
"""The role that owns everything in a shop's database; it cannot log in here."""

LINES_A_SALE = 5


def load(address: str, shop: Shop) -> None:
    """Fill an empty database with the shop's tables; those of sales stay empty.

    The address is a `postgresql://` URL of a superuser. Raises ConfigError without the extra `postgres`.
    """
    with _connected(address) as connection:
        _make_owner(connection)
        for table in schema.TABLES:
            _run(connection, table.ddl)
            order = f"COPY public.{table.name} ({', '.join(table.names)}) FROM stdin"
            with connection.cursor() as cursor, cursor.copy(order.encode()) as copy:
                for line in table.copy_lines(shop.rows(table)):
                    copy.write(line)
            for statement in (*table.keys, f"ALTER TABLE public.{table.name} OWNER TO {OWNER}"):
                _run(connection, statement)
    with _connected(address) as connection:
        connection.autocommit = True
        _run(connection, "ANALYZE")


def load_sales(address: str, lines: int) -> None:
    """Add so many sales lines, a sale for each five and a ledger row for each three, all made on the server."""
    with _connected(address) as connection:
        _run(
            connection,
            "CREATE TEMPORARY TABLE numbered AS SELECT row_number() OVER (ORDER BY kodeitem) - 1 AS n, kodeitem,"
            " coalesce(satuan, 'PCS') AS satuan, coalesce(hargapokok, 0) AS hargapokok, sistemhargajual"
            " FROM public.tbl_item",
        )
        _run(connection, "CREATE UNIQUE INDEX ON numbered (n)")
        _run(connection, "ANALYZE numbered")
        for statement in (_sales(lines // LINES_A_SALE), _sale_lines(lines), _ledger(lines // 3)):
            _run(connection, statement)


def _connected(address: str) -> psycopg.Connection[Any]:
    try:
        import psycopg
    except ImportError:
        raise ConfigError(
            "the made-up shop's server needs a package that is not installed",
            next_step='Install it: pip install "backhaul[postgres]"',
        ) from None
    return psycopg.connect(address)


def _run(connection: psycopg.Connection[Any], statement: str) -> None:
    connection.execute(statement.encode())


def _make_owner(connection: psycopg.Connection[Any]) -> None:
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone()
    if not found:
        _run(connection, f"CREATE ROLE {OWNER}")


def _scattered(number: str, below: str) -> str:
    """Return SQL for a whole number from 0 up to below, the same for the same number on every server."""
    return f"(({number})::bigint * 2654435761 % 4294967291 % ({below}))"


def _sales(sales: int) -> str:
    return (
        "INSERT INTO public.tbl_ikhd SELECT 'JL-' || lpad(i::text, 9, '0'), CASE WHEN i % 4 = 0 THEN 'GDG' ELSE 'UTM'"
        f" END, timestamp '2024-01-01' + i * interval '73 seconds', 'JL', 'P' || lpad({_scattered('i', '200')}::text,"
        f" 4, '0'), {LINES_A_SALE}, {_scattered('i', '900')} * 500, 'KASIR' || i % 4,"
        f" timestamp '2024-01-01' + i * interval '73 seconds' FROM generate_series(1, {sales}) AS i"
    )


def _sale_lines(lines: int) -> str:
    count = "(SELECT count(*) FROM numbered)"
    return (
        f"INSERT INTO public.tbl_ikdt SELECT 'JL-' || lpad((i / {LINES_A_SALE} + 1)::text, 9, '0') || '-' ||"
        f" i % {LINES_A_SALE} || to_hex({_scattered('i', '65521')}), i % {LINES_A_SALE} + 1,"
        f" 'JL-' || lpad((i / {LINES_A_SALE} + 1)::text, 9, '0'), g.kodeitem, {_scattered('i + 7', '24')} + 1,"
        " g.satuan, g.hargapokok * 1.1, 0, 0, 0, 0, g.hargapokok * 1.1 *"
        f" ({_scattered('i + 7', '24')} + 1), 1, g.sistemhargajual, g.hargapokok"
        f" FROM generate_series(0, {lines - 1}) AS i JOIN numbered g ON g.n = {_scattered('i', count)}"
    )


def _ledger(rows: int) -> str:
    count = "(SELECT count(*) FROM numbered)"
    return (
        f"INSERT INTO public.tbl_item_ik SELECT 'IK' || i || '-' || to_hex({_scattered('i + 3', '65521')}),"
        " g.kodeitem, 'UTM', timestamp '2024-01-01' + i * interval '41 seconds',"
        f" {_scattered('i', '500')} + 1, {_scattered('i + 5', '300')}, g.hargapokok"
        f" FROM generate_series(1, {rows}) AS i JOIN numbered g ON g.n = {_scattered('i', count)}"
    )
