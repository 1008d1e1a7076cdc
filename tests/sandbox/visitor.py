"""A visitor of the sandbox back office: a plain HTTP client and lxml, no part of backhaul's own drivers."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import httpx
import lxml.html
import polars as pl

from backhaul.sandbox import SandboxBackOffice

DAY = "2025-09-12"
PAGES = ("/transaksi/index-export", "/point_transaction", "/user-front", "/koin_pay")


class Visitor:
    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def page(self, path: str) -> lxml.html.HtmlElement:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer
        return tree(answer)

    def post(self, path: str, fields: dict[str, str]) -> httpx.Response:
        return self.client.post(path, data=fields, headers={"Referer": str(self.client.base_url)})

    def token(self) -> str:
        return self.page("/dashboard").xpath("string(//meta[@name='csrf-token']/@content)")

    def sign_in(self, username: str, password: str, path: str = "/login") -> httpx.Response:
        form = self.page(path).forms[0]
        fields = dict(form.form_values()) | {"username": username, "password": password}
        return self.post("/login", fields)

    def export(self, path: str, start: str = DAY, end: str = DAY) -> httpx.Response:
        """Ask for a file as each page's own form does in the standard variant."""
        names = {
            "/transaksi/index-export": ("start_date", "end_date"),
            "/point_transaction": ("start", "end"),
            "/user-front": ("dari", "sampai"),
            "/koin_pay": ("tgl_awal", "tgl_akhir"),
        }[path]
        fields = dict(zip(names, (start, end), strict=True))
        if path == "/point_transaction":
            return self.client.get(f"{path}/unduh", params=fields)
        fields |= {"_token": self.token()}
        if path == "/koin_pay":
            return self.post(path, fields | {"aksi": "export"})
        return self.post(f"{path}/unduh", fields)


def tree(answer: httpx.Response) -> lxml.html.HtmlElement:
    return lxml.html.fromstring(answer.text)


def rows_in(answer: httpx.Response) -> pl.DataFrame:
    assert answer.status_code == 200, answer
    assert answer.content.startswith(b"PK"), answer.content[:200]
    return pl.read_excel(BytesIO(answer.content), infer_schema_length=0)


@contextmanager
def visiting(office: SandboxBackOffice) -> Iterator[Visitor]:
    """Give a visitor who is not signed in."""
    with httpx.Client(base_url=office.url, follow_redirects=True, trust_env=False, timeout=20) as client:
        yield Visitor(client)


@contextmanager
def signed_in(office: SandboxBackOffice) -> Iterator[Visitor]:
    with visiting(office) as visitor:
        visitor.sign_in(office.username, office.password)
        yield visitor
