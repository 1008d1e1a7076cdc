"""The sandbox's Bot API holds before an independent client: python-telegram-bot, which parses strictly."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from backhaul.sandbox import SandboxTelegram, TelegramFault
from tests.notify.told import png

telegram = pytest.importorskip("telegram")
ext = pytest.importorskip("telegram.ext")


@pytest.fixture
def sandbox():
    with SandboxTelegram() as sandbox:
        yield sandbox


def run(sandbox: SandboxTelegram, work: Callable[..., Awaitable[None]]) -> None:
    async def with_bot() -> None:
        base = {"base_url": f"{sandbox.url}/bot", "base_file_url": f"{sandbox.url}/file/bot"}
        async with telegram.Bot(sandbox.token, **base) as bot:
            await work(bot)

    asyncio.run(with_bot())


def test_it_sends_edits_and_deletes(sandbox):
    async def work(bot):
        assert bot.username == sandbox.username
        sent = await bot.send_message(sandbox.chat_id, "<b>Hello</b>", parse_mode="HTML")
        assert (sent.text, sent.text_html) == ("Hello", "<b>Hello</b>")
        edited = await sent.edit_text("Bye")
        assert edited.text == "Bye"
        assert await sent.delete()
        assert await bot.send_chat_action(sandbox.chat_id, "typing")
        assert await bot.set_my_commands([("start", "Begin")])
        chat = await bot.get_chat(sandbox.chat_id)
        assert (chat.type, chat.title) == ("group", "Sandbox group")

    run(sandbox, work)

    assert sandbox.messages() == []
    assert sandbox.commands == [{"command": "start", "description": "Begin"}]


def test_it_sends_files_and_fetches_them(sandbox):
    async def work(bot):
        photo = await bot.send_photo(sandbox.chat_id, png(3, 4), caption="<i>Look</i>", parse_mode="HTML")
        assert (photo.photo[-1].width, photo.photo[-1].height, photo.caption_html) == (3, 4, "<i>Look</i>")
        document = await bot.send_document(sandbox.chat_id, b"a,b\n1,2\n", filename="rows.csv")
        assert document.document.file_name == "rows.csv"
        file = await bot.get_file(document.document.file_id)
        assert bytes(await file.download_as_bytearray()) == b"a,b\n1,2\n"

    run(sandbox, work)

    assert [message.file.name for message in sandbox.messages()][1] == "rows.csv"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (TelegramFault.TOO_MANY_REQUESTS, "RetryAfter"),
        (TelegramFault.BLOCKED, "Forbidden"),
        (TelegramFault.CHAT_NOT_FOUND, "BadRequest"),
        (TelegramFault.MIGRATED, "ChatMigrated"),
        (TelegramFault.CONFLICT, "Conflict"),
        (TelegramFault.CUT_AFTER, "NetworkError"),
        (TelegramFault.BAD_GATEWAY, "NetworkError"),
    ],
)
@pytest.mark.filterwarnings("ignore:Deprecated since version v22.2:telegram.warnings.PTBDeprecationWarning")
def test_it_knows_each_failure_for_what_it_is(sandbox, fault, error):
    async def work(bot):
        sandbox.faults.add(fault, method="sendMessage", seconds=3)
        with pytest.raises(getattr(telegram.error, error)):
            await bot.send_message(sandbox.chat_id, "x")

    run(sandbox, work)


def test_a_bot_that_polls_answers_people_and_buttons(sandbox):
    chat = sandbox.add_chat("private")

    async def price(update, context):
        button = telegram.InlineKeyboardButton("DUS", callback_data="u:2")
        markup = telegram.InlineKeyboardMarkup([[button]])
        await update.message.reply_text(f"PCS {update.message.text}", reply_markup=markup)

    async def unit(update, context):
        await update.callback_query.answer("ok")
        await update.callback_query.edit_message_text("DUS")

    async def poll() -> None:
        builder = ext.Application.builder().token(sandbox.token)
        app = builder.base_url(f"{sandbox.url}/bot").base_file_url(f"{sandbox.url}/file/bot").build()
        app.add_handler(ext.MessageHandler(ext.filters.TEXT, price))
        app.add_handler(ext.CallbackQueryHandler(unit))
        async with app:
            await app.updater.start_polling(timeout=5)
            await app.start()
            sandbox.say(chat, "pensil")
            (message,) = await asyncio.to_thread(sandbox.wait_for, 1, chat)
            query = sandbox.press(message, "DUS")
            await asyncio.to_thread(sandbox.wait_for_answer, query)
            while not message.earlier:
                await asyncio.sleep(0.01)
            await app.updater.stop()
            await app.stop()

    asyncio.run(asyncio.wait_for(poll(), 20))

    (message,) = sandbox.messages(chat)
    assert (message.earlier, message.text, message.labels) == (["PCS pensil"], "DUS", [])
