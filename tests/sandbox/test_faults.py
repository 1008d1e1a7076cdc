import io
import threading
import time
import zipfile

import httpx
import pytest

from backhaul.sandbox import Fault, PlannedFault, SandboxBackOffice
from backhaul.sandbox.office.faults import Faults, Moment
from backhaul.sandbox.office.spoil import ADDED, NOISE, RENAMED_TO
from tests.sandbox.visitor import PAGES, rows_in, signed_in, tree, visiting

POINTS = "/point_transaction"


@pytest.fixture
def office():
    with SandboxBackOffice() as office:
        yield office


@pytest.fixture
def visitor(office):
    with signed_in(office) as visitor:
        yield visitor


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.TOO_MANY_REQUESTS, 429), (Fault.SERVER_ERROR, 500), (Fault.UNAVAILABLE, 503)],
)
def test_a_refusal_comes_as_often_as_planned_and_then_the_file(office, visitor, fault, status):
    office.faults.add(fault, path=POINTS, times=2, seconds=7)

    answers = [visitor.export(POINTS) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [status, status, 200]
    assert answers[0].headers.get("Retry-After") == ("7" if status == 429 else None)


def test_a_fault_without_a_path_strikes_everywhere_until_it_is_cleared(office, visitor):
    office.faults.set(Fault.SERVER_ERROR)
    assert {visitor.client.get(path).status_code for path in ("/login", *PAGES)} == {500}

    office.faults.clear()
    assert {visitor.client.get(path).status_code for path in ("/login", *PAGES)} == {200}


def test_a_fault_with_a_path_strikes_nowhere_else(office, visitor):
    office.faults.set(PlannedFault(Fault.EMPTY_DAY, path=POINTS))

    assert rows_in(visitor.export(POINTS)).height == 0
    assert rows_in(visitor.export(PAGES[2])).height == 16


def test_a_path_covers_what_lies_below_it_but_not_what_begins_like_it():
    faults = Faults([PlannedFault(Fault.SERVER_ERROR, path="/user")])

    assert faults.take(Moment.REQUEST, "/user/unduh")
    assert not faults.take(Moment.REQUEST, "/user-front")


def test_a_slow_first_byte_keeps_waiting_and_then_answers(office, visitor):
    office.faults.add(Fault.SLOW_FIRST_BYTE, path=POINTS, times=1, seconds=0.3)
    started = time.monotonic()

    assert rows_in(visitor.export(POINTS)).height == 50
    assert time.monotonic() - started >= 0.3


def test_a_slow_drip_spreads_the_file_over_the_time(office, visitor):
    office.faults.add(Fault.SLOW_DRIP, times=1, seconds=0.4)
    started = time.monotonic()

    assert rows_in(visitor.export(POINTS)).height == 50
    assert time.monotonic() - started >= 0.4


def test_a_closing_office_ends_a_slow_answer(office, visitor):
    office.faults.add(Fault.SLOW_FIRST_BYTE, seconds=60)
    closing = threading.Timer(0.2, office.close)
    started = time.monotonic()

    closing.start()
    with pytest.raises(httpx.TransportError):
        visitor.client.get("/dashboard")
    closing.join()

    assert time.monotonic() - started < 10


def test_a_cut_connection_ends_in_the_middle_of_the_announced_length(office, visitor):
    whole = len(visitor.export(POINTS).content)
    office.faults.add(Fault.CUT_CONNECTION, times=1)
    received = 0

    with (
        pytest.raises(httpx.RemoteProtocolError),
        visitor.client.stream("GET", f"{POINTS}/unduh?start=2025-09-12&end=2025-09-12") as answer,
    ):
        announced = int(answer.headers["Content-Length"])
        for chunk in answer.iter_raw():
            received += len(chunk)

    assert abs(announced - whole) < 100
    assert 0 < received < announced


def test_a_truncated_file_has_the_length_it_announces_and_is_no_whole_archive(office, visitor):
    office.faults.add(Fault.TRUNCATED, times=1)

    answer = visitor.export(POINTS)

    assert answer.content.startswith(b"PK")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert not zipfile.is_zipfile(io.BytesIO(answer.content))


@pytest.mark.parametrize("path", PAGES)
def test_an_expired_session_answers_an_export_with_the_login_page_and_forgets_everybody(office, path):
    with signed_in(office) as visitor, signed_in(office) as other:
        office.faults.add(Fault.EXPIRED_SESSION, times=1)

        answer = visitor.export(path)

        assert (answer.status_code, answer.url.path) == (200, "/login")
        assert answer.headers["Content-Type"].startswith("text/html")
        assert [step.status_code for step in answer.history] == [302]
        assert other.client.get("/dashboard").url.path == "/login"
        visitor.sign_in(office.username, office.password)
        assert rows_in(visitor.export(path)).height > 0


def test_an_ignored_filter_gives_all_rows(office, visitor):
    office.faults.add(Fault.IGNORED_FILTER)

    assert rows_in(visitor.export(POINTS)).height == 70


@pytest.mark.parametrize(
    ("fault", "begin"),
    [
        (Fault.LOGIN_PAGE_AS_FILE, b"<!doctype html>"),
        (Fault.ERROR_PAGE_AS_FILE, b"<!doctype html>"),
        (Fault.EMPTY_BODY, b""),
        (Fault.GARBAGE, NOISE),
        (Fault.CSV_AS_XLSX, b"Point Transaction ID,Tanggal,"),
    ],
)
def test_a_wrong_body_comes_with_200_under_the_name_and_type_of_a_workbook(office, visitor, fault, begin):
    office.faults.add(fault, path=POINTS)

    answer = visitor.export(POINTS)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].endswith("spreadsheetml.sheet")
    assert '.xlsx"' in answer.headers["Content-Disposition"]
    assert answer.content[: len(begin) or 1] == begin


def test_a_login_page_as_a_file_has_a_password_field_and_an_error_page_has_none(office, visitor):
    office.faults.add(Fault.LOGIN_PAGE_AS_FILE, times=1)
    login = visitor.export(POINTS)
    office.faults.add(Fault.ERROR_PAGE_AS_FILE, times=1)
    error = visitor.export(POINTS)

    assert tree(login).cssselect('input[type="password"]')
    assert not tree(error).cssselect("input")


def test_an_empty_day_is_a_header_and_no_rows(office, visitor):
    office.faults.add(Fault.EMPTY_DAY)

    rows = rows_in(visitor.export(POINTS))

    assert (rows.height, rows.width) == (0, 12)


def test_the_no_data_page_is_a_page_and_no_file(office, visitor):
    office.faults.add(Fault.NO_DATA_PAGE)

    answer = visitor.export(POINTS)

    assert answer.headers["Content-Type"].startswith("text/html")
    assert tree(answer).cssselect(".kosong")[0].text == "Tidak ada data"


def test_columns_are_renamed_added_and_dropped(office, visitor):
    usual = rows_in(visitor.export(POINTS)).columns
    office.faults.set(Fault.RENAMED_COLUMN, Fault.ADDED_COLUMN, Fault.DROPPED_KEY_COLUMN)

    rows = rows_in(visitor.export(POINTS))

    assert rows.columns == [*usual[1:-1], RENAMED_TO, ADDED]
    assert rows.height == 50
    assert rows[RENAMED_TO].null_count() == rows[ADDED].null_count() == 0


def test_every_second_row_loses_its_key(office, visitor):
    office.faults.add(Fault.ROWS_WITHOUT_KEY)

    assert rows_in(visitor.export(POINTS))["Point Transaction ID"].null_count() == 25


def test_the_same_key_comes_twice_with_another_value(office, visitor):
    office.faults.add(Fault.SAME_KEY_TWICE)

    rows = rows_in(visitor.export(POINTS))

    assert rows["Point Transaction ID"][0] == rows["Point Transaction ID"][-1]
    assert (rows.height, rows["Point Transaction ID"].n_unique()) == (51, 50)
    assert rows["Aktif"][0] != rows["Aktif"][-1]


def test_a_bomb_is_small_well_formed_and_unpacks_to_more_than_five_gigabytes(office, visitor):
    office.faults.add(Fault.BOMB)

    body = visitor.export(POINTS).content

    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
        with archive.open("xl/worksheets/sheet1.xml") as sheet:
            assert sheet.read(100_000).count(b"<row>") > 1_000
        assert b"<workbook" in archive.read("xl/workbook.xml")
    assert sum(sizes.values()) > 5e9
    assert len(body) < 20e6


@pytest.mark.slow
def test_the_bombs_lengths_and_checksums_are_true():
    from backhaul.sandbox.office.workbook import bomb_bytes

    with zipfile.ZipFile(io.BytesIO(bomb_bytes())) as archive:
        assert archive.testzip() is None


def test_a_visitor_who_leaves_in_the_middle_is_told_to_nobody(office, visitor, capfd):
    office.faults.add(Fault.SLOW_DRIP, times=1, seconds=10)
    with pytest.raises(httpx.ReadTimeout):
        visitor.client.get(f"{POINTS}/unduh", timeout=0.1)

    with visiting(office) as next_one:
        assert next_one.client.get("/login").status_code == 200
    office.close()

    assert capfd.readouterr().err == ""
