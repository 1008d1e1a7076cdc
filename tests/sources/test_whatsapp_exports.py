"""Export chat files that people put into a folder: each taken once, each told by name if it is none."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backhaul import Pipeline, Schedule
from backhaul.config import resolved
from backhaul.engine.events import Event, Warned
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import Target
from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.lake import LandingFolder
from backhaul.model import Fetched, Landed, Stream
from backhaul.sandbox.chat_files import LOCALES, exported, made_up_chat
from backhaul.sessions.vault import Vault
from backhaul.sources import WhatsAppExports
from tests.sources.whatsapp_chat import QUICK, WINDOW, ZONE, parsed

LONG_AGO = 1_790_000_000
LINES = ("27.9.2026, 12:00 - דנה: תרגלתי", "27.9.2026, 12:01 - +972 55-000-0101: ok", "28.9.2026, 08:00 - דנה: ok")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "exports"
    (path / "students").mkdir(parents=True)
    return path


def put(folder: Path, name: str, *lines: str, seconds: int = 0) -> Path:
    """Put a text into the students' folder, or a zip with one, last written to so many seconds after LONG_AGO."""
    path, content = folder / "students" / name, "\n".join(lines or LINES)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("_chat.txt", content)
            archive.writestr("00000001-PHOTO.jpg", b"\xff\xd8\xff")
    else:
        path.write_text(content, encoding="utf-8")
    os.utime(path, (LONG_AGO + seconds, LONG_AGO + seconds))
    return path


def stream_of(path: Path, **options: Any) -> Stream:
    source = WhatsAppExports(str(path), timezone=ZONE)
    return source.group("exports", **{"folder": "students", "chat": "students", **options})


def fetch(stream: Stream, folder: Path, cursor: str | None = None) -> Fetched:
    session = stream.source.open(Vault(folder.parent / "vault"))
    return stream.source.fetch(session, stream, WINDOW, cursor, LandingFolder(folder.parent / "landing"))


def names(fetched: Fetched) -> list[str]:
    return [file.name for file in fetched.artifacts]


def landed(path: Path, name: str = "chat.txt") -> Landed:
    return Landed(path, name, "", path.stat().st_size, None)


def run(folder: Path, events: list[Event], **options: Any) -> RunResult:
    pipeline = Pipeline("students", [stream_of(folder, **options)], schedule=Schedule("0 */2 * * *", timezone=ZONE))
    place = Installation(folder.parent / "data", {})
    return run_pipeline(Target("students", pipeline), place, RunOptions(budget=QUICK), [events.append])


def rows(folder: Path) -> pl.DataFrame:
    return pl.concat(list(Installation(folder.parent / "data", {}).curated.read("exports")))


def test_texts_and_zips_are_taken_once_the_oldest_first_and_nothing_else(folder: Path) -> None:
    put(folder, "b.zip", seconds=5)
    put(folder, "WhatsApp Chat with X.TXT", seconds=9)
    put(folder, "photo.jpg")
    (folder / "other.txt").write_text("not in the folder of the group", encoding="utf-8")

    first = fetch(stream_of(folder), folder)
    again = fetch(stream_of(folder), folder, first.cursor)

    assert (names(first), names(again)) == (["b.zip", "WhatsApp Chat with X.TXT"], [])


def test_the_columns_are_those_that_are_promised(folder: Path) -> None:
    put(folder, "chat.zip")

    found = parsed(stream_of(folder), fetch(stream_of(folder), folder).artifacts[0])

    assert found.columns == [
        *("sent_at", "shown_at", "sender", "kind", "text", "is_edited", "fingerprint", "occurrence", "in_export")
    ]
    assert found["text"].to_list() == ["תרגלתי", "ok", "ok"]
    assert found["occurrence"].to_list() == ["1", "1", "1"]
    assert found["in_export"].all()


def test_a_folder_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    for folder in (tmp_path / "exports", tmp_path):
        assert fetch(stream_of(folder), folder).artifacts == ()
    assert fetch(stream_of(tmp_path), tmp_path, '{"a.txt": [1, 2]}').cursor == '{"a.txt": [1, 2]}'


def test_a_drive_that_is_gone_may_come_back(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="is not there"):
        fetch(stream_of(tmp_path / "gone" / "exports"), tmp_path / "gone")


def test_a_file_in_place_of_a_folder_is_refused(folder: Path) -> None:
    (folder / "sales").write_text("x", encoding="utf-8")

    with pytest.raises(ConfigError, match="is not a folder"):
        fetch(stream_of(folder, folder="sales"), folder)
    with pytest.raises(ConfigError, match="is not a folder"):
        stream_of(folder / "sales").source.open(Vault(folder))


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "", " "])
def test_a_folder_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no subfolder"):
        stream_of(folder, folder=name)


def test_a_file_that_is_no_export_is_refused_by_name_and_the_others_are_kept(folder: Path) -> None:
    put(folder, "1 before.txt")
    put(folder, "2 notes.txt", "buy milk", "and bread", seconds=1)
    put(folder, "3 after.txt", "29.9.2026, 08:00 - דנה: later", seconds=2)

    result = run(folder, [])
    (folder / "students" / "2 notes.txt").unlink()
    again = run(folder, [])

    [stream] = result.streams
    assert isinstance(stream.error, SourceChanged)
    assert "2 notes.txt: no chat export" in str(stream.error)
    assert rows(folder).height == 4
    assert again.exit_code == 0


def test_an_export_made_anew_changes_nothing_but_what_is_new(folder: Path) -> None:
    put(folder, "chat.txt")
    run(folder, [])

    put(folder, "chat (1).txt", *LINES, "29.9.2026, 08:00 - דנה: ok", seconds=60)
    counts = run(folder, []).counts

    assert (counts.new, counts.updated, counts.unchanged) == (1, 0, 3)


def test_a_chat_that_begins_later_than_wanted_is_told(folder: Path) -> None:
    put(folder, "chat.txt")
    events: list[Event] = []

    run(folder, events, since=date(2026, 1, 1))

    [warning] = [event.message for event in events if isinstance(event, Warned)]
    assert warning.startswith("chat.txt begins on 2026-09-27, later than 2026-01-01")


@pytest.mark.parametrize("since", [None, date(2026, 9, 28)])
def test_a_chat_that_begins_early_enough_is_not_told_of(folder: Path, since: date | None) -> None:
    put(folder, "chat.txt")
    events: list[Event] = []

    run(folder, events, since=since)

    assert not [event for event in events if isinstance(event, Warned)]


def test_dates_that_fit_both_orders_refuse_one_file_until_somebody_says_which(folder: Path) -> None:
    put(folder, "1.txt", "3/4/26, 12:00 - Dana: ok")
    put(folder, "2.txt", seconds=1)

    result = run(folder, [])

    assert "1.txt: ambiguous_date_order" in str(result.streams[0].error)
    assert 'date_order="dmy"' in result.streams[0].error.next_step  # type: ignore[union-attr]
    assert rows(folder).height == 3


def test_a_zip_that_is_cut_off_is_refused_by_name(folder: Path) -> None:
    path = put(folder, "chat.zip")
    path.write_bytes(path.read_bytes()[:-60])

    with pytest.raises(SourceChanged, match=r"exports: chat\.zip: a broken download"):
        parsed(stream_of(folder), landed(path, "chat.zip"))


def test_settings_and_their_defaults_have_their_names() -> None:
    given = resolved(WhatsAppExports(), {"WHATSAPP_EXPORTS": "/x", "WHATSAPP_TIMEZONE": "Asia/Jakarta"})

    assert (given.folder, given.timezone) == ("/x", "Asia/Jakarta")
    assert resolved(WhatsAppExports(), {}).folder == "exports"


def test_memory_does_not_grow_with_a_chat(folder: Path) -> None:
    path = folder / "students" / "large.txt"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(exported(made_up_chat(3, 30_000), LOCALES["he"]))
    stream, count = stream_of(folder), 0

    tracemalloc.start()
    for frame in stream.source.parse(stream, _artifact(path)):
        count += frame.height
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 30_000
    assert peak < 50_000_000


def test_a_plan_needs_no_browser(tmp_path: Path) -> None:
    module = tmp_path / "systems" / "kelas" / "students.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        "from backhaul import Pipeline, Schedule, Setting, WhatsAppExports, WhatsAppWeb\n"
        'pipeline = Pipeline("students", [\n'
        '    WhatsAppWeb().group("messages", group=Setting("STUDENTS_GROUP"), chat="students"),\n'
        '    WhatsAppExports().group("exports", folder="students", chat="students"),\n'
        '], schedule=Schedule("0 */2 * * *", timezone="Asia/Jerusalem"))\n',
        encoding="utf-8",
    )
    code = (
        "import sys; sys.modules['playwright'] = None; sys.modules['polars'] = None\n"
        "from backhaul.cli import main; sys.argv = ['backhaul', 'plan', 'kelas']; main()"
    )
    env = {**os.environ, "BACKHAUL_HOME": str(tmp_path)}

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)

    assert done.returncode == 0, done.stderr
    assert "messages" in done.stdout and "exports" in done.stdout


def _artifact(path: Path):  # type: ignore[no-untyped-def]
    from backhaul.model import Artifact

    return Artifact("a1", path, path.name, "", path.stat().st_size, None, datetime(2026, 11, 1, tzinfo=UTC))


def test_a_check_tells_which_files_are_there(tmp_path: Path) -> None:
    exports = WhatsAppExports(folder=str(tmp_path / "exports"))
    before = exports.check()
    (tmp_path / "exports" / "students").mkdir(parents=True)
    empty = exports.check()
    (tmp_path / "exports" / "students" / "WhatsApp Chat with A.txt").touch()

    assert "is not there" in before
    assert "no export files" in empty
    assert exports.check().endswith("1 in students")
