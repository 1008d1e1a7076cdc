"""Kept files for people: the list says what each waits for, and a copy is the file as it was fetched."""

import stat
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from backhaul import checks
from backhaul.engine.kept import copy_kept, kept_files
from backhaul.engine.prune import prune_pipeline
from backhaul.engine.quarantine import dismiss
from backhaul.errors import BackhaulError, ConfigError
from backhaul.model import Retention
from backhaul.sealing import new_key
from tests.engine.place import Place

NAME = "andalan.user"


def states(place: Place) -> list[str]:
    return [each.file.state for each in kept_files(place.changed(NAME), place.installation)]


def raw(place: Place) -> list[Path]:
    return [path for path in (place.folder / "data" / "lake" / "raw").rglob("*") if path.is_file()]


def test_each_kept_file_is_listed_with_what_it_waits_for_newest_first(place: Place) -> None:
    strict, few = (checks.one_of("Kota", ["Kota Contoh"]),), (checks.rows_between(0, 1),)
    for day, changes in ((12, {}), (11, {"checks": strict}), (10, {"transform": _broken}), (9, {"checks": few})):
        # No file has the bytes of another one: it would take over what that one waits for.
        for row in place.office.data["user"]:
            row["Nama"] = f"Nama {day}"
        place.run_changed(NAME, changes=changes, window=f"2025-09-{day:02}..2025-09-12")

    found = [each.file for each in kept_files(place.changed(NAME), place.installation)]

    assert [each.state for each in found] == ["not delivered", "refused", "rows in quarantine", "delivered"]
    assert [each.days for each in found][2:] == ["2025-09-11..2025-09-12", "2025-09-12"]
    assert [bool(each.reason) for each in found] == [True, True, False, False]


def _broken(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.select("Tidak Ada")


def test_a_file_that_was_let_go_of_is_told_as_such(place: Place) -> None:
    place.run_changed(NAME, changes={"transform": _broken})

    dismiss(place.changed(NAME), place.installation)

    assert states(place) == ["let go of"]


def test_what_retention_has_removed_is_not_listed(place: Place) -> None:
    place.run(NAME)
    target, here = place.changed(NAME, retention=Retention(days=0)), place.installation
    later = datetime.fromtimestamp(raw(place)[0].stat().st_mtime + 7200, UTC)
    prune_pipeline(target.name, target.pipeline.streams, ledger=here.ledger, lake=here.lake, now=later)

    assert kept_files(target, here) == []


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_copy_has_the_name_and_the_bytes_of_the_file(place: Place, tmp_path: Path, by: str) -> None:
    place.run(NAME)
    [shown] = kept_files(place.changed(NAME), place.installation)

    path = copy_kept(place.changed(NAME), place.installation, getattr(shown.file, by), tmp_path / "a" / "new folder")

    assert path == tmp_path / "a" / "new folder" / shown.file.name
    assert path.read_bytes() == raw(place)[0].read_bytes()
    assert place.ledger("SELECT what, target FROM audit") == [("copy", NAME)]


def test_a_sealed_file_is_opened_for_its_owner_only(place: Place, tmp_path: Path) -> None:
    place.run(NAME)
    plain = raw(place)[0].read_bytes()
    place.settings["BACKHAUL_KEY"] = new_key()
    place.run_changed(NAME, changes={"personal": True}, file=raw(place)[0], window=None)
    sealed, _ = kept_files(place.changed(NAME), place.installation)

    path = copy_kept(place.changed(NAME), place.installation, sealed.file.id, tmp_path / "copy")

    assert path.read_bytes() == plain
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not list((place.folder / "data" / "lake" / "opened").glob("*/*"))


def test_a_sealed_file_cannot_be_copied_without_its_key(place: Place, tmp_path: Path) -> None:
    place.settings["BACKHAUL_KEY"] = new_key()
    place.run_changed(NAME, changes={"personal": True})
    del place.settings["BACKHAUL_KEY"]
    [shown] = kept_files(place.changed(NAME), place.installation)

    with pytest.raises(ConfigError, match="no key is set"):
        copy_kept(place.changed(NAME), place.installation, shown.file.name, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


def test_a_file_that_is_there_already_is_not_written_over(place: Place, tmp_path: Path) -> None:
    place.run(NAME)
    [shown] = kept_files(place.changed(NAME), place.installation)
    (tmp_path / shown.file.name).write_text("mine", encoding="utf-8")

    with pytest.raises(ConfigError, match="is there already"):
        copy_kept(place.changed(NAME), place.installation, shown.file.name, tmp_path)

    assert (tmp_path / shown.file.name).read_text(encoding="utf-8") == "mine"


def test_a_name_that_nothing_has_and_one_that_several_have_are_told(place: Place, tmp_path: Path) -> None:
    for day in ("2025-09-11", "2025-09-12"):
        upload = tmp_path / day / "user.xlsx"
        place.run(NAME, window=day)
        upload.parent.mkdir()
        upload.write_bytes(max(raw(place), key=lambda path: path.stat().st_mtime_ns).read_bytes())
        place.run(NAME, file=upload, window=None)
    ids = [each.file.id for each in kept_files(place.changed(NAME), place.installation)]

    with pytest.raises(ConfigError, match=r"no kept file 'other\.xlsx'") as missing:
        copy_kept(place.changed(NAME), place.installation, "other.xlsx", tmp_path)
    with pytest.raises(ConfigError, match=r"2 kept files 'user\.xlsx'") as double:
        copy_kept(place.changed(NAME), place.installation, "user.xlsx", tmp_path)

    assert "backhaul kept" in missing.value.next_step
    assert sum(each in double.value.next_step for each in ids) == 2


def test_a_damaged_file_gives_no_copy(place: Place, tmp_path: Path) -> None:
    place.run(NAME)
    [path] = raw(place)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-9])
    [shown] = kept_files(place.changed(NAME), place.installation)

    with pytest.raises(BackhaulError, match="damaged"):
        copy_kept(place.changed(NAME), place.installation, shown.file.name, tmp_path / "copy")

    assert not (tmp_path / "copy").exists()


def test_a_disk_that_cannot_take_the_copy_is_left_without_a_piece_of_it(place: Place, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    here, target = place.installation, place.changed(NAME)
    landing = here.lake.landing(target.name, "user")
    landed = landing.receive([bytes(200_000)], name="large.bin", window=None, prove=lambda _path: None)
    kept = here.lake.raw.keep(landed)
    here.ledger.artifacts.keep("run", NAME, 1, kept, kept.path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            copy_kept(target, here, "large.bin", tmp_path / "copy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert list((tmp_path / "copy").iterdir()) == []
