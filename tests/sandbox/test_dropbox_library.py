"""Dropbox's own library talks to the sandbox: an independent reader of the same protocol."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime

import dropbox as library
import pytest
import requests
from dropbox.exceptions import ApiError, AuthError, RateLimitError
from dropbox.files import DeletedMetadata, FileMetadata, ListFolderError
from requests.adapters import HTTPAdapter

from backhaul.sandbox.dropbox.faults import DropboxFault, Endpoint
from backhaul.sandbox.dropbox.service import SandboxDropbox

NIGHT = datetime(2025, 9, 12, 17, 5, tzinfo=UTC)
CONTENT = bytes(range(256)) * 20_000


class ToSandbox(HTTPAdapter):
    """Sends what is meant for https:// to the sandbox."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def send(self, request, **named):
        request.url = self.url + "/" + request.url.split("/", 3)[3]
        return super().send(request, **(named | {"verify": False}))


@pytest.fixture
def dropbox() -> Iterator[SandboxDropbox]:
    with SandboxDropbox(page_entries=2) as sandbox:
        yield sandbox


@pytest.fixture
def client(dropbox: SandboxDropbox) -> Iterator[library.Dropbox]:
    session = requests.Session()
    session.mount("https://", ToSandbox(dropbox.url))
    settings = dropbox.settings
    with library.Dropbox(
        oauth2_refresh_token=settings["DROPBOX_REFRESH_TOKEN"],
        app_key=settings["DROPBOX_APP_KEY"],
        app_secret=settings["DROPBOX_APP_SECRET"],
        session=session,
        max_retries_on_error=0,
        max_retries_on_rate_limit=0,
        timeout=5,
    ) as made:
        yield made


def test_listing_continuing_and_what_is_deleted(dropbox, client):
    for name in ("a.i5bu", "b.i5bu", "c.i5bu"):
        dropbox.put_file(name, CONTENT, server_modified=NIGHT)

    page = client.files_list_folder("/IPOS")
    entries = list(page.entries)
    while page.has_more:
        page = client.files_list_folder_continue(page.cursor)
        entries += page.entries
    dropbox.delete("b.i5bu")
    [gone] = client.files_list_folder_continue(page.cursor).entries

    assert [each.name for each in entries] == ["a.i5bu", "b.i5bu", "c.i5bu"]
    assert all(isinstance(each, FileMetadata) for each in entries)
    assert (entries[0].server_modified, entries[0].size) == (NIGHT.replace(tzinfo=None), len(CONTENT))
    assert entries[0].content_hash == library.content_hash.content_hash(CONTENT)
    assert isinstance(gone, DeletedMetadata)


def test_a_download_whole_and_in_parts_and_by_revision(dropbox, client):
    old = dropbox.put_file("a.i5bu", CONTENT)
    dropbox.put_file("a.i5bu", b"new")

    metadata, answer = client.files_download(f"rev:{old.rev}")
    _, part = client.files_download(f"rev:{old.rev}", extra_headers={"Range": "bytes=1000-1999"})

    assert metadata.rev == old.rev
    assert hashlib.sha256(answer.content).digest() == hashlib.sha256(CONTENT).digest()
    assert (part.status_code, part.content) == (206, CONTENT[1000:2000])
    assert client.files_get_metadata("/IPOS/a.i5bu").size == 3


def test_an_expired_token_is_replaced_by_the_library_itself(dropbox, client):
    client.files_list_folder("/IPOS")
    dropbox.expire_tokens()

    client.files_list_folder("/IPOS")

    assert len(dropbox.tokens) == 2


def test_errors_are_those_that_the_library_knows(dropbox, client):
    with pytest.raises(ApiError) as missing:
        client.files_list_folder("/gone")
    assert isinstance(missing.value.error, ListFolderError)
    assert missing.value.error.get_path().is_not_found()

    cursor = client.files_list_folder("/IPOS").cursor
    dropbox.reset_cursors()
    with pytest.raises(ApiError) as void:
        client.files_list_folder_continue(cursor)
    assert void.value.error.is_reset()

    dropbox.faults.add(DropboxFault.TOO_MANY_REQUESTS, endpoint=Endpoint.LIST, seconds=7)
    with pytest.raises(RateLimitError) as limited:
        client.files_list_folder("/IPOS")
    assert limited.value.backoff == 7

    dropbox.faults.add(DropboxFault.INVALID_TOKEN, endpoint=Endpoint.LIST)
    with pytest.raises(AuthError) as refused:
        client.files_list_folder("/IPOS")
    assert refused.value.error.is_invalid_access_token()
