"""System B as a whole: the shop's backups in Dropbox, the catalogue, the owner's messages, and every bad backup."""

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from backhaul.bot.declared import find_bot
from backhaul.config import resolved
from backhaul.engine.context import Status
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import bundled_systems, find
from backhaul.retry import Budget
from backhaul.sandbox.outside import Outside
from backhaul.search import Catalogue

SAMPLES = sorted((bundled_systems() / "toko" / "sample").glob("*.i5bu"))
ROWS, NEW, GONE, CHANGED = 764, 3, 3, 194
QUICK = Budget(attempts=2, first_wait_s=0.01, longest_wait_s=0.05)


@dataclass
class Shop:
    """One installation of system B."""

    folder: Path
    outside: Outside
    settings: dict[str, str]
    events: list[Event] = field(default_factory=list)

    def run(self, **options: Any) -> RunResult:
        [target] = find(bundled_systems(), "toko")
        settings = self.settings if options.pop("is_connected", True) else {}
        chosen = RunOptions(budget=QUICK, **options)
        return run_pipeline(target, Installation(self.folder / "data", settings), chosen, [self.events.append])

    def upload(self, content: bytes, name: str = "i5_TOKO_later.i5bu", hours: float = 1.0) -> None:
        self.outside.dropbox.put_file(name, content, server_modified=datetime.now(UTC) + timedelta(hours=hours))

    @property
    def catalogue(self) -> Catalogue:
        bot = find_bot(bundled_systems(), "toko").bot
        return resolved(bot, self.settings).catalogue.catalogue()

    @property
    def snapshots(self) -> list[Path]:
        return sorted((self.folder / "data" / "katalog").glob("[0-9]*.csv"))

    def calls(self) -> list[str]:
        """Return the calls to Dropbox since the last look."""
        found = [str(call.endpoint) for call in self.outside.dropbox.calls]
        new, self._seen = found[self._seen :], len(found)
        return new

    _seen: int = 0

    def told(self) -> list[str]:
        return [message.text for message in self.outside.telegram.messages(self.outside.telegram.chat_id)]

    def select(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "data" / "warehouse.db")) as connection:
            return connection.execute(query).fetchall()

    def is_in_service(self) -> bool:
        """Tell whether the catalogue of the first sample answers."""
        return self.catalogue.status().products == 280


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("BACKHAUL_HOME", str(tmp_path))
    with Outside() as outside:
        yield Shop(tmp_path, outside, outside.settings)


def test_a_newer_backup_changes_what_has_changed_and_marks_what_is_gone(shop: Shop) -> None:
    first = shop.run()
    shop.outside.upload_backup(1)
    second = shop.run()

    counts = [(each.counts.new, each.counts.updated, each.counts.removed) for each in second.streams]
    assert (first.exit_code, first.streams[0].counts.new) == (0, ROWS)
    assert counts == [(NEW, CHANGED, GONE), (26, 0, 0)]
    found = shop.select("SELECT count(*) FROM katalog WHERE removed_at IS NOT NULL")
    assert found == [(GONE,)]
    [code] = shop.select("SELECT kodeitem FROM katalog WHERE removed_at IS NOT NULL LIMIT 1")[0]
    assert shop.catalogue.by_code(code) == ()
    changes = shop.select("SELECT harga_lama <> harga_baru OR pokok_lama <> pokok_baru FROM perubahan_harga")
    assert len(changes) == 26
    assert all(is_change == (1,) for is_change in changes)


def test_a_run_that_finds_nothing_newer_lists_once_and_downloads_nothing(shop: Shop) -> None:
    shop.run()
    shop.calls()

    again = shop.run()

    assert again.exit_code == 0
    assert shop.calls() == ["oauth2/token", "files/list_folder/continue"]
    assert [each.counts.rows for each in again.streams] == [0, 0]


def test_the_old_five_columns_come_first_in_a_dated_file(shop: Shop) -> None:
    shop.run()

    [snapshot] = shop.snapshots
    made_at = datetime.strptime(snapshot.name, "%d%m%Y-%H%M.csv").replace(tzinfo=ZoneInfo("Asia/Jakarta"))
    assert timedelta(hours=23) < datetime.now(UTC) - made_at < timedelta(hours=25), "it is named by its backup"
    with snapshot.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:5] == ["namaitem", "konversi", "satuan", "hargapokok", "hargajual"]
    assert (len(rows), "removed_at" in header) == (ROWS, False)
    assert not [row[1] for row in rows if row[1].endswith(".000")]


def test_the_owner_is_told_what_the_checks_have_found_in_counts(shop: Shop) -> None:
    shop.run()

    [message] = shop.told()
    assert "Mohon diperiksa" in message
    assert "below cost: 2 items, 3 prices in all" in message


def damaged(sample: bytes) -> dict[str, tuple[bytes, str]]:
    renamed = sample.replace(b"tbl_itemhj", b"tbl_itemxx")
    return {
        "empty": (b"", "is not whole"),
        "half uploaded": (sample[: len(sample) // 2], "is not whole"),
        "its last byte is missing": (sample[:-1], "is not whole"),
        "another kind of file": (b"PK\x03\x04" + sample, "got a zip archive"),
        "a text dump": (b"--\n-- PostgreSQL database dump\n--\n" * 50, "plain"),
        "a table has another name": (renamed, "'tbl_itemhj' is missing"),
        "a column has another name": (sample.replace(b"hargajual", b"hargajuax"), "is missing in table"),
        "a newer version": (sample[:6] + bytes([99]) + sample[7:], "99"),
    }


@pytest.mark.parametrize("what", damaged(b"PGDMP" * 20))
def test_a_bad_backup_is_refused_with_the_reason_and_the_last_good_one_stays(shop: Shop, what: str) -> None:
    shop.run()
    content, words = damaged(SAMPLES[1].read_bytes())[what]
    shop.upload(content)
    shop.calls()

    refused = shop.run()
    downloads = shop.calls()
    again = shop.run()

    assert (refused.exit_code, again.exit_code) == (1, 1)
    message = str(refused.streams[0].error)
    assert words in message, message
    assert "backup_" in message
    assert "nothing newer has come" in str(again.streams[0].error)
    assert downloads.count("files/download") == (what != "empty")
    assert "files/download" not in shop.calls()
    assert shop.is_in_service()
    shop.upload(SAMPLES[1].read_bytes(), hours=2)
    assert shop.run().streams[0].counts.updated == CHANGED


def test_a_catalogue_that_has_shrunk_waits_until_a_person_accepts_it(shop: Shop) -> None:
    shop.run()
    [target] = find(bundled_systems(), "toko")
    katalog, history = target.pipeline.streams
    few = replace(katalog, transform=lambda frame: frame.head(100))
    shrunk = replace(target, pipeline=replace(target.pipeline, streams=(few, history)))
    shop.outside.upload_backup(1)
    here = Installation(shop.folder / "data", shop.outside.settings)

    held = run_pipeline(shrunk, here, RunOptions(budget=QUICK))
    still_held = run_pipeline(shrunk, here, RunOptions(budget=QUICK))
    was_in_service = shop.is_in_service()
    accepted = run_pipeline(shrunk, here, RunOptions(budget=QUICK, accept=True))

    assert [each.streams[0].status for each in (held, still_held, accepted)] == [
        Status.HELD,
        Status.HELD,
        Status.DONE,
    ]
    assert was_in_service
    assert shop.catalogue.status().rows == 100


def test_an_old_backup_is_told_of_and_goes_on_answering(shop: Shop) -> None:
    shop.outside.dropbox.delete(f"i5_TOKO_{datetime.now(UTC) - timedelta(days=1):%Y%m%d}.i5bu")
    shop.upload(SAMPLES[0].read_bytes(), hours=-50)

    result = shop.run()

    assert result.exit_code == 1
    assert "the newest file there is 50 hours old" in str(result.streams[0].error)
    assert shop.is_in_service()


def test_before_anything_was_brought_the_price_changes_wait_and_the_login_is_told(shop: Shop) -> None:
    shop.outside.dropbox.revoke()

    result = shop.run()

    assert result.exit_code == 4
    assert [each.status for each in result.streams] == [Status.LOGIN, Status.DONE]


def test_with_a_backup_file_alone_no_setting_is_needed(shop: Shop) -> None:
    result = shop.run(file=SAMPLES[0], is_connected=False)

    assert (result.exit_code, result.streams[0].counts.new) == (0, ROWS)
    assert shop.is_in_service()
    assert "nobody is told" in "".join(event.message for event in shop.events if isinstance(event, Warned))


def test_no_secret_is_in_any_file_or_message(shop: Shop) -> None:
    shop.run()
    shop.outside.dropbox.revoke()
    refused = shop.run()

    assert refused.exit_code == 4
    secrets = [shop.settings[name] for name in ("DROPBOX_APP_SECRET", "DROPBOX_REFRESH_TOKEN", "TELEGRAM_BOT_TOKEN")]
    secrets += shop.outside.dropbox.tokens
    texts = [path.read_bytes() for path in (shop.folder / "data").rglob("*") if path.is_file()]
    texts += [text.encode() for text in shop.told()]
    assert [secret for secret in secrets for text in texts if secret.encode() in text] == []
