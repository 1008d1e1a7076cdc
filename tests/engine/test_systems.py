"""Systems are folders, and their pipelines and streams are found by name."""

from pathlib import Path

import pytest

from backhaul.engine.pipeline import Pipeline, Schedule
from backhaul.engine.systems import Target, find, load_system, system_names
from backhaul.errors import ConfigError
from backhaul.model import Stream
from backhaul.testing.batches import NoSource

PIPELINE = """
from backhaul import BackOffice, Pipeline
office = BackOffice("https://shop.example")
pipeline = Pipeline({name!r}, [
    office.export(name, key="id", page="/", button="button") for name in {streams!r}
])
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def declare(folder: Path, module: str, name: str, *streams: str) -> None:
    write(folder / module, PIPELINE.format(name=name, streams=streams))


def found(folder: Path, name: str) -> list[tuple[str, list[str]]]:
    return [(each.name, [stream.name for stream in each.pipeline.streams]) for each in find(folder, name)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two systems: `shop` with one pipeline, `pos` with two."""
    declare(tmp_path, "shop/pipeline.py", "exports", "orders", "users")
    declare(tmp_path, "pos/nightly.py", "nightly", "sales", "stock")
    declare(tmp_path, "pos/hourly.py", "hourly", "sales")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop", [("shop", ["orders", "users"])]),
        ("shop.exports", [("shop", ["orders", "users"])]),
        ("shop.users", [("shop", ["users"])]),
        ("shop.exports.users", [("shop", ["users"])]),
        ("pos", [("pos.hourly", ["sales"]), ("pos.nightly", ["sales", "stock"])]),
        ("pos.nightly", [("pos.nightly", ["sales", "stock"])]),
        ("pos.nightly.stock", [("pos.nightly", ["stock"])]),
        ("pos.stock", [("pos.nightly", ["stock"])]),
    ],
)
def test_a_name_stands_for_pipelines_and_streams(
    folder: Path, name: str, expected: list[tuple[str, list[str]]]
) -> None:
    assert found(folder, name) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("shoop", "no system 'shoop' in .*; found pos, shop"),
        ("shop.order", "order is not part of shop; it has orders, users"),
        ("shop.exports.order", "order is not part of shop.exports; it has orders, users"),
        ("shop.exports.orders.x", "orders.x is not part of shop"),
        ("pos.x", "x is not part of pos; it has hourly, nightly"),
        ("pos.nightly.x", "x is not part of pos.nightly; it has sales, stock"),
        ("", "no system ''"),
        ("../shop", "no system ''"),
    ],
)
def test_a_name_that_stands_for_nothing_is_refused_with_the_names_there_are(
    folder: Path, name: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        find(folder, name)


def test_a_stream_that_two_pipelines_have_needs_its_pipelines_name(folder: Path) -> None:
    with pytest.raises(ConfigError, match="2 pipelines of pos have a stream sales") as caught:
        find(folder, "pos.sales")

    assert "pos.hourly.sales, pos.nightly.sales" in caught.value.next_step


def test_a_stream_named_as_its_pipeline_is_the_stream(tmp_path: Path) -> None:
    declare(tmp_path, "shop/pipeline.py", "orders", "orders", "users")

    assert found(tmp_path, "shop.orders") == [("shop", ["orders"])]


def test_systems_are_folders_with_modules(folder: Path) -> None:
    write(folder / "empty" / "README.md", "nothing here")
    write(folder / "private" / "_rules.py", "x = 1")
    write(folder / "loose.py", "x = 1")

    assert system_names(folder) == ["pos", "shop"]
    assert system_names(folder / "absent") == []


def test_modules_of_one_system_may_import_each_other(tmp_path: Path) -> None:
    text = PIPELINE.format(name="exports", streams=("orders",)).replace('"id"', "rules.PREFIX + KEY")
    write(tmp_path / "shop" / "a_pipeline.py", f"from . import rules\nfrom ._names import KEY\n{text}")
    write(tmp_path / "shop" / "rules.py", "PREFIX = 'Order '")
    write(tmp_path / "shop" / "_names.py", "KEY = 'ID'")

    [stream] = find(tmp_path, "shop")[0].pipeline.streams

    assert stream.key == ("Order ID",)


def test_a_source_in_a_shared_module_is_one_source(tmp_path: Path) -> None:
    write(
        tmp_path / "shop" / "site.py",
        'from backhaul import BackOffice\noffice = BackOffice("https://shop.example")',
    )
    for name in ("early", "zlate"):
        write(
            tmp_path / "shop" / f"{name}.py",
            f"from backhaul import Pipeline\nfrom .site import office\npipeline = Pipeline({name!r},"
            " [office.export('orders', key='id', page='/', button='b')])",
        )

    early, late = [next(iter(target.pipeline.streams)).source for target in find(tmp_path, "shop")]

    assert early is late


def test_two_folders_with_a_system_of_one_name_do_not_mix(tmp_path: Path) -> None:
    keys = []
    for place in ("one", "two"):
        text = PIPELINE.format(name="exports", streams=("orders",)).replace('"id"', "rules.KEY")
        write(tmp_path / place / "shop" / "pipeline.py", "from . import rules\n" + text)
        write(tmp_path / place / "shop" / "rules.py", f"KEY = {place!r}")
        [stream] = find(tmp_path / place, "shop")[0].pipeline.streams
        keys.append(stream.key)

    assert keys == [("one",), ("two",)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("pipeline = (", "SyntaxError"),
        ("import no_such_module_here", "No module named 'no_such_module_here'"),
        ("pipeline = Pipelin()", "'Pipelin' is not defined"),
        ("settings = {}\npipeline = settings['x']", "KeyError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise RuntimeError('half written')", "half written"),
        ("open('no such file')", "No such file"),
        ("from backhaul import Pipeline\npipeline = Pipeline('exports', [])", "pipeline exports: no streams"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path / "shop" / "orders.py", text)

    with pytest.raises(ConfigError, match=f"orders.py of system shop: .*{words}"):
        find(tmp_path, "shop")


def test_a_system_without_a_pipeline_is_told(tmp_path: Path) -> None:
    write(tmp_path / "shop" / "rules.py", "x = 1")

    with pytest.raises(ConfigError, match="system shop has no module with a value named `pipeline`"):
        load_system(tmp_path / "shop")


def test_two_pipelines_of_one_name_in_a_system_are_refused(tmp_path: Path) -> None:
    declare(tmp_path, "shop/a.py", "exports", "orders")
    declare(tmp_path, "shop/b.py", "exports", "users")

    with pytest.raises(ConfigError, match="system shop: two pipelines are named exports"):
        find(tmp_path, "shop")


def stream(name: str = "orders", key: tuple[str, ...] = ("id",)) -> Stream:
    return Stream(name=name, source=NoSource(), request=None, key=key)


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "a\\b", ".."])
def test_a_name_that_could_not_be_a_folder_or_a_part_of_a_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="letters, digits"):
        Pipeline("exports", [stream(name)])
    with pytest.raises(ConfigError, match="letters, digits"):
        Pipeline(name, [stream()])


def test_a_pipeline_needs_streams_with_names_of_their_own_and_keys() -> None:
    with pytest.raises(ConfigError, match="exports: no streams"):
        Pipeline("exports", [])
    with pytest.raises(ConfigError, match="exports: stream orders stands twice"):
        Pipeline("exports", [stream(), stream()])
    with pytest.raises(ConfigError, match="exports: stream orders has no key"):
        Pipeline("exports", [stream(key=())])


@pytest.mark.parametrize(
    ("cron", "timezone"), [("0 8 * *", "UTC"), ("0 8 * * *", "Asia/Jakata"), ("0 8 * * *", "../x")]
)
def test_a_schedule_that_cannot_be_meant_is_refused(cron: str, timezone: str) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        Schedule(cron, timezone)


def test_a_pipelines_days_are_those_of_its_schedule() -> None:
    assert Pipeline("exports", [stream()]).timezone == "UTC"
    assert Pipeline("exports", [stream()], Schedule("0 8 * * *", "Asia/Jakarta")).timezone == "Asia/Jakarta"


def test_a_target_keeps_only_the_wanted_streams(folder: Path) -> None:
    [target] = find(folder, "shop.users")

    assert isinstance(target, Target)
    assert target.pipeline.name == "exports"
