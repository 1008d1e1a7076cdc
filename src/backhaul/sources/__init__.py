"""The places to haul from: one module each."""

from backhaul.sources.back_office import BackOffice
from backhaul.sources.drop_folder import DropFolder
from backhaul.sources.dropbox.tables import ArchiveTable
from backhaul.sources.dropbox_folder import DropboxFolder
from backhaul.sources.google_sheet_table import GoogleSheetTable

__all__ = ["ArchiveTable", "BackOffice", "DropFolder", "DropboxFolder", "GoogleSheetTable"]
