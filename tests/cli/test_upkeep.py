"""`mark`, `backup`, `restore` and `migrate` as a person uses them, on a real system folder and a real server."""

import contextlib
import gzip
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from backhaul.cli.app import app
from backhaul.cli.run import installation
from backhaul.cli.upkeep import changes_in
from backhaul.engine.backup import make_backup
from backhaul.engine.backup_files import MANIFEST, backups_in
from backhaul.engine.systems import find
from backhaul.errors import AlreadyRunning, ConfigError, DeliveryError
from backhaul.sealing import new_key
from tests import mongo_server

STUDENTS = """
from backhaul import Derived, DropFolder, MongoDB, Nested, Pipeline, Setting
from backhaul.model import Migration


def numbered(row):
    return {**row, "lessons": [{"message_count": 0, **each} for each in row["lessons"]]}


stats = MongoDB(
    Setting("STUDENTS_DB"),
    "student_stats",
    nested=[Nested("lessons", key="lesson", on_insert=("paid",))],
    migrations=[Migration(1, "messages per lesson", numbered)],
)
unused = Setting("OF_THE_SOURCE_ONLY")
pipeline = Pipeline(
    name="students",
    streams=[DropFolder(unused).files("student_stats", pattern="*.csv", key="uniq_id", to=stats)],
)
"""
SALES = """
from backhaul import DropFolder, MongoDB, Pipeline, Setting

LEADS = MongoDB(Setting("SALES_DB"), update_only=True)
pipeline = Pipeline(
    name="sales",
    streams=[DropFolder("drop").files("leads", pattern="*.csv", key="lead", to=LEADS)],
)
"""


@dataclass(frozen=True)
class School:
    """A folder with a system of two pipelines, and what its commands say."""

    folder: Path
    students: str
    sales: str

    def call(self, *arguments: object, code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(each) for each in arguments])
        assert result.exit_code == code, result.output
        return result

    def document(self, *arguments: object, code: int = 0) -> Any:
        return json.loads(self.call(*arguments, "--json", code=code).stdout)

    @property
    def stats(self) -> Any:
        return mongo_server.client()[self.students]["student_stats"]

    @property
    def leads(self) -> Any:
        return mongo_server.client()[self.sales]["leads"]

    def audit(self) -> list[Any]:
        import sqlite3

        path = self.folder / "data" / "ledger.db"
        with sqlite3.connect(path) as connection:
            rows = connection.execute("select what, target, detail from audit order by id").fetchall()
        connection.close()
        return rows


@pytest.fixture
def school(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> School:
    folder = tmp_path / "home"
    (folder / "systems" / "school").mkdir(parents=True)
    (folder / "systems" / "school" / "students.py").write_text(STUDENTS)
    (folder / "systems" / "school" / "sales.py").write_text(SALES)
    found = School(folder, mongo_server.new_database(), mongo_server.new_database())
    monkeypatch.setenv("BACKHAUL_HOME", str(folder))
    monkeypatch.setenv("MONGODB_URI", mongo_server.url())
    monkeypatch.setenv("STUDENTS_DB", found.students)
    monkeypatch.setenv("SALES_DB", found.sales)
    for name in ("BACKHAUL_KEY", "BACKHAUL_OLD_KEYS", "BACKHAUL_LEDGER_URL"):
        monkeypatch.delenv(name, raising=False)
    found.stats.insert_many(
        [
            {"uniq_id": "a", "name": "Dana Levi", "lessons": [{"lesson": 5, "paid": False}]},
            {"uniq_id": "b", "name": "Noa Cohen", "lessons": []},
        ]
    )
    found.leads.insert_one({"lead": "972", "name": "Gil"})
    return found


@contextlib.contextmanager
def another(code: str, *arguments: str) -> Iterator[None]:
    """Let a process come to where it prints something, and kill it in the end."""
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            assert process.stdout.readline()
            yield
        finally:
            process.kill()


def kept(folder: Path) -> list[str]:
    return [each.folder.name for each in backups_in(folder)]


def test_a_lesson_is_marked_as_paid(school: School) -> None:
    said = ("mark", "school.students.student_stats", "Dana Levi", "paid=true", "--entry", "5")

    shown = school.call(*said, "--dry-run").stdout
    assert "would be" in shown
    assert school.stats.find_one({"uniq_id": "a"})["lessons"][0]["paid"] is False
    document = school.document(*said)

    assert document["stream"] == "school.students.student_stats"
    [changed] = document["changed"]
    assert (changed["field"], changed["before"], changed["after"]) == ("lessons.paid", False, True)
    assert school.stats.find_one({"uniq_id": "a"})["lessons"][0]["paid"] is True
    assert "it says so already" in school.call(*said).stdout


def test_a_mark_is_in_the_audit_of_the_ledger_without_saying_whose_row_it_is(school: School) -> None:
    said = ("mark", "school.students", "Dana Levi", "--entry", "5")
    school.call(*said, "paid=true")
    assert not (school.folder / "data" / "ledger.db").exists()
    installation().ledger.keep_audit("copy", "file", "makes the ledger")

    school.call(*said, "paid=false")

    id = school.stats.find_one({"uniq_id": "a"})["_id"]
    assert school.audit()[1:] == [("mark", "school.students.student_stats", f"lessons.paid of {id}")]


def test_what_the_curated_table_has_is_the_streams_own(school: School) -> None:
    import polars as pl

    from backhaul.testing.batches import BatchMaker

    maker = BatchMaker(school.folder / "staging", key=("uniq_id",), table="student_stats")
    cell = json.dumps([{"lesson": 5, "teacher": "Noa", "paid": False}])
    batch = maker.batch(pl.DataFrame({"uniq_id": ["a"], "teacher": ["Noa"], "lessons": [cell]}))
    curated = installation().curated
    curated.write(maker.stream, curated.compare(maker.stream, batch))
    said = ("mark", "school.students", "Dana Levi")

    assert "'teacher' is written" in school.call(*said, "teacher=x", code=2).stderr
    assert "'teacher' is written" in school.call(*said, "teacher=x", "--entry", "5", code=2).stderr
    school.call(*said, "paid=true", "note=x", "--entry", "5")


def test_where_several_destinations_can_be_marked_one_is_to_be_named(school: School) -> None:
    assert "school.sales.leads" in school.call("mark", "school", "Dana", "x=1", code=2).stderr


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("true", True),
        ("false", False),
        ("null", None),
        ("5", 5),
        ("-1.5", -1.5),
        ("1e3", 1000.0),
        ("05", "05"),
        ("+972", "+972"),
        ("", ""),
        ("a=b", "a=b"),
        ('"5"', "5"),
        ('"', '"'),
        ("True", "True"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("\u0665", "\u0665"),
        ("שולם", "שולם"),
    ],
)
def test_values_are_what_json_calls_so_and_else_text(said: str, value: object) -> None:
    [found] = changes_in([f"x={said}"]).values()

    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("said", [["paid"], ["=1"], ["x=1", "x=2"]])
def test_what_is_no_change_is_refused(said: list[str]) -> None:
    with pytest.raises(ConfigError):
        changes_in(said)


def test_a_backup_holds_every_collection_once_and_comes_back(school: School, tmp_path: Path) -> None:
    before = list(school.stats.find()), list(school.leads.find())
    made = school.document("backup", "school", "--to", tmp_path / "kept")
    school.stats.delete_one({"uniq_id": "a"})
    school.leads.update_one({}, {"$set": {"name": "x"}})
    school.stats.insert_one({"uniq_id": "c"})

    rehearsed = school.document("restore", "school", tmp_path / "kept", "--dry-run")
    restored = school.document("restore", "school", made["folder"])

    assert [each["collection"] for each in made["collections"]] == [
        f"{school.sales}.leads",
        f"{school.students}.student_stats",
    ]
    counts = [tuple(each[name] for name in ("new", "updated", "unchanged")) for each in restored["collections"]]
    assert counts == [(0, 1, 0), (1, 0, 1)]
    assert [each["new"] for each in rehearsed["collections"]] == [0, 1]
    assert rehearsed["dry_run"]
    school.stats.delete_one({"uniq_id": "c"})
    assert (sorted(school.stats.find(), key=str), list(school.leads.find())) == (
        sorted(before[0], key=str),
        before[1],
    )
    assert [each[0] for each in school.audit()] == ["restore", "restore"]


def test_files_are_private_plain_lines_and_the_manifest_says_what_they_are(school: School, tmp_path: Path) -> None:
    folder = Path(school.document("backup", "school.students", "--to", tmp_path / "kept")["folder"])

    manifest = json.loads((folder / MANIFEST).read_text())
    [collection] = manifest["collections"]
    assert collection["file"] == f"{school.students}.student_stats.jsonl.gz"
    assert (collection["documents"], manifest["of"], manifest["key"]) == (2, "school.students", None)
    assert datetime.fromisoformat(manifest["made_at"]).tzinfo
    with gzip.open(folder / collection["file"], "rt", encoding="utf-8") as lines:
        first = json.loads(next(lines))
    assert first["lessons"] == [{"lesson": {"$numberInt": "5"}, "paid": False}]
    for path in (folder, *folder.iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    assert "not encrypted" in school.call("backup", "school.students", "--to", tmp_path / "kept").stdout


def test_with_a_key_a_backup_is_encrypted_and_only_the_key_opens_it(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKHAUL_KEY", key := new_key())
    made = school.document("backup", "school", "--to", tmp_path / "kept")

    files = [path for path in Path(made["folder"]).iterdir() if path.name != MANIFEST]
    assert {path.suffix for path in files} == {".sealed"}
    assert not any(path.read_bytes()[:2] == b"\x1f\x8b" for path in files)
    assert made["key"]
    assert "encrypted with the key" in school.call("backup", "school", "--to", tmp_path / "kept").stdout
    school.stats.delete_many({})
    monkeypatch.delenv("BACKHAUL_KEY")
    assert "no key is set" in school.call("restore", "school", made["folder"], code=2).stderr
    monkeypatch.setenv("BACKHAUL_KEY", new_key())
    refused = school.call("restore", "school", made["folder"], code=2).stderr
    assert f"{made['folder']} is sealed with the key {made['key']}" in refused
    assert "BACKHAUL_OLD_KEYS" in refused
    monkeypatch.setenv("BACKHAUL_OLD_KEYS", key)
    school.call("restore", "school", made["folder"])
    assert school.stats.count_documents({}) == 2


def test_the_same_documents_give_the_same_file(school: School, tmp_path: Path) -> None:
    one, two = (school.document("backup", "school", "--to", tmp_path / "kept") for _ in range(2))

    assert one["folder"] != two["folder"]
    assert [each["sha256"] for each in one["collections"]] == [each["sha256"] for each in two["collections"]]


def test_of_daily_backups_the_newest_stay_and_what_is_not_ours_is_left_alone(school: School, tmp_path: Path) -> None:
    folder, targets, here = tmp_path / "kept", find(school.folder / "systems", "school"), installation()
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    (folder / "holiday").mkdir()
    start = datetime(2026, 1, 1, tzinfo=UTC)
    make_backup("other", targets, here, folder, now=start)
    for day in range(4):
        made = make_backup("school", targets, here, folder, keep=2, now=start + timedelta(days=day + 1))
        if day == 0:
            (made.backup.folder / "mine.txt").write_text("mine")

    assert kept(folder) == ["20260101T000000Z", "20260104T000000Z", "20260105T000000Z"]
    assert [each.name for each in made.gone] == ["20260103T000000Z"]
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "holiday").is_dir()
    assert [each.name for each in (folder / "20260102T000000Z").iterdir()] == ["mine.txt"]


def test_two_backups_of_one_second_have_folders_of_their_own_and_the_later_is_the_newest(
    school: School, tmp_path: Path
) -> None:
    targets, here, now = find(school.folder / "systems", "school"), installation(), datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(2):
        make_backup("school", targets, here, tmp_path / "kept", now=now)

    assert kept(tmp_path / "kept") == ["20260101T000000Z", "20260101T000000Z-2"]


Damage = Callable[[Path], object]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def turned(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchanged(path: Path) -> None:
    one, two = sorted(path.parent.glob("*.jsonl.gz"))
    content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, turned, exchanged, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_file_is_refused_before_anything_is_written(school: School, tmp_path: Path, damage: Damage) -> None:
    folder = Path(school.document("backup", "school", "--to", tmp_path / "kept")["folder"])
    school.stats.delete_many({})
    school.leads.delete_many({})
    damage(folder / f"{school.students}.student_stats.jsonl.gz")

    told = school.call("restore", "school", folder, code=1).stderr

    assert "Take another back-up" in told
    assert school.stats.count_documents({}) == school.leads.count_documents({}) == 0


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "5", '{"format": "other"}', '{"format": "backhaul backup"}', "\xff", None],
)
def test_a_folder_whose_manifest_is_none_is_refused(school: School, tmp_path: Path, content: str | None) -> None:
    folder = Path(school.document("backup", "school", "--to", tmp_path / "kept")["folder"])
    if content is None:
        said = json.loads((folder / MANIFEST).read_text())
        said["collections"][0]["file"] = "../../x"
        content = json.dumps(said)
    (folder / MANIFEST).write_text(content, encoding="latin-1")

    assert "is not the manifest of a back-up" in school.call("restore", "school", folder, code=1).stderr


def test_a_manifest_that_counts_other_documents_than_its_file_holds_is_refused(
    school: School, tmp_path: Path
) -> None:
    folder = Path(school.document("backup", "school", "--to", tmp_path / "kept")["folder"])
    said = json.loads((folder / MANIFEST).read_text())
    said["collections"][1]["documents"] = 3
    (folder / MANIFEST).write_text(json.dumps(said))

    assert "holds 2 documents, and not 3" in school.call("restore", "school", folder, code=1).stderr


def test_a_backup_in_a_layout_of_later_is_refused(school: School, tmp_path: Path) -> None:
    folder = Path(school.document("backup", "school", "--to", tmp_path / "kept")["folder"])
    said = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**said, "layout": 2}))

    assert "in a layout that is not known here" in school.call("restore", "school", folder, code=2).stderr


def test_a_backup_of_other_collections_is_refused_and_one_pipeline_of_a_whole_one_is_restored(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    school.call("backup", "school.sales", "--to", tmp_path / "sales")
    school.call("backup", "school", "--to", tmp_path / "all")

    told = school.call("restore", "school", tmp_path / "sales", code=2).stderr
    assert f"holds no {school.students}.student_stats" in told
    assert len(school.document("restore", "school.students", tmp_path / "all")["collections"]) == 1
    monkeypatch.setenv("STUDENTS_DB", mongo_server.new_database())
    assert "holds no" in school.call("restore", "school", tmp_path / "all", code=2).stderr


def test_a_folder_that_is_none_or_holds_none_is_told(school: School, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")

    assert "no such folder" in school.call("restore", "school", tmp_path / "nothing", code=2).stderr
    assert "holds no back-up" in school.call("restore", "school", tmp_path, code=2).stderr
    assert "is a file" in school.call("backup", "school", "--to", file, code=2).stderr
    assert file.read_text() == "x"


def test_a_full_disk_leaves_no_backup_and_no_part(school: School, tmp_path: Path) -> None:
    school.stats.insert_many([{"note": os.urandom(500).hex()} for _ in range(500)])
    targets, here, folder = find(school.folder / "systems", "school"), installation(), tmp_path / "kept"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(DeliveryError, match="no back-up was made"):
            make_backup("school", targets, here, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)

    assert [path.name for path in folder.iterdir() if path.name != ".backhaul-backup.lock"] == []


def test_a_server_that_is_down_leaves_no_backup_and_no_part(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=100")

    for arguments in (
        ("backup", "school", "--to", tmp_path / "kept"),
        ("migrate", "school"),
        ("mark", "school.students", "x", "y=1"),
    ):
        assert "does not answer" in school.call(*arguments, code=1).stderr
    assert [path.name for path in (tmp_path / "kept").iterdir() if path.suffix != ".lock"] == []


def test_two_backups_into_one_folder_are_one_after_the_other(school: School, tmp_path: Path) -> None:
    targets, here, folder = find(school.folder / "systems", "school"), installation(), tmp_path / "kept"
    hold = (
        "import sys, time; from pathlib import Path; from backhaul.engine.backup_files import claimed\n"
        "with claimed(Path(sys.argv[1])): print(1, flush=True); time.sleep(60)"
    )
    with another(hold, str(folder)), pytest.raises(AlreadyRunning):
        make_backup("school", targets, here, folder)
    make_backup("school", targets, here, folder)


def test_a_backup_that_is_killed_is_none_and_the_next_one_clears_what_it_left(school: School, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    killed = (
        "import os, signal\n"
        "from backhaul.engine import backup\n"
        "backup.write_manifest = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from backhaul.cli.app import app\n"
        f"app(['backup', 'school', '--to', {str(folder)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", killed], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [path.name for path in folder.glob("*.part")] or [path.name for path in folder.glob(".*.part")]
    assert kept(folder) == []

    school.call("backup", "school", "--to", folder)

    assert len(kept(folder)) == 1
    assert not list(folder.glob(".*.part"))


def test_documents_that_the_server_refuses_are_counted_and_the_exit_code_says_so(
    school: School, tmp_path: Path
) -> None:
    school.stats.create_index("uniq_id", unique=True)
    school.call("backup", "school", "--to", tmp_path / "kept")
    school.stats.delete_one({"uniq_id": "a"})
    school.stats.insert_one({"uniq_id": "a"})

    result = school.call("restore", "school", tmp_path / "kept", code=1)

    assert "1 document refused by the server" in result.stdout


def test_migrations_are_shown_done_once_recorded_and_done_again_after_a_restore(
    school: School, tmp_path: Path
) -> None:
    school.call("backup", "school", "--to", tmp_path / "kept")
    assert "would be done" in school.call("migrate", "school", "--dry-run").stdout
    [stream] = [each for each in school.document("migrate", "school")["streams"] if each["migrations"]]
    assert (stream["migrations"][0]["rows"], stream["migrations"][0]["changed"]) == (2, 1)
    assert school.stats.find_one({"uniq_id": "a"})["lessons"][0]["message_count"] == 0
    assert "no migration waits" in school.call("migrate", "school").stdout

    assert "backhaul migrate school" in school.call("restore", "school", tmp_path / "kept").stdout
    assert "done" in school.call("migrate", "school").stdout
    assert ("migrate", "school.students.student_stats", "1 messages per lesson: 1 row changed, 0 refused") in (
        school.audit()
    )


def test_a_migration_that_a_row_refuses_stays_undone_and_the_exit_code_says_so(school: School) -> None:
    odd = school.stats.insert_one({"uniq_id": "odd"}).inserted_id

    result = school.call("migrate", "school", code=1)

    assert f"refuses 1 row, among them {odd}" in result.stdout
    assert "not done" in result.stdout


def test_while_a_pipeline_runs_nothing_is_restored_or_migrated_but_marks_and_backups_are_made(
    school: School, tmp_path: Path
) -> None:
    hold = (
        "import time; from backhaul.cli.run import installation\n"
        "with installation().held('school.students', wait=False): print(1, flush=True); time.sleep(60)"
    )
    with another(hold):
        school.call("backup", "school", "--to", tmp_path / "kept")
        school.call("mark", "school.students", "a", "note=x")
        refused = [
            school.call("restore", "school", tmp_path / "kept", code=5),
            school.call("migrate", "school", code=5),
        ]
        school.call("migrate", "school", "--dry-run")

    # Only `run` knows --wait.
    assert all("then run the command again" in each.stderr and "--wait" not in each.stderr for each in refused)


def test_a_missing_setting_is_named_and_one_of_the_source_alone_is_not_asked_for(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STUDENTS_DB")

    told = school.call("backup", "school", "--to", tmp_path / "kept", code=2).stderr

    assert "missing settings: STUDENTS_DB" in told


def test_a_pipeline_that_goes_to_no_such_destination_says_so(school: School, tmp_path: Path) -> None:
    path = school.folder / "systems" / "school" / "sales.py"
    path.write_text(SALES.replace("to=LEADS", "to=()"))

    assert "nothing that can be backed up" in school.call("backup", "school.sales", "--to", tmp_path, code=2).stderr
    assert "no destination" in school.call("mark", "school.sales", "x", "y=1", code=2).stderr
    assert "no migration waits" in school.call("migrate", "school.sales").stdout
