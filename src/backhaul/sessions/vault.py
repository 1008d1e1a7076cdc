"""The vault: what is remembered about a source between runs."""

from __future__ import annotations

import json
import threading
from pathlib import Path

_GUARD = threading.Lock()


class Vault:
    """Small facts in one JSON file, such as which driver worked. No secrets."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "facts.json"

    def recall(self, name: str) -> str | None:
        """Return what was remembered under name, or None."""
        value = self._load().get(name)
        return value if isinstance(value, str) else None

    def remember(self, name: str, value: str) -> None:
        """Keep value under name; a value that is there already writes nothing."""
        with _GUARD:
            facts = self._load()
            if facts.get(name) == value:
                return
            facts[name] = value
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(facts, indent=1, sort_keys=True), encoding="utf-8")
            part.replace(self._path)

    def _load(self) -> dict[str, object]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            # Facts that cannot be read are learnt anew.
            return {}
        return facts if isinstance(facts, dict) else {}
