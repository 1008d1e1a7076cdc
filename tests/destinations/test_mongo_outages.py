"""A MongoDB that is down, refuses, loses answers or is used by two: nothing half, nothing twice, all counted."""

import json
import pickle
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pymongo
import pytest

from backhaul.config import resolved
from backhaul.destinations import MongoDB, Nested
from backhaul.destinations.mongo import delivery, write
from backhaul.errors import BackhaulError, ConfigError, DeliveryError, TransientError
from backhaul.model import Batch, Changes, Counts, Rejected
from backhaul.sessions import mongo as server
from backhaul.testing.batches import BatchMaker
from tests import mongo_server
from tests.destinations.killed_documents import killed_after_chunk
from tests.mongo_server import Proxy, fault

BEFORE = {"1": 1, "2": 2, "3": 3, "4": 4}
NOW = {"1": 1, "2": 20, "3": 30, "5": 5, "6": 6}
EXPECTED = Counts(new=2, unchanged=1, updated=2, removed=1)


@pytest.fixture
def maker(tmp_path: Path) -> BatchMaker:
    return BatchMaker(tmp_path / "staging", complete=True)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    opened = Proxy()
    yield opened
    opened.close()


@pytest.fixture
def orders() -> MongoDB:
    return MongoDB(mongo_server.new_database(), url=mongo_server.url(), nested=(Nested("list", key="k"),))


@pytest.fixture
def alone() -> MongoDB:
    """The same on a server without transactions."""
    url = mongo_server.url(alone=True)
    return MongoDB(mongo_server.new_database(), url=url, nested=(Nested("list", key="k"),))


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write, "FIRST_PAUSE_S", 0.01)


def batch(maker: BatchMaker, totals: dict[str, int]) -> Batch:
    lists = [json.dumps([{"k": "a", "n": total}, {"k": key}]) for key, total in totals.items()]
    return maker.batch(pl.DataFrame({"id": list(totals), "total": list(totals.values()), "list": lists}))


def prepared(orders: MongoDB, maker: BatchMaker) -> Changes:
    orders.write(maker.stream, orders.compare(maker.stream, batch(maker, BEFORE)))
    return orders.compare(maker.stream, batch(maker, NOW))


def state(orders: MongoDB) -> list[Any]:
    is_alone = orders.url == mongo_server.url(alone=True)
    found = mongo_server.client(alone=is_alone)[str(orders.database)]["orders"].find().sort("id")
    return [(each["id"], each["total"], each["list"][0]["n"], "removed_at" in each) for each in found]


def as_is(totals: dict[str, int], *removed: str) -> list[Any]:
    return [(key, total, total, key in removed) for key, total in sorted(totals.items())]


@pytest.mark.parametrize("command", ["insert", "update", "commitTransaction"])
def test_an_answer_that_is_lost_is_asked_for_again_and_changes_no_count(
    orders: MongoDB, maker: BatchMaker, proxy: Proxy, command: str
) -> None:
    changes = prepared(orders, maker)
    proxy.command, proxy.lose = command, 1

    assert replace(orders, url=proxy.url).write(maker.stream, changes) == EXPECTED

    assert proxy.lost == 1
    assert state(orders) == as_is(BEFORE | NOW, "4")


@pytest.mark.parametrize(
    ("command", "has_transactions"),
    [
        ("insert", False),
        ("update", False),
        pytest.param("insert", True, marks=pytest.mark.slow),
        pytest.param("update", True, marks=pytest.mark.slow),
        pytest.param("commitTransaction", True, marks=pytest.mark.slow),
        pytest.param("abortTransaction", True, marks=pytest.mark.slow),
    ],
)
def test_answers_that_stay_lost_end_the_write_and_the_next_one_counts_as_one_would(
    orders: MongoDB,
    alone: MongoDB,
    maker: BatchMaker,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    has_transactions: bool,
) -> None:
    monkeypatch.setattr(delivery, "CHUNK_ROWS", 2)
    orders, proxy = (orders, Proxy()) if has_transactions else (alone, Proxy(alone=True))
    changes = prepared(orders, maker)
    proxy.command, proxy.lose = command, 1000

    try:
        replace(orders, url=proxy.url).write(maker.stream, changes)
    except TransientError:
        assert proxy.lost
    else:
        assert not proxy.lost
    proxy.lose = 0

    assert replace(orders, url=proxy.url).write(maker.stream, changes) == EXPECTED
    assert state(orders) == as_is(BEFORE | NOW, "4")
    proxy.close()


@pytest.mark.parametrize("chunk", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_write_that_is_killed_between_chunks_and_repeated_equals_one(
    orders: MongoDB, maker: BatchMaker, chunk: int
) -> None:
    changes = prepared(orders, maker)

    killed_after_chunk(orders, maker.stream, changes, chunk, rows=1)

    assert len(state(orders)) == len(BEFORE) + chunk
    assert orders.write(maker.stream, changes) == orders.write(maker.stream, changes) == EXPECTED
    assert state(orders) == as_is(BEFORE | NOW, "4")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(10107, TransientError, marks=pytest.mark.slow),
        pytest.param(11602, TransientError, marks=pytest.mark.slow),
        (112, TransientError),
        (13, ConfigError),
        (18, ConfigError),
        (14031, DeliveryError),
        (166, DeliveryError),
        (59, DeliveryError),
    ],
)
def test_what_the_server_says_becomes_an_error_of_ours(
    orders: MongoDB, maker: BatchMaker, code: int, error: type[BackhaulError]
) -> None:
    changes = prepared(orders, maker)
    # Who steps down says so itself; after a fault that only pretends, the driver waits for the next heartbeat.
    orders = replace(orders, url=mongo_server.url(heartbeatFrequencyMS=500, serverSelectionTimeoutMS=100))

    with fault(["insert"], errorCode=code, times=20), pytest.raises(error) as caught:
        orders.write(maker.stream, changes)

    assert "127.0.0.1" in str(caught.value)
    assert caught.value.next_step
    assert state(orders) == as_is(BEFORE)
    assert orders.write(maker.stream, changes) == EXPECTED


def test_a_server_that_fails_over_in_the_middle_is_found_again(orders: MongoDB, maker: BatchMaker) -> None:
    changes = prepared(orders, maker)
    orders = replace(orders, url=mongo_server.url(heartbeatFrequencyMS=500))

    with fault(["insert"], errorCode=189, errorLabels=["TransientTransactionError"]):
        assert orders.write(maker.stream, changes) == EXPECTED


def test_a_confirmation_that_the_majority_does_not_give_is_waited_for_again(
    alone: MongoDB, maker: BatchMaker
) -> None:
    changes = prepared(alone, maker)
    lost = {"code": 64, "errmsg": "waiting for replication timed out", "codeName": "WriteConcernFailed"}

    with fault(["insert"], alone=True, writeConcernError=lost), pytest.raises(TransientError):
        alone.write(maker.stream, changes)

    assert alone.write(maker.stream, changes) == EXPECTED
    assert state(alone) == as_is(BEFORE | NOW, "4")


def test_a_server_that_is_down_is_not_waited_for_for_ever(maker: BatchMaker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    secret = secrets.token_hex(8)
    orders = MongoDB("test", url=f"mongodb://u:{secret}@127.0.0.1:{port}/?serverSelectionTimeoutMS=300")

    begun = time.monotonic()
    with pytest.raises(TransientError, match=f"127.0.0.1:{port}: the server does not answer") as caught:
        orders.compare(maker.stream, batch(maker, NOW))

    assert time.monotonic() - begun < 4
    assert secret not in f"{caught.value} {caught.value.next_step} {orders!r}"


def test_without_a_word_a_server_has_five_seconds_and_one_that_says_otherwise_has_its_own() -> None:
    with server.MongoServer("", "127.0.0.1:1", "mongodb").connected() as client:
        found = client.options.server_selection_timeout, client.options.pool_options.connect_timeout
    with server.MongoServer("mongodb://h/?ServerSelectionTimeoutMS=70", "", "mongodb").connected() as client:
        own = client.options.server_selection_timeout

    assert (found, own) == ((5.0, 5.0), 0.07)


@pytest.mark.slow
def test_a_server_that_asks_who_we_are_is_told_and_a_wrong_password_is_a_matter_of_settings(
    maker: BatchMaker, tmp_path: Path
) -> None:
    secret = secrets.token_hex(8)
    with (
        mongo_server.own_server(folder=str(tmp_path / "db")) as running,
        pymongo.MongoClient[dict[str, Any]](running.uri) as admin,
    ):
        admin.admin.command("createUser", "writer", pwd=secret, roles=["readWriteAnyDatabase"])
        admin.admin.command("createUser", "reader", pwd=secret, roles=["readAnyDatabase"])
    with mongo_server.own_server(folder=str(tmp_path / "db"), require_auth=True) as running:
        port = str(running.port)
        address = "mongodb://{}@127.0.0.1:" + port + "/?authSource=admin"
        known = MongoDB("test", url=address.format(f"writer:{secret}"))
        assert known.write(maker.stream, known.compare(maker.stream, batch(maker, NOW))) == Counts(new=5)

        for login in (f"writer:{secret}x", f"{secret}:x"):
            with pytest.raises(ConfigError) as caught:
                MongoDB("test", url=address.format(login)).compare(maker.stream, batch(maker, NOW))
            assert "MONGODB_URI" in caught.value.next_step
            assert secret not in f"{caught.value} {caught.value.next_step}"
        with pytest.raises(ConfigError, match="has to sign in") as caught:
            MongoDB("test", url=f"mongodb://127.0.0.1:{port}/").compare(maker.stream, batch(maker, NOW))
        assert "MONGODB_URI" in caught.value.next_step
        reader = MongoDB("test", url=address.format(f"reader:{secret}"))
        changes = reader.compare(maker.stream, batch(maker, BEFORE))
        assert changes.counts == Counts(new=1, unchanged=1, updated=2, removed=2)
        with pytest.raises(ConfigError, match="may not do that"):
            reader.write(maker.stream, changes)


@pytest.mark.slow
def test_a_server_is_reached_by_tls_and_one_that_cannot_prove_itself_is_not(
    maker: BatchMaker, tmp_path: Path
) -> None:
    certificate, key = certified(tmp_path)
    with mongo_server.own_server(tls_cert_file=str(certificate), tls_key_file=str(key)) as running:
        address = f"mongodb://127.0.0.1:{running.port}/?tls=true&serverSelectionTimeoutMS=1000"
        proven = MongoDB("test", url=f"{address}&tlsCAFile={quote(str(certificate), safe='')}")
        assert proven.write(maker.stream, proven.compare(maker.stream, batch(maker, NOW))) == Counts(new=5)

        with pytest.raises(ConfigError, match="no secure connection"):
            MongoDB("test", url=address).check()


def certified(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, signed by itself; return the files of it and of its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "server.crt", folder / "server.key"
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    files[0].write_bytes(made.public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, form, plain))
    return files


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://{}"},
        {"url": "{}"},
        {"url": "mongodb://u:{}:x@h:1:2/"},
        {"url": "", "host": "mongodb://u:{}@h"},
        {"url": "", "host": "u:{}@h"},
        {"url": "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50", "database": "a b.{}"},
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(maker: BatchMaker, wrong: dict[str, str]) -> None:
    secret = secrets.token_hex(8)
    orders = MongoDB(**{"database": "test"} | {name: value.format(secret, secret) for name, value in wrong.items()})

    with pytest.raises(ConfigError) as caught:
        orders.compare(maker.stream, batch(maker, NOW))

    assert secret not in f"{caught.value} {caught.value.next_step}"


def test_the_host_is_the_url_else_the_setting_else_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def place(**settings: str) -> str:
        return resolved(MongoDB("test"), settings)._server.place

    monkeypatch.setattr(server, "is_in_container", lambda: False)
    assert place() == "localhost"
    assert place(MONGO_HOST="db:27018", MONGODB_URI="") == "db:27018"
    address = "mongodb+srv://{}:{}@cluster.example.net/?w=1".format("u", "p%40")
    assert place(MONGO_HOST="db", MONGODB_URI=address) == "cluster.example.net"
    monkeypatch.setattr(server, "is_in_container", lambda: True)
    monkeypatch.setattr(server, "CONTAINER_HOST", "127.0.0.1")
    assert place() == "127.0.0.1"
    monkeypatch.setattr(server, "CONTAINER_HOST", "no such host")
    assert place() == "localhost"


def test_two_writers_at_once_make_each_document_once_and_each_counts_what_it_did(
    orders: MongoDB, tmp_path: Path
) -> None:
    makers = [BatchMaker(tmp_path / name) for name in ("a", "b", "c")]
    totals = {f"{number:03}": number for number in range(40)}
    batches = [replace(batch(maker, totals), id=f"of {at}") for at, maker in enumerate(makers)]
    changes = [orders.compare(makers[0].stream, each) for each in batches]
    found: list[Counts] = []

    def write_all(one: Changes) -> None:
        found.append(orders.write(makers[0].stream, one))

    threads = [threading.Thread(target=write_all, args=(each,)) for each in changes]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sum(found, Counts()) == Counts(new=40, unchanged=80)
    assert state(orders) == as_is(totals)


def test_a_document_that_another_writer_makes_or_removes_meanwhile_is_written_all_the_same(
    alone: MongoDB, maker: BatchMaker
) -> None:
    proxy, changes = Proxy(alone=True), prepared(alone, maker)
    there = mongo_server.client(alone=True)[str(alone.database)]["orders"]

    def overtake() -> None:
        there.insert_one({"id": "5", "own": 1})
        there.delete_one({"id": "2"})

    proxy.command, proxy.before = "insert", overtake

    counts = replace(alone, url=proxy.url).write(maker.stream, changes)

    assert counts == Counts(new=2, updated=2, unchanged=1, removed=1)
    assert state(alone) == as_is(BEFORE | NOW, "4")
    assert there.find_one({"id": "5"})["own"] == 1
    proxy.close()


def test_a_server_without_transactions_refuses_one_row_and_takes_the_rest(alone: MongoDB, maker: BatchMaker) -> None:
    rules = {"$jsonSchema": {"properties": {"total": {"maximum": 9}}}}
    mongo_server.client(alone=True)[str(alone.database)].command("create", "orders", validator=rules)
    changes = alone.compare(maker.stream, batch(maker, NOW))

    first, again = (alone.write_judged(maker.stream, changes) for _ in range(2))

    assert first == again
    counts, refused = first
    assert counts == Counts(new=3, rejected=2)
    assert refused == tuple(Rejected(row, "the collection's validation rules") for row in (2, 3))


def test_an_unchanged_batch_sends_nothing_but_questions(orders: MongoDB, maker: BatchMaker, proxy: Proxy) -> None:
    prepared(orders, maker)
    orders = replace(orders, url=proxy.url)

    changes = orders.compare(maker.stream, batch(maker, BEFORE))

    assert orders.write(maker.stream, changes) == Counts(unchanged=4)
    assert set(proxy.commands) <= {"ismaster", "hello", "find", "getMore", "endSessions", "killCursors"}
    assert "find" in proxy.commands


def test_the_destination_goes_to_other_processes_without_a_connection(orders: MongoDB, maker: BatchMaker) -> None:
    prepared(orders, maker)

    assert pickle.loads(pickle.dumps(orders)) == orders


@pytest.mark.slow
def test_ten_thousand_students_are_merged_and_an_unchanged_run_writes_nothing(
    orders: MongoDB, maker: BatchMaker, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server of the tests uses an index for a hundred keys, but for neither a thousand nor parts of a collection.
    monkeypatch.setattr(delivery, "CHUNK_ROWS", 100)
    mongo_server.client()[str(orders.database)]["orders"].create_index("id", unique=True)
    totals = {f"{number:05}": number for number in range(10_000)}
    maker = replace(maker, complete=False)
    assert orders.write(maker.stream, orders.compare(maker.stream, batch(maker, totals))) == Counts(new=10_000)

    changes = replace(orders, url=proxy.url).compare(maker.stream, batch(maker, totals))
    counts = replace(orders, url=proxy.url).write(maker.stream, changes)

    assert counts == Counts(unchanged=10_000)
    assert not {"insert", "update", "createIndexes", "commitTransaction"} & set(proxy.commands)
    totals |= {f"{number:05}": -number for number in range(100, 105)}
    counts = orders.write(maker.stream, orders.compare(maker.stream, batch(maker, totals)))
    assert counts == Counts(unchanged=9_995, updated=5)
