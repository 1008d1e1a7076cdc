"""HTML tables served as workbooks: a table is read, a page for people is refused."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.formats import prove, read_table


def saved(path: Path, html: str | bytes) -> Path:
    path.write_bytes(html if isinstance(html, bytes) else html.encode())
    return path


def table(path: Path, html: str | bytes, **options: Any) -> pl.DataFrame:
    prove(saved(path, html))
    return pl.concat(read_table(path, **options))


EXCEL = """<html xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:x="urn:schemas-microsoft-com:office:excel">
<head><!--[if gte mso 9]><xml><x:ExcelWorkbook/></xml><![endif]--><style>td{border:1px}</style></head><body>%s"""
ROWS = "<tr><td>007</td><td>a</td><td>1.5</td></tr><tr><td>008</td><td>b</td><td>2</td></tr>"
LAYOUTS = {
    "thead": f"<table><thead><tr><th>id<th>name<th>n</thead><tbody>{ROWS}</tbody></table>",
    "no thead": f"<table><tr><th>id</th><th>name</th><th>n</th></tr>{ROWS}</table>",
    "no th": f"<table><tr><td>id</td><td>name</td><td>n</td></tr>{ROWS}</table>",
    "no end tags": "<table><tr><td>id<td>name<td>n<tr><td>007<td>a<td>1.5<tr><td>008<td>b<td>2</table>",
    "excel": EXCEL % f"<table x:str><tr><th>id<th><o:p>name</o:p><th>n</tr>{ROWS}</table></body></html>",
    "title": f"<table><tr><td colspan=3>Laporan</td></tr><tr><td>id<td>name<td>n{ROWS}</table>",
    "foot": f"<table><tr><th>id<th>name<th>n{ROWS}<tfoot><tr><td>sum<td><td>3.5</tfoot></table>",
    "note": f"<table><tr><th>id<th>name<th>n{ROWS}<tr><td colspan=3>Dicetak hari ini</table>",
    "repeated header": f"<table><tr><th>id<th>name<th>n{ROWS}<tr><th>id<th>name<th>n</table>",
    "groups": f"<table><tr><th rowspan=2>id<th colspan=2>Isi</tr><tr><th>name<th>n</tr>{ROWS}</table>",
    "inside of another": f"<table><tr><td><h1>x</h1><table><tr><th>id<th>name<th>n{ROWS}</table></td></tr></table>",
    "two of one kind": "".join(
        f"<table><tr><th>id<th>name<th>n<tr><td>{row}</table>" for row in ("007<td>a<td>1.5", "008<td>b<td>2")
    ),
    "controls inside": f"<table><tr><th>id<th>name<th>n{ROWS.replace('<td>a', '<td><input type=checkbox>a')}</table>",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_rows(tmp_path: Path, layout: str) -> None:
    frame = table(tmp_path / "f", LAYOUTS[layout])

    assert frame.columns == ["id", "name", "n"]
    assert frame.rows() == [("007", "a", 1.5), ("008", "b", 2.0)]


def test_cells_are_read_as_a_person_sees_them(tmp_path: Path) -> None:
    cells = "<td>a&nbsp;&amp;\n  <b>b</b><br>c</td><td><p>x</p><p>y</p></td><td>&nbsp;</td><td><script>no()</script>z"

    frame = table(tmp_path / "f", f"<table><tr><th>a<th>b<th>c<th>d</tr><tr>{cells}</td></tr></table>")

    assert frame.row(0) == ("a & b\nc", "x\ny", None, "z")


def test_a_cell_over_several_rows_is_in_each_and_one_over_several_columns_in_the_first(tmp_path: Path) -> None:
    html = "<table><tr><th>id<th>a<th>b<tr><td rowspan=2>1<td>x<td>y<tr><td colspan=2>z<tr><td>2<td>u<td>v</table>"

    assert table(tmp_path / "f", html).rows() == [(1, "x", "y"), (1, "z", None), (2, "u", "v")]


def test_names_that_stand_twice_get_the_name_of_their_group(tmp_path: Path) -> None:
    html = "<table><tr><th rowspan=2>id<th colspan=2>Beli<th colspan=2>Jual<tr><th>n<th>total<th>n<th>total"

    frame = table(tmp_path / "f", html + "<tr><td>1<td>2<td>3<td>4<td>5</table>")

    assert frame.columns == ["id", "Beli n", "Beli total", "Jual n", "Jual total"]


@pytest.mark.parametrize("row", ["", "<tr><td colspan=2>Tidak ada data</td></tr>", "<tr></tr>", "<tbody></tbody>"])
def test_a_table_with_only_a_header_is_an_empty_day(tmp_path: Path, row: str) -> None:
    frame = table(tmp_path / "f", f"<table><thead><tr><th>id</th><th>n</th></tr></thead>{row}</table>")

    assert (frame.height, frame.columns) == (0, ["id", "n"])


def test_digits_that_are_marked_as_text_stay_text(tmp_path: Path) -> None:
    styled = "<td style='mso-number-format:\"\\@\"'>62812</td><td class=t>1</td><td>5</td>"

    frame = table(
        tmp_path / "f",
        "<html><style>.t{mso-number-format:'\\@'}</style>"
        f"<table><tr><th>phone<th>code<th>n<tr>{styled}</tr></table></html>",
    )

    assert frame.row(0) == ("62812", "1", 5)


def test_the_table_with_the_key_is_taken_and_else_the_largest(tmp_path: Path) -> None:
    html = (
        "<table><tr><th>a<th>b<th>c<tr><td>1<td>2<td>3<tr><td>4<td>5<td>6</table>"
        "<table><tr><th>id<th>b<tr><td>1<td>2</table>"
    )

    assert table(tmp_path / "f", html, text_columns=("id",)).columns == ["id", "b"]
    assert table(tmp_path / "f", html).columns == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", ""), ("utf-8-sig", "utf-8"), ("utf-16", ""), ("utf-8", "iso-8859-1"), ("cp1255", "windows-1255")],
)
def test_the_encoding_is_told_by_mark_bytes_and_meta(tmp_path: Path, encoding: str, said: str) -> None:
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={said}">' if said else ""
    html = f"<html><head>{meta}</head><table><tr><th>שם<th>n<tr><td>דוד<td>1</table></html>"

    assert table(tmp_path / "f", html.encode(encoding)).to_dicts() == [{"שם": "דוד", "n": 1}]


LOGIN = "<form><input name=u><input type=password><button>Masuk</button></form>"
PAGES = {
    "login": f"<html><title>Masuk</title>{LOGIN}</html>",
    "login in a table": f"<html><title>Masuk</title><table><tr><td>{LOGIN}</td><td>x</td></tr></table></html>",
    "login beside a table": f"<html><title>Masuk</title>{LOGIN}{LAYOUTS['thead']}</html>",
    "list with a button": f"<html><title>Masuk</title><button>Keluar</button>{LAYOUTS['thead']}</html>",
    "error": "<html><title>Masuk</title><h1>500</h1><p>Gagal</p></html>",
    "error in a frame": "<html><title>Masuk</title><table><tr><td>Gagal</td></tr></table></html>",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_for_people_is_never_a_table(tmp_path: Path, page: str) -> None:
    path = saved(tmp_path / "f", PAGES[page])

    for read in (prove, lambda file: list(read_table(file))):
        with pytest.raises(SourceChanged, match='expected a table, got an HTML page titled "Masuk"'):
            read(path)


def test_a_table_cut_at_any_place_is_a_broken_download_or_no_table(tmp_path: Path) -> None:
    whole = EXCEL % LAYOUTS["thead"] + "</body></html>"
    for size in range(10, whole.index("</table>") + 7, 3):
        with pytest.raises((TransientError, SourceChanged)):
            prove(saved(tmp_path / "f", whole[:size]))
        if "<tr" in whole[:size]:
            with pytest.raises(TransientError, match="broken download"):
                prove(tmp_path / "f")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("<tr><td>1", "row 2 of the table has 1 cells, the header has 2"),
        ("<tr><td>1<td>2<td>3", "row 2 of the table has 3 cells"),
        ("<tr>" + "<td colspan=1000>" * 17, "span more places than a table has"),
    ],
)
def test_rows_that_do_not_fit_the_header_are_refused(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(SourceChanged, match=message):
        prove(saved(tmp_path / "f", f"<table><tr><th>a<th>b<tr><td>1<td>2{row}</table>"))


def test_rows_that_span_to_fill_memory_are_refused(tmp_path: Path) -> None:
    wide = "<td rowspan=65000 colspan=1000>" * 16
    html = f"<table><tr>{'<th colspan=1000>x' * 16}<tr>{wide}{'<tr><td>' * 3000}</table>"

    with pytest.raises(SourceChanged):
        prove(saved(tmp_path / "f", html))


def test_a_large_table_comes_in_frames_of_one_schema(tmp_path: Path) -> None:
    rows = "".join(f"<tr><td>{row:06}</td><td>{row}</td></tr>\n" for row in range(51_000))

    frames = list(read_table(saved(tmp_path / "f", f"<table><tr><th>id<th>n</tr>{rows}</table>")))

    assert [frame.height for frame in frames] == [50_000, 1_000]
    assert pl.concat(frames)["n"].to_list() == list(range(51_000))


PIECES = "<table>|</table>|<tr>|<td>|<th>|</tr>|<td rowspan=0>|<td colspan=99>|a|&nbsp;|<br>|<thead>|<tfoot>|<form>"
PIECES += "|<input>|<!--|-->|<style>|</style>|<|\x00|é|<p>"


@settings(deadline=None, max_examples=150)
@given(body=some.lists(some.sampled_from(PIECES.split("|")), max_size=40).map("".join))
def test_any_markup_ends_in_rows_or_in_an_error_of_ours(tmp_path_factory: pytest.TempPathFactory, body: str) -> None:
    path = saved(tmp_path_factory.mktemp("h") / "f", "<html><table><tr><th>a<th>b<tr><td>1<td>2" + body + "</table>")
    try:
        prove(path)
    except BackhaulError:
        return

    assert pl.concat(read_table(path)).width >= 1
