"""Toko: the newest backup of the shop's iPOS, the catalogue and the price changes made of it, and the bot."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

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

from .checks import CHECKS
from .tables import CHANGE_KEY, KEY, TABLES

if TYPE_CHECKING:
    import polars as pl


def catalogue(tables: Mapping[str, pl.DataFrame], remark: Callable[[str], None]) -> pl.DataFrame:
    """Return the catalogue; the rules are loaded where there is a backup to read."""
    from .rules import catalogue as rules

    return rules.catalogue(tables, remark)


def price_changes(now: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Return what has changed between the catalogue and what it was before."""
    from .rules import history

    return history.price_changes(now, before)


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
