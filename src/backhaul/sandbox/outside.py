"""Everything outside that the bundled systems talk to, on this machine: for `demo`, tests, and trying by hand."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import TracebackType

from backhaul.engine.systems import bundled_systems
from backhaul.sandbox.dropbox.service import SandboxDropbox
from backhaul.sandbox.office.server import SandboxBackOffice
from backhaul.sandbox.school import SandboxSchool
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

STAFF, OWNER = 7_000_011, 7_000_012
"""The Telegram ids of two people of the shop."""


class Outside:
    """All that the bundled systems talk to; runs between `with` and its end.

    A back office, Google Sheets with empty spreadsheets shared with a robot, a Dropbox with the shop's backup of
    yesterday, and a Telegram with a group, a bot and two people of the shop. A school with its WhatsApp is there
    once somebody opens it.
    """

    def __init__(self, office: SandboxBackOffice | None = None) -> None:
        self.office = office or SandboxBackOffice()
        self.sheets = SandboxSheets()
        self.dropbox = SandboxDropbox()
        self.telegram = SandboxTelegram()
        self.books: dict[str, Book] = {}
        self.school: SandboxSchool | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Outside:
        for service in (self.office, self.sheets, self.dropbox, self.telegram):
            self._stack.enter_context(service)
        self.books = {name: self.sheets.add_spreadsheet(title) for name, title in SHEETS.items()}
        self.telegram.add_person(STAFF, name="Sari")
        self.telegram.add_person(OWNER, name="Hadi")
        self.upload_backup(0)
        return self

    def upload_backup(self, day: int) -> None:
        """Put the shop's backup into its folder, as the shop's computer does at night: 0 yesterday's, 1 today's."""
        sample = sorted((bundled_systems() / "toko" / "sample").glob("*.i5bu"))[day]
        uploaded = datetime.now(UTC) - timedelta(days=1 - day)
        name = f"i5_TOKO_{uploaded:%Y%m%d}.i5bu"
        self.dropbox.put_file(name, sample.read_bytes(), server_modified=uploaded)

    def open_school(self, mongo_url: str = "") -> SandboxSchool:
        """Start the school's WhatsApp and, without an address of one, a MongoDB, and let its first day pass.

        Raises TransientError where no program on this machine can stand in for MongoDB.
        """
        self.school = school = self._stack.enter_context(SandboxSchool(self.sheets, mongo_url=mongo_url))
        assert school.roster is not None and school.sales is not None
        self.books |= {"SHEET_ID": school.roster, "SALES_SHEET_ID": school.sales}
        school.live(0)
        return school

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
            **self.dropbox.settings,
            **(self.school.settings if self.school else {}),
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "ALLOWED_USERS": str(STAFF),
            "OWNER_USERS": str(OWNER),
            "TELEGRAM_TOKEN": self.telegram.token,
            "TELEGRAM_CHAT_ID": str(self.telegram.chat_id),
            "TELEGRAM_API_URL": self.telegram.url,
        }
