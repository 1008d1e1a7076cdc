"""The four export pages of the sandbox: where they are, and how their fields and buttons are called."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from backhaul.sandbox.office.data import PEMBAYARAN_KOIN, POINT_TRX, TRANSAKSI, USER


class Variant(StrEnum):
    """How the export pages work."""

    STANDARD = "standard"
    """Forms that the server renders and answers."""
    SCRIPT = "script"
    """The last two pages download by script, behind a question."""
    LINKS = "links"
    """A filtered list whose address carries the dates, with a download link in a menu."""
    BACKGROUND = "background"
    """The file is prepared behind a waiting page that has to be asked again."""
    HTML = "html"
    """As standard, and the files are HTML tables named .xls."""
    XLS = "xls"
    """As standard, and the files are workbooks of old Excel."""
    PDF = "pdf"
    """As standard, and the files are PDF documents."""
    CSV = "csv"
    """As standard, and the files are comma-separated text."""
    JSON = "json"
    """As standard, and the files are JSON."""


class Way(StrEnum):
    """How one page gives its file."""

    POST_FORM = "post-form"
    """A form to an address of its own."""
    FORMACTION = "formaction"
    """A GET form whose export button names another address than the form."""
    OUTSIDE_BUTTON = "outside-button"
    """A button that stands outside its form and is tied to it by `form=`."""
    NAMED_BUTTON = "named-button"
    """A form back to the page itself; the clicked button's name and value ask for the file."""
    SCRIPT = "script"
    LINK = "link"


@dataclass(frozen=True)
class DateField:
    """A date input: scripts and people may find it by its id, the server reads it by its name."""

    name: str
    id: str


@dataclass(frozen=True)
class ExportPage:
    """One page with two dates and an export button, and the stream that it exports."""

    path: str
    stream: str
    title: str
    way: Way
    start: DateField
    end: DateField
    button_class: str
    button_text: str = "Export"

    @property
    def file_path(self) -> str:
        """Where the file is asked for."""
        return self.path if self.way is Way.NAMED_BUTTON else f"{self.path}/unduh"

    @property
    def file_method(self) -> str:
        """The only method that gives the file."""
        return "GET" if self.way in (Way.FORMACTION, Way.LINK) else "POST"


# The buttons called pdf are so on the site that this one stands for; they download XLSX.
_SPELT_PDF = "btn btn-success m3 expot-pdf"

_PAGES = (
    ExportPage(
        path="/transaksi/index-export",
        stream=TRANSAKSI,
        title="Export Transaksi",
        way=Way.POST_FORM,
        start=DateField("start_date", "start_date"),
        end=DateField("end_date", "end_date"),
        button_class="btn btn-primary",
    ),
    ExportPage(
        path="/point_transaction",
        stream=POINT_TRX,
        title="Transaksi Poin",
        way=Way.FORMACTION,
        start=DateField("start", "start"),
        end=DateField("end", "end"),
        button_class=_SPELT_PDF,
    ),
    ExportPage(
        path="/user-front",
        stream=USER,
        title="Pengguna",
        way=Way.OUTSIDE_BUTTON,
        start=DateField("dari", "filter-start"),
        end=DateField("sampai", "filter-end"),
        button_class=_SPELT_PDF,
    ),
    ExportPage(
        path="/koin_pay",
        stream=PEMBAYARAN_KOIN,
        title="Pembayaran Koin",
        way=Way.NAMED_BUTTON,
        start=DateField("tgl_awal", "filter-start"),
        end=DateField("tgl_akhir", "filter-end"),
        button_class=_SPELT_PDF,
    ),
)


def export_pages(variant: Variant) -> tuple[ExportPage, ...]:
    """Return the pages as they are in a variant, in the order of the menu."""
    if variant is Variant.LINKS:
        return tuple(replace(page, way=Way.LINK) for page in _PAGES)
    if variant is Variant.SCRIPT:
        return _PAGES[:2] + tuple(replace(page, way=Way.SCRIPT) for page in _PAGES[2:])
    return _PAGES


def with_changed_button(page: ExportPage) -> ExportPage:
    """Return the page after a redesign that called the button something else."""
    return replace(page, button_class="tombol-unduh", button_text="Unduh Laporan")


def with_changed_fields(page: ExportPage) -> ExportPage:
    """Return the page after a redesign that called the dates something else; the server reads both names."""
    return replace(
        page,
        start=DateField("periode_awal", "periode-awal"),
        end=DateField("periode_akhir", "periode-akhir"),
    )
