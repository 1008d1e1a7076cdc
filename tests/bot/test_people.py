"""Who may ask, how often, and which settings are refused."""

import pytest

from backhaul.bot import ShopBot
from backhaul.bot.floods import Floods, Pace, Verdict
from backhaul.bot.people import People, Role
from backhaul.config import resolved
from backhaul.errors import ConfigError
from backhaul.search import SearchIndex


def test_owners_are_allowed_without_being_listed_twice():
    people = People.named("601, 602;603\n604", "501")

    assert [people.role(user) for user in (501, 601, 604, 901)] == [Role.OWNER, Role.STAFF, Role.STAFF, Role.STRANGER]


@pytest.mark.parametrize("empty", ["", " ", ",", " ; "])
def test_an_empty_list_is_nobody(empty):
    people = People.named(empty, empty)

    assert people.is_empty
    assert people.role(0) is Role.STRANGER


@pytest.mark.parametrize("entry", ["ani", "@ani", "-100123", "6e3", "٣", "0", "1" * 16, "6.5"])
def test_an_entry_that_is_no_person_is_named(entry):
    with pytest.raises(ConfigError) as caught:
        People.named(f"601,{entry}", "")

    assert f"ALLOWED_USERS: {entry!r}" in str(caught.value)


@pytest.mark.parametrize("said", ["0", "51", "ten", "-1", "1.5", "²"])
def test_a_number_of_results_that_makes_no_sense_is_refused(said):
    bot = resolved(ShopBot("toko", SearchIndex("x.db")), {"SEARCH_RESULTS_LIMIT": said, "TELEGRAM_BOT_TOKEN": "x"})

    with pytest.raises(ConfigError, match="SEARCH_RESULTS_LIMIT"):
        _ = bot.most_results


def test_a_bot_needs_nothing_but_its_token_and_shows_it_nowhere():
    bot = resolved(ShopBot("toko", SearchIndex("x.db")), {"TELEGRAM_BOT_TOKEN": "made-up"})

    assert (bot.most_results, bot.people.is_empty, bot.words.language) == (10, True, "id")
    assert "made-up" not in repr(bot)


def test_a_language_that_there_is_none_of_is_refused():
    with pytest.raises(ConfigError, match="'fr'"):
        _ = ShopBot("toko", SearchIndex("x.db"), language="fr").words


def test_who_asks_too_much_is_told_once_and_then_ignored_until_the_while_is_over():
    now = [0.0]
    floods = Floods(Pace(questions=2, seconds=10), clock=lambda: now[0])

    verdicts = [floods.judge(601) for _ in range(4)]
    wait_s = floods.wait_s(601)
    now[0] = 10.0
    later = [floods.judge(601) for _ in range(3)]

    told = [Verdict.ANSWERED, Verdict.ANSWERED, Verdict.TOLD_OFF, Verdict.IGNORED]
    assert (verdicts, wait_s, later) == (told, 11, told[:3])


def test_one_persons_flood_is_not_anothers():
    floods = Floods(Pace(questions=1, seconds=10), clock=lambda: 0.0)

    assert [floods.judge(user) for user in (1, 2, 1)] == [Verdict.ANSWERED, Verdict.ANSWERED, Verdict.TOLD_OFF]
