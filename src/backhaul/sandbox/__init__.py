"""Stand-ins of outside services, over real sockets, for `backhaul demo` and for tests."""

from backhaul.sandbox.data import BUSY_DAY, KEYS
from backhaul.sandbox.exports import Variant
from backhaul.sandbox.faults import Fault, PlannedFault
from backhaul.sandbox.server import SandboxBackOffice
from backhaul.sandbox.sheets_book import Book, SheetCell
from backhaul.sandbox.sheets_faults import CallKind, SheetsFault
from backhaul.sandbox.sheets_server import SandboxSheets
from backhaul.sandbox.sheets_service import RecordedCall
from backhaul.sandbox.telegram import SandboxTelegram
from backhaul.sandbox.telegram_faults import PlannedTelegramFault, TelegramFault

__all__ = [
    "BUSY_DAY",
    "KEYS",
    "Book",
    "CallKind",
    "Fault",
    "PlannedFault",
    "PlannedTelegramFault",
    "RecordedCall",
    "SandboxBackOffice",
    "SandboxSheets",
    "SandboxTelegram",
    "SheetCell",
    "SheetsFault",
    "TelegramFault",
    "Variant",
]
