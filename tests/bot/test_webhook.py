"""The webhook: its secret, its path, the health answer; several bots at once; the same update twice."""

import threading
import time

import httpx
import pytest

from backhaul.bot.web_server import SECRET_HEADER
from backhaul.bot.webhook import Hook, listening
from backhaul.errors import ConfigError
from backhaul.sandbox import SandboxTelegram, TelegramFault
from tests.bot.place import OWNER, STAFF, Shop
from tests.notify.told import some_token


@pytest.fixture
def web():
    with httpx.Client(trust_env=False, timeout=10) as client:
        yield client


def start(shop: Shop, **mode):
    """Start a bot with a webhook on a free port; Telegram sends to the first of several."""
    return shop.bot(webhook="http://127.0.0.1:9", listen="127.0.0.1:0", **mode)


def aimed(shop: Shop, bot) -> str:
    """Have the sandbox send where the bot listens, as a proxy would; return the address."""
    world = shop.telegram._world
    path = world.webhook.url.removeprefix("http://127.0.0.1:9")
    address = f"http://127.0.0.1:{bot.running.port}{path}"
    with world.changed:
        world.webhook = type(world.webhook)(address, world.webhook.secret)
        world.changed.notify_all()
    return address


def test_updates_come_through_the_webhook(shop):
    shop.filled()
    with start(shop) as bot:
        aimed(shop, bot)
        (answer,) = shop.asked(STAFF, "kopi")
        shop.asked(STAFF, "/me")

    assert len(shop.telegram.messages(STAFF)) == 2
    assert "Rp 12.500" in answer
    assert not [call for call in shop.telegram.calls if call.method == "getUpdates"]


def test_only_who_knows_path_and_secret_gets_in(shop, web):
    shop.filled()
    with start(shop) as bot:
        address = aimed(shop, bot)
        secret = shop.telegram._world.webhook.secret
        update = {"update_id": 1, "message": shop.telegram._message(STAFF, "kopi", STAFF, "Ani")}
        statuses = [
            web.post(address, json=update).status_code,
            web.post(address, json=update, headers={SECRET_HEADER: "wrong"}).status_code,
            web.post(address, json=update, headers={SECRET_HEADER: "é".encode()}).status_code,
            web.post(address[:-1], json=update, headers={SECRET_HEADER: secret}).status_code,
            web.post(f"http://127.0.0.1:{bot.running.port}/", json=update).status_code,
            web.get(address).status_code,
            web.post(address, content=b"[" * 9000, headers={SECRET_HEADER: secret}).status_code,
            web.post(address, json={"update_id": "x"}, headers={SECRET_HEADER: secret}).status_code,
        ]
        behind_a_proxy = address.replace("/", "/bots/shop/", 3).replace("http:/bots/shop//bots/shop/", "http://")
        passed = web.post(behind_a_proxy, json=update, headers={SECRET_HEADER: secret}).status_code
        shop.telegram.wait_for(1, STAFF)

    assert statuses == [403, 403, 403, 404, 404, 405, 400, 400]
    assert passed == 200


def test_an_update_that_is_too_large_is_not_read(shop, web):
    with start(shop) as bot:
        address = aimed(shop, bot)
        try:
            status = web.post(address, content=b"x" * 2_000_000).status_code
        except httpx.TransportError:
            status = 0
        assert status in (0, 400, 413)
        assert web.get(f"http://127.0.0.1:{bot.running.port}/healthz").status_code == 503


def test_the_same_update_twice_is_answered_once(shop):
    shop.filled()
    with start(shop) as bot:
        address = aimed(shop, bot)
        statuses = [shop.telegram.again(address, 77, STAFF, "kopi", user=STAFF) for _ in range(3)]
        shop.telegram.wait_for(1, STAFF)
        shop.asked(STAFF, "/me")

    assert statuses == [200, 200, 200]
    assert len(shop.telegram.messages(STAFF)) == 2


def test_of_two_bots_that_get_the_same_updates_one_answers_each(shop):
    shop.filled()
    with start(shop) as one, start(shop) as other:
        addresses = [aimed(shop, one)]
        addresses.append(addresses[0].replace(f":{one.running.port}/", f":{other.running.port}/"))
        statuses = []

        def send(address: str) -> None:
            statuses.extend(shop.telegram.again(address, number, STAFF, "/me", user=STAFF) for number in range(10))

        threads = [threading.Thread(target=send, args=(address,)) for address in addresses * 2]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        shop.telegram.wait_for(10, STAFF)
        time.sleep(0.2)

    assert set(statuses) == {200}
    assert len(shop.telegram.messages(STAFF)) == 10


def test_a_ledger_that_does_not_answer_has_telegram_send_it_again(shop):
    shop.filled()
    ledger = shop.folder / "data" / "ledger.db"
    with start(shop) as bot:
        address = aimed(shop, bot)
        whole = ledger.rename(ledger.with_suffix(".away"))
        ledger.write_bytes(b"no database" * 500)
        refused = shop.telegram.again(address, 5, STAFF, "/me", user=STAFF)
        for each in ledger.parent.glob("ledger.db*"):
            each.unlink()
        whole.rename(ledger)
        taken = shop.telegram.again(address, 5, STAFF, "/me", user=STAFF)
        shop.telegram.wait_for(1, STAFF)

    assert (refused, taken) == (503, 200)
    assert [line for line in bot.told if "tried again by itself" in line or "works again" in line] == [
        "ledger.db: file is not a database; it is tried again by itself",
        "it works again, after 0 s",
    ]


def test_health_tells_how_old_the_catalogue_is(shop, web):
    with shop.bot(listen="127.0.0.1:0") as bot:
        url = f"http://127.0.0.1:{bot.running.port}/healthz"
        without = web.get(url)
        shop.filled()
        with_one = web.get(url)
        watched = web.head(url)
        assert "Rp 12.500" in shop.asked(STAFF, "kopi")[0]

    assert (without.status_code, without.json()["status"]) == (503, "no catalogue")
    found = with_one.json()
    assert (with_one.status_code, found["status"], found["products"]) == (200, "ok", 3)
    assert 0 <= found["age_h"] < 0.1
    assert (watched.status_code, watched.content) == (200, b"")


def test_health_is_told_while_telegram_is_out_of_reach(shop, web):
    shop.filled().telegram.faults.add(TelegramFault.SERVER_ERROR, times=None)
    bot = shop.bot(listen="127.0.0.1:0").begin()
    bot.wait_until("tried again by itself")
    status = web.get(f"http://127.0.0.1:{bot.running.port}/healthz").status_code
    bot.close()

    assert status == 200


def test_an_address_that_telegram_does_not_take_ends_it(shop):
    shop.telegram.faults.add(TelegramFault.NO_RIGHTS, method="setWebhook")

    with pytest.raises(ConfigError) as caught:
        start(shop).begin().result()

    assert str(caught.value) == "Telegram does not take the address of the webhook"


def test_health_of_a_catalogue_that_is_too_old(shop, web):
    module = shop.folder / "systems" / "toko" / "pipeline.py"
    module.write_text(
        module.read_text().replace('ShopBot(pipeline="toko"', 'ShopBot(pipeline="toko", stale_after_h=0')
    )
    shop.filled()
    with shop.bot(listen="127.0.0.1:0") as bot:
        answer = web.get(f"http://127.0.0.1:{bot.running.port}/healthz")
        (status,), (products,) = shop.asked(OWNER, "/status"), shop.asked(STAFF, "kopi")

    assert (answer.status_code, answer.json()["status"]) == (503, "stale")
    assert products.split("\n")[0] == "⚠ Harga ini sudah lama; di toko mungkin ada yang lebih baru."
    assert "Harga ini sudah lama" in status


def test_path_and_secret_are_of_the_token_and_tell_nothing_of_it():
    token, other = some_token(), some_token()

    hook, again = Hook.at("https://shop.example/bot/", token), Hook.at("https://shop.example/bot", token)

    assert hook == again != Hook.at("https://shop.example/bot", other)
    assert hook.url == f"https://shop.example/bot/{hook.part}"
    assert len({hook.part, hook.secret}) == 2
    assert not any(part in hook.url + hook.secret for part in token.split(":"))


@pytest.mark.parametrize(
    "address", ["http://shop.example/x", "shop.example", "https://", "https://a b:x/", "ftp://x/"]
)
def test_an_address_that_telegram_could_not_use_is_refused(address):
    with pytest.raises(ConfigError, match="--webhook"):
        Hook.at(address, some_token())


@pytest.mark.parametrize("place", ["8443", ":8443", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999"])
def test_a_place_to_listen_at_that_is_none_is_refused(place):
    with pytest.raises(ConfigError, match="--listen"):
        listening(place)


def test_a_port_that_is_taken_is_told(shop):
    with SandboxTelegram() as other, pytest.raises(ConfigError, match="cannot be used"):
        shop.bot(listen=f"127.0.0.1:{other._server.server_port}").begin().result()
