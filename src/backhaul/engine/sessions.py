"""The sessions of one run: one per source, opened once, shared by its streams."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from backhaul.errors import BackhaulError, TransientError
from backhaul.model import Session, Source, Vault
from backhaul.retry import Budget, retried


class SharedSessions:
    """Opens each source's session on first need; one that cannot be opened is not tried by each stream anew."""

    def __init__(self, vault: Vault, budget: Budget) -> None:
        self._vault = vault
        self._budget = budget
        self._guard = threading.Lock()
        self._locks: dict[int, threading.Lock] = {}
        self._opened: dict[int, Session | BackhaulError] = {}

    def get(
        self,
        source: Source,
        on_failure: Callable[[TransientError, int], None],
        on_end: Callable[[BackhaulError], None] = lambda error: None,
    ) -> Session:
        """Return the source's session. Raises what opening it raised, each time it is asked for.

        on_failure hears of the attempts to open it, as in `retried`; on_end, once, that it is given up.
        """
        with self._guard:
            lock = self._locks.setdefault(id(source), threading.Lock())
        with lock:
            found = self._opened.get(id(source))
            if found is None:
                try:
                    found = retried(lambda: source.open(self._vault), self._budget, on_failure)
                except BackhaulError as error:
                    found = error
                    on_end(error)
                self._opened[id(source)] = found
        if isinstance(found, BackhaulError):
            raise found
        return found

    @contextlib.contextmanager
    def own(self, source: Source) -> Iterator[Session]:
        """Open a session for one stream alone, and close it."""
        session = source.open(self._vault.without_sessions())
        try:
            yield session
        finally:
            session.close()

    def close(self) -> None:
        """Close every session."""
        for session in list(self._opened.values()):
            if not isinstance(session, BackhaulError):
                session.close()
        self._opened.clear()
