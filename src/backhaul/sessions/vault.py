"""The vault: what is remembered about a source between runs, sessions among it, sealed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backhaul.sealing import Seal
from backhaul.sessions.saved import SavedSession, masked

MOST_EVIDENCE_BYTES = 2 << 20
_STALE_S = 3600.0
_GUARD = threading.Lock()


@dataclass(frozen=True)
class SessionFacts:
    """What may be shown of a saved session without opening it; times are UTC, `user` is masked."""

    file: str
    source: str
    user: str
    origin: str
    key_id: str
    saved_at: datetime | None
    holds_until: datetime | None


class Vault:
    """Small facts in one JSON file, and sessions, each sealed in a file of its own (0600, folder 0700).

    Args:
        seal: without it no session is kept and none is found; facts are.
        evidence: the folder for files that show why signing in failed; made on first need.
        is_read_only: what is there is used, and nothing is kept or removed: for dry runs.
    """

    def __init__(
        self, folder: Path, seal: Seal | None = None, evidence: Path | None = None, *, is_read_only: bool = False
    ) -> None:
        self._folder = folder
        self._path = folder / "facts.json"
        self._sessions = folder / "sessions"
        self._seal = seal
        self._evidence = evidence
        self._is_read_only = is_read_only

    def without_sessions(self) -> Vault:
        """Return the same vault for those who sign in by themselves: facts and evidence, no saved session."""
        return Vault(self._folder, None, self._evidence, is_read_only=self._is_read_only)

    def recall(self, name: str) -> str | None:
        """Return what was remembered under name, or None."""
        value = self._load().get(name)
        return value if isinstance(value, str) else None

    def remember(self, name: str, value: str) -> None:
        """Keep value under name; a value that is there already writes nothing."""
        with _GUARD:
            facts = self._load()
            if self._is_read_only or facts.get(name) == value:
                return
            facts[name] = value
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _replace(self._path, _as_json(facts))

    def recall_session(self, name: str) -> bytes | None:
        """Return the saved session of this name, or None.

        Raises Damaged, and ConfigError if another key sealed it.
        """
        if self._seal is None:
            return None
        try:
            sealed = self._file(name).read_bytes()
        except FileNotFoundError:
            return None
        return self._seal.unseal(sealed, about=_about(name))

    def save_session(self, name: str, state: bytes) -> None:
        """Keep a session in place of the one before it, whole or not at all; without a key nothing is kept."""
        if self._seal is None or self._is_read_only:
            return
        self._sessions.mkdir(parents=True, exist_ok=True)
        if os.name != "nt":
            self._sessions.chmod(0o700)
        path = self._file(name)
        _sweep(path)
        _replace(path.with_suffix(".json"), _as_json(self._facts_of(name, state)))
        _replace(path, self._seal.seal(state, about=_about(name)))

    def forget_session(self, name: str) -> None:
        """Remove a saved session; one that is not there is fine."""
        if self._is_read_only:
            return
        for suffix in (".sealed", ".json"):
            self._file(name).with_suffix(suffix).unlink(missing_ok=True)

    def forget_listed(self, facts: SessionFacts) -> None:
        """Remove a session that `saved_sessions` has listed; no key is needed."""
        for suffix in (".sealed", ".json"):
            (self._sessions / facts.file).with_suffix(suffix).unlink(missing_ok=True)

    def saved_sessions(self) -> Iterator[SessionFacts]:
        """Yield what may be shown of each saved session, in order of their files; no key is needed."""
        for path in sorted(self._sessions.glob("*.sealed")):
            try:
                found = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                found = {}
            facts = found if isinstance(found, dict) else {}
            yield SessionFacts(
                file=path.name,
                source=str(facts.get("source", "?")),
                user=str(facts.get("user", "?")),
                origin=str(facts.get("origin", "?")),
                key_id=str(facts.get("key", "?")),
                saved_at=_moment(facts.get("saved_at")),
                holds_until=_moment(facts.get("holds_until")),
            )

    def keep_evidence(self, name: str, content: bytes) -> None:
        """Keep a file that shows why signing in failed; a later one of the same name takes its place.

        Slashes in the name make folders. A disk that cannot take it makes the failure no worse.
        """
        if self._evidence is None or len(content) > MOST_EVIDENCE_BYTES:
            return
        path = self._evidence.joinpath(*map(_safe, name.split("/")))
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def _file(self, name: str) -> Path:
        # The user's name may be a phone number, so the file shows only the source and a mark.
        mark = hashlib.sha256(name.encode()).hexdigest()[:8]
        return self._sessions / f"{_safe(name.partition(' ')[0])}-{mark}.sealed"

    def _facts_of(self, name: str, state: bytes) -> dict[str, object]:
        assert self._seal is not None
        session = SavedSession.read(state)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if session is None:
            return {"source": name.partition(" ")[0], "saved_at": now, "key": self._seal.key_id}
        until = session.holds_until
        return {
            "source": session.source,
            "user": masked(session.user),
            "origin": str(session.origin),
            "key": self._seal.key_id,
            "saved_at": now,
            "holds_until": until.isoformat(timespec="seconds") if until else None,
        }

    def _load(self) -> dict[str, object]:
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            # Facts that cannot be read are learnt anew.
            return {}
        return facts if isinstance(facts, dict) else {}


def _about(name: str) -> bytes:
    return f"session {name}".encode()


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name).strip("._")[-80:] or "file"


def _as_json(value: object) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


def _moment(said: object) -> datetime | None:
    try:
        return datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        return None


def _sweep(path: Path) -> None:
    """Remove what a process that was killed in the middle has left beside path."""
    for part in path.parent.glob(f"{path.stem}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_S:
                part.unlink()


def _replace(path: Path, content: bytes) -> None:
    """Write a small private file atomically, whoever else writes it at the same time."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
