"""The bot before people: who gets which answer, in private and in groups. Everything goes over sockets."""

import re
import threading
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from backhaul.bot.floods import Pace
from backhaul.errors import ConfigError
from backhaul.sandbox import TelegramFault
from backhaul.testing.batches import BatchMaker
from tests.bot.place import COLLEAGUE, OWNER, STAFF, STRANGER, Shop

KOPI = [
    "1. KOPI JAGO HITAM 165G",
    "• PCS: Rp 12.500",
    "• DUS (20 PCS): Rp 240.000",
    "Stok: UTM 12, GDG 3",
    "KJ165 8990001112223 8990001112230",
]
TEAS = "".join(f"TEH MELATI {n};1;PCS;100;{n}000;T{n};-;-;;;true\n" for n in range(1, 26))


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    from backhaul.sandbox import SandboxTelegram

    with SandboxTelegram() as telegram:
        yield Shop(tmp_path_factory.mktemp("shop"), telegram).filled()


@pytest.fixture(scope="module")
def running(filled):
    with filled.bot(pace=Pace(questions=1000)) as bot:
        yield bot


@pytest.fixture
def teas(shop):
    return shop.filled(TEAS)


def numbers(text: str) -> list[str]:
    return [line.split(".")[0] for line in text.split("\n") if ". TEH" in line]


def test_staff_get_every_units_price(filled, running):
    (answer,) = filled.asked(STAFF, "kopi jago")

    assert answer.split("\n") == KOPI


@pytest.mark.parametrize("text", ["8990001112230", "kj165", "/cari kopi hitam", "kpoi jgo", "/cari@sandbox_bot kopi"])
def test_barcodes_codes_and_typing_errors_find_it(filled, running, text):
    (answer,) = filled.asked(STAFF, text)

    assert "KOPI JAGO HITAM 165G" in answer


def test_owners_see_costs_and_staff_never_do(filled, running):
    (to_owner,), (to_staff,) = filled.asked(OWNER, "kopi"), filled.asked(STAFF, "kopi")

    assert "modal Rp 9.000, margin Rp 3.500 = 28,0 %" in to_owner
    assert "9.000" not in to_staff and "margin" not in to_staff


def test_in_a_group_not_even_an_owner_gets_costs(filled, running):
    group = filled.telegram.add_chat("supergroup", title="Shop")

    filled.telegram.say(group, "kopi", user=OWNER)

    (message,) = filled.telegram.wait_for(1, group)
    assert message.text.split("\n") == KOPI


def test_an_answer_in_a_topic_goes_to_the_topic(filled, running):
    group = filled.telegram.add_chat("supergroup", title="Shop")
    topic = filled.telegram.add_topic(group)
    update = filled.telegram._message(group, "kopi", STAFF, "Ani") | {
        "message_thread_id": topic,
        "is_topic_message": True,
    }

    filled.telegram._world.add_update("message", update)

    assert filled.telegram.wait_for(1, group)[0].topic == topic


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\N{ROCKET}" * 2000, "Kirim nama barang"),
        ("?!", "Kirim nama barang"),
        ("zzyzx qwv", "tidak ditemukan.\nCoba kata"),
        ("x" * 4096, "tidak ditemukan"),
        ('" OR 1=1 --', "tidak ditemukan"),
        ("kopi*) NEAR(", "KOPI JAGO"),
        ("<b>&zzyzx;", "tidak ditemukan"),
        ("/start", "Berapa harganya?"),
        ("/nonsense", "/perubahan - perubahan harga"),
        ("/me", "Id Anda: 601\nPeran Anda: karyawan"),
        ("/perubahan", "Belum ada perubahan harga."),
        ("/sync", "Hanya pemilik yang boleh"),
        ("/status", "3 barang\nHarga per "),
    ],
)
def test_each_text_gets_one_answer_that_fits(filled, running, text, said):
    (answer,) = filled.asked(STAFF, text)

    assert said in answer


def test_a_picture_without_words_gets_a_hint_in_private(filled, running):
    before = len(filled.telegram.messages(STAFF))
    message = filled.telegram._message(STAFF, "", STAFF, "Ani")
    del message["text"]

    filled.telegram._world.add_update("message", message | {"photo": []})

    assert "sebagai teks" in filled.telegram.wait_for(before + 1, STAFF)[-1].text


def test_pictures_in_a_group_are_none_of_the_bots_business(filled, running):
    group = filled.telegram.add_chat("supergroup", title="Shop")
    message = filled.telegram._message(group, "", STAFF, "Ani")
    del message["text"]
    filled.telegram._world.add_update("message", message | {"photo": []})

    filled.telegram.say(group, "/me", user=STAFF)

    assert ["Id Anda" in each.text for each in filled.telegram.wait_for(1, group)] == [True]


def test_many_at_once_are_all_answered(filled, running):
    users = (OWNER, STAFF, COLLEAGUE)
    before = {user: len(filled.telegram.messages(user)) for user in users}

    for number in range(90):
        filled.telegram.ask(users[number % 3], "/me")

    for user in users:
        assert len(filled.telegram.wait_for(before[user] + 30, user)) == before[user] + 30


def test_a_stranger_is_refused_once_and_told_the_id(filled, running):
    (answer,) = filled.asked(STRANGER, "kopi")
    for text in ("kopi", "/start", "/sync", "/status"):
        filled.telegram.ask(STRANGER, text)
    filled.asked(STAFF, "kopi")

    assert "Maaf, bot ini hanya untuk orang toko." in answer
    assert str(STRANGER) in answer
    assert len(filled.telegram.messages(STRANGER)) == 1


def test_what_is_told_of_questions_has_no_word_and_no_id_of_them(filled, running):
    filled.asked(STAFF, "kopi jago")

    told = " ".join(running.told)
    assert "answered in" in told
    assert not any(word in told for word in ("kopi", "KOPI", str(STAFF), str(STRANGER), filled.telegram.token))


def test_the_menu_is_in_the_language_and_owners_have_one_command_more(filled, running):
    menu = filled.telegram.commands
    assert {"command": "perubahan", "description": "perubahan harga terakhir"} in menu
    assert [each["command"] for each in filled.telegram.commands_of(OWNER)[len(menu) :]] == ["sync"]


def test_a_command_for_another_bot_is_none_of_ours(filled, running):
    group = filled.telegram.add_chat("group", title="Shop")

    filled.telegram.say(group, "/start@other_bot", user=STAFF)
    filled.telegram.say(group, "/me", user=STAFF)

    assert ["Id Anda" in each.text for each in filled.telegram.wait_for(1, group)] == [True]


def test_an_update_that_is_none_is_passed_by(filled, running):
    world = filled.telegram._world
    world.add_update("message", {"chat": None, "from": []})
    world.add_update("message", {"text": "kopi", "chat": {"id": STAFF}, "from": {"id": "x"}})

    assert len(filled.asked(STAFF, "kopi")) == 1


def test_more_shows_the_next_page_and_takes_the_button_away(teas):
    telegram = teas.telegram
    with teas.bot():
        teas.asked(STAFF, "teh melati")
        (first,) = telegram.messages(STAFF)
        assert first.labels == ["Lainnya"]
        telegram.wait_for_answer(telegram.press(first, "Lainnya", user=STAFF))
        second = telegram.wait_for(2, STAFF)[1]
        telegram.press(second, "Lainnya", user=STAFF)
        third = telegram.wait_for(3, STAFF)[2]

    pages = [numbers(each.text) for each in (first, second, third)]
    assert pages == [[str(n) for n in range(start, end)] for start, end in ((1, 11), (11, 21), (21, 26))]
    assert (first.labels, second.labels, third.labels) == ([], [], [])
    names = [line for each in (first, second, third) for line in each.text.split("\n") if ". TEH" in line]
    assert len({line.split(". ")[1] for line in names}) == 25


def test_a_button_in_a_group_is_answered_by_the_role_of_who_presses_it(teas):
    telegram = teas.telegram
    with teas.bot():
        telegram.say(telegram.chat_id, "teh melati", user=OWNER)
        (first,) = telegram.wait_for(1, telegram.chat_id)
        refused = telegram.wait_for_answer(telegram.press(first, "Lainnya", user=STRANGER))
        after_the_stranger = (len(telegram.messages()), first.labels)
        telegram.press(first, "Lainnya", user=COLLEAGUE)
        second = telegram.wait_for(2, telegram.chat_id)[1]

    assert "hanya untuk orang toko" in refused["text"]
    assert after_the_stranger == (1, ["Lainnya"])
    assert numbers(second.text)[0] == "11"
    assert "modal" not in first.text + second.text


def test_a_button_that_is_no_longer_valid_says_so(teas):
    telegram = teas.telegram
    with teas.bot():
        teas.asked(STAFF, "teh melati")
        (first,) = telegram.messages(STAFF)
        old = telegram.press(first, "Lainnya", user=STAFF)
        telegram.wait_for(2, STAFF)
        first.buttons = [[{"text": "Lainnya", "callback_data": "made-up"}]]
        again = telegram.wait_for_answer(telegram.press(first, "Lainnya", user=STAFF))

    assert "text" not in telegram.wait_for_answer(old)
    assert again["text"] == "Tombol ini sudah tidak berlaku. Kirim pertanyaan lagi."


def test_two_presses_at_once_show_one_page(teas):
    telegram = teas.telegram
    with teas.bot():
        teas.asked(STAFF, "teh melati")
        (first,) = telegram.messages(STAFF)
        presses = [telegram.press(first, "Lainnya", user=STAFF) for _ in range(3)]
        answers = [telegram.wait_for_answer(each).get("text", "") for each in presses]
        telegram.wait_for(2, STAFF)
        teas.asked(STAFF, "/me")

    assert ["tidak berlaku" in each for each in sorted(answers)] == [False, True, True]
    assert len(telegram.messages(STAFF)) == 3


def test_long_answers_come_in_several_messages_that_end_with_a_product(shop):
    name = "TEH " + "MELATI " * 25
    shop.filled("".join(f"{name}{n};1;PCS;1;1000;T{n};-;-;;;true\n" for n in range(40)))
    shop.settings["SEARCH_RESULTS_LIMIT"] = "40"
    with shop.bot():
        texts = shop.asked(STAFF, "teh melati", answers=3)

    assert sum(text.count("• PCS") for text in texts) == 40
    assert all(text.split("\n")[-1].startswith("T") and ". TEH" in text.split("\n")[0] for text in texts)


def test_who_asks_too_often_is_told_once(shop):
    shop.filled()
    with shop.bot(pace=Pace(questions=3, seconds=60)):
        for _ in range(6):
            shop.telegram.ask(STAFF, "kopi")
        found = shop.telegram.wait_for(4, STAFF)
        shop.asked(COLLEAGUE, "kopi")

    assert [each.text.startswith("Terlalu banyak sekaligus. Lanjutkan dalam") for each in found] == [False] * 3 + [
        True
    ]
    assert len(shop.telegram.messages(STAFF)) == 4


def test_before_the_first_sync_there_is_no_catalogue(shop):
    with shop.bot():
        (answer,), (status,) = shop.asked(STAFF, "kopi"), shop.asked(STAFF, "/status")

    assert answer == "Katalog belum ada: belum ada sinkronisasi yang berhasil."
    assert "Belum pernah ada sinkronisasi." in status


def test_a_new_catalogue_is_there_without_a_restart(shop):
    shop.filled()
    with shop.bot():
        (before,) = shop.asked(STAFF, "kopi")
        shop.put("KOPI JAGO HITAM 165G;1;PCS;9000;13000;KJ165;-;-;;UTM 1;true\n")
        shop.sync()
        (after,) = shop.asked(STAFF, "kopi")

    assert "Rp 12.500" in before
    assert "Rp 13.000" in after and "DUS" not in after


def test_answers_go_on_while_catalogues_change(shop):
    shop.filled()
    texts = []

    def renew() -> None:
        for price in "12345":
            shop.put("".join(f"KOPI;{n};{unit};1;{price}000;KJ165;-;-;;;true\n" for n, unit in enumerate("ABC", 1)))
            shop.sync()

    with shop.bot(pace=Pace(questions=1000)):
        renewing = threading.Thread(target=renew)
        renewing.start()
        while renewing.is_alive():
            texts += shop.asked(STAFF, "kopi")
        renewing.join()
        texts += shop.asked(STAFF, "kopi")

    prices = [set(re.findall(r"Rp (\d)\.000", text)) for text in texts if "KOPI\n" in text]
    assert {len(each) for each in prices} == {1}, "one catalogue or the other, never some of both"
    assert prices[-1] == {"5"}


def test_a_damaged_catalogue_is_told_to_the_owner_and_ends_nothing(shop):
    shop.filled()
    index = shop.folder / "data" / "index.db"
    with shop.bot():
        index.write_bytes(b"SQLite format 3\0" + b"garbage" * 500)
        (to_staff,), (to_owner,) = shop.asked(STAFF, "kopi"), shop.asked(OWNER, "kopi")
        shop.asked(STAFF, "/status")

    assert to_staff == "Maaf, belum berhasil. Silakan coba sebentar lagi."
    assert "Langkah berikutnya" in to_owner


def test_what_nobody_foresaw_is_an_answer_too(shop, tmp_path):
    maker = BatchMaker(tmp_path / "batches", key=("berubah_pada",), table="perubahan_harga")
    curated = shop.installation.curated
    frame = pl.DataFrame({"berubah_pada": ["yesterday"], "namaitem": ["KOPI"]})
    curated.write(maker.stream, curated.compare(maker.stream, maker.batch(frame)))
    with shop.bot() as bot:
        (to_staff,), (to_owner,) = shop.asked(STAFF, "/perubahan"), shop.asked(OWNER, "/perubahan")

    assert to_staff == "Maaf, belum berhasil. Silakan coba sebentar lagi."
    assert "a question: unexpected" in to_owner
    assert not any("KOPI" in line or "yesterday" in line for line in bot.told)


def test_nobody_is_allowed_where_the_lists_are_empty_and_that_is_said(shop):
    shop.filled()
    del shop.settings["ALLOWED_USERS"], shop.settings["OWNER_USERS"]
    with shop.bot() as bot:
        (answer,) = shop.asked(OWNER, "kopi")

    assert "hanya untuk orang toko" in answer
    assert "ALLOWED_USERS and OWNER_USERS are empty: nobody gets an answer" in bot.told


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ALLOWED_USERS", "601,ani", "'ani'"),
        ("OWNER_USERS", "x", "OWNER_USERS"),
        ("SEARCH_RESULTS_LIMIT", "many", "'many'"),
        ("TELEGRAM_BOT_TOKEN", "no-token", "no bot token"),
        ("TELEGRAM_API_URL", "http://telegram.example", "plain http"),
        ("LANGUAGE_OF_BOT", "fr", "'fr'"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_starts(shop, name, value, said):
    shop.settings[name] = value

    with pytest.raises(ConfigError) as caught:
        shop.bot().begin().result()

    assert said in str(caught.value)
    assert shop.telegram.calls == []


def test_markup_that_telegram_does_not_take_comes_as_plain_text(shop):
    shop.filled()
    shop.telegram.faults.add(TelegramFault.BAD_ENTITIES, method="sendMessage")
    with shop.bot():
        (answer,) = shop.asked(STAFF, "kopi jago")

    assert answer.split("\n") == KOPI
    assert shop.telegram.messages(STAFF)[0].entities == []


def test_price_changes_are_told_newest_first_and_costs_to_owners(shop, tmp_path):
    key = ("kodeitem", "satuan", "level", "jumlah_sampai", "berubah_pada")
    maker = BatchMaker(tmp_path / "batches", key=key, table="perubahan_harga")
    rows = [
        ("A", 1, 2, 1, 1, datetime(2026, 11, 20, 3, tzinfo=UTC)),
        ("B", 3000, 3500, 2000, 2500, datetime(2026, 11, 22, 3, tzinfo=UTC)),
        ("C", 5, 5, 3, 4, datetime(2026, 11, 23, 3, tzinfo=UTC)),
    ]
    amounts = ("harga_lama", "harga_baru", "pokok_lama", "pokok_baru")
    frame = pl.DataFrame(
        [(code, f"KOPI {code}", "PCS", "-", "-", *map(Decimal, given[:4]), given[4]) for code, *given in rows],
        schema=["kodeitem", "namaitem", "satuan", "level", "jumlah_sampai", *amounts, "berubah_pada"],
        orient="row",
    )
    curated = shop.installation.curated
    curated.write(maker.stream, curated.compare(maker.stream, maker.batch(frame)))
    with shop.bot():
        (to_staff,), (to_owner,) = shop.asked(STAFF, "/perubahan"), shop.asked(OWNER, "/perubahan")

    assert to_staff.split("\n\n")[1:] == [
        "KOPI B 22/11/2026 10:00:00 WIB\n• PCS: ⬆ dari Rp 3.000 menjadi Rp 3.500 (+16,7 %)",
        "KOPI A 20/11/2026 10:00:00 WIB\n• PCS: ⬆ dari Rp 1 menjadi Rp 2 (+100,0 %)",
    ]
    assert [part[:6] for part in to_owner.split("\n\n")[1:]] == ["KOPI C", "KOPI B", "KOPI A"]
    assert "• PCS, Modal: ⬆ dari Rp 3 menjadi Rp 4 (+33,3 %)" in to_owner
