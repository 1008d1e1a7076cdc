"""File formats, told from bytes: prove that a file is whole, and read its rows as typed frames."""

from backhaul.formats.kinds import FileKind, kind_of
from backhaul.formats.proof import prove
from backhaul.formats.tables import read_table

__all__ = ["FileKind", "kind_of", "prove", "read_table"]
