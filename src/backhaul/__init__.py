"""backhaul hauls data out of places without an API, proves it, and delivers it to where people work.

These are the public names; `import backhaul` loads none of them before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from backhaul.version import __version__ as __version__

if TYPE_CHECKING:
    from backhaul.bot import ShopBot
    from backhaul.config import Secret, Setting, text
    from backhaul.destinations import CsvFiles, ExcelWorkbook, GoogleSheet, MongoDB, Nested, Stamps, Warehouse
    from backhaul.engine.derived import Derived
    from backhaul.engine.pipeline import AlertRules, Pipeline, Schedule
    from backhaul.engine.report import Report
    from backhaul.errors import ConfigError, SourceChanged
    from backhaul.formats import chat
    from backhaul.model import Migration, Retention, RowCheck, Severity, Stream, TableCheck, Window
    from backhaul.notify import ALERTS, EVERY_RUN, WARNINGS, Apprise, LastRun, MongoLog, Telegram
    from backhaul.quality import checks
    from backhaul.search import PriceColumns, SearchIndex
    from backhaul.sessions import steps
    from backhaul.sessions.login import FormLogin
    from backhaul.sources import (
        ArchiveTable,
        BackOffice,
        DropboxFolder,
        DropFolder,
        GoogleSheetTable,
        MongoCollection,
        WhatsAppExports,
        WhatsAppWeb,
    )

_HOMES = {
    "ALERTS": "backhaul.notify",
    "EVERY_RUN": "backhaul.notify",
    "WARNINGS": "backhaul.notify",
    "AlertRules": "backhaul.engine.pipeline",
    "Apprise": "backhaul.notify",
    "ArchiveTable": "backhaul.sources",
    "BackOffice": "backhaul.sources",
    "ConfigError": "backhaul.errors",
    "CsvFiles": "backhaul.destinations",
    "Derived": "backhaul.engine.derived",
    "DropFolder": "backhaul.sources",
    "DropboxFolder": "backhaul.sources",
    "ExcelWorkbook": "backhaul.destinations",
    "FormLogin": "backhaul.sessions.login",
    "GoogleSheet": "backhaul.destinations",
    "GoogleSheetTable": "backhaul.sources",
    "LastRun": "backhaul.notify",
    "Migration": "backhaul.model",
    "MongoCollection": "backhaul.sources",
    "MongoDB": "backhaul.destinations",
    "MongoLog": "backhaul.notify",
    "Nested": "backhaul.destinations",
    "Pipeline": "backhaul.engine.pipeline",
    "PriceColumns": "backhaul.search",
    "Report": "backhaul.engine.report",
    "Retention": "backhaul.model",
    "RowCheck": "backhaul.model",
    "Schedule": "backhaul.engine.pipeline",
    "SearchIndex": "backhaul.search",
    "Secret": "backhaul.config",
    "Setting": "backhaul.config",
    "Severity": "backhaul.model",
    "ShopBot": "backhaul.bot",
    "SourceChanged": "backhaul.errors",
    "Stamps": "backhaul.destinations",
    "Stream": "backhaul.model",
    "TableCheck": "backhaul.model",
    "Telegram": "backhaul.notify",
    "Warehouse": "backhaul.destinations",
    "WhatsAppExports": "backhaul.sources",
    "WhatsAppWeb": "backhaul.sources",
    "Window": "backhaul.model",
    "chat": "backhaul.formats",
    "checks": "backhaul.quality",
    "steps": "backhaul.sessions",
    "text": "backhaul.config",
}

__all__ = [
    "ALERTS",
    "EVERY_RUN",
    "WARNINGS",
    "AlertRules",
    "Apprise",
    "ArchiveTable",
    "BackOffice",
    "ConfigError",
    "CsvFiles",
    "Derived",
    "DropFolder",
    "DropboxFolder",
    "ExcelWorkbook",
    "FormLogin",
    "GoogleSheet",
    "GoogleSheetTable",
    "LastRun",
    "Migration",
    "MongoCollection",
    "MongoDB",
    "MongoLog",
    "Nested",
    "Pipeline",
    "PriceColumns",
    "Report",
    "Retention",
    "RowCheck",
    "Schedule",
    "SearchIndex",
    "Secret",
    "Setting",
    "Severity",
    "ShopBot",
    "SourceChanged",
    "Stamps",
    "Stream",
    "TableCheck",
    "Telegram",
    "Warehouse",
    "WhatsAppExports",
    "WhatsAppWeb",
    "Window",
    "chat",
    "checks",
    "steps",
    "text",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'backhaul' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    if name in ("chat", "checks", "steps"):
        return import_module(f"{_HOMES[name]}.{name}")
    return getattr(home, name)
