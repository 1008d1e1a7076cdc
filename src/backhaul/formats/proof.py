"""The proof that a download is whole and of a kind that can be read, before anything trusts it."""

from __future__ import annotations

import re
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

from backhaul.errors import SourceChanged, TransientError
from backhaul.formats.extent import check_extent
from backhaul.formats.kinds import ZIP_ERRORS, FileKind, kind_of, member_names
from backhaul.formats.text import TAIL_BYTES, Layout, layout_of

MAX_UNPACKED_BYTES = 4 * 1024**3
"""The most that a workbook may unpack to; 1,000,000 rows x 10 columns are about 0.5 GB."""

MAX_RATIO = 250
"""How many times larger than its packed size a workbook may be; honest ones stay under 100."""

FREE_BYTES = 32 * 1024**2
"""Up to here the ratio does not matter: small sheets of equal cells pack very well."""

_SHEETS = "xl/worksheets/sheet"
_STEP_BYTES = 1024**2
_LOCAL_HEADER_BYTES = 30
_SHEET_TARGET = re.compile(rb"""Target\s*=\s*["']([^"']*worksheets/[^"']+)["']""", re.I)
_BOMB = "The file is not read, because it would fill memory; open the export by hand and ask the site's owner."


def prove(path: Path) -> None:
    """Return if path is whole and can be read; read nothing into memory as a whole.

    Raises TransientError for what looks like a broken download (empty, cut off, damaged), SourceChanged for
    what is no table (an HTML page, another kind of file, a decompression bomb).
    """
    match kind_of(path):
        case FileKind.XLSX:
            _prove_workbook(path)
        case FileKind.DELIMITED:
            _prove_text(path, layout_of(path))
        case FileKind.XLS:
            from backhaul.formats.legacy import check_legacy

            check_legacy(path)
        case FileKind.HTML:
            from backhaul.formats.html_table import check_html_table

            check_html_table(path)
        case FileKind.JSON:
            from backhaul.formats.json_table import check_json

            check_json(path)
        case FileKind.PDF:
            from backhaul.formats.pdf_proof import check_pdf

            check_pdf(path)
        case FileKind.PGDUMP:
            from backhaul.formats.pgdump import prove_archive

            prove_archive(path)
        case FileKind.CHAT:
            from backhaul.formats.chat import prove_chat

            prove_chat(path)
        case kind:
            refuse(path, kind)


def refuse(path: Path, kind: FileKind) -> None:
    """Raise the error that says why a file of this kind is no table that can be read."""
    name = path.name
    if kind is FileKind.EMPTY:
        raise TransientError(f"{name}: the file is empty ({path.stat().st_size} bytes), a broken download")
    found = "a zip archive without a workbook" if zipfile.is_zipfile(path) else "binary data of no known kind"
    raise SourceChanged(f"{name}: expected a table, got {found}")


def check_workbook(path: Path) -> None:
    """Check that the workbook in path has its sheets and no password, as far as its directory tells.

    Raises TransientError if it is damaged or a sheet is missing, SourceChanged if it is locked or announces a
    bomb.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = member_names(archive)
            _refuse_bomb(path, sum(info.file_size for info in members.values()))
            if any(info.flag_bits & 1 for info in members.values()):
                raise SourceChanged(f"{path.name}: the workbook is locked with a password")
            relations = members.get("xl/_rels/workbook.xml.rels")
            targets = _SHEET_TARGET.findall(archive.read(relations)) if relations else []
    except (*ZIP_ERRORS, zlib.error) as error:
        raise _broken(path, "the zip archive is cut off or damaged") from error
    wanted = {_sheet_name(target) for target in targets}
    if missing := len(wanted - set(members)):
        raise _broken(path, f"{missing} of {len(wanted)} sheets are missing")
    if not wanted and not any(name.startswith(_SHEETS) for name in members):
        raise _broken(path, "no sheet is in it")


def _prove_workbook(path: Path) -> None:
    check_workbook(path)
    total = 0
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        for info in archive.infolist():
            total += _prove_member(path, file, info, total)
        try:
            for name, info in member_names(archive).items():
                if name.startswith(_SHEETS):
                    check_extent(path, archive, info)
        except ZIP_ERRORS as error:
            raise _broken(path, "a part of the workbook is damaged") from error


def _prove_member(path: Path, file: BinaryIO, info: zipfile.ZipInfo, before: int) -> int:
    """Return the true unpacked size of a member, counted here, because the directory may lie about it."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise SourceChanged(f"{path.name}: the workbook is packed in a way that cannot be read")
    file.seek(info.header_offset)
    header = file.read(_LOCAL_HEADER_BYTES)
    if len(header) < _LOCAL_HEADER_BYTES or not header.startswith(b"PK\x03\x04"):
        raise _broken(path, "the zip archive is damaged")
    file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
    unpack = zlib.decompressobj(-zlib.MAX_WBITS) if info.compress_type == zipfile.ZIP_DEFLATED else None
    size = crc = 0
    left = info.compress_size
    while left and (packed := file.read(min(_STEP_BYTES, left))):
        left -= len(packed)
        while packed:
            try:
                data = unpack.decompress(packed, _STEP_BYTES) if unpack else packed
            except zlib.error as error:
                raise _broken(path, "a part of the workbook is damaged") from error
            packed = unpack.unconsumed_tail if unpack else b""
            size += len(data)
            crc = zlib.crc32(data, crc)
            _refuse_bomb(path, before + size)
    if left or size != info.file_size or crc != info.CRC or (unpack is not None and not unpack.eof):
        raise _broken(path, "a part of the workbook is damaged")
    return size


def _refuse_bomb(path: Path, unpacked: int) -> None:
    packed = path.stat().st_size
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > FREE_BYTES and unpacked > MAX_RATIO * packed):
        raise SourceChanged(
            f"{path.name}: {packed:,} bytes unpack to {unpacked:,} or more, a decompression bomb",
            next_step=_BOMB,
        )


def _prove_text(path: Path, layout: Layout) -> None:
    """Look at the last line: without an end and with too few fields, it was cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read()
    if layout.encoding.startswith("utf-16"):
        # A cut inside a character leaves an odd byte, which the layout has refused already.
        tail = tail.decode(layout.encoding, errors="replace").encode()
    last = tail.rpartition(b"\n")[2]
    fields = last.count(layout.separator.encode()) + 1
    if last.strip() and b"\n" in tail and b'"' not in last and fields < len(layout.columns):
        raise _broken(path, f"the last row has {fields} of {len(layout.columns)} fields and no line end")


def _sheet_name(target: bytes) -> str:
    name = target.decode("utf-8", errors="replace").replace("\\", "/").lower()
    return name.lstrip("/") if name.startswith("/") else f"xl/{name.removeprefix('./')}"


def _broken(path: Path, what: str) -> TransientError:
    return TransientError(f"{path.name}: a broken download of {path.stat().st_size:,} bytes, {what}")
