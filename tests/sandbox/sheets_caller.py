"""A caller of the sandbox's Google Sheets: plain HTTP and a JWT made here, no part of backhaul's own client."""

import base64
import functools
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from backhaul.sandbox import Book, SandboxSheets

SHEETS = "https://www.googleapis.com/auth/spreadsheets"
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here is encrypted; a default context takes longer to load than most of these tests."""

DRIVE = "https://www.googleapis.com/auth/drive"


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@functools.cache
def private_key(pem: str) -> RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def assertion(sheets: SandboxSheets, scope: str = SHEETS, **claims: Any) -> str:
    """Return a signed JWT as Google's client sends it; claims replace the right ones."""
    key_file = json.loads(sheets.service_account())
    key = private_key(key_file["private_key"])
    now = int(time.time())
    said = {
        "iss": key_file["client_email"],
        "aud": key_file["token_uri"],
        "iat": now,
        "exp": now + 3600,
        "scope": scope,
    }
    head = encoded(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
    signed = f"{head}.{encoded(json.dumps(said | claims).encode())}"
    return f"{signed}.{encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def ask_token(sheets: SandboxSheets, jwt: str) -> httpx.Response:
    grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": jwt}
    return httpx.post(sheets.token_uri, data=grant, trust_env=False, timeout=20, verify=NO_CERTIFICATES)


class Caller:
    """Makes calls on one spreadsheet; `ok` insists on a 200, `refused` on an error and returns it."""

    def __init__(self, client: httpx.Client, book: Book) -> None:
        self.client = client
        self.book = book

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.client.request(method, f"/v4/spreadsheets/{self.book.id}{path}", json=body, params=params)

    def ok(self, method: str, path: str, body: Any = None, **params: Any) -> dict[str, Any]:
        answer = self.call(method, path, body, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, method: str, path: str, body: Any = None, **params: Any) -> dict[str, Any]:
        answer = self.call(method, path, body, **params)
        assert answer.status_code >= 400, answer.text
        return answer.json()["error"]

    def get(self, where: str, **params: Any) -> dict[str, Any]:
        return self.ok("GET", f"/values/{quote(where)}", **params)

    def put(self, where: str, values: Any, option: str = "RAW", **params: Any) -> dict[str, Any]:
        return self.ok("PUT", f"/values/{quote(where)}", {"values": values}, valueInputOption=option, **params)

    def append(self, where: str, values: Any, **params: Any) -> dict[str, Any]:
        path = f"/values/{quote(where)}:append"
        return self.ok("POST", path, {"values": values}, valueInputOption="RAW", **params)

    def edit(self, *requests: dict[str, Any]) -> list[dict[str, Any]]:
        return self.ok("POST", ":batchUpdate", {"requests": list(requests)})["replies"]

    def refused_edit(self, *requests: dict[str, Any]) -> str:
        error = self.refused("POST", ":batchUpdate", {"requests": list(requests)})
        assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
        return error["message"]


@contextmanager
def calling(sheets: SandboxSheets, book: Book, scope: str = f"{SHEETS} {DRIVE}") -> Iterator[Caller]:
    """Give a caller with a valid token."""
    token = ask_token(sheets, assertion(sheets, scope)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    options: dict[str, Any] = {"trust_env": False, "timeout": 20, "verify": NO_CERTIFICATES}
    with httpx.Client(base_url=sheets.url, headers=headers, **options) as client:
        yield Caller(client, book)


def cells(start_row=0, end_row=1, start_column=0, end_column=1, sheet_id=0):
    return {
        "sheetId": sheet_id,
        "startRowIndex": start_row,
        "endRowIndex": end_row,
        "startColumnIndex": start_column,
        "endColumnIndex": end_column,
    }


def rows(start, end, dimension="ROWS", sheet_id=0):
    return {"sheetId": sheet_id, "dimension": dimension, "startIndex": start, "endIndex": end}


def texts(*lines):
    return [{"values": [{"userEnteredValue": {"stringValue": text}} for text in line]} for line in lines]
