"""Large files that are cut off: what is here stays for the rest, for this very origin, and not for ever."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backhaul.lake import Lake, LandingFolder
from backhaul.lake.landing import KEEP_PARTS_S
from backhaul.model import Landed, Origin

HERE = Origin("/ipos/a.i5bu@1", datetime(2025, 9, 12, tzinfo=UTC))
WHOLE = b"0123456789"


def fits(path: Path) -> None:
    assert path.read_bytes() == WHOLE


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


class Server:
    """Sends WHOLE from wherever it is asked to, and breaks off before the byte `until`."""

    def __init__(self, until: int | None = None, error: BaseException | None = None) -> None:
        self.until, self.error, self.asked = until, error or ConnectionError("cut"), []

    def chunks_from(self, start: int) -> Iterator[bytes]:
        self.asked.append(start)
        for number in range(start, len(WHOLE)):
            if number == self.until:
                raise self.error
            yield WHOLE[number : number + 1]


def resume(
    landing: LandingFolder, server: Server, *, origin: Origin = HERE, prove: Callable[[Path], None] = fits
) -> Landed:
    return landing.resume(server.chunks_from, name="a.i5bu", window=None, prove=prove, origin=origin)


@pytest.fixture
def landing(tmp_path: Path) -> LandingFolder:
    return LandingFolder(tmp_path / "lake" / "landing")


def cut(landing: LandingFolder, until: int, **named) -> None:
    with pytest.raises(ConnectionError):
        resume(landing, Server(until), **named)


def test_what_was_cut_off_is_gone_on_with_and_the_file_is_that_of_one_piece(landing):
    cut(landing, 3)
    cut(landing, 7)
    server = Server()

    landed = resume(landing, server)

    assert server.asked == [7]
    assert landed.path.read_bytes() == WHOLE
    assert (landed.name, landed.size_bytes, landed.origin) == ("a.i5bu", 10, HERE)
    assert landed.sha256 == hashlib.sha256(WHOLE).hexdigest()
    assert files(landing.folder) == [landed.path]


def test_a_cut_before_the_first_byte_leaves_nothing(landing):
    cut(landing, 0)

    assert not landing.folder.exists()


def test_a_part_is_for_its_own_origin_alone(landing):
    cut(landing, 3)
    other = Server()

    resume(landing, other, origin=Origin("/ipos/a.i5bu@2", HERE.made_at))

    assert other.asked == [0]
    again = Server()
    resume(landing, again)
    assert again.asked == [3]


def test_a_file_that_fails_its_proof_leaves_nothing(landing):
    def refuse(path: Path) -> None:
        raise ValueError("wrong hash")

    cut(landing, 3)
    with pytest.raises(ValueError, match="wrong hash"):
        resume(landing, Server(), prove=refuse)

    assert files(landing.folder) == []


def test_the_proof_sees_the_whole_file_under_the_name_it_will_have(landing):
    seen = []
    cut(landing, 3)

    resume(landing, Server(), prove=lambda path: seen.append((path.name, path.read_bytes())))

    assert seen == [("a.i5bu", WHOLE)]


def test_a_full_disk_is_not_kept_full(landing):
    with pytest.raises(OSError, match="No space"):
        resume(landing, Server(3, OSError(errno.ENOSPC, "No space left")))

    assert not landing.folder.exists()


def test_an_empty_file_lands(landing):
    landed = landing.resume(lambda start: [], name="a", window=None, prove=lambda path: None, origin=HERE)

    assert (landed.size_bytes, landed.path.read_bytes()) == (0, b"")


def test_two_that_have_landed_under_one_name_lie_side_by_side(landing):
    first = resume(landing, Server())
    second = resume(landing, Server(), origin=Origin("other", HERE.made_at))

    assert first.path != second.path
    assert first.name == second.name == "a.i5bu"


def test_clearing_landing_lets_go_of_everything_but_young_parts(tmp_path):
    lake = Lake(tmp_path)
    landing = lake.landing("toko", "katalog")
    resume(landing, Server(), origin=Origin("landed", HERE.made_at))
    cut(landing, 3)
    (landing.folder / ".part").mkdir()
    (landing.folder / ".part" / "b").write_bytes(b"half")
    cut(lake.landing("toko", "gone"), 3)
    old = next((tmp_path / "landing/toko/gone").rglob("a.i5bu"))
    os.utime(old, (time.time() - KEEP_PARTS_S - 60,) * 2)

    lake.clear_landing("toko")

    [left] = files(tmp_path)
    assert left.read_bytes() == b"012"
    assert [path.name for path in (tmp_path / "landing/toko").iterdir()] == ["katalog"]
    server = Server()
    resume(landing, server)
    assert server.asked == [3]
    lake.clear_landing("toko")
    assert not (tmp_path / "landing/toko").exists()


def test_old_parts_of_other_files_go_when_the_next_one_comes(landing):
    cut(landing, 3)
    [part] = files(landing.folder)
    os.utime(part, (time.time() - KEEP_PARTS_S - 60,) * 2)

    resume(landing, Server(), origin=Origin("other", HERE.made_at))

    assert not part.exists()


def test_only_its_owner_may_look_at_a_part(landing):
    cut(landing, 3)

    assert landing.folder.stat().st_mode & 0o077 == 0


def test_an_origin_is_known_to_be_kept_only_where_somebody_tells(landing, tmp_path):
    told = LandingFolder(tmp_path, kept_before={"a@1"}.__contains__)

    assert (told.is_kept("a@1"), told.is_kept("a@2"), landing.is_kept("a@1")) == (True, False, False)


@pytest.mark.parametrize("id_", ["../../etc/passwd", "x" * 5000, "naïve\udcff\0", ""])
def test_an_origin_may_have_any_id(landing, id_):
    cut(landing, 3, origin=Origin(id_, HERE.made_at))
    server = Server()

    landed = resume(landing, server, origin=Origin(id_, HERE.made_at))

    assert server.asked == [3]
    assert landed.path.parent == landing.folder


def test_what_is_received_or_adopted_knows_its_origin(landing, tmp_path):
    given = tmp_path / "a"
    given.write_bytes(WHOLE)

    received = landing.receive([WHOLE], name="a", window=None, prove=fits, origin=HERE)
    adopted = landing.adopt(given, name="a", window=None, prove=fits, origin=HERE)

    assert received.origin == adopted.origin == HERE
