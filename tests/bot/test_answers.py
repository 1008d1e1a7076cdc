"""What the bot says beside prices: status, changes, help, refusals; in every language."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from backhaul.bot import answers
from backhaul.bot.answers import PriceChange, State
from backhaul.bot.cards import Cards
from backhaul.bot.people import Role
from backhaul.languages import LANGUAGES, translator
from backhaul.sandbox.telegram.text import parsed
from backhaul.search import Found, Offer, Product, Way

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
ID = translator("id")
CHANGE = PriceChange(
    name="KOPI <JAGO>",
    unit="PCS",
    level="-",
    up_to="-",
    price_before=Decimal(12000),
    price=Decimal(12500),
    cost_before=Decimal(9000),
    cost=Decimal(9300),
    at=NOW,
)


def said(state: State, words=ID) -> list[str]:
    answer = answers.status(state, now=NOW, timezone="Asia/Jakarta", stale_after_h=36, words=words)
    return answers.plain(answer).split("\n")


def changed(*changes: PriceChange, with_costs: bool = False) -> list[str]:
    answer = answers.changes(changes, timezone="Asia/Jakarta", words=ID, with_costs=with_costs)
    return answers.plain(answer).split("\n")


def test_status_tells_how_old_the_prices_are_and_how_the_last_sync_went():
    state = State(20_000, NOW - timedelta(hours=3), NOW - timedelta(hours=2), "done")

    assert said(state) == [
        "Status",
        "20.000 barang",
        "Harga per 22/11/2026 07:00:00 WIB, 3 jam 0 menit yang lalu",
        "Sinkronisasi terakhir: 22/11/2026 08:00:00 WIB, berhasil",
    ]


def test_status_warns_of_old_prices_and_of_why_there_are_no_newer_ones():
    state = State(1, NOW - timedelta(hours=40), NOW, "failed", "toko.katalog: no backup", "Look into <Dropbox>.")

    assert said(state)[3:] == [
        "⚠ Harga ini sudah lama; di toko mungkin ada yang lebih baru.",
        "Sinkronisasi terakhir: 22/11/2026 10:00:00 WIB, gagal",
        "Penyebab: toko.katalog: no backup",
        "Langkah berikutnya: Look into <Dropbox>.",
    ]


def test_status_of_a_new_shop():
    assert said(State(None, None)) == [
        "Status",
        "Katalog belum ada: belum ada sinkronisasi yang berhasil.",
        "Belum pernah ada sinkronisasi.",
    ]


def test_a_price_change_tells_what_from_to_and_when():
    assert changed(replace(CHANGE, level="2", up_to="10")) == [
        "Perubahan harga terakhir",
        "",
        "KOPI <JAGO> 22/11/2026 10:00:00 WIB",
        "• PCS, Level 2, s/d 10: ⬆ dari Rp 12.000 menjadi Rp 12.500 (+4,2 %)",
    ]


def test_the_changes_of_one_product_stand_together():
    found = [CHANGE, replace(CHANGE, name="TEH"), replace(CHANGE, unit="DUS")]

    assert [part.split("\n")[1:] for part in "\n".join(changed(*found)).split("\n\n")[1:]] == [
        [f"• {unit}: ⬆ dari Rp 12.000 menjadi Rp 12.500 (+4,2 %)" for unit in units]
        for units in (("PCS", "DUS"), ("PCS",))
    ]


def test_small_quantities_come_before_large_ones_and_look_as_in_answers():
    steps = ("40", "5", "999999", "2.5", "-", "some")

    lines = changed(*(replace(CHANGE, up_to=step) for step in steps))[3:]

    where = [line.split(":")[0] for line in lines]
    assert where == [
        "• PCS, s/d 2,5",
        "• PCS, s/d 5",
        "• PCS, s/d 40",
        "• PCS, s/d 999.999",
        "• PCS",
        "• PCS, s/d some",
    ]


def test_costs_that_changed_are_for_owners():
    only_cost = replace(CHANGE, price=CHANGE.price_before)

    assert changed(only_cost) == ["Belum ada perubahan harga."]
    assert "• PCS, Modal: ⬆ dari Rp 9.000 menjadi Rp 9.300 (+3,3 %)" in changed(only_cost, with_costs=True)
    assert not any("Modal" in line or "9.300" in line for line in changed(CHANGE))


def test_a_price_that_came_or_went_has_no_share():
    assert changed(replace(CHANGE, price_before=None))[3] == "• PCS: dari tanpa harga menjadi Rp 12.500"
    assert changed(replace(CHANGE, price=Decimal(6000)))[3] == "• PCS: ⬇ dari Rp 12.000 menjadi Rp 6.000 (-50,0 %)"


def test_only_owners_hear_why_something_did_not_work():
    staff, owner = (
        answers.plain(answers.failed("disk", "Room.", ID, is_owner=is_owner)) for is_owner in (False, True)
    )

    assert "disk" not in staff
    assert owner.endswith("Penyebab: disk\nLangkah berikutnya: Room.")


def test_that_prices_are_old_is_said_on_the_first_page_only():
    found = Found((Product("1", "TEH", (), None, (), True),), 1, Way.WORDS)

    first, second = (answers.products(found, Cards(ID), skip=skip, page=3, is_old=True) for skip in (0, 3))

    assert "Harga ini sudah lama" in answers.plain(first)
    assert "Harga ini sudah lama" not in answers.plain(second)


def test_only_owners_are_offered_a_sync():
    help_of = {role: answers.plain(answers.greeting(role, ID)) for role in Role}

    assert [role for role, text in help_of.items() if "/sync" in text] == [Role.OWNER]


def test_a_stranger_hears_the_id_to_pass_on():
    assert "901" in answers.plain(answers.refusal(901, ID))


def test_a_page_has_a_number_for_each_and_tells_that_there_is_more():
    products = tuple(Product(str(n), f"TEH {n}", (Offer("PCS", None, None, None),), None, (), True) for n in range(4))
    page = answers.products(Found(products, 40, Way.SIMILAR), Cards(ID), skip=10, page=3)

    assert page.more == 13
    assert [line[:3] for line in answers.plain(page).split("\n\n")] == ["11.", "12.", "13."]


def test_what_is_only_alike_is_told_so_on_the_first_page():
    found = Found((Product("1", "TEH", (), None, (), True),), 1, Way.SIMILAR)

    page = answers.products(found, Cards(ID), skip=0, page=3)

    assert answers.plain(page).startswith("Tidak ada yang cocok persis. Yang paling mirip:\n\n1. TEH")
    assert page.more is None


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_can_be_read_by_telegram(language):
    words = translator(language)
    state = State(3, NOW, NOW, "partly done", "<b>&", "<i>")
    found = [
        answers.nothing_found("<&\"'>" * 50, words),
        answers.no_words(words),
        answers.no_more(words),
        answers.no_catalogue(words),
        answers.failed("<x>", "<y>", words, is_owner=True),
        answers.greeting(Role.OWNER, words),
        answers.who(501, Role.OWNER, words),
        answers.refusal(901, words),
        answers.owners_only(words),
        answers.too_fast(7, words),
        answers.status(state, now=NOW, timezone="Asia/Jakarta", stale_after_h=1, words=words),
        answers.changes([CHANGE], timezone="Asia/Jakarta", words=words, with_costs=True),
    ]

    texts = [parsed(message)[0] for answer in found for message in answer.messages]

    assert len(texts) == len(found)
    assert "{" not in "".join(texts)
