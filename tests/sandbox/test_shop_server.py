"""The made-up shop in a real PostgreSQL."""

import psycopg

from backhaul.sandbox.shop import OWNER, Shop, Table, load, load_sales
from backhaul.sandbox.shop.schema import TABLES
from tests.postgres import needs_server, select, server


def copied(address: str, table: Table) -> list[str]:
    """Return the lines that the server's own COPY gives, sorted."""
    with psycopg.connect(address) as connection, connection.cursor() as cursor:
        order = f"COPY public.{table.name} ({', '.join(table.names)}) TO stdout"
        with cursor.copy(order.encode()) as copy:
            return sorted(bytes(line).decode() for line in copy)


@needs_server
def test_a_server_holds_exactly_the_rows_of_the_shop_under_its_owner() -> None:
    shop, address = Shop(items=300, seed=3, blemishes=0.05), server().database()

    load(address, shop)

    for table in TABLES:
        assert copied(address, table) == sorted(table.copy_lines(shop.rows(table))), table.name
    owners = select(address, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == [(OWNER,)]


@needs_server
def test_sales_are_made_on_the_server_the_same_each_time() -> None:
    found = []
    for _ in range(2):
        address = server().database()
        load(address, Shop(items=50, seed=3))
        load_sales(address, 1_000)
        sums = "sum(jumlah), count(DISTINCT kodeitem), count(*), md5(string_agg(iddetail, ',' ORDER BY iddetail))"
        found.append(select(address, f"SELECT {sums} FROM public.tbl_ikdt"))

    [(pieces, goods, lines, _)] = found[0]
    assert found[0] == found[1]
    assert (pieces > 1_000, goods > 25, lines) == (True, True, 1_000)
    heads = (
        "SELECT count(*) FROM public.tbl_ikdt d LEFT JOIN public.tbl_ikhd h USING (notransaksi) WHERE h.tipe IS NULL"
    )
    assert select(address, heads) == [(0,)]
