"""Landing proves before it names; raw keeps each file once, read-only, and notices damage."""

import hashlib
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from backhaul.errors import BackhaulError
from backhaul.lake import Lake, LandingFolder
from backhaul.lake.landing import safe_name
from backhaul.model import Landed, Window

DAY = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")


def fits(path: Path) -> None:
    assert path.exists()


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def land(lake: Lake, content: bytes, name: str = "orders.csv") -> Landed:
    return lake.landing("shop", "orders").receive([content], name=name, window=DAY, prove=fits)


def test_a_landed_file_has_its_bytes_hash_size_and_window(tmp_path: Path) -> None:
    landed = LandingFolder(tmp_path).receive([b"ab", b"", b"c"], name="a.csv", window=DAY, prove=fits)

    assert landed.path.read_bytes() == b"abc"
    assert (landed.name, landed.size_bytes, landed.window) == ("a.csv", 3, DAY)
    assert landed.sha256 == hashlib.sha256(b"abc").hexdigest()


def test_the_proof_sees_the_whole_file_before_it_has_its_name(tmp_path: Path) -> None:
    seen = []

    def prove(path: Path) -> None:
        seen.append((path.read_bytes(), (tmp_path / "a.csv").exists()))

    LandingFolder(tmp_path).receive([b"ab", b"c"], name="a.csv", window=None, prove=prove)

    assert seen == [(b"abc", False)]


def test_a_stream_that_breaks_leaves_nothing_behind(tmp_path: Path) -> None:
    def cut() -> Iterator[bytes]:
        yield b"half of"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        LandingFolder(tmp_path).receive(cut(), name="a.csv", window=None, prove=fits)

    assert files(tmp_path) == []


@pytest.mark.parametrize("error", [ValueError("no table"), KeyboardInterrupt()])
def test_a_file_that_fails_its_proof_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    def refuse(path: Path) -> None:
        raise error

    with pytest.raises(type(error)):
        LandingFolder(tmp_path).receive([b"<html>"], name="a.csv", window=None, prove=refuse)

    assert files(tmp_path) == []


def test_two_files_of_one_name_lie_side_by_side(tmp_path: Path) -> None:
    landing = LandingFolder(tmp_path)

    first = landing.receive([b"1"], name="a.csv", window=None, prove=fits)
    second = landing.receive([b"2"], name="a.csv", window=None, prove=fits)

    assert (first.path.read_bytes(), second.path.read_bytes()) == (b"1", b"2")
    assert first.name == second.name == "a.csv"


def test_an_adopted_file_is_copied_and_stays_where_it_was(tmp_path: Path) -> None:
    given = tmp_path / "unduhan.csv"
    given.write_bytes(b"x" * 3_000_000)

    landed = LandingFolder(tmp_path / "landing").adopt(given, name="unduhan.csv", window=None, prove=fits)

    assert landed.size_bytes == 3_000_000
    assert given.read_bytes() == landed.path.read_bytes()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/passwd", "etc_passwd"),
        ("C:\\data\\a.csv", "C_data_a.csv"),
        ("laporan 2025-09-12.xlsx", "laporan_2025-09-12.xlsx"),
        ("...", "file"),
        ("x" * 300 + ".csv", "x" * 116 + ".csv"),
    ],
)
def test_a_name_from_outside_cannot_leave_the_folder(name: str, expected: str) -> None:
    assert safe_name(name) == expected


def test_clearing_landing_leaves_other_pipelines_alone(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    land(lake, b"1")
    other = lake.landing("other", "orders").receive([b"2"], name="a.csv", window=None, prove=fits)

    lake.clear_landing("shop")

    assert files(tmp_path) == [other.path]


def test_only_its_owner_may_look_into_landing(tmp_path: Path) -> None:
    landed = land(Lake(tmp_path), b"rows")

    assert landed.path.parent.stat().st_mode & 0o777 == 0o700


def test_bytes_are_removed_an_hour_after_they_were_kept_last(tmp_path: Path) -> None:
    raw = Lake(tmp_path).raw
    kept = raw.keep(land(Lake(tmp_path), b"rows"))
    changed_at = kept.path.stat().st_mtime

    assert not raw.remove(kept.sha256, now=changed_at + 3599)
    assert kept.path.exists()
    assert raw.remove(kept.sha256, now=changed_at + 3601)
    assert not kept.path.exists()
    assert raw.remove(kept.sha256), "gone is gone"


def test_bytes_that_come_again_are_young_again(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    kept = lake.raw.keep(land(lake, b"rows"))
    os.utime(kept.path, (0, 0))

    lake.raw.keep(land(lake, b"rows"))

    assert not lake.raw.remove(kept.sha256)


def test_the_same_bytes_are_stored_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    first = lake.raw.keep(land(lake, b"rows")).path
    second = lake.raw.keep(land(lake, b"rows", "other name.csv")).path

    assert first == second
    assert files(lake.raw.folder) == [first]


def test_a_kept_file_is_read_only_and_named_by_its_hash(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    kept = lake.raw.keep(land(lake, b"rows")).path

    assert kept.name == hashlib.sha256(b"rows").hexdigest()
    assert kept.stat().st_mode & 0o222 == 0


def test_a_kept_file_that_is_whole_is_verified(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    kept = lake.raw.keep(land(lake, b"rows")).path

    assert lake.raw.verify(kept.name) == kept


@pytest.mark.parametrize("damage", ["changed", "gone"])
def test_damage_in_raw_is_noticed(tmp_path: Path, damage: str) -> None:
    lake = Lake(tmp_path)
    kept = lake.raw.keep(land(lake, b"rows")).path
    kept.chmod(0o600)
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(b"rowz")

    with pytest.raises(BackhaulError, match=damage.replace("changed", "damaged")) as caught:
        lake.raw.verify(kept.name)

    assert "backup" in caught.value.next_step
