"""One file out of Dropbox: this very revision, gone on with where it was cut off, proven by Dropbox's own hash."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from backhaul.errors import TransientError
from backhaul.retry import retried
from backhaul.sources.dropbox.client import DropboxClient
from backhaul.sources.dropbox.content_hash import content_hash_of
from backhaul.sources.dropbox.listing import RemoteFile

MOST_SECONDS = 4 * 3600.0
"""After so long a download that still gets cut off ends for this run; the next one goes on with it."""


@dataclass
class Download:
    """The bytes of one revision of a file."""

    client: DropboxClient
    file: RemoteFile
    _here: int = 0
    _until: float = 0.0
    _coming: Generator[bytes, None, None] | None = field(default=None, repr=False)

    @property
    def what(self) -> str:
        """How messages call it."""
        return f"{self.client.connection.name}: downloading {self.file.name}"

    def chunks_from(self, start: int) -> Iterator[bytes]:
        """Yield what follows the first start bytes; after a cut it goes on by a new range.

        Raises TransientError where several attempts in a row bring nothing, EndpointRefused if the revision is gone.
        """
        self._here, self._coming, self._until = start, None, time.monotonic() + MOST_SECONDS
        try:
            while self._here < self.file.size:
                # One budget for each piece: a line that keeps breaking ends it only where it brings nothing more.
                yield retried(self._next, self.client.connection.budget)
        finally:
            if self._coming is not None:
                self._coming.close()

    def prove(self, path: Path) -> None:
        """Return if path holds the revision, by size and by content hash. Raises TransientError."""
        size = path.stat().st_size
        if size != self.file.size:
            raise TransientError(f"{self.what}: {size:,} bytes came of {self.file.size:,}; nothing of it was kept")
        if content_hash_of(path) != self.file.content_hash:
            raise TransientError(f"{self.what}: the bytes that came are not those of Dropbox; nothing of it was kept")

    def _next(self) -> bytes:
        if time.monotonic() > self._until:
            raise TransientError(f"{self.what}: after {MOST_SECONDS / 3600:.0f} hours it is still not here")
        if self._coming is None:
            pinned = f"rev:{self.file.rev}"
            self._coming = self.client.file(self.what, pinned, self._here, self.file.size)
        try:
            for chunk in self._coming:
                if chunk:
                    self._here += len(chunk)
                    return chunk
        except TransientError:
            self._coming = None
            raise
        self._coming = None
        raise TransientError(f"{self.what}: it ended after {self._here:,} of {self.file.size:,} bytes")
