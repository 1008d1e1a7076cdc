"""Streams that are computed from curated tables: after the others, by a pure function, with history."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
import pytest

from backhaul.config import Setting
from backhaul.engine.context import Status
from backhaul.engine.derived import Derived
from backhaul.engine.replay import replay_pipeline
from backhaul.engine.systems import Target, find
from backhaul.errors import CheckFailed, ConfigError
from backhaul.model import Counts, Stream
from backhaul.quality import checks
from backhaul.sources import DropFolder
from tests.engine.place import Place, with_streams


def points_by_user(points: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    total = points.group_by("User ID").agg(pl.col("Poin").sum().alias("total"), pl.len().alias("times"))
    return total.join(users.select("User ID"), on="User ID", how="semi").sort("User ID")


def by_user(**options: object) -> Stream:
    names = {"after": ("andalan.point_trx", "andalan.user"), "build": points_by_user, "key": "User ID", **options}
    return Derived("points_by_user", **names)  # type: ignore[arg-type]


def with_derived(place: Place, *derived: Stream) -> Target:
    target = find(place.folder / "systems", "andalan")[0]
    return with_streams(target, [*derived, *target.pipeline.streams])


def test_a_derived_stream_is_computed_after_the_streams_it_needs(place: Place) -> None:
    result = place.run_target(with_derived(place, by_user()))

    users = {row[0] for row in place.rows("user")}
    buyers = {row[2] for row in place.rows("point_trx")}
    assert [each.status for each in result.streams] == [Status.DONE] * 5
    assert result.streams[0].counts == Counts(new=len(users & buyers))
    assert sum(row[2] for row in place.rows("points_by_user")) == sum(
        row[2] in users for row in place.rows("point_trx")
    )


def test_computed_again_from_the_same_tables_it_writes_nothing(place: Place) -> None:
    target = with_derived(place, by_user())
    place.run_target(target)
    before = (place.folder / "data" / "warehouse.db").read_bytes()

    again = place.run_target(target)

    assert (again.streams[0].counts.new, again.streams[0].counts.updated) == (0, 0)
    assert (place.folder / "data" / "warehouse.db").read_bytes() == before


def test_where_none_of_its_tables_has_changed_it_is_not_computed_again(place: Place) -> None:
    calls = []

    def counted(points: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
        calls.append(points.height)
        return points_by_user(points, users)

    target = with_derived(place, by_user(build=counted))
    place.run_target(target)
    place.run_target(target)
    unchanged = len(calls)
    place.office.data["user"][8]["Poin"] = 12_345
    place.run_target(target)
    place.run_target(with_streams(target, [by_user(build=counted)]))

    assert (unchanged, len(calls)) == (1, 3)


def test_a_change_is_seen_also_after_the_clock_was_set_back(place: Place) -> None:
    calls = []

    def counted(points: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
        calls.append(points.height)
        return points_by_user(points, users)

    target = with_derived(place, by_user(build=counted))
    place.run_target(target)
    with closing(sqlite3.connect(place.folder / "data" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE deliveries SET changed_at = '2099-01-01T00:00:00.000+00:00'")
    place.run_target(target)
    before = len(calls)
    place.office.data["user"][8]["Poin"] = 12_345
    place.run_target(target)

    assert len(calls) == before + 1


def changes_of(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    return before.join(now.select("User ID", pl.col("Poin").alias("now")), on="User ID").select(
        "User ID", "now", pl.col("Poin").alias("before"), pl.col("_archived_at").alias("at")
    )


def test_the_archive_of_a_stream_is_a_table_to_compute_from(place: Place) -> None:
    history = Derived("history", after=("user", "user__archive"), build=changes_of, key=("User ID", "at"))
    target = with_derived(place, history)
    nothing = place.run_target(target).streams[0]
    user = place.office.data["user"][8]
    user["Poin"] = before = user["Poin"] + 1
    place.run_target(target)
    user["Poin"] += 1

    place.run_target(target)

    rows = [(row[0], row[2]) for row in place.rows("history")]
    assert nothing.counts == Counts()
    assert sorted(rows) == [(user["User ID"], before - 1), (user["User ID"], before)]
    assert all(datetime.fromisoformat(row[3]).tzinfo == UTC for row in place.rows("history"))


def test_a_row_that_the_computation_no_longer_gives_is_marked_and_its_history_kept(place: Place) -> None:
    place.run_target(with_derived(place, by_user()))
    fewer = by_user(build=lambda points, users: points_by_user(points, users).head(2))

    result = place.run_target(with_derived(place, fewer))

    rows = place.rows("points_by_user")
    removed = [row for row in rows if row[-1] is not None]
    assert result.streams[0].counts.removed == len(removed) == len(rows) - 2 > 0


def test_before_its_streams_have_ever_run_it_says_which_to_run(place: Place) -> None:
    target = with_derived(place, by_user())
    only = with_streams(target, [by_user()])

    result = place.run_target(only)

    assert isinstance(result.streams[0].error, ConfigError)
    assert result.streams[0].error.next_step == "Run andalan.point_trx first."


def test_the_checks_of_a_derived_stream_hold_its_batch_back(place: Place) -> None:
    held = by_user(checks=[checks.rows_between(500, 900)])

    result = place.run_target(with_derived(place, held))

    assert isinstance(result.streams[0].error, CheckFailed)
    assert place.rows("points_by_user") == []
    assert place.run_target(with_derived(place, held), accept=True).streams[0].status is Status.DONE


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda points, users: points.lazy(), "returned LazyFrame"),
        (lambda points, users: points.select("Poin"), "no key column User ID"),
    ],
)
def test_a_function_that_gives_no_keyed_frame_is_told(place: Place, build: object, words: str) -> None:
    result = place.run_target(with_derived(place, by_user(build=build)))

    assert words in str(result.streams[0].error)
    assert [each.status for each in result.streams[1:]] == [Status.DONE] * 4


def test_replaying_a_pipeline_leaves_its_derived_streams_to_the_next_run(place: Place) -> None:
    target = with_derived(place, by_user())
    place.run_target(target)

    result = replay_pipeline(target, place.installation, ("staging", "curated"))

    assert [each.stream for each in result.streams] == [
        f"andalan.{name}" for name in ("transaksi", "point_trx", "user", "pembayaran_koin")
    ]
    with pytest.raises(ConfigError, match="no files to replay"):
        replay_pipeline(with_streams(target, [by_user()]), place.installation, ("staging",))


@dataclass(frozen=True)
class RichUsers:
    """A computation with a setting in it."""

    least: str | Setting = Setting("LEAST_POINTS")  # noqa: RUF009

    def __call__(self, users: pl.DataFrame) -> pl.DataFrame:
        assert isinstance(self.least, str)
        return users.filter(pl.col("Poin").cast(pl.Int64) >= int(self.least)).select("User ID", "Poin")


def test_a_computation_may_have_settings_and_is_done_again_when_they_change(place: Place) -> None:
    rich = with_derived(place, Derived("rich", after="andalan.user", build=RichUsers(), key="User ID"))
    place.settings["LEAST_POINTS"] = "0"
    everybody = place.run_target(rich).streams[0].counts
    same = place.run_target(rich).streams[0].counts
    place.settings["LEAST_POINTS"] = "1000000000"

    nobody = place.run_target(rich).streams[0].counts

    assert (everybody.new, same.rows) == (len(place.rows("user")), 0)
    assert nobody.removed == everybody.new


def test_a_missing_setting_of_a_computation_is_named(place: Place) -> None:
    rich = with_derived(place, Derived("rich", after="andalan.user", build=RichUsers(), key="User ID"))

    with pytest.raises(ConfigError, match="LEAST_POINTS"):
        place.run_target(rich)


def test_a_table_that_two_streams_write_is_computed_from_again_after_either(place: Place) -> None:
    folder = place.folder / "more"
    folder.mkdir()
    (folder / "one.csv").write_text("User ID,Poin\nU1,5\n")
    files = DropFolder(str(folder), settle_s=0)
    one = files.files("one", key="User ID", pattern="one*.csv", table="points")
    two = files.files("two", key="User ID", pattern="two*.csv", table="points")
    total = Derived("total", after="one", build=lambda points: points.select("User ID", "Poin"), key="User ID")
    target = with_streams(find(place.folder / "systems", "andalan")[0], [one, two, total])

    first, idle = place.run_target(target).streams[2], place.run_target(target).streams[2]
    (folder / "two.csv").write_text("User ID,Poin\nU2,7\n")
    after = place.run_target(target).streams[2]

    assert (first.counts.new, idle.counts.rows, after.counts.new) == (1, 0, 1)


def test_an_empty_table_is_no_reason_to_compute_each_time(place: Place) -> None:
    calls = []

    def counted(points: pl.DataFrame) -> pl.DataFrame:
        calls.append(points.height)
        return points.select("User ID")

    folder = place.folder / "more"
    folder.mkdir()
    (folder / "one.csv").write_text("User ID,Poin\n")
    one = DropFolder(str(folder), settle_s=0).files("one", key="User ID", pattern="*.csv")
    derived = Derived("counted", after="one", build=counted, key="User ID")
    target = with_streams(find(place.folder / "systems", "andalan")[0], [one, derived])
    for _ in range(3):
        place.run_target(target)

    assert calls == [0]


def test_one_that_is_named_alone_finds_the_tables_that_its_pipeline_gives_other_names(place: Place) -> None:
    module = place.folder / "systems" / "school" / "pupils.py"
    module.parent.mkdir()
    module.write_text(
        "from backhaul import Derived, DropFolder, Pipeline\n"
        f"rows = DropFolder({str(place.folder / 'in')!r}, settle_s=0)\n"
        "pipeline = Pipeline('pupils', [rows.files('rows', key='id', pattern='*.csv', table='pupils'),\n"
        "    Derived('ids', after='rows', build=lambda rows: rows.select('id'), key='id')])\n"
    )
    (place.folder / "in").mkdir()
    (place.folder / "in" / "one.csv").write_text("id,name\n1,a\n2,b\n")
    place.run("school.rows")

    alone = place.run("school.ids")

    assert [(each.stream, each.counts.new) for each in alone.streams] == [("school.ids", 2)]


def test_the_rows_of_a_complete_stream_tell_whether_they_are_gone_from_the_first_run_on(place: Place) -> None:
    folder = place.folder / "more"
    folder.mkdir()
    (folder / "one.csv").write_text("User ID,Poin\nU1,5\n")
    people = DropFolder(str(folder), settle_s=0).files("people", key="User ID", pattern="*.csv", complete=True)
    there = Derived(
        "there",
        after="people",
        build=lambda people: people.filter(pl.col("removed_at").is_null()).select("User ID"),
        key="User ID",
    )
    target = with_streams(find(place.folder / "systems", "andalan")[0], [people, there])

    first = place.run_target(target).streams[1]

    assert (first.error, first.counts.new) == (None, 1)
