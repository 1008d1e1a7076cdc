"""Every source passes the contract."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from backhaul import BackOffice, FormLogin
from backhaul.model import Stream
from backhaul.sandbox import SandboxBackOffice
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
