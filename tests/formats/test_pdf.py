"""PDF tables: with lines and without, over pages; what has no table is refused, what is cut off is tried again."""

import subprocess
import sys
import zlib
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Table, TableStyle

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.formats import pdf_proof, pdf_table, prove, read_table

HEADER = ["ID", "Tanggal", "Nama", "Total", "Catatan"]
LINES = {
    "grid": [("GRID", (0, 0), (-1, -1), 0.5, colors.black)],
    "none": [],
    "stripes": [("ROWBACKGROUNDS", (0, 1), (-1, -1), [colors.white, colors.lightgrey])],
    "boxed header": [("GRID", (0, 0), (-1, 0), 0.5, colors.black)],
    "below rows": [("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.grey)],
}
STYLES = getSampleStyleSheet()


def made_up(rows: int) -> list[list[str]]:
    notes = ("x", "y", "a note so long that it has to be wrapped")
    return [
        [f"{row:04}", "2025-09-12", f"Pelanggan {row}", str(row * 100) if row % 5 else "", notes[row % 3]]
        for row in range(rows)
    ]


def flow(rows: Sequence[Sequence[str]], lines: str, *, valign: str = "TOP", repeat: int = 1) -> Table:
    cells = [HEADER, *([*row[:4], Paragraph(row[4])] for row in rows)]
    shown = Table(cells, repeatRows=repeat, colWidths=[60, 80, 120, 60, 120])
    shown.setStyle(TableStyle([("VALIGN", (0, 0), (-1, -1), valign), *LINES[lines]]))
    return shown


def document(path: Path, parts: Sequence[Any], **options: Any) -> Path:
    def number(canvas: Canvas, shown: Any) -> None:
        canvas.drawString(300, 20, f"Page {shown.page}")

    title = Paragraph("Laporan Transaksi", STYLES["Title"])
    pages = SimpleDocTemplate(str(path), pagesize=landscape(A4), **options)
    pages.build([title, *parts], onFirstPage=number, onLaterPages=number)
    return path


def table(path: Path, **options: Any) -> pl.DataFrame:
    prove(path)
    return pl.concat(read_table(path, **options))


def expected(rows: int) -> list[tuple[Any, ...]]:
    return [(r[0], date(2025, 9, 12), r[2], int(r[3]) if r[3] else None, r[4]) for r in made_up(rows)]


@pytest.mark.parametrize("lines", LINES)
def test_a_table_over_several_pages_comes_back_whole(tmp_path: Path, lines: str) -> None:
    frame = table(document(tmp_path / "f", [flow(made_up(60), lines)]))

    assert frame.columns == HEADER
    assert frame.rows() == expected(60)


@pytest.mark.parametrize("lines", ["grid", "none"])
@pytest.mark.parametrize(("valign", "repeat"), [("MIDDLE", 1), ("BOTTOM", 1), ("TOP", 0)])
def test_wrapped_cells_stay_in_their_row_wherever_the_others_stand(
    tmp_path: Path, lines: str, valign: str, repeat: int
) -> None:
    path = document(tmp_path / "f", [flow(made_up(40), lines, valign=valign, repeat=repeat)])

    assert table(path).rows() == expected(40)


@pytest.mark.parametrize("lines", ["grid", "none"])
def test_a_table_with_only_a_header_is_an_empty_day(tmp_path: Path, lines: str) -> None:
    frame = table(document(tmp_path / "f", [flow([], lines)]))

    assert (frame.height, frame.columns) == (0, HEADER)


def test_the_table_with_the_key_is_taken_and_else_the_largest(tmp_path: Path) -> None:
    small = Table([["Key", "Sum"], ["a", "1"]], style=LINES["grid"])
    path = document(tmp_path / "f", [small, PageBreak(), flow(made_up(5), "grid")])

    assert table(path, text_columns=("Key",)).rows() == [("a", 1)]
    assert table(path).height == 5


def test_a_document_without_a_table_is_refused(tmp_path: Path) -> None:
    path = document(tmp_path / "f", [Paragraph("A letter without any table. " * 50)])

    with pytest.raises(SourceChanged, match="no table in the PDF document of 1 pages"):
        table(path)


def test_a_picture_of_a_table_is_refused(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "f"))
    canvas.rect(100, 100, 300, 300)
    canvas.save()

    with pytest.raises(SourceChanged, match="no text, perhaps it is scanned"):
        table(tmp_path / "f")


def test_columns_that_run_into_each_other_are_refused_rather_than_guessed(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "f"))
    for line, y in ((("ID", "Nama", "Total"), 700), (("1", "a name far too long for its place", "5"), 686)):
        for x, text in zip((50, 90, 150), line, strict=True):
            canvas.drawString(x, y, text)
    canvas.save()

    with pytest.raises(SourceChanged, match="whose columns or rows are unclear"):
        table(tmp_path / "f")


def test_a_locked_document_is_refused_by_its_proof(tmp_path: Path) -> None:
    path = document(tmp_path / "f", [flow(made_up(3), "grid")], encrypt="open sesame")

    with pytest.raises(SourceChanged, match=r"locked \(encrypted\)"):
        prove(path)


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.7, 0.99])
def test_a_document_that_is_cut_off_is_a_broken_download(tmp_path: Path, kept: float) -> None:
    whole = document(tmp_path / "whole", [flow(made_up(30), "grid")]).read_bytes()
    (tmp_path / "f").write_bytes(whole[: int(len(whole) * kept)])

    with pytest.raises(TransientError, match="broken download"):
        prove(tmp_path / "f")


def test_an_end_that_points_to_nothing_is_a_broken_download(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"%PDF-1.4\nbut no document\nstartxref\n11\n%%EOF\n")

    with pytest.raises(TransientError, match="table of contents"):
        prove(tmp_path / "f")


def test_streams_that_unpack_to_gigabytes_are_refused(tmp_path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(16 * 1024**2)) for _ in range(20)) + packer.flush()
    body = b"%%PDF-1.4\n1 0 obj\n<< /Filter /FlateDecode /Length %d >>\nstream\n%b\nendstream\nendobj\n"
    body %= (len(packed), packed)
    (tmp_path / "f").write_bytes(body + b"xref\n0 1\ntrailer\n<<>>\nstartxref\n%d\n%%%%EOF\n" % len(body))

    with pytest.raises(SourceChanged, match="streams unpack to over 256 MB"):
        prove(tmp_path / "f")


def test_a_document_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = document(tmp_path / "f", [flow(made_up(3), "grid")])
    monkeypatch.setattr(pdf_proof, "MAX_BYTES", 1000)

    with pytest.raises(SourceChanged, match=r"a PDF document of .* bytes"):
        prove(path)


def test_reading_ends_after_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = document(tmp_path / "f", [flow(made_up(3), "grid")])
    monkeypatch.setattr(pdf_table, "MAX_SECONDS", 0.01)

    with pytest.raises(SourceChanged, match="takes over 0 s to read"):
        table(path)


def test_without_the_extra_a_document_is_proven_and_the_extra_is_named(tmp_path: Path) -> None:
    path = document(tmp_path / "f", [flow(made_up(3), "grid")])
    program = (
        "import importlib.util, sys\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'pdfplumber' else real(name, *rest)\n"
        "from pathlib import Path\n"
        "from backhaul.errors import ConfigError\n"
        "from backhaul.formats import prove, read_table\n"
        "prove(Path(sys.argv[1]))\n"
        "print('pdfplumber' in sys.modules, 'pdfminer' in sys.modules)\n"
        "try:\n"
        "    list(read_table(Path(sys.argv[1])))\n"
        "except ConfigError as error:\n"
        "    print(error.next_step)\n"
    )

    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)

    assert done.stdout.startswith("False False\n")
    assert 'pip install "backhaul[pdf]"' in done.stdout


def test_damaged_documents_end_in_an_error_of_ours_or_in_rows(tmp_path: Path) -> None:
    whole = document(tmp_path / "whole", [flow(made_up(3), "grid")]).read_bytes()
    for at in range(20, len(whole) - 60, len(whole) // 12):
        path = tmp_path / "f"
        path.write_bytes(whole[:at] + b"\xff[<</" + whole[at + 5 :])
        try:
            prove(path)
            frames = list(read_table(path))
        except BackhaulError as error:
            assert str(error).startswith("f: ")
        else:
            assert frames
