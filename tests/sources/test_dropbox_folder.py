"""The newest file of a Dropbox folder: which is taken, how it comes whole, and what is said when it does not."""

import contextlib
import dataclasses
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from backhaul.config import missing_settings, resolved
from backhaul.errors import BackhaulError, ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Fetched, Stream, Window
from backhaul.retry import Budget
from backhaul.sandbox.dropbox.faults import DropboxFault, Endpoint
from backhaul.sandbox.dropbox.service import SandboxDropbox
from backhaul.sandbox.dropbox.store import Store
from backhaul.sessions.vault import Vault
from backhaul.sources import DropboxFolder
from backhaul.sources.dropbox import listing

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")
NIGHT = datetime(2025, 9, 12, 17, 5, tzinfo=UTC)
QUICK = Budget(attempts=3, seconds=20.0, first_wait_s=0.01, longest_wait_s=0.05)
SIZE = 300_000
BACKUP = bytes(range(256)) * (SIZE // 256 + 1)


@pytest.fixture
def dropbox() -> Iterator[SandboxDropbox]:
    with SandboxDropbox() as sandbox:
        yield sandbox


class Reader:
    """What one installation does with the folder: it keeps the cursor, and knows what was kept."""

    def __init__(self, source: DropboxFolder, folder: Path, pattern: str = "*.i5bu") -> None:
        self.source = source
        self.stream: Stream = source.newest("katalog", key="id", pattern=pattern)
        self.folder = folder
        self.kept: set[str] = set()
        self.cursor: str | None = None

    @property
    def landing(self) -> LandingFolder:
        return LandingFolder(self.folder / "landing", kept_before=self.kept.__contains__)

    def fetch(self) -> Fetched:
        """Fetch once, as the engine does: keep what came, move the cursor last."""
        session = self.source.open(Vault(self.folder / "vault"))
        try:
            fetched = self.source.fetch(session, self.stream, WINDOW, self.cursor, self.landing)
        finally:
            session.close()
        self.kept |= {file.origin.id for file in fetched.artifacts if file.origin}
        self.cursor = fetched.cursor
        return fetched

    def left(self) -> list[Path]:
        return [path for path in self.landing.folder.rglob("*") if path.is_file()]


def source_of(sandbox: SandboxDropbox, **changes: object) -> DropboxFolder:
    return dataclasses.replace(resolved(DropboxFolder(budget=QUICK), sandbox.settings), **changes)


@pytest.fixture
def reader(dropbox: SandboxDropbox, tmp_path: Path) -> Reader:
    return Reader(source_of(dropbox), tmp_path)


def put(sandbox: SandboxDropbox, name: str, content: bytes = BACKUP, *, days: float = 0, client_days: float = 0):
    """Put a backup that the server got so many days after NIGHT, and that its writer dates otherwise."""
    return sandbox.put_file(
        name,
        content,
        server_modified=NIGHT + timedelta(days=days),
        client_modified=NIGHT + timedelta(days=days + client_days),
    )


def endpoints(sandbox: SandboxDropbox) -> list[str]:
    return [call.endpoint.split("/", 1)[1] for call in sandbox.calls]


def test_the_newest_by_the_time_of_the_server_is_taken_whole(dropbox, reader):
    put(dropbox, "i5_A.i5bu", b"old", days=-1, client_days=9)
    newest = put(dropbox, "i5_B.I5BU", days=0, client_days=-9)
    put(dropbox, "notes.txt", b"text", days=3)

    [file] = reader.fetch().artifacts

    assert file.path.read_bytes() == newest.content
    assert (file.name, file.size_bytes, file.window) == ("backup_13092025-0005.I5BU", len(BACKUP), None)
    assert file.origin and (file.origin.id, file.origin.made_at) == (f"/ipos/i5_b.i5bu@{newest.rev}", NIGHT)
    assert [path.name for path in reader.left()] == [file.path.name]


def test_a_run_that_finds_nothing_newer_asks_once_and_downloads_nothing(dropbox, reader):
    put(dropbox, "a.i5bu")
    reader.fetch()
    before = len(dropbox.calls)

    fetched = reader.fetch()

    assert fetched.artifacts == ()
    assert endpoints(dropbox)[before:] == ["token", "list_folder/continue"]
    assert fetched.newest and fetched.newest.made_at == NIGHT


def test_a_backup_that_was_kept_and_refused_is_not_fetched_again(dropbox, reader):
    put(dropbox, "a.i5bu", b"half of")
    reader.fetch()
    # A refused file does not move the cursor.
    reader.cursor = None
    before = len(dropbox.calls)

    fetched = reader.fetch()

    assert fetched.artifacts == ()
    assert "download" not in endpoints(dropbox)[before:]
    assert fetched.newest and fetched.newest.id in reader.kept


def test_a_newer_one_comes_and_also_a_new_revision_of_the_same_name(dropbox, reader):
    put(dropbox, "a.i5bu", b"one")
    first = reader.fetch()
    put(dropbox, "b.i5bu", b"two", days=1)
    second = reader.fetch()
    put(dropbox, "b.i5bu", b"three", days=1)
    third = reader.fetch()

    content = [each.artifacts[0].path.read_bytes() for each in (first, second, third)]
    assert content == [b"one", b"two", b"three"]


def test_of_two_with_one_time_stamp_the_last_by_name_is_taken_and_only_that(dropbox, reader):
    for name in ("i5_2.i5bu", "i5_3.i5bu", "i5_1.i5bu"):
        put(dropbox, name, name.encode())

    [file] = reader.fetch().artifacts
    again = reader.fetch()

    assert file.path.read_bytes() == b"i5_3.i5bu"
    assert again.artifacts == ()


def test_when_the_newest_is_deleted_nothing_older_takes_its_place(dropbox, reader):
    put(dropbox, "a.i5bu", days=-1)
    put(dropbox, "b.i5bu")
    reader.fetch()
    dropbox.delete("b.i5bu")
    put(dropbox, "c.i5bu", b"late", days=-0.5)

    assert reader.fetch().artifacts == ()
    put(dropbox, "d.i5bu", b"newer", days=1)
    assert reader.fetch().artifacts[0].path.read_bytes() == b"newer"


def test_when_a_newest_that_was_never_taken_is_deleted_the_next_one_is_taken(dropbox, reader):
    put(dropbox, "a.i5bu", b"good", days=-1)
    put(dropbox, "b.i5bu", b"bad")
    reader.fetch()
    reader.cursor = None
    dropbox.delete("b.i5bu")

    assert reader.fetch().artifacts[0].path.read_bytes() == b"good"


def test_a_backup_that_is_uploaded_late_is_the_newest(dropbox, reader):
    put(dropbox, "monday.i5bu", b"monday", days=0)
    reader.fetch()
    put(dropbox, "sunday.i5bu", b"sunday", days=1, client_days=-2)

    assert reader.fetch().artifacts[0].path.read_bytes() == b"sunday"


def test_every_page_of_a_large_folder_is_read(tmp_path):
    with SandboxDropbox(page_entries=3) as dropbox:
        for number in range(20):
            put(dropbox, f"a{number:02}.txt", b"-")
        put(dropbox, "z.i5bu", b"newest")
        reader = Reader(source_of(dropbox), tmp_path)

        [file] = reader.fetch().artifacts

    assert file.path.read_bytes() == b"newest"
    assert endpoints(dropbox).count("list_folder/continue") == 6


def test_what_is_remembered_of_a_large_folder_stays_small_and_a_deleted_newest_is_still_noticed(dropbox, reader):
    for number in range(60):
        put(dropbox, f"{number:02}.i5bu", days=number - 60)
    reader.fetch()
    assert reader.cursor and len(json.loads(reader.cursor)["files"]) == 30
    # The next newest of a folder that nothing was ever taken from is known also when all that is remembered is gone.
    state = json.loads(reader.cursor) | {"newest_taken": None}
    reader.cursor = json.dumps(state)
    for number in range(30, 60):
        dropbox.delete(f"{number:02}.i5bu")

    [file] = reader.fetch().artifacts

    assert file.origin and file.origin.id.startswith("/ipos/29.i5bu@")


@pytest.mark.parametrize(
    "happening", ["reset", "unknown cursor", "garbage", "folder made anew", "reset at each page"]
)
def test_a_cursor_that_is_void_costs_a_listing_from_the_start_and_nothing_else(dropbox, reader, happening):
    put(dropbox, "a.i5bu")
    reader.fetch()
    if happening == "reset":
        dropbox.reset_cursors()
    elif happening == "unknown cursor":
        reader.cursor = json.dumps(json.loads(reader.cursor) | {"cursor": "AA-of-another-account"})
    elif happening == "garbage":
        reader.cursor = "[1, 2]"
    elif happening == "folder made anew":
        dropbox.delete("/IPOS")
        dropbox.add_folder("/IPOS")
        dropbox.reset_cursors()
    else:
        dropbox.faults.add(DropboxFault.RESET)
    put(dropbox, "b.i5bu", b"two", days=1)

    assert reader.fetch().artifacts[0].path.read_bytes() == b"two"
    assert reader.fetch().artifacts == ()


def test_another_folder_or_pattern_begins_anew(dropbox, reader, tmp_path):
    put(dropbox, "a.i5bu", b"one")
    put(dropbox, "/shop 2/a.i5bu", b"two", days=-5)
    reader.fetch()
    other = Reader(source_of(dropbox, folder="shop 2/"), tmp_path / "other")
    other.cursor = reader.cursor

    assert other.fetch().artifacts[0].path.read_bytes() == b"two"


@pytest.mark.parametrize("folder", ["/", " / ", ""])
def test_the_top_of_the_account_is_a_folder_too(dropbox, tmp_path, folder):
    put(dropbox, "/top.i5bu", b"top")

    assert Reader(source_of(dropbox, folder=folder), tmp_path).fetch().artifacts[0].path.read_bytes() == b"top"


def test_an_empty_file_lands_and_is_refused_when_it_is_read(dropbox, reader):
    put(dropbox, "a.i5bu", b"")

    [file] = reader.fetch().artifacts

    assert (file.size_bytes, file.path.read_bytes()) == (0, b"")


@pytest.mark.parametrize(
    ("files", "message"),
    [((), r"no file like \*\.i5bu is there$"), (("a.txt", "b.i5bu.part"), r"\*\.i5bu is there; 2 others are there")],
)
def test_a_folder_without_any_such_file_is_told(dropbox, reader, files, message):
    for name in files:
        put(dropbox, name)

    with pytest.raises(ConfigError, match=message):
        reader.fetch()


def test_a_folder_that_is_emptied_later_is_no_error(dropbox, reader):
    put(dropbox, "a.i5bu")
    reader.fetch()
    dropbox.delete("a.i5bu")

    assert reader.fetch().artifacts == ()


@pytest.mark.parametrize(
    ("folder", "message"),
    [("/IPOZ", "no folder /IPOZ in Dropbox"), ("/IPOS/a.i5bu", "is a file in Dropbox"), ("a\nb:", "no folder")],
)
def test_a_folder_that_is_none_names_the_setting_to_correct(dropbox, tmp_path, folder, message):
    put(dropbox, "a.i5bu")

    with pytest.raises(ConfigError, match=message) as caught:
        Reader(source_of(dropbox, folder=folder), tmp_path).fetch()
    assert "DROPBOX_FOLDER_PATH" in caught.value.next_step


@pytest.mark.parametrize(
    ("fault", "endpoint"),
    [
        (fault, endpoint)
        for fault in (
            DropboxFault.TOO_MANY_REQUESTS,
            DropboxFault.SERVER_ERROR,
            DropboxFault.UNAVAILABLE_HTML,
            DropboxFault.PROXY_PAGE,
            DropboxFault.CUT_BEFORE,
        )
        for endpoint in (Endpoint.TOKEN, Endpoint.LIST, Endpoint.DOWNLOAD)
        # A page instead of a file is wrong bytes, which has its own test.
        if (fault, endpoint) != (DropboxFault.PROXY_PAGE, Endpoint.DOWNLOAD)
    ],
)
def test_a_service_that_stumbles_is_asked_again_and_one_that_is_away_ends_in_words(dropbox, reader, fault, endpoint):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(fault, endpoint=endpoint, times=None, seconds=9)
    with pytest.raises(TransientError) as caught:
        reader.fetch()
    assert endpoints(dropbox).count(endpoint.split("/", 1)[1]) == QUICK.attempts
    assert caught.value.next_step

    dropbox.faults.clear()
    dropbox.faults.add(fault, endpoint=endpoint, times=QUICK.attempts - 1, seconds=9)

    assert reader.fetch().artifacts[0].path.read_bytes() == BACKUP


def test_an_answer_that_does_not_come_has_an_end(dropbox, tmp_path):
    put(dropbox, "a.i5bu")
    reader = Reader(source_of(dropbox, timeout_s=0.2), tmp_path)
    dropbox.faults.add(DropboxFault.HANG, endpoint=Endpoint.LIST, times=None, seconds=30)

    with pytest.raises(TransientError, match="does not answer in time"):
        reader.fetch()


def test_an_access_token_that_expires_in_mid_run_is_replaced_once(dropbox, reader):
    put(dropbox, "a.i5bu")
    for endpoint in (Endpoint.LIST, Endpoint.DOWNLOAD):
        dropbox.faults.add(DropboxFault.EXPIRED_TOKEN, endpoint=endpoint)

    assert reader.fetch().artifacts[0].path.read_bytes() == BACKUP
    assert endpoints(dropbox).count("token") == 3


def test_a_token_that_is_called_expired_over_and_over_ends_in_a_login(dropbox, reader):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(DropboxFault.EXPIRED_TOKEN, endpoint=Endpoint.LIST, times=None)

    with pytest.raises(LoginRequired, match="fresh access token is expired"):
        reader.fetch()
    assert endpoints(dropbox).count("list_folder") == 2


def test_a_token_is_replaced_before_it_ends_and_not_at_every_call(tmp_path):
    for lasts_s, refreshed in ((14_400, 1), (300, 3)):
        with SandboxDropbox(token_lasts_s=lasts_s) as dropbox:
            put(dropbox, "a.i5bu")
            Reader(source_of(dropbox), tmp_path / str(lasts_s)).fetch()
            assert endpoints(dropbox).count("token") == refreshed


def test_a_revoked_connection_says_how_a_person_connects_anew(dropbox, reader):
    dropbox.revoke()

    with pytest.raises(LoginRequired, match="refresh token") as caught:
        reader.fetch()

    assert "backhaul login" in caught.value.next_step
    assert endpoints(dropbox) == ["token"]


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (DropboxFault.INVALID_TOKEN, LoginRequired, "backhaul login"),
        (DropboxFault.MISSING_SCOPE, ConfigError, "files.content.read"),
    ],
)
def test_a_token_that_is_not_accepted_is_not_tried_again(dropbox, reader, fault, kind, words):
    dropbox.faults.add(fault, endpoint=Endpoint.LIST, times=None)

    with pytest.raises(kind) as caught:
        reader.fetch()
    assert words in caught.value.next_step
    assert endpoints(dropbox).count("list_folder") == 1


def test_the_code_of_a_permission_becomes_a_refresh_token_once(dropbox, reader):
    put(dropbox, "a.i5bu")
    given = {name: value for name, value in dropbox.settings.items() if name != "DROPBOX_REFRESH_TOKEN"}
    unconnected = resolved(DropboxFolder(budget=QUICK), given, spare=["DROPBOX_REFRESH_TOKEN"])
    dropbox.revoke()
    code = dropbox.allow()

    token = unconnected.connect(f" {code}\n")

    assert dataclasses.replace(reader.source, refresh_token=token).check().startswith("the newest file is a.i5bu")
    assert repr(token) == "'***'"
    assert f"client_id={given['DROPBOX_APP_KEY']}" in unconnected.permission_url
    with pytest.raises(LoginRequired, match="does not know the code") as caught:
        unconnected.connect(code)
    assert code not in str(caught.value)


def test_a_wrong_app_is_a_setting_to_correct(dropbox, tmp_path):
    with pytest.raises(ConfigError, match="key and secret") as caught:
        Reader(source_of(dropbox, app_secret="0" * 16), tmp_path).fetch()
    assert "DROPBOX_APP_KEY" in caught.value.next_step


def test_an_app_without_a_secret_signs_in_too(dropbox, tmp_path):
    put(dropbox, "a.i5bu")

    assert Reader(source_of(dropbox, app_secret=""), tmp_path).fetch().artifacts


def test_plain_http_is_for_this_machine_alone(dropbox, tmp_path):
    for changes in ({"api_url": "http://dropbox.example"}, {"content_url": "http://dropbox.example"}):
        with pytest.raises(ConfigError, match="plain http"):
            Reader(source_of(dropbox, **changes), tmp_path).fetch()
    for url in ("dropbox", "ftp://dropbox.example", "http://["):
        with pytest.raises(ConfigError, match="no web address"):
            Reader(source_of(dropbox, api_url=url), tmp_path).fetch()


@pytest.mark.parametrize("fault", [DropboxFault.CUT, DropboxFault.TRUNCATED, DropboxFault.STALL])
def test_a_download_that_breaks_off_goes_on_where_it_was(dropbox, tmp_path, fault):
    put(dropbox, "a.i5bu")
    reader = Reader(source_of(dropbox, timeout_s=0.3), tmp_path)
    for after in (0, 1):
        dropbox.faults.add(fault, endpoint=Endpoint.DOWNLOAD, after=after, size_bytes=100_000, seconds=30)

    [file] = reader.fetch().artifacts

    assert file.path.read_bytes() == BACKUP
    assert [call.range for call in dropbox.calls if call.endpoint == Endpoint.DOWNLOAD] == [
        None,
        "bytes=100000-",
        "bytes=200000-",
    ]


def test_a_line_that_keeps_breaking_ends_only_where_nothing_more_comes(dropbox, reader):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(DropboxFault.CUT, times=None, size_bytes=30_000)
    assert reader.fetch().artifacts[0].path.read_bytes() == BACKUP

    put(dropbox, "b.i5bu", days=1)
    dropbox.faults.clear()
    dropbox.faults.add(DropboxFault.CUT, times=1, size_bytes=50_000)
    dropbox.faults.add(DropboxFault.CUT, times=None, size_bytes=0)
    with pytest.raises(TransientError):
        reader.fetch()

    dropbox.faults.clear()
    assert reader.fetch().artifacts[0].size_bytes == len(BACKUP)
    assert dropbox.calls[-1].range == "bytes=50000-"


def test_an_answer_from_the_start_to_a_ranged_request_is_understood(dropbox, reader):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(DropboxFault.CUT, size_bytes=100_000)
    dropbox.faults.add(DropboxFault.WHOLE, times=None)

    assert reader.fetch().artifacts[0].path.read_bytes() == BACKUP


def test_an_answer_with_another_range_is_not_taken(dropbox, reader):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(DropboxFault.CUT, size_bytes=100_000)
    dropbox.faults.add(DropboxFault.WRONG_RANGE)

    assert reader.fetch().artifacts[0].path.read_bytes() == BACKUP
    assert endpoints(dropbox).count("download") == 3


@pytest.mark.parametrize("fault", [DropboxFault.WRONG_BYTES, DropboxFault.PROXY_PAGE])
def test_bytes_that_are_not_those_of_the_listing_are_dropped(dropbox, reader, fault):
    content = BACKUP if fault is DropboxFault.WRONG_BYTES else b"short"
    put(dropbox, "a.i5bu", content)
    dropbox.faults.add(fault, endpoint=Endpoint.DOWNLOAD)

    with pytest.raises(TransientError, match="nothing of it was kept"):
        reader.fetch()
    assert reader.left() == []

    assert reader.fetch().artifacts[0].path.read_bytes() == content


def test_a_file_that_is_replaced_between_listing_and_download_is_listed_anew(dropbox, reader):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(DropboxFault.REPLACED)

    [file] = reader.fetch().artifacts

    assert file.path.read_bytes() == BACKUP + b"\n"
    assert reader.fetch().artifacts == ()


def test_a_file_that_is_replaced_over_and_over_is_left_for_the_next_run(dropbox, reader):
    put(dropbox, "a.i5bu")
    dropbox.faults.add(DropboxFault.REPLACED, times=None)

    with pytest.raises(TransientError, match="replaced 3 times"):
        reader.fetch()


def test_a_part_of_one_revision_is_not_taken_for_another(dropbox, reader):
    put(dropbox, "a.i5bu", b"1" * SIZE)
    dropbox.faults.add(DropboxFault.CUT, times=1, size_bytes=100_000)
    dropbox.faults.add(DropboxFault.CUT, times=None)
    with pytest.raises(TransientError):
        reader.fetch()
    dropbox.faults.clear()

    put(dropbox, "a.i5bu", b"2" * SIZE)

    assert reader.fetch().artifacts[0].path.read_bytes() == b"2" * SIZE
    assert dropbox.calls[-1].range is None


def test_no_secret_shows_in_logs_errors_reprs_or_the_cursor(dropbox, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    put(dropbox, "a.i5bu")
    source = source_of(dropbox)
    reader, shown = Reader(source, tmp_path), []
    dropbox.faults.add(DropboxFault.CUT, size_bytes=100)
    fetched = reader.fetch()
    session = source.open(Vault(tmp_path))
    shown += [repr(source), repr(session), repr(vars(session)["connection"]), repr(fetched)]
    session.close()
    put(dropbox, "b.i5bu", days=1)
    for fault in DropboxFault:
        dropbox.faults.set()
        dropbox.faults.add(fault, times=None, seconds=0)
        try:
            reader.fetch()
        except BackhaulError as error:
            shown += [repr(error), str(error), error.next_step, repr(error.__context__), repr(error.__cause__)]

    secrets = [*dropbox.tokens, *(dropbox.settings[f"DROPBOX_{name}"] for name in ("APP_SECRET", "REFRESH_TOKEN"))]
    text = "\n".join([*shown, caplog.text, reader.cursor or ""])
    assert len(dropbox.tokens) > 5
    assert not [secret for secret in secrets if secret in text]
    assert dropbox.settings["DROPBOX_APP_KEY"] not in text


def test_a_session_that_is_closed_from_elsewhere_ends_in_our_error(dropbox, reader):
    put(dropbox, "a.i5bu")
    session = reader.source.open(Vault(reader.folder))
    session.close()
    session.close()

    with pytest.raises(TransientError, match="hung up on from here"):
        reader.source.fetch(session, reader.stream, WINDOW, None, reader.landing)


def test_the_check_names_the_newest_file_and_its_age(dropbox):
    source = source_of(dropbox)
    assert source.check() == "the folder is there and empty"

    dropbox.put_file("i5_A.i5bu", b"x" * 2_500_000, server_modified=datetime.now(UTC) - timedelta(hours=30))

    assert source.check() == "the newest file is i5_A.i5bu, 30 hours old, 2.5 MB"
    dropbox.revoke()
    with pytest.raises(LoginRequired):
        source.check()


def test_tables_and_build_belong_together():
    with pytest.raises(ConfigError, match="belong together"):
        DropboxFolder().newest("katalog", key="id", build=lambda tables, remark: next(iter(tables.values())))


def test_without_a_local_folder_all_settings_of_dropbox_are_asked_for_at_once():
    assert missing_settings(DropboxFolder(), {}) == [
        "DROPBOX_FOLDER_PATH",
        "DROPBOX_APP_KEY",
        "DROPBOX_APP_SECRET",
        "DROPBOX_REFRESH_TOKEN",
    ]
    with pytest.raises(ConfigError, match="DROPBOX_FOLDER_PATH, DROPBOX_APP_KEY"):
        resolved(DropboxFolder(), {})


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"rev": None}, "without size, rev, hash or time"),
        ({"size": "12"}, "without size, rev, hash or time"),
        ({"content_hash": ""}, "without size, rev, hash or time"),
        ({"server_modified": "12.09.2025"}, "writes times in a new way"),
    ],
)
def test_a_file_that_is_told_in_a_new_way_is_a_changed_source(dropbox, reader, monkeypatch, spoilt, message):
    """The answer is spoilt on its way out of the stand-in."""
    stored = put(dropbox, "a.i5bu")
    entry = stored.entry | spoilt
    monkeypatch.setattr(type(stored), "entry", property(lambda self: entry))
    put(dropbox, "b.i5bu", days=1)

    with pytest.raises(SourceChanged, match=message):
        reader.fetch()


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"entries": None}, "no entries or no cursor"),
        ({"cursor": ""}, "no entries or no cursor"),
        ({"has_more": True}, "has more after 4 pages"),
    ],
)
def test_a_listing_that_is_told_in_a_new_way_is_a_changed_source(dropbox, reader, monkeypatch, spoilt, message):
    """The answer is spoilt on its way out of the stand-in."""
    page = Store._page
    monkeypatch.setattr(Store, "_page", lambda self, cursor: page(self, cursor) | spoilt)
    monkeypatch.setattr(listing, "_MOST_PAGES", 4)
    put(dropbox, "a.i5bu")

    with pytest.raises(SourceChanged, match=message):
        reader.fetch()


def test_what_is_no_entry_of_the_folder_is_passed_over(dropbox, reader, monkeypatch):
    page = Store._page
    others = [7, {".tag": "file", "name": "mounted elsewhere.i5bu"}, {".tag": "new", "path_lower": "/ipos/x.i5bu"}]
    others += [{".tag": "file", "name": "y.i5bu", "path_lower": "/ipos/y.i5bu", "is_downloadable": False}]

    def with_others(self: Store, cursor: object) -> dict[str, object]:
        answer = page(self, cursor)
        return answer | {"entries": others + answer["entries"]}

    monkeypatch.setattr(Store, "_page", with_others)
    put(dropbox, "a.i5bu")

    assert reader.fetch().artifacts[0].path.read_bytes() == BACKUP


def test_a_server_that_sends_a_byte_now_and_then_does_not_hold_a_run_for_ever(dropbox, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        drip = threading.Thread(target=drip_to_all, args=(server,), daemon=True)
        drip.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()

        with pytest.raises(TransientError, match="does not answer in time"):
            Reader(source_of(dropbox, api_url=url, timeout_s=0.3), tmp_path).fetch()

        assert time.monotonic() - started < 5
        server.shutdown(socket.SHUT_RDWR)
        drip.join(5)


def drip_to_all(server: socket.socket) -> None:
    """Send each visitor an endless head, a byte every 50 ms, until the server is closed."""
    with contextlib.suppress(OSError):
        while True:
            visitor, _ = server.accept()
            with visitor, contextlib.suppress(OSError):
                visitor.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while True:
                    visitor.sendall(b"x")
                    time.sleep(0.05)


def test_two_installations_read_one_folder_at_once(dropbox, tmp_path):
    put(dropbox, "a.i5bu")
    readers = [Reader(source_of(dropbox), tmp_path / str(number)) for number in range(2)]

    with contextlib.ExitStack() as stack:
        sessions = [reader.source.open(Vault(reader.folder)) for reader in readers]
        for session in sessions:
            stack.callback(session.close)
        fetched = [
            reader.source.fetch(session, reader.stream, WINDOW, None, reader.landing)
            for reader, session in zip(readers, sessions, strict=True)
        ]

    assert [each.artifacts[0].size_bytes for each in fetched] == [len(BACKUP)] * 2
