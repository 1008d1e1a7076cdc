"""The sandbox Dropbox, asked as plainly as possible: what it serves, and how it misbehaves."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from backhaul.sandbox.dropbox.faults import DropboxFault, Endpoint
from backhaul.sandbox.dropbox.service import SandboxDropbox

NIGHT = datetime(2025, 9, 12, 17, 5, tzinfo=UTC)


def post(url: str, **named: Any) -> httpx.Response:
    # Reading all certificate authorities would take longer than the call.
    return httpx.post(url, verify=False, **named)


@pytest.fixture
def dropbox() -> Iterator[SandboxDropbox]:
    with SandboxDropbox(page_entries=2) as sandbox:
        yield sandbox


class Visitor:
    """Asks with a token of its own."""

    def __init__(self, sandbox: SandboxDropbox) -> None:
        self.sandbox = sandbox
        self.token = self.refresh().json()["access_token"]

    def refresh(self, **changes: str) -> httpx.Response:
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.sandbox.settings["DROPBOX_REFRESH_TOKEN"],
            "client_id": self.sandbox.settings["DROPBOX_APP_KEY"],
            "client_secret": self.sandbox.settings["DROPBOX_APP_SECRET"],
        }
        return post(f"{self.sandbox.url}/oauth2/token", data=form | changes)

    def ask(self, endpoint: str, arguments: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return post(f"{self.sandbox.url}/2/{endpoint}", json=arguments, headers=headers, timeout=5)

    def download(self, path: str, **headers: str) -> httpx.Response:
        all_headers = {"Authorization": f"Bearer {self.token}", "Dropbox-API-Arg": json.dumps({"path": path})}
        return post(f"{self.sandbox.url}/2/files/download", headers=all_headers | headers, timeout=5)

    def listing(self, folder: str = "/IPOS", **arguments: object) -> tuple[list[dict[str, Any]], str, int]:
        """Return all entries, the last cursor, and the number of pages."""
        answer, pages = self.ask("files/list_folder", {"path": folder, **arguments}).json(), 1
        entries = answer["entries"]
        while answer["has_more"]:
            answer = self.ask("files/list_folder/continue", {"cursor": answer["cursor"]}).json()
            entries, pages = entries + answer["entries"], pages + 1
        return entries, answer["cursor"], pages


@pytest.fixture
def visitor(dropbox: SandboxDropbox) -> Visitor:
    return Visitor(dropbox)


def test_a_folder_of_several_pages_is_listed_whole_and_only_it(dropbox, visitor):
    for name in ("a.i5bu", "b.txt", "c.i5bu", "/IPOS/sub/d.i5bu", "/other/e.i5bu"):
        dropbox.put_file(name, b"x", server_modified=NIGHT)

    entries, _, pages = visitor.listing()
    deep, _, _ = visitor.listing(recursive=True)

    assert [(each[".tag"], each["name"]) for each in entries] == [
        ("file", "a.i5bu"),
        ("file", "b.txt"),
        ("file", "c.i5bu"),
        ("folder", "sub"),
    ]
    assert pages == 2
    assert "d.i5bu" in [each["name"] for each in deep]
    assert {each["name"] for each in visitor.listing("")[0]} == {"IPOS", "other"}


def test_an_entry_has_size_hash_revision_and_both_times(dropbox, visitor):
    dropbox.put_file("A.i5bu", b"", server_modified=NIGHT, client_modified=NIGHT - timedelta(days=9))

    [entry] = visitor.listing()[0]

    assert entry["content_hash"] == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert (entry["size"], entry["path_lower"], entry["path_display"]) == (0, "/ipos/a.i5bu", "/IPOS/A.i5bu")
    assert (entry["server_modified"], entry["client_modified"]) == ("2025-09-12T17:05:00Z", "2025-09-03T17:05:00Z")
    assert entry["rev"]


def test_a_cursor_tells_what_has_changed_and_tells_it_again(dropbox, visitor):
    dropbox.put_file("a", b"1")
    dropbox.put_file("b", b"2")
    cursor = visitor.listing()[1]
    dropbox.put_file("a", b"3")
    dropbox.delete("b")
    dropbox.put_file("/other/c", b"4")

    for _ in range(2):
        answer = visitor.ask("files/list_folder/continue", {"cursor": cursor}).json()
        assert [(each[".tag"], each["name"]) for each in answer["entries"]] == [("file", "a"), ("deleted", "b")]
        assert answer["has_more"] is False


def test_cursors_can_be_void_unknown_or_of_a_folder_that_is_gone(dropbox, visitor):
    cursor = visitor.listing()[1]
    dropbox.delete("/IPOS")
    gone = visitor.ask("files/list_folder/continue", {"cursor": cursor})
    dropbox.reset_cursors()
    void = visitor.ask("files/list_folder/continue", {"cursor": cursor})
    unknown = visitor.ask("files/list_folder/continue", {"cursor": "x"})

    assert [(each.status_code, each.text[:30]) for each in (gone, void, unknown)] == [
        (409, '{"error_summary": "path/not_fo'),
        (409, '{"error_summary": "reset/..", '),
        (400, "Error in call to API function "),
    ]
    assert gone.json()["error"] == {".tag": "path", "path": {".tag": "not_found"}}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/", 400, "Specify the root folder as an empty string"),
        ("IPOS", 400, "did not match pattern"),
        ("/IPOS/", 409, "path/malformed_path"),
        ("/gone", 409, "path/not_found"),
        ("/IPOS/a", 409, "path/not_folder"),
        (None, 400, "did not match"),
    ],
)
def test_a_folder_that_cannot_be_listed(dropbox, visitor, path, status, words):
    dropbox.put_file("a", b"1")

    answer = visitor.ask("files/list_folder", {"path": path})

    assert answer.status_code == status
    assert words in answer.text


def test_a_download_is_by_path_id_or_revision_also_an_old_one(dropbox, visitor):
    old = dropbox.put_file("a", b"old")
    new = dropbox.put_file("a", b"new")

    found = [visitor.download(path).content for path in ("/ipos/A", new.id, f"rev:{new.rev}", f"rev:{old.rev}")]

    assert found == [b"new", b"new", b"new", b"old"]
    assert json.loads(visitor.download("/IPOS/a").headers["dropbox-api-result"])["rev"] == new.rev
    assert visitor.download("rev:ffff").status_code == 409


@pytest.mark.parametrize(
    ("asked", "status", "content", "said"),
    [
        ("bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        ("bytes=4-", 206, b"456789", "bytes 4-9/10"),
        ("bytes=4-5", 206, b"45", "bytes 4-5/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("lines=1-", 200, b"0123456789", None),
    ],
)
def test_ranges(dropbox, visitor, asked, status, content, said):
    dropbox.put_file("a", b"0123456789")

    answer = visitor.download("/IPOS/a", Range=asked)

    assert (answer.status_code, answer.content, answer.headers.get("content-range")) == (status, content, said)


def test_the_token_address_knows_one_app_and_one_refresh_token(dropbox, visitor):
    assert visitor.refresh().json()["expires_in"] == 14_400
    wrong = [visitor.refresh(refresh_token="x"), visitor.refresh(client_id="x"), visitor.refresh(client_secret="x")]
    assert [(each.status_code, each.json()["error"]) for each in wrong] == [
        (400, "invalid_grant"),
        (400, "invalid_client"),
        (400, "invalid_client"),
    ]


def test_tokens_expire_and_are_revoked(dropbox, visitor):
    dropbox.expire_tokens()
    expired = visitor.ask("files/list_folder", {"path": ""})
    dropbox.revoke()
    revoked = visitor.ask("files/list_folder", {"path": ""})

    assert [(each.status_code, each.json()["error"][".tag"]) for each in (expired, revoked)] == [
        (401, "expired_access_token"),
        (401, "invalid_access_token"),
    ]


def test_a_fault_strikes_where_when_and_as_often_as_it_is_planned(dropbox, visitor):
    dropbox.faults.add(DropboxFault.TOO_MANY_REQUESTS, endpoint=Endpoint.LIST, after=1, times=2, seconds=7)

    answers = [visitor.ask("files/list_folder", {"path": ""}) for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 429, 429, 200]
    assert answers[1].headers["retry-after"] == "7"
    assert answers[1].json()["error"]["retry_after"] == 7


def test_broken_downloads(dropbox, visitor):
    dropbox.put_file("a", b"0123456789")
    dropbox.faults.add(DropboxFault.CUT, size_bytes=4)
    with pytest.raises(httpx.RemoteProtocolError):
        visitor.download("/IPOS/a")
    dropbox.faults.add(DropboxFault.TRUNCATED, size_bytes=4)
    assert visitor.download("/IPOS/a").content == b"0123"
    dropbox.faults.add(DropboxFault.WRONG_BYTES)
    spoilt = visitor.download("/IPOS/a").content
    assert len(spoilt) == 10
    assert spoilt != b"0123456789"
    dropbox.faults.add(DropboxFault.WHOLE)
    assert visitor.download("/IPOS/a", Range="bytes=4-").status_code == 200
    dropbox.faults.add(DropboxFault.REPLACED)
    assert visitor.download("/IPOS/a").json()["error_summary"] == "path/not_found/.."


def test_a_slow_answer_comes_and_a_hanging_one_ends_with_the_sandbox():
    with SandboxDropbox() as dropbox:
        visitor = Visitor(dropbox)
        dropbox.faults.add(DropboxFault.SLOW, seconds=0.05)
        assert visitor.ask("files/list_folder", {"path": ""}).elapsed.total_seconds() >= 0.05
        dropbox.faults.add(DropboxFault.HANG, seconds=60)
        with pytest.raises(httpx.ReadTimeout):
            post(f"{dropbox.url}/2/files/list_folder", json={}, timeout=0.1)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/2/files/upload", b"{}", 404),
        ("/", b"", 404),
        ("/2/files/list_folder", b"[]", 400),
        ("/oauth2/token", b"", 400),
    ],
)
def test_what_is_no_call_is_refused(dropbox, path, body, status):
    assert post(f"{dropbox.url}{path}", content=body).status_code == status


def test_calls_are_recorded_without_tokens(dropbox, visitor):
    dropbox.put_file("a", b"0123456789")
    visitor.download("/IPOS/a", Range="bytes=4-")

    call = dropbox.calls[-1]

    assert (call.endpoint, call.arguments, call.range, call.status) == (
        "files/download",
        {"path": "/IPOS/a"},
        "bytes=4-",
        206,
    )
    assert visitor.token not in repr(dropbox.calls)
