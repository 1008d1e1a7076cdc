"""Stand-ins of outside services, over real sockets, for `backhaul demo` and for tests."""

from backhaul.sandbox.dropbox.faults import DropboxFault, PlannedDropboxFault
from backhaul.sandbox.dropbox.service import SandboxDropbox
from backhaul.sandbox.office.data import BUSY_DAY, KEYS
from backhaul.sandbox.office.exports import Variant
from backhaul.sandbox.office.faults import Fault, PlannedFault
from backhaul.sandbox.office.server import SandboxBackOffice
from backhaul.sandbox.render.account import SandboxRender
from backhaul.sandbox.render.server import RenderFault
from backhaul.sandbox.sheets.book import Book, SheetCell
from backhaul.sandbox.sheets.faults import CallKind, SheetsFault
from backhaul.sandbox.sheets.server import SandboxSheets
from backhaul.sandbox.sheets.service import RecordedCall
from backhaul.sandbox.telegram.bot_api import SandboxTelegram
from backhaul.sandbox.telegram.faults import PlannedTelegramFault, TelegramFault
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp

__all__ = [
    "BUSY_DAY",
    "KEYS",
    "Book",
    "CallKind",
    "DropboxFault",
    "Fault",
    "PlannedDropboxFault",
    "PlannedFault",
    "PlannedTelegramFault",
    "RecordedCall",
    "RenderFault",
    "SandboxBackOffice",
    "SandboxDropbox",
    "SandboxRender",
    "SandboxSheets",
    "SandboxTelegram",
    "SandboxWhatsApp",
    "SheetCell",
    "SheetsFault",
    "TelegramFault",
    "Variant",
]
