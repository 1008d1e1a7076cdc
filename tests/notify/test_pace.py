"""How fast a chat is written to, on a clock that the test turns."""

import pytest

from backhaul.notify.pace import BURST, PER_MINUTE, Pace


class Turned:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def moments(n: int, *, is_group: bool) -> list[float]:
    """Return when each of n messages goes that are all wanted at once."""
    clock = Turned()
    pace, found = Pace(clock), []
    for _ in range(n):
        while wait_s := pace.wait_s(is_group=is_group):
            clock.now += wait_s
        found.append(clock.now - 1000.0)
    return found


def test_a_short_burst_goes_at_once_and_then_one_a_second():
    assert moments(BURST + 3, is_group=False) == pytest.approx([0] * BURST + [1, 2, 3])


def test_a_group_gets_no_more_than_its_share_in_any_minute():
    found = moments(50, is_group=True)

    assert all(later - earlier >= 60 for earlier, later in zip(found, found[PER_MINUTE:], strict=False))


def test_a_person_gets_one_a_second_for_longer():
    assert moments(60, is_group=False)[-1] == pytest.approx(60 - BURST)


def test_a_quiet_time_gives_no_more_than_one_burst():
    clock = Turned()
    pace = Pace(clock)
    clock.now += 3600

    assert [pace.wait_s(is_group=False) for _ in range(BURST + 1)] == [0.0] * BURST + [1.0]


def test_asking_to_wait_takes_no_place():
    clock = Turned()
    pace = Pace(clock)
    for _ in range(BURST):
        pace.wait_s(is_group=False)

    assert [pace.wait_s(is_group=False) for _ in range(3)] == [1.0, 1.0, 1.0]
