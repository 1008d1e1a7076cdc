"""Toko: the newest backup of the shop's iPOS, the catalogue and the price changes made of it, and the bot."""

from backhaul import (
    ALERTS,
    WARNINGS,
    CsvFiles,
    Derived,
    DropboxFolder,
    Pipeline,
    Retention,
    Schedule,
    SearchIndex,
    Secret,
    Setting,
    ShopBot,
    Telegram,
)

from .catalogue import KEY, catalogue
from .checks import CHECKS
from .history import CHANGE_KEY, price_changes
from .tables import TABLES

backups = DropboxFolder()
index = SearchIndex()
kept = Setting("MAX_CSV_FILES", default="5")

pipeline = Pipeline(
    name="katalog",
    streams=[
        backups.newest(
            "katalog",
            title="Katalog",
            key=KEY,
            tables=TABLES,
            build=catalogue,
            checks=CHECKS,
            complete=True,
            history=("hargajual", "hargapokok"),
            stale_after_h=36,
            retention=Retention(days=365, megabytes=5_000, newest=kept),
            to=[
                CsvFiles(
                    Setting("CSV_FOLDER", default="data/katalog"),
                    snapshots=kept,
                    dated="%d%m%Y-%H%M",
                ),
                index,
            ],
        ),
        Derived(
            "perubahan_harga",
            title="Perubahan harga",
            after=("katalog", "katalog__archive"),
            build=price_changes,
            key=CHANGE_KEY,
        ),
    ],
    schedule=Schedule("0 10,19 * * *", timezone="Asia/Jakarta"),
    notify=[
        Telegram(
            token=Secret("TELEGRAM_BOT_TOKEN", also=("TELEGRAM_TOKEN",)),
            chat=Setting("TELEGRAM_CHAT_ID"),
            language=Setting("TELEGRAM_LANGUAGE", default="id"),
            kinds=ALERTS | WARNINGS,
        )
    ],
)

bot = ShopBot(pipeline="toko", catalogue=index)
