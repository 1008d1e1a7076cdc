"""backhaul hauls data out of places without an API, proves it, and delivers it to where people work.

These are the public names; `import backhaul` loads none of them before it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from backhaul.config import Secret, Setting
    from backhaul.destinations import Warehouse
    from backhaul.engine.pipeline import Pipeline, Schedule
    from backhaul.model import RowCheck, Severity, Stream, TableCheck, Window
    from backhaul.quality import checks
    from backhaul.sessions import steps
    from backhaul.sessions.login import FormLogin
    from backhaul.sources import BackOffice

_HOMES = {
    "BackOffice": "backhaul.sources",
    "FormLogin": "backhaul.sessions.login",
    "Pipeline": "backhaul.engine.pipeline",
    "RowCheck": "backhaul.model",
    "Schedule": "backhaul.engine.pipeline",
    "Secret": "backhaul.config",
    "Setting": "backhaul.config",
    "Severity": "backhaul.model",
    "Stream": "backhaul.model",
    "TableCheck": "backhaul.model",
    "Warehouse": "backhaul.destinations",
    "Window": "backhaul.model",
    "checks": "backhaul.quality",
    "steps": "backhaul.sessions",
}

__all__ = [
    "BackOffice",
    "FormLogin",
    "Pipeline",
    "RowCheck",
    "Schedule",
    "Secret",
    "Setting",
    "Severity",
    "Stream",
    "TableCheck",
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
