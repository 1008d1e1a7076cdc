from datetime import date, datetime
from io import BytesIO
from urllib.parse import parse_qsl, urlsplit

import openpyxl
import polars as pl
import pytest

from backhaul.sandbox import KEYS, SandboxBackOffice, Variant
from backhaul.sandbox.office.data import made_up_rows
from tests.sandbox.visitor import DAY, PAGES, rows_in, signed_in, tree

STREAMS = dict(zip(PAGES, KEYS, strict=True))


@pytest.mark.parametrize(
    ("path", "on_the_day", "in_all", "columns"),
    [(PAGES[0], 27, 102, 27), (PAGES[1], 50, 70, 12), (PAGES[2], 16, 25, 10), (PAGES[3], 1, 3, 6)],
)
def test_an_export_holds_the_rows_of_its_days_and_all_rows_without_dates(path, on_the_day, in_all, columns):
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        day = rows_in(visitor.export(path))
        everything = rows_in(visitor.export(path, "", ""))

        assert (day.height, everything.height, day.width) == (on_the_day, in_all, columns)
        assert day[KEYS[STREAMS[path]]].n_unique() == on_the_day
        assert set(day["Tanggal"].str.slice(0, 10)) == {DAY}


def test_the_rows_are_the_same_at_every_start():
    assert made_up_rows() == made_up_rows()


def test_cells_arrive_typed_and_digits_in_text_stay_whole():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        book = openpyxl.load_workbook(BytesIO(visitor.export(PAGES[0]).content))
        header, first = list(book.worksheets[0].iter_rows(max_row=2, values_only=True))
        row = dict(zip(header, first, strict=True))

        assert row["Transaksi ID"].startswith("0000")
        assert row["Nomor HP"].startswith("08000000")
        assert len(row["Nomor Resi"]) == 18
        assert isinstance(row["Tanggal"], datetime)
        assert isinstance(row["Lunas"], bool)
        assert isinstance(row["Subtotal"], int)


def test_the_first_and_the_last_second_of_the_day_belong_to_it():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        moments = rows_in(visitor.export(PAGES[0]))["Tanggal"].sort()

        assert (moments[0], moments[-1]) == (f"{DAY} 00:00:00", f"{DAY} 23:59:59")


def test_the_file_is_named_after_today_and_not_after_its_days():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        name = visitor.export(PAGES[0]).headers["Content-Disposition"]

        assert str(date.today().year) in name
        assert DAY not in name


def test_a_day_without_rows_is_a_header_alone():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        empty = rows_in(visitor.export(PAGES[1], "2020-01-01", "2020-01-01"))

        assert (empty.height, empty.width) == (0, 12)


def test_what_is_no_date_is_refused():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        assert visitor.export(PAGES[1], "12/09/2025", DAY).status_code == 422


def test_edited_rows_and_columns_are_in_the_next_export():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        row = next(row for row in office.data["pembayaran_koin"] if str(row["Tanggal"]).startswith(DAY))
        row["Total"] = 1
        row["Cabang"] = "007"
        del row["Lunas"]
        office.data["pembayaran_koin"][:] = [row, {**row, "Payment ID": "new"}]

        rows = rows_in(visitor.export(PAGES[3]))

        assert rows["Payment ID"].to_list() == [row["Payment ID"], "new"]
        assert rows["Cabang"].to_list() == ["007", "007"]
        assert rows["Total"].cast(float).to_list() == [1, 1]
        assert "Lunas" not in rows.columns


def test_an_export_without_the_token_of_its_form_is_419():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        assert visitor.post("/user-front/unduh", {"dari": DAY, "sampai": DAY}).status_code == 419


def test_another_button_of_the_same_form_shows_the_page_and_gives_no_file():
    with SandboxBackOffice() as office, signed_in(office) as visitor:
        answer = visitor.post("/koin_pay", {"_token": visitor.token(), "aksi": "tampil", "tgl_awal": DAY})

        assert tree(answer).cssselect("#filter-start")[0].get("value") == DAY


def test_the_links_variant_lists_the_days_of_its_address_and_hands_them_to_the_download_link():
    with SandboxBackOffice(Variant.LINKS) as office, signed_in(office) as visitor:
        page = visitor.page(f"/point_transaction?start={DAY}&end={DAY}")
        link = page.cssselect("details.menu a.unduh")[0].get("href")

        assert len(page.cssselect("tbody tr")) == 50
        assert dict(parse_qsl(urlsplit(link).query)) == {"start": DAY, "end": DAY}
        assert rows_in(visitor.client.get(link)).height == 50


@pytest.mark.parametrize(("path", "rows"), list(zip(PAGES, (27, 50, 16, 1), strict=True)))
def test_the_background_variant_shows_a_waiting_page_until_the_file_is_there(path, rows):
    with SandboxBackOffice(Variant.BACKGROUND, ready_after=2) as office, signed_in(office) as visitor:
        first = visitor.export(path)
        second = visitor.client.get(first.url)

        assert tree(first).cssselect(".menunggu")
        assert tree(second).cssselect(".menunggu")
        assert rows_in(visitor.client.get(first.url)).height == rows


def test_an_export_of_a_script_needs_the_token_as_a_header():
    with SandboxBackOffice(Variant.SCRIPT) as office, signed_in(office) as visitor:
        headers = {"Origin": office.url, "X-CSRF-TOKEN": visitor.token()}
        fields = {"dari": DAY, "sampai": DAY}

        answer = visitor.client.post("/user-front/unduh", data=fields, headers=headers)

        assert rows_in(answer).height == 16


@pytest.mark.parametrize(
    ("variant", "suffix", "kind", "start"),
    [
        (Variant.HTML, ".xls", "application/vnd.ms-excel", b"<html"),
        (Variant.XLS, ".xls", "application/vnd.ms-excel", b"\xd0\xcf\x11\xe0"),
        (Variant.PDF, ".pdf", "application/pdf", b"%PDF-1.4"),
        (Variant.CSV, ".csv", "text/csv; charset=UTF-8", b"Transaksi ID,"),
        (Variant.JSON, ".json", "application/json", b'{"status": "ok"'),
    ],
)
def test_each_format_has_its_name_its_type_and_its_bytes(variant, suffix, kind, start):
    with SandboxBackOffice(variant) as office, signed_in(office) as visitor:
        answer = visitor.export(PAGES[0])

        assert f'{suffix}"' in answer.headers["Content-Disposition"]
        assert answer.headers["Content-Type"] == kind
        assert answer.content.startswith(start)


def test_the_old_workbook_is_read_by_another_reader():
    with SandboxBackOffice(Variant.XLS) as office, signed_in(office) as visitor:
        frame = pl.read_excel(BytesIO(visitor.export(PAGES[1]).content), infer_schema_length=0)

        assert frame.shape == (50, 12)


def test_the_json_and_the_pages_of_the_pdf_hold_all_rows():
    with SandboxBackOffice(Variant.JSON) as office, signed_in(office) as visitor:
        assert len(visitor.export(PAGES[1]).json()["data"]) == 50
    with SandboxBackOffice(Variant.PDF) as office, signed_in(office) as visitor:
        content = visitor.export(PAGES[1]).content

        assert content.count(b"/Type /Page ") == 2
        assert content.count(b"(Point Transaction ID)") == 2
