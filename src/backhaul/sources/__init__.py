"""The places to haul from: one module each."""

from backhaul.sources.back_office import BackOffice
from backhaul.sources.drop_folder import DropFolder
from backhaul.sources.dropbox.tables import ArchiveTable
from backhaul.sources.dropbox_folder import DropboxFolder
from backhaul.sources.google_sheet_table import GoogleSheetTable
from backhaul.sources.mongo_collection import MongoCollection
from backhaul.sources.whatsapp_exports import WhatsAppExports
from backhaul.sources.whatsapp_web import WhatsAppWeb

__all__ = [
    "ArchiveTable",
    "BackOffice",
    "DropFolder",
    "DropboxFolder",
    "GoogleSheetTable",
    "MongoCollection",
    "WhatsAppExports",
    "WhatsAppWeb",
]
