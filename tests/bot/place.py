"""A shop with a bot: a system whose pipeline reads a folder, and a Telegram of this machine; goods are made up."""

from __future__ import annotations

import asyncio
import os
import textwrap
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from backhaul.bot.declared import find_bot
from backhaul.bot.polling import Patience
from backhaul.bot.service import Mode, Running, serve
from backhaul.engine.run import Installation, RunOptions, RunResult, run_pipeline
from backhaul.engine.systems import find
from backhaul.sandbox import SandboxTelegram

OWNER, STAFF, COLLEAGUE, STRANGER = 501, 601, 602, 901
QUICK = Patience(poll_s=2, first_pause_s=0.05, longest_pause_s=0.2)
HEAD = "namaitem;konversi;satuan;hargapokok;hargajual;kodeitem;level;jumlah_sampai;barcode;stok;dijual\n"
GOODS = """\
KOPI JAGO HITAM 165G;1;PCS;9000;12500;KJ165;-;-;8990001112223;UTM 12; GDG 3;true
KOPI JAGO HITAM 165G;20;DUS;180000;240000;KJ165;-;-;8990001112230;UTM 12; GDG 3;true
SABUN RIA COLEK 200G;1;PCS;3000;3500;SR200;1;-;;UTM 0;true
SABUN RIA COLEK 200G;1;PCS;3000;3400;SR200;2;10;;UTM 0;true
SABUN RIA COLEK 200G;12;LUSIN;36000;;SR200;-;-;;UTM 0;true
LAMPU <TERANG> & CO 9W;1;PCS;20000;19000;LT9;-;-;;;false
"""
MODULE = """
from decimal import Decimal
import polars as pl
from backhaul.bot import ShopBot
from backhaul.engine.pipeline import Pipeline, Schedule
from backhaul.config import Setting
from backhaul.search import SearchIndex
from backhaul.sources import DropFolder

index = SearchIndex(Setting("INDEX"))

def typed(frame):
    frame = frame.with_columns(pl.all().cast(pl.String))
    money = [pl.col(name).str.to_decimal(scale=6) for name in ("konversi", "hargapokok", "hargajual")]
    return frame.with_columns(*money, dijual=pl.col("dijual").str.to_lowercase() == "true")

goods = DropFolder(Setting("GOODS"), settle_s=0).files(
    "katalog", key=("kodeitem", "satuan", "level", "jumlah_sampai"), pattern="*.csv", transform=typed,
    complete=True, to=index,
)
pipeline = Pipeline("toko", [goods], schedule=Schedule("0 10,19 * * *", "Asia/Jakarta"))
bot = ShopBot(pipeline="toko", catalogue=index, language=Setting("LANGUAGE_OF_BOT", default="id"))
"""


@dataclass
class Shop:
    """One installation of the shop, and the people in front of its bot."""

    folder: Path
    telegram: SandboxTelegram
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        system = self.folder / "systems" / "toko"
        system.mkdir(parents=True, exist_ok=True)
        (self.folder / "goods").mkdir(exist_ok=True)
        (system / "pipeline.py").write_text(MODULE, encoding="utf-8")
        self.settings = {
            "GOODS": str(self.folder / "goods"),
            "INDEX": str(self.folder / "data" / "index.db"),
            "TELEGRAM_BOT_TOKEN": self.telegram.token,
            "TELEGRAM_API_URL": self.telegram.url,
            "ALLOWED_USERS": f"{STAFF},{COLLEAGUE}",
            "OWNER_USERS": str(OWNER),
            **self.settings,
        }
        for user in (OWNER, STAFF, COLLEAGUE, STRANGER):
            if user not in self.telegram._world.chats:
                self.telegram.add_person(user)

    @property
    def installation(self) -> Installation:
        return Installation(self.folder / "data", self.settings)

    def put(self, goods: str, name: str = "goods.csv") -> None:
        """Put goods into the folder, stock in quotes: its places have semicolons between them."""
        lines = [line.split(";") for line in goods.splitlines()]
        rows = [";".join([*line[:9], f'"{";".join(line[9:-1])}"', line[-1]]) for line in lines]
        (self.folder / "goods" / name).write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")

    def sync(self) -> RunResult:
        """Run the pipeline, as the schedule does."""
        (target,) = find(self.folder / "systems", "toko")
        return run_pipeline(target, self.installation, RunOptions())

    def filled(self, goods: str = GOODS) -> Shop:
        self.put(goods)
        result = self.sync()
        assert result.exit_code == 0, [str(each.error) for each in result.streams]
        return self

    def bot(self, **mode: Any) -> RunningBot:
        return RunningBot(self, Mode(**{"patience": QUICK, "edit_every_s": 0.02, **mode}))

    def asked(self, user: int, text: str, *, answers: int = 1) -> list[str]:
        """Write to the bot in private; return the texts of its next answers."""
        before = len(self.telegram.messages(user))
        self.telegram.ask(user, text)
        found = self.telegram.wait_for(before + answers, user)
        return [message.text for message in found[before:]]


class RunningBot:
    """A bot in a thread of its own, from `with` to its end; `told` is what it has told the machine's owner."""

    def __init__(self, shop: Shop, mode: Mode) -> None:
        self._shop, self._mode = shop, mode
        self.told: list[str] = []
        self.running = Running()
        self._ready = threading.Event()
        self._stop: Callable[[], object] = lambda: None
        self._declared = find_bot(shop.folder / "systems", "toko")
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="bot under test")
        self._done: Future[None] = Future()

    def __enter__(self) -> RunningBot:
        self.begin()
        if not self._ready.wait(15) or self._done.done():
            self.close()
            raise TimeoutError("the bot did not begin to answer")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()
        if kind is None:
            self.result()

    def begin(self) -> RunningBot:
        """Start without waiting until it answers."""
        self._done = self._pool.submit(self._run)
        return self

    def close(self) -> None:
        """Have it end, as SIGTERM does."""
        self._stop()
        self.result()

    def result(self, timeout_s: float = 20) -> None:
        """Wait for its end; raise what it has ended with."""
        self._done.result(timeout_s)

    def wait_until(self, words: str, timeout_s: float = 10) -> str:
        """Wait until it tells words; return the line."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for line in list(self.told):
                if words in line:
                    return line
            time.sleep(0.01)
        raise TimeoutError(f"it never told {words!r}, but {self.told}")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.is_closed() or loop.call_soon_threadsafe(stop.set)
        watch = asyncio.create_task(self._watch())
        try:
            await serve(self._declared, self._shop.installation, self._mode, self.told.append, stop, self.running)
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        await self.running.is_ready.wait()
        self._ready.set()


SCRIPT = textwrap.dedent("""
    import json, os, sys
    import typer
    from pathlib import Path
    os.environ["BACKHAUL_HOME"] = sys.argv[1]
    from backhaul.cli.bot import run_bot
    from backhaul.cli.output import Output, told
    options = json.loads(sys.argv[2])
    output = Output()
    try:
        with told(output):
            run_bot(output, "toko", webhook=options.get("webhook"), listen=options.get("listen"))
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
""")


def environment(shop: Shop) -> dict[str, str]:
    return {**os.environ, **shop.settings, "PYTHONUNBUFFERED": "1"}
