"""backhaul hauls data out of places without an API, proves it, and delivers it to where people work.

These are the public names; `import backhaul` loads none of them before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from backhaul.config import Secret, Setting
    from backhaul.destinations import CsvFiles, ExcelWorkbook, GoogleSheet, Warehouse
    from backhaul.engine.derived import Derived
    from backhaul.engine.pipeline import AlertRules, Pipeline, Schedule
    from backhaul.model import Retention, RowCheck, Severity, Stream, TableCheck, Window
    from backhaul.notify import ALERTS, EVERY_RUN, Apprise, Telegram
    from backhaul.quality import checks
    from backhaul.sessions import steps
    from backhaul.sessions.login import FormLogin
    from backhaul.sources import BackOffice, DropFolder

_HOMES = {
    "ALERTS": "backhaul.notify",
    "EVERY_RUN": "backhaul.notify",
    "AlertRules": "backhaul.engine.pipeline",
    "Apprise": "backhaul.notify",
    "BackOffice": "backhaul.sources",
    "CsvFiles": "backhaul.destinations",
    "Derived": "backhaul.engine.derived",
    "DropFolder": "backhaul.sources",
    "ExcelWorkbook": "backhaul.destinations",
    "FormLogin": "backhaul.sessions.login",
    "GoogleSheet": "backhaul.destinations",
    "Pipeline": "backhaul.engine.pipeline",
    "Retention": "backhaul.model",
    "RowCheck": "backhaul.model",
    "Schedule": "backhaul.engine.pipeline",
    "Secret": "backhaul.config",
    "Setting": "backhaul.config",
    "Severity": "backhaul.model",
    "Stream": "backhaul.model",
    "TableCheck": "backhaul.model",
    "Telegram": "backhaul.notify",
    "Warehouse": "backhaul.destinations",
    "Window": "backhaul.model",
    "checks": "backhaul.quality",
    "steps": "backhaul.sessions",
}

__all__ = [
    "ALERTS",
    "EVERY_RUN",
    "AlertRules",
    "Apprise",
    "BackOffice",
    "CsvFiles",
    "Derived",
    "DropFolder",
    "ExcelWorkbook",
    "FormLogin",
    "GoogleSheet",
    "Pipeline",
    "Retention",
    "RowCheck",
    "Schedule",
    "Secret",
    "Setting",
    "Severity",
    "Stream",
    "TableCheck",
    "Telegram",
    "Warehouse",
    "Window",
    "checks",
    "steps",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'backhaul' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    if name in ("checks", "steps"):
        return import_module(f"{_HOMES[name]}.{name}")
    return getattr(home, name)
