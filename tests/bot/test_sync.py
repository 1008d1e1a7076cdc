"""/sync: an owner has the pipeline run, sees how far it is, and what came of it."""

import threading
import time
from dataclasses import replace

import pytest

from backhaul.engine.run import RunOptions
from backhaul.model import Counts
from backhaul.sandbox import TelegramFault
from tests.bot.place import GOODS, OWNER, STAFF, Shop

MORE = GOODS + "TEH MELATI;1;PCS;100;1000;T1;-;-;;;true\n"


def synced(shop: Shop, until: str = "Sinkronisasi berhasil") -> list[str]:
    """Have the owner say /sync; return the texts of its message, the last one at the end."""
    before = len(shop.telegram.messages(OWNER))
    shop.telegram.ask(OWNER, "/sync")
    message = shop.telegram.wait_for(before + 1, OWNER)[before]
    end = time.monotonic() + 15
    while until not in message.text and time.monotonic() < end:
        time.sleep(0.02)
    return [*message.earlier, message.text]


def test_a_sync_is_one_message_that_ends_with_the_counts(shop):
    shop.filled().put(MORE, "more.csv")
    with shop.bot() as bot:
        texts = synced(shop)
        (answer,) = shop.asked(STAFF, "teh melati")

    assert texts[0] == "⏳ Sinkronisasi berjalan"
    head, counts, *rest = texts[-1].split("\n")
    assert head.startswith("✅ Sinkronisasi berhasil, dalam ")
    assert counts == "katalog: Baru 1, diperbarui 0, tetap 6"
    assert (rest, len(shop.telegram.messages(OWNER))) == ([], 1)
    assert "Rp 1.000" in answer
    assert [line for line in bot.told if line.startswith("sync of toko: done")] != []


def test_how_far_it_is_shows_meanwhile(shop):
    shop.filled().put(MORE, "more.csv")
    with shop.bot(edit_every_s=0.001):
        texts = synced(shop)

    assert len(texts) >= 3
    assert all(text.startswith("⏳ Sinkronisasi berjalan\nkatalog: ") for text in texts[1:-1])


def test_nothing_new_is_said(shop):
    with shop.filled().bot():
        assert synced(shop)[-1].split("\n")[1] == "katalog: tidak ada yang baru"


def test_a_failure_is_told_with_the_next_step_and_the_last_catalogue_stays(shop):
    shop.filled()
    (shop.folder / "goods" / "broken.csv").write_text("this;is\nno;catalogue\n", encoding="utf-8")
    with shop.bot():
        text = synced(shop, "Langkah berikutnya")[-1]
        (answer,), (status,), (to_staff,) = (
            shop.asked(STAFF, "kopi"),
            shop.asked(OWNER, "/status"),
            shop.asked(STAFF, "/status"),
        )

    assert text.split("\n")[0].startswith("❌ Sinkronisasi gagal")
    assert "Penyebab: " in text
    assert "Rp 12.500" in answer
    assert "Penyebab: " in status and "gagal" in status
    assert "gagal" in to_staff and "Penyebab" not in to_staff


def test_one_that_runs_already_is_told(shop):
    shop.filled()
    with shop.installation.held("toko", wait=False), shop.bot():
        text = synced(shop, "sedang berjalan")[-1]

    assert text == "⏳ Sinkronisasi sedang berjalan; tunggu sampai selesai."


def test_a_setting_that_is_missing_is_told_to_the_owner(shop):
    shop.filled()
    del shop.settings["GOODS"]
    with shop.bot():
        text = synced(shop, "Penyebab")[-1]

    assert text.split("\n")[:2] == [
        "❌ Sinkronisasi tidak dapat dijalankan",
        "Penyebab: missing settings: GOODS",
    ]


@pytest.mark.parametrize("fault", [TelegramFault.CUT_BEFORE, TelegramFault.BLOCKED])
def test_a_chat_that_does_not_hear_of_it_does_not_stop_it(shop, fault):
    shop.filled().put(MORE, "more.csv")
    shop.telegram.faults.add(fault, method="editMessageText", times=None)
    with shop.bot() as bot:
        shop.telegram.ask(OWNER, "/sync")
        bot.wait_until("the result of a sync was not told")
        assert "Rp 1.000" in shop.asked(STAFF, "teh melati")[0]


def test_the_bot_answers_while_a_sync_runs_and_its_end_interrupts_it(shop, monkeypatch):
    shop.filled().put(MORE, "more.csv")
    from backhaul.bot import sync

    whole = sync.run_pipeline

    def slow(target, installation, options: RunOptions, subscribers):
        def slowly(event):
            time.sleep(0.3)
            subscribers[0](event)

        return whole(target, installation, options, [slowly])

    monkeypatch.setattr(sync, "run_pipeline", slow)
    with shop.bot() as bot:
        shop.telegram.ask(OWNER, "/sync")
        shop.telegram.wait_for(1, OWNER)
        assert "Rp 12.500" in shop.asked(STAFF, "kopi")[0]
        assert "Rp 12.500" in shop.asked(OWNER, "kopi")[0]
        bot.close()

    (run, *_) = shop.installation.ledger.history.runs(["toko"], most=1)
    assert run["status"] == "interrupted"
    assert shop.telegram.messages(OWNER)[0].text.startswith("❌ Sinkronisasi terputus")
    assert shop.sync().counts.new == 1


def test_an_end_in_the_middle_of_a_long_step_is_told_too(shop, monkeypatch):
    from backhaul.bot import sync

    shop.filled()
    over = threading.Event()

    def long(*_):
        over.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr(sync, "GIVEN_UP_AFTER_S", 0.2)
    monkeypatch.setattr(sync, "run_pipeline", long)
    with shop.bot() as bot:
        shop.telegram.ask(OWNER, "/sync")
        shop.telegram.wait_for(1, OWNER)
        bot.close()
    over.set()

    assert shop.telegram.messages(OWNER)[0].text.startswith("❌ Sinkronisasi terputus")


def test_what_an_earlier_run_had_still_to_deliver_counts(shop):
    from backhaul.bot.progress import SyncProgress
    from backhaul.engine.events import StreamDone
    from backhaul.languages import translator

    result = shop.filled().sync()
    late = replace(result, streams=tuple(replace(each, left_over=Counts(new=7)) for each in result.streams))
    progress = SyncProgress(translator("id"), lambda: False)
    progress(StreamDone(run="r", stream="toko.katalog", counts=Counts(), seconds=1.0, left_over=Counts(new=7)))

    assert "katalog: Baru 7, diperbarui 0, tetap 0" in progress.result(late, with_warnings=True)
    assert "Baru 7" in progress.text()


def test_in_a_group_the_result_has_no_warnings(shop):
    from backhaul.bot.progress import SyncProgress
    from backhaul.engine.events import Warned
    from backhaul.languages import translator

    shop.put(GOODS)
    result = shop.sync()
    progress = SyncProgress(translator("id"), lambda: False)
    for number in range(10):
        progress(Warned(run="r", stream="toko.katalog", message=f"toko.katalog: {number} items <below> cost"))

    private, group = (progress.result(result, with_warnings=wanted) for wanted in (True, False))

    assert private.split("\n")[2:4] == ["10 peringatan:", "⚠ 0 items &lt;below&gt; cost"]
    assert len(private.split("\n")) == 11
    assert "cost" not in group
