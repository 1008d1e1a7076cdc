"""One call of the Bot API as the sandbox reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from backhaul.sandbox.telegram.world import ApiError


@dataclass(frozen=True)
class Call:
    """One call: fields as they were meant (JSON in forms is read), and the files of a multipart body."""

    method: str
    fields: Mapping[str, Any]
    files: Mapping[str, tuple[str, bytes]] = field(default_factory=dict)

    def number(self, name: str, default: int = 0) -> int:
        """Return a whole number. Raises ApiError for what is none."""
        value = self.fields.get(name, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise ApiError(400, f"Bad Request: field {name} must be a number") from None

    def flag(self, name: str) -> bool:
        """Return whether a field says yes."""
        return self.fields.get(name) in (True, "true", "True", "1", 1)


def decoded(value: str) -> Any:
    """Return a field of a form as it was meant: objects and lists come as JSON."""
    if value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
