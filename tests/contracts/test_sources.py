"""Every source passes the contract."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from backhaul import BackOffice, FormLogin
from backhaul.config import resolved
from backhaul.model import Stream
from backhaul.retry import Budget
from backhaul.sandbox import SandboxBackOffice, SandboxSheets
from backhaul.sandbox.dropbox.service import SandboxDropbox
from backhaul.sessions.google.access import Patience
from backhaul.sources import DropboxFolder, DropFolder, GoogleSheetTable
from backhaul.testing import SourceContract


class TestBackOfficeByHttp(SourceContract):
    driver = "http"

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        with SandboxBackOffice() as office:
            login = FormLogin("/login", username=office.username, password=office.password)
            source = BackOffice(office.url, login, driver=self.driver)
            yield source.export(
                "transaksi",
                key="Transaksi ID",
                page="/transaksi/index-export",
                dates=('input[name="start_date"]', 'input[name="end_date"]'),
                button='button:has-text("Export")',
                timeout_s=10,
            )


@pytest.mark.browser
class TestBackOfficeByBrowser(TestBackOfficeByHttp):
    driver = "browser"


class TestDropFolder(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "orders.csv"
            file.write_text("Order ID,total\n007,5\n008,9\n", encoding="utf-8")
            os.utime(file, (1_757_600_000, 1_757_600_000))
            yield DropFolder(folder).files("orders", key="Order ID", pattern="*.csv")


class TestDropboxFolder(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        with SandboxDropbox() as dropbox:
            dropbox.put_file("orders.csv", b"Order ID,total\n007,5\n008,9\n")
            quick = Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.05)
            source = resolved(DropboxFolder(budget=quick), dropbox.settings)
            yield source.newest("orders", key="Order ID", pattern="*.csv")


class TestDropboxFolderOnThisMachine(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "orders.csv"
            file.write_text("Order ID,total\n007,5\n008,9\n", encoding="utf-8")
            os.utime(file, (1_757_600_000, 1_757_600_000))
            yield DropboxFolder(local=folder).newest("orders", key="Order ID", pattern="*.csv")


class TestGoogleSheetTable(SourceContract):
    uses_window = False

    @contextmanager
    def outside(self) -> Iterator[Stream]:
        with SandboxSheets() as sheets:
            book = sheets.add_spreadsheet()
            book.add_tab("main")
            book.fill("main", [["phone", "name", "lesson"], ["055-0000001", "Dana", 5], [972550000002, "Omer", 9]])
            quick = Patience(attempts=2, first_wait_s=0.01, longest_wait_s=0.05)
            source = GoogleSheetTable(book.url, account=sheets.service_account(), api_url=sheets.url, patience=quick)
            yield source.table("roster", key="phone")
