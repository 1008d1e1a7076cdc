"""A workbook on disk: opened with errors that a person can act on, and only changed if nothing in it gets lost."""

from __future__ import annotations

import contextlib
import errno
import io
import re
import threading
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backhaul.errors import ConfigError, DeliveryError, TransientError
from backhaul.formats import FileKind, kind_of

_KEPT = re.compile(
    r"\[Content_Types\]\.xml|_rels/\.rels|docProps/\w+\.\w+|xl/_rels/workbook\.xml\.rels"
    r"|xl/(workbook|styles|sharedStrings|calcChain)\.xml|xl/theme/theme\d+\.xml|xl/externalLinks/.+"
    r"|xl/worksheets/(_rels/)?sheet\d+\.xml(\.rels)?|xl/tables/table\d+\.xml|xl/comments/?\w*\.xml"
    r"|xl/drawings/\w+\.vml|xl/printerSettings/.+|.+/",
    re.I,
)
"""What openpyxl reads and writes again, and printer settings, which Excel makes anew."""

_NAMES = (
    ("vba|macro", "macros"),
    ("chart", "charts"),
    ("pivot", "pivot tables"),
    ("slicer|timeline", "slicers"),
    ("media|drawing", "pictures, shapes or text boxes"),
    ("threaded|person", "threaded comments"),
    ("ctrl|activex", "buttons or other controls"),
    ("embed", "embedded documents"),
    ("quer|connection|model", "queries or connections"),
    ("docmetadata", "a sensitivity label"),
    ("customxml", "data of other programs (customXml)"),
    ("metadata|richdata", "formulas that fill several cells, or pictures in cells"),
)
_KEPT_ELEMENTS = re.compile(
    "sheetPr|dimension|sheetViews|sheetFormatPr|cols|sheetData|sheetCalcPr|sheetProtection|scenarios|autoFilter"
    "|mergeCells|phoneticPr|conditionalFormatting|dataValidations|hyperlinks|printOptions|pageMargins|pageSetup"
    "|headerFooter|rowBreaks|colBreaks|ignoredErrors|legacyDrawing|tableParts|drawing|controls"
)
"""The parts of a sheet that are written again; what `drawing` and `controls` stand for is told from other members."""

_ELEMENT_NAMES = {
    "extLst": "sparklines, data bars, or rules that look at other tabs",
    "legacyDrawingHF": "pictures in headers or footers",
    "protectedRanges": "ranges that only some people may change",
    "customSheetViews": "views of one's own",
}
_FONT_RUN = re.compile(rb"<(\w+:)?r>")
_HARMLESS = ("Workbook contains no default style",)
_LOADING = threading.Lock()
"""Python keeps one list of warnings for all threads."""


def check_name(path: Path, name: str) -> None:
    """Raise ConfigError unless path is named as a workbook without macros."""
    if path.suffix.lower() != ".xlsx":
        raise ConfigError(
            f"{name}: {path.name} is not named .xlsx", next_step="Name a workbook, such as orders.xlsx."
        )


def refuse_open_file(path: Path, name: str) -> None:
    """Raise TransientError while somebody has the workbook open in Excel or LibreOffice."""
    marks = [path.with_name(f"~${path.name}"), path.with_name(f".~lock.{path.name}#")]
    if found := [mark.name for mark in marks if mark.exists()]:
        raise TransientError(
            f"{name}: {path.name} is open in another program",
            next_step=f"Close it in Excel; it is delivered next time. If nobody has it open, delete {found[0]}.",
        )


def refuse_losses(path: Path, name: str) -> None:
    """Raise DeliveryError if the workbook has anything that writing it would lose."""
    with _damage_told(path, name), zipfile.ZipFile(path) as archive:
        others = [member for member in archive.namelist() if not _KEPT.fullmatch(member)]
        lost = {_named(member) for member in others if not _is_empty_drawing(archive, member)}
        for member in archive.namelist():
            if re.fullmatch(r"xl/worksheets/[^/]+\.xml", member):
                elements = {each for each in _elements(archive, member) if not _KEPT_ELEMENTS.fullmatch(each)}
                lost |= {_ELEMENT_NAMES.get(each, each) for each in elements}
    if lost:
        _refuse(path, name, lost)


def opened(path: Path, name: str) -> Any:
    """Return the openpyxl workbook in path, to be read row by row and closed.

    Raises DeliveryError if it is none, or damaged.
    """
    openpyxl = library()
    _refuse_other_kinds(path, name)
    # It tells of what it leaves out, which does not matter to a reader.
    warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")
    with _damage_told(path, name):
        return openpyxl.load_workbook(path, read_only=True)


def rows_of(sheet: Any, path: Path, name: str) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield number (from 1) and cells of each row of a tab that `opened` has opened."""
    sheet.reset_dimensions()
    rows, number = sheet.iter_rows(), 0
    while True:
        with _damage_told(path, name):
            cells = next(rows, None)
        if cells is None:
            return
        yield (number := number + 1), cells


def loaded(path: Path, name: str) -> Any:
    """Return the openpyxl workbook in path, to be changed.

    Raises DeliveryError if it is none, damaged, or if writing it would lose anything of it.
    """
    openpyxl = library()
    _refuse_other_kinds(path, name)
    refuse_losses(path, name)
    with _LOADING, _damage_told(path, name), warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        book = openpyxl.load_workbook(path, rich_text=_has_text_in_several_fonts(path))
    lost = [str(each.message) for each in told if not str(each.message).startswith(_HARMLESS)]
    if lost:
        _refuse(path, name, {"headers or footers" if "footer" in each else "dates or ranges" for each in lost})
    return book


def _refuse_other_kinds(path: Path, name: str) -> None:
    if (kind := kind_of(path)) is not FileKind.XLSX:
        found = "an old workbook, or one with a password" if kind is FileKind.XLS else "no workbook"
        raise DeliveryError(
            f"{name}: {path.name} is {found}",
            next_step="Save it as an Excel workbook (.xlsx) without a password, or move it away.",
        )


def save(book: Any, path: Path) -> None:
    """Write the workbook to path. Raises OSError."""
    from lxml.etree import SerialisationError

    # openpyxl leaves a file open that it could not finish.
    whole = io.BytesIO()
    try:
        book.save(whole)
    except SerialisationError as error:
        # openpyxl writes each sheet to a temporary file first; lxml names its trouble in its own way.
        raise OSError(errno.ENOSPC, f"the temporary file could not be written ({error})") from None
    path.write_bytes(whole.getbuffer())


def library() -> Any:
    """Return openpyxl. Raises ConfigError naming the extra if it is not installed."""
    try:
        import openpyxl
    except ImportError:
        raise ConfigError(
            "an Excel workbook needs a package that is not installed",
            next_step='Install it: pip install "backhaul[excel]"',
        ) from None
    return openpyxl


@contextlib.contextmanager
def _damage_told(path: Path, name: str) -> Iterator[None]:
    from lxml.etree import XMLSyntaxError

    damage = (
        zipfile.BadZipFile,
        zlib.error,
        XMLSyntaxError,
        SyntaxError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        NotImplementedError,
    )
    try:
        yield
    except damage:
        raise DeliveryError(
            f"{name}: {path.name} is damaged and cannot be read; nothing was changed",
            next_step="Open it in Excel and save it, restore it from a copy, or move it away to begin a new one.",
        ) from None


def _refuse(path: Path, name: str, lost: set[str]) -> None:
    raise DeliveryError(
        f"{name}: {path.name} holds what would be lost when it is written: {', '.join(sorted(lost))};"
        " nothing was changed",
        next_step="Deliver to a workbook without them, and let this one take its values from there by formulas.",
    )


def _named(member: str) -> str:
    return next((words for part, words in _NAMES if re.search(part, member, re.I)), member)


def _has_text_in_several_fonts(path: Path) -> bool:
    """Return whether any cell has; reading them takes nearly twice the time."""
    with zipfile.ZipFile(path) as archive:
        texts = (name for name in archive.namelist() if re.search(r"sharedStrings|worksheets/[^/]+\.xml", name))
        return any(_FONT_RUN.search(archive.read(name)) for name in texts)


def _is_empty_drawing(archive: zipfile.ZipFile, member: str) -> bool:
    """Return whether it is one of those with nothing in them that Google Sheets puts into each download."""
    from lxml import etree

    if not re.fullmatch(r"xl/drawings/(_rels/)?drawing\d+\.xml(\.rels)?", member):
        return False
    return not len(etree.fromstring(archive.read(member), etree.XMLParser(resolve_entities=False)))


def _elements(archive: zipfile.ZipFile, member: str) -> set[str]:
    """Return the names of the elements of a sheet; its rows are not looked through."""
    from lxml import etree

    sheet = archive.read(member)
    start, end = sheet.find(b"<sheetData"), sheet.rfind(b"</sheetData>")
    if 0 <= start < end:
        sheet = sheet[:start] + sheet[end + len(b"</sheetData>") :]
    root = etree.fromstring(sheet, etree.XMLParser(resolve_entities=False, huge_tree=True))
    return {etree.QName(element).localname for element in root.iterchildren("{*}*")}
