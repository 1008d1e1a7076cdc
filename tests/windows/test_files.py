"""Files as Windows treats them: read-only ones stay, open ones cannot be replaced, folders cannot be synced."""

import os
import stat
import time
from pathlib import Path

import pytest

from backhaul.config import load_settings
from backhaul.errors import TransientError
from backhaul.lake import durable
from backhaul.lake.durable import publish, write_text
from backhaul.lake.landing import LandingFolder
from backhaul.lake.raw import JUST_KEPT_S, RawStore

SHARING_VIOLATION, ACCESS_DENIED = 32, 5


def refused(winerror, path):
    error = PermissionError(13, "The process cannot access the file", str(path))
    error.winerror = winerror
    return error


@pytest.fixture
def windows(monkeypatch):
    """Let read-only files be neither removed nor replaced, and folders not be opened."""
    unlink, replace, opened = Path.unlink, Path.replace, os.open

    def is_read_only(path):
        return path.is_file() and not path.stat().st_mode & stat.S_IWUSR

    def unlinked(self, missing_ok=False):
        if is_read_only(self):
            raise refused(ACCESS_DENIED, self)
        return unlink(self, missing_ok)

    def replaced(self, target):
        if is_read_only(Path(target)):
            raise refused(ACCESS_DENIED, target)
        return replace(self, target)

    def opening(path, *more, **named):
        if isinstance(path, (str, Path)) and Path(path).is_dir():
            raise refused(ACCESS_DENIED, path)
        return opened(path, *more, **named)

    monkeypatch.setattr(durable, "BUSY_S", 0.2)
    monkeypatch.setattr(Path, "unlink", unlinked)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "open", opening)


def land(folder, content=b"made up"):
    return LandingFolder(folder).receive([content], name="a.csv", window=None, prove=lambda path: None)


def test_a_kept_file_is_read_only_and_can_be_pruned_all_the_same(windows, tmp_path):
    raw = RawStore(tmp_path / "raw")
    kept = raw.keep(land(tmp_path / "landing"))
    assert not kept.path.stat().st_mode & stat.S_IWUSR

    gone = raw.remove(kept.sha256, now=time.time() + JUST_KEPT_S + 1)

    assert gone
    assert not kept.path.exists()


def test_the_same_bytes_are_kept_once_and_the_second_landing_is_removed(windows, tmp_path):
    raw = RawStore(tmp_path / "raw")
    first = raw.keep(land(tmp_path / "landing"))

    second = raw.keep(land(tmp_path / "landing"))

    assert second.path == first.path
    assert list((tmp_path / "landing").iterdir()) == []


def test_a_damaged_kept_file_is_replaced_although_it_is_read_only(windows, tmp_path):
    raw = RawStore(tmp_path / "raw")
    kept = raw.keep(land(tmp_path / "landing"))
    kept.path.chmod(0o600)
    kept.path.write_bytes(b"damaged")
    kept.path.chmod(0o400)

    raw.keep(land(tmp_path / "landing"))

    assert raw.verify(kept.sha256).read_bytes() == b"made up"


def test_what_a_crash_leaves_in_landing_can_be_removed(tmp_path, monkeypatch):
    def crash(part, path):
        raise KeyboardInterrupt

    monkeypatch.setattr("backhaul.lake.raw.publish", crash)
    landed = land(tmp_path / "landing")

    with pytest.raises(KeyboardInterrupt):
        RawStore(tmp_path / "raw").keep(landed)

    assert landed.path.stat().st_mode & stat.S_IWUSR


def test_a_file_that_a_scanner_holds_for_a_moment_is_replaced_a_little_later(tmp_path, monkeypatch):
    tries = []
    replace = Path.replace

    def replaced(self, target):
        tries.append(target)
        if len(tries) < 4:
            raise refused(SHARING_VIOLATION, target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replaced)

    write_text(tmp_path / "facts.json", "{}")

    assert (tmp_path / "facts.json").read_text(encoding="utf-8") == "{}"
    assert len(tries) == 4


def test_a_file_that_stays_open_is_told_after_some_seconds(tmp_path, monkeypatch):
    def replaced(self, target):
        raise refused(SHARING_VIOLATION, target)

    monkeypatch.setattr(durable, "BUSY_S", 0.1)
    monkeypatch.setattr(Path, "replace", replaced)
    begun = time.monotonic()

    with pytest.raises(PermissionError):
        publish(tmp_path / "a.part", tmp_path / "a")

    assert time.monotonic() - begun < 2


def test_a_refusal_that_is_not_about_open_files_is_told_at_once(tmp_path, monkeypatch):
    tries = []

    def replaced(self, target):
        tries.append(target)
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr(Path, "replace", replaced)

    with pytest.raises(PermissionError):
        publish(tmp_path / "a.part", tmp_path / "a")

    assert len(tries) == 1


def test_a_csv_file_that_is_open_in_excel_is_named_and_delivered_later(tmp_path, monkeypatch):
    from backhaul.lake.whole_file import WholeFile

    file = WholeFile(tmp_path / "user.csv", "csv files")
    file.path.write_text("old", encoding="utf-8")

    def replaced(self, target):
        raise refused(SHARING_VIOLATION, target)

    monkeypatch.setattr(durable, "BUSY_S", 0.1)
    monkeypatch.setattr(Path, "replace", replaced)

    with pytest.raises(TransientError, match=r"user\.csv cannot be replaced") as caught, file.replaced() as part:
        part.write_text("new", encoding="utf-8")

    assert "Close user.csv in Excel" in caught.value.next_step
    assert file.path.read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_an_env_as_windows_editors_save_it_is_read(tmp_path, newline, mark):
    lines = ["BACKEND_URL=https://office.example.com", "# note", "", 'SHEET_USER="a b"', r"FOLDER=C:\Users new\data"]
    (tmp_path / ".env").write_bytes(mark + newline.join(lines).encode())

    settings = load_settings(tmp_path)

    assert settings["BACKEND_URL"] == "https://office.example.com"
    assert settings["SHEET_USER"] == "a b"
    assert settings["FOLDER"] == r"C:\Users new\data"


def test_the_first_name_of_an_env_with_a_mark_is_not_lost_to_it(tmp_path):
    (tmp_path / ".env").write_text("FIRST_SETTING=1\n", encoding="utf-8-sig")

    assert load_settings(tmp_path)["FIRST_SETTING"] == "1"
