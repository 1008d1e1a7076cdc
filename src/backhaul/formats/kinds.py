"""What a file is, told from its bytes: names, endings and headers lie."""

from __future__ import annotations

import html
import re
import zipfile
import zlib
from enum import StrEnum
from pathlib import Path
from struct import error as StructError

HEAD_BYTES = 64 * 1024
"""How much of a file's beginning is looked at."""

ZIP_ERRORS = (zipfile.BadZipFile, StructError, ValueError, NotImplementedError, EOFError, OverflowError, OSError)
"""What `zipfile` raises for a directory that is damaged or that it does not understand.

OSError: an offset before the file's start makes the operating system refuse the seek.
"""

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_BIFF = (b"\x09\x08\x10\x00\x00\x06", b"\x09\x08\x08\x00\x00\x05", b"\x09\x04\x06\x00\x00\x00")
_WORKBOOK = "xl/workbook.xml"
_HTML_START = re.compile(
    r"(<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(!doctype\s+html|html|head|title|meta|style|body|center|table|div)\b", re.S
)
_JSON_START = re.compile(r'\{\s*["}]|\[\s*(["{\[\]]|-?\d|true\b|false\b|null\b)')
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")


class FileKind(StrEnum):
    """The kinds of file that sites serve as an export."""

    XLSX = "xlsx"
    DELIMITED = "delimited"
    HTML = "html"
    XLS = "xls"
    PDF = "pdf"
    JSON = "json"
    PGDUMP = "pgdump"
    CHAT = "chat"
    UNKNOWN = "unknown"
    EMPTY = "empty"


def kind_of(path: Path) -> FileKind:
    """Return what the bytes of path are; a file of white space alone is EMPTY, a zip cut short is XLSX.

    CHAT is an exported chat, also in a zip; one whose lines begin as a log file's could is DELIMITED.
    DELIMITED is any other text; whether it holds a table shows when it is read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _kind_of_zip(path)
    if head.startswith((_OLE, *_BIFF)):
        return FileKind.XLS
    if head.startswith(b"PGDMP"):
        return FileKind.PGDUMP
    if b"%PDF-" in head[:1024]:
        return FileKind.PDF
    return _kind_of_text(head)


def html_title(path: Path) -> str:
    """Return the title of the HTML page in path on one line, at most 80 characters; "" if it has none."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    found = re.search(r"<title[^>]*>(.*?)</title", _decoded(head), re.S | re.I)
    return " ".join(html.unescape(found[1]).split())[:80] if found else ""


def bom_of(head: bytes) -> tuple[int, str] | None:
    """Return length and encoding of the byte order mark that head begins with, or None."""
    for mark, encoding in _BOMS:
        if head.startswith(mark):
            return len(mark), encoding
    return None


def member_names(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return the members of archive by name, in lower case and with forward slashes."""
    return {info.filename.replace("\\", "/").lstrip("/").lower(): info for info in archive.infolist()}


def _kind_of_zip(path: Path) -> FileKind:
    from backhaul.formats.chat.text import holds_chat

    try:
        with zipfile.ZipFile(path) as archive:
            if _WORKBOOK in member_names(archive):
                return FileKind.XLSX
            return FileKind.CHAT if holds_chat(archive) else FileKind.UNKNOWN
    except (*ZIP_ERRORS, zlib.error):
        return FileKind.XLSX


def _kind_of_text(head: bytes) -> FileKind:
    from backhaul.formats.chat.text import is_chat

    text = _decoded(head)
    start = text.strip()
    if not start and len(head) < HEAD_BYTES:
        return FileKind.EMPTY
    if len(_CONTROLS.findall(text)) * 100 > len(text) or "\0" in text:
        return FileKind.UNKNOWN
    if is_chat(start):
        return FileKind.CHAT
    if _HTML_START.match(start[:4096].lower()) or (start.startswith("<") and "<html" in start[:4096].lower()):
        return FileKind.HTML
    if _JSON_START.match(start):
        return FileKind.JSON
    return FileKind.UNKNOWN if start.startswith("<?xml") else FileKind.DELIMITED


def _decoded(head: bytes) -> str:
    mark = bom_of(head)
    if mark is None:
        return head.decode("utf-8", errors="replace")
    length, encoding = mark
    return head[length:].decode(encoding, errors="replace")
