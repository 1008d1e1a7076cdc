"""The lake of a personal stream: nothing of it lies on disk in the clear, and everything is found again."""

import multiprocessing
import os
import secrets
import signal
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from backhaul.errors import BackhaulError, ConfigError
from backhaul.lake import Lake
from backhaul.model import ROW, Artifact, Batch, Changes, Landed, Rejected, Stream, Window
from backhaul.sealing import Seal
from backhaul.testing.batches import NoSource

DAY = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")
SECRET = b"Nama,Telepon\nOrang Contoh,telepon-contoh\n"
STREAM = Stream(name="people", source=NoSource(), request=None, key=("id",), personal=True)


@pytest.fixture
def seal() -> Seal:
    return Seal(secrets.token_bytes(32))


@pytest.fixture
def lake(tmp_path: Path, seal: Seal) -> Lake:
    return Lake(tmp_path / "lake", seal).of(STREAM)


def land(lake: Lake, content: bytes = SECRET) -> Landed:
    return lake.landing("shop", "people").receive([content], name="people.csv", window=DAY, prove=lambda path: None)


def artifact(kept: Landed) -> Artifact:
    return Artifact("a", kept.path, kept.name, kept.sha256, kept.size_bytes, kept.window, datetime.now(UTC))


def on_disk(lake: Lake) -> bytes:
    return b"".join(path.read_bytes() for path in lake.root.rglob("*") if path.is_file())


def staged(lake: Lake, *frames: pl.DataFrame) -> Batch:
    writer, row = lake.staging.writer("b1", "shop.people", ("id",), "Asia/Jakarta"), 1
    for frame in frames:
        writer.add(frame.with_row_index(ROW, offset=row))
        row += frame.height
    return writer.finish(0)


def test_a_kept_file_is_nowhere_in_the_clear(lake: Lake) -> None:
    kept = lake.raw.keep(land(lake))

    assert b"Contoh" not in on_disk(lake)
    assert kept.path.suffix == ".sealed"
    assert kept.path.stat().st_mode & 0o777 == 0o400
    assert not list((lake.root / "landing").rglob("*.csv"))


def test_its_address_tells_nothing_to_who_knows_the_file(lake: Lake) -> None:
    landed = land(lake)

    kept = lake.raw.keep(landed)

    assert landed.sha256 not in str(kept.path)
    assert kept.sha256 == kept.path.name


def test_the_same_bytes_are_sealed_once(lake: Lake) -> None:
    first, again = lake.raw.keep(land(lake)), lake.raw.keep(land(lake))

    assert first.path == again.path
    assert len(list(lake.raw.folder.rglob("*.sealed"))) == 1


def test_a_parser_reads_it_in_a_private_folder_that_goes_with_it(lake: Lake) -> None:
    kept = artifact(lake.raw.keep(land(lake)))

    with lake.raw.readable(kept) as plain:
        assert plain.path.read_bytes() == SECRET
        assert plain.path.parent.stat().st_mode & 0o777 == 0o700
        assert replace(plain, path=kept.path) == kept
        opened = plain.path

    assert not opened.parent.exists()
    assert b"Contoh" not in on_disk(lake)


def test_a_plain_file_is_read_where_it_lies(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    kept = artifact(lake.raw.keep(land(lake)))

    with lake.raw.readable(kept) as plain:
        assert plain == kept


def test_what_was_kept_before_a_stream_became_personal_is_read_on(tmp_path: Path, seal: Seal) -> None:
    kept = Lake(tmp_path).raw.keep(land(Lake(tmp_path)))

    later = Lake(tmp_path, seal).of(STREAM)

    assert later.raw.verify(kept.sha256) == kept.path
    with later.raw.readable(artifact(kept)) as plain:
        assert plain.path.read_bytes() == SECRET


@pytest.mark.parametrize("damage", ["changed", "cut", "exchanged", "gone"])
def test_damage_is_noticed(lake: Lake, damage: str) -> None:
    kept, other = lake.raw.keep(land(lake)), lake.raw.keep(land(lake, b"other rows"))
    sealed = kept.path.read_bytes()
    kept.path.chmod(0o600)
    match damage:
        case "changed":
            kept.path.write_bytes(sealed[:-1] + bytes([sealed[-1] ^ 1]))
        case "cut":
            kept.path.write_bytes(sealed[:-20])
        case "exchanged":
            kept.path.write_bytes(other.path.read_bytes())
        case "gone":
            kept.path.unlink()

    with pytest.raises(BackhaulError, match="is gone" if damage == "gone" else "is damaged"):
        lake.raw.verify(kept.sha256)


def test_bytes_that_are_damaged_are_sealed_anew_when_they_come_again(lake: Lake) -> None:
    kept = lake.raw.keep(land(lake))
    kept.path.chmod(0o600)
    kept.path.write_bytes(b"rotten")

    again = lake.raw.keep(land(lake))

    assert lake.raw.verify(again.sha256) == kept.path


def test_without_its_key_a_file_is_refused_and_the_setting_named(lake: Lake) -> None:
    kept = lake.raw.keep(land(lake))

    with pytest.raises(ConfigError, match="no key is set") as caught:
        Lake(lake.root).raw.verify(kept.sha256)

    assert "BACKHAUL_KEY" in caught.value.next_step


def test_after_a_change_of_key_the_old_one_still_opens(lake: Lake) -> None:
    old = secrets.token_bytes(32)
    before = Lake(lake.root, Seal(old)).of(STREAM)
    kept = before.raw.keep(land(before))

    after = Lake(lake.root, Seal(secrets.token_bytes(32), old=[old])).of(STREAM)

    assert after.raw.verify(kept.sha256) == kept.path


def test_a_personal_stream_without_a_key_has_no_lake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="people: personal=True") as caught:
        Lake(tmp_path).of(STREAM)

    assert "backhaul sessions new-key" in caught.value.next_step


def test_staged_rows_are_nowhere_in_the_clear_and_come_back(lake: Lake) -> None:
    first = pl.DataFrame({"id": ["1", "2"], "name": ["Orang Contoh", "x" * 40]})
    second = pl.DataFrame({"id": ["1"], "name": ["Orang Contoh Dua"]})

    batch = staged(lake, first, second)

    assert b"Contoh" not in on_disk(lake)
    assert (batch.rows, batch.duplicate) == (2, 1)
    assert [row for frame in batch.frames() for row in frame.rows()] == [
        (2, "2", "x" * 40),
        (3, "1", "Orang Contoh Dua"),
    ]
    assert batch.schema() == {"id": pl.String, "name": pl.String}
    assert lake.staging.load("b1") == batch


def test_a_table_check_sees_sealed_rows_as_plain_ones(tmp_path: Path, lake: Lake) -> None:
    frames = [pl.DataFrame({"id": [str(n)], "total": [n]}) for n in range(5)]
    sealed, plain = staged(lake, *frames).lazy(), staged(Lake(tmp_path / "plain"), *frames).lazy()

    for query in (
        lambda rows: rows,
        lambda rows: rows.select(pl.col("total").sum()),
        lambda rows: rows.filter(pl.col("total") > 1).select("id"),
        lambda rows: rows.head(3).filter(pl.col("total") > 0),
        lambda rows: rows.slice(1, 3).select("total"),
    ):
        assert query(sealed).collect().equals(query(plain).collect())


def test_a_sealed_part_opens_in_its_place_only(lake: Lake) -> None:
    batch = staged(lake, pl.DataFrame({"id": ["1"]}), pl.DataFrame({"id": ["2"]}))
    first, second = batch.parts
    first.write_bytes(second.read_bytes())

    with pytest.raises(BackhaulError, match=r"part-00000.parquet is damaged") as caught:
        list(batch.frames())

    assert "backhaul replay" in caught.value.next_step


def test_staged_rows_without_their_key_are_refused(lake: Lake) -> None:
    staged(lake, pl.DataFrame({"id": ["1"]}))

    with pytest.raises(ConfigError, match="batch b1 is encrypted"):
        Lake(lake.root).staging.load("b1")


def test_what_a_destination_found_comes_back_for_a_sealed_batch(lake: Lake) -> None:
    batch = staged(lake, pl.DataFrame({"id": ["1", "2"]}))
    found = Changes(batch, pl.Series("class", [0, 3], dtype=pl.UInt8), (Rejected(2, "cell too long"),), removed=4)

    lake.staging.save_changes("sheet", found)

    back = lake.staging.load_changes("sheet", batch)
    assert back is not None
    assert (back.classes.to_list(), back.refused, back.removed) == ([0, 3], found.refused, 4)


def open_and_die(lake: Lake, kept: Artifact) -> None:
    with lake.raw.readable(kept):
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_process_had_opened_is_removed_at_the_next_start(lake: Lake) -> None:
    kept = artifact(lake.raw.keep(land(lake)))
    process = multiprocessing.get_context("fork").Process(target=open_and_die, args=(lake, kept))
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert b"Contoh" in on_disk(lake)

    with lake.raw.readable(kept) as mine:
        lake.clear_landing("another")

        assert mine.path.exists(), "what a living process has opened stays"

    assert b"Contoh" not in on_disk(lake)
