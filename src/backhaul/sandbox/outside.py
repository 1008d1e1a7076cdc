"""Everything outside that the bundled systems talk to, on this machine: for `demo`, tests, and trying by hand."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

from backhaul.sandbox.office.server import SandboxBackOffice
from backhaul.sandbox.sheets.book import Book
from backhaul.sandbox.sheets.server import SandboxSheets
from backhaul.sandbox.telegram.bot_api import SandboxTelegram

SHEETS = {
    "SHEET_TRANSAKSI": "Transaksi",
    "SHEET_POINT_TRX": "Point Transaction",
    "SHEET_USER": "User",
    "SHEET_PEMBAYARAN_KOIN": "Pembayaran Koin",
}
"""The spreadsheets of system A: the setting that names each, and its title."""


class Outside:
    """A back office, Google Sheets with empty spreadsheets shared with a robot, and a Telegram group; in a `with`."""

    def __init__(self, office: SandboxBackOffice | None = None) -> None:
        self.office = office or SandboxBackOffice()
        self.sheets = SandboxSheets()
        self.telegram = SandboxTelegram()
        self.books: dict[str, Book] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Outside:
        for service in (self.office, self.sheets, self.telegram):
            self._stack.enter_context(service)
        self.books = {name: self.sheets.add_spreadsheet(title) for name, title in SHEETS.items()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def settings(self) -> dict[str, str]:
        """What an installation's `.env` says to reach all of it."""
        return {
            "BACKEND_URL": self.office.url,
            "BACKEND_USERNAME": self.office.username,
            "BACKEND_PASSWORD": self.office.password,
            "GOOGLE_SERVICE_ACCOUNT_JSON": self.sheets.service_account(),
            "GOOGLE_API_URL": self.sheets.url,
            **{name: book.url for name, book in self.books.items()},
            "TELEGRAM_TOKEN": self.telegram.token,
            "TELEGRAM_CHAT_ID": str(self.telegram.chat_id),
            "TELEGRAM_API_URL": self.telegram.url,
        }
