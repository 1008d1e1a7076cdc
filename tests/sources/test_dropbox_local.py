"""A folder on this machine in Dropbox's place: no network, no settings of Dropbox, files still being written."""

import os
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from backhaul.config import Setting, missing_settings, resolved
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Fetched, Window
from backhaul.sessions.vault import Vault
from backhaul.sources import DropboxFolder

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")
NIGHT = int(datetime(2025, 9, 12, 17, 5, tzinfo=UTC).timestamp())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "Dropbox" / "IPOS"
    path.mkdir(parents=True)
    return path


def put(folder: Path, name: str, content: bytes = b"rows", seconds: float = 0) -> Path:
    """Put a file that was last written to so many seconds after NIGHT."""
    path = folder / name
    path.write_bytes(content)
    os.utime(path, (NIGHT + seconds, NIGHT + seconds))
    return path


def source_of(folder: Path) -> DropboxFolder:
    return resolved(DropboxFolder(), {"DROPBOX_LOCAL_FOLDER": str(folder)})


def fetch(folder: Path, cursor: str | None = None, landing: LandingFolder | None = None) -> Fetched:
    source = source_of(folder)
    session = source.open(Vault(folder.parent / "vault"))
    stream = source.newest("katalog", key="id")
    return source.fetch(session, stream, WINDOW, cursor, landing or LandingFolder(folder.parent / "landing"))


def test_the_newest_is_taken_once_without_any_setting_of_dropbox(folder):
    put(folder, "a.i5bu", b"old", seconds=-60)
    path = put(folder, "b.I5BU", b"new")
    put(folder, "c.txt", seconds=60)

    first = fetch(folder)
    again = fetch(folder, first.cursor)

    [file] = first.artifacts
    assert file.path.read_bytes() == b"new"
    assert (file.name, file.window) == ("backup_13092025-0005.I5BU", None)
    assert file.origin and file.origin.made_at == datetime(2025, 9, 12, 17, 5, tzinfo=UTC)
    assert (again.artifacts, again.newest) == ((), file.origin)
    assert path.exists()


def test_no_setting_of_dropbox_is_missed_and_no_literal_folder_needs_one(folder):
    assert missing_settings(DropboxFolder(), {"DROPBOX_LOCAL_FOLDER": str(folder)}) == []
    assert missing_settings(DropboxFolder(local=str(folder)), {}) == []
    assert missing_settings(DropboxFolder(app_key=Setting("OTHER")), {"DROPBOX_LOCAL_FOLDER": "/x"}) == ["OTHER"]


def test_a_file_that_was_kept_before_is_not_copied_again(folder, tmp_path):
    put(folder, "a.i5bu")
    kept = {fetch(folder).artifacts[0].origin.id}
    landing = LandingFolder(tmp_path / "landing", kept_before=kept.__contains__)

    assert fetch(folder, None, landing).artifacts == ()


def test_a_file_that_changes_under_its_name_comes_again(folder):
    put(folder, "a.i5bu", b"one")
    first = fetch(folder)
    put(folder, "a.i5bu", b"three", seconds=0)

    assert fetch(folder, first.cursor).artifacts[0].path.read_bytes() == b"three"


def test_of_two_with_one_time_stamp_the_last_by_name_is_taken(folder):
    for name in ("b.i5bu", "c.i5bu", "a.i5bu"):
        put(folder, name, name.encode())

    assert fetch(folder).artifacts[0].path.read_bytes() == b"c.i5bu"


def test_a_newest_that_is_deleted_is_not_followed_by_an_older_one(folder):
    put(folder, "a.i5bu", seconds=-60)
    newest = put(folder, "b.i5bu")
    first = fetch(folder)
    newest.unlink()

    assert fetch(folder, first.cursor).artifacts == ()


def test_a_file_that_was_just_written_to_waits_and_nothing_older_is_taken_instead(folder):
    put(folder, "a.i5bu", seconds=-60)
    path = put(folder, "b.i5bu", b"new")
    os.utime(path)

    assert fetch(folder).artifacts == ()
    os.utime(path, (time.time() - 6, time.time() - 6))
    assert fetch(folder).artifacts[0].path.read_bytes() == b"new"


def test_a_file_that_grows_while_it_is_copied_is_left_for_the_next_run(folder, tmp_path):
    """The writer comes between the first and the last byte, because landing is slow here."""
    put(folder, "a.i5bu")

    class SlowLanding(LandingFolder):
        def adopt(self, path, **named):
            landed = super().adopt(path, **named)
            with path.open("ab") as file:
                file.write(b" and more")
            return landed

    landing = SlowLanding(tmp_path / "landing")

    fetched = fetch(folder, None, landing)

    assert fetched.artifacts == ()
    assert not [each for each in landing.folder.rglob("*") if each.is_file()]


@pytest.mark.parametrize("name", [".a.i5bu", "a.i5bu.part", "~$a.i5bu", ".dropbox"])
def test_unfinished_files_are_no_backups(folder, name):
    put(folder, name)

    with pytest.raises(ConfigError, match="no file like"):
        fetch(folder)


def test_a_folder_that_is_not_there_may_come_back_and_a_file_is_none(folder, tmp_path):
    with pytest.raises(TransientError, match="is not there") as caught:
        fetch(tmp_path / "gone")
    assert "DROPBOX_LOCAL_FOLDER" in caught.value.next_step
    with pytest.raises(ConfigError, match="is not a folder"):
        fetch(put(folder, "a.i5bu"))


def test_a_link_that_leads_out_of_the_folder_is_refused(folder, tmp_path):
    outside = put(tmp_path, "outside")
    (folder / "a.i5bu").symlink_to(outside)

    with pytest.raises(SourceChanged, match="leads out of the folder"):
        fetch(folder)


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(folder):
    put(folder, "a.i5bu").chmod(0)

    with pytest.raises(SourceChanged, match=r"a\.i5bu cannot be read"):
        fetch(folder)


def test_the_check_tells_the_newest_file_without_any_network(folder):
    path = put(folder, "i5_A.i5bu", b"x" * 100_000)
    os.utime(path, (time.time() - 7200, time.time() - 7200))

    assert source_of(folder).check() == "the newest file is i5_A.i5bu, 2 hours old, 0.1 MB"
