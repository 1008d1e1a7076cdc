"""Where Telegram sends updates, and where the bot listens for them.

The path and the secret are made of the bot's token: the same in every process that serves the bot, and nobody else
can guess them. A proxy in front of the bot does the encryption.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from backhaul.errors import ConfigError

_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1")


@dataclass(frozen=True)
class Hook:
    """Where Telegram sends updates (`url`, for its eyes only), the last part of the path, and the secret."""

    url: str
    part: str
    secret: str

    @classmethod
    def at(cls, address: str, token: str) -> Hook:
        """Return the hook below a public address. Raises ConfigError for one that Telegram would not take."""
        try:
            parts = urlsplit(address)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            parts, host = urlsplit(""), ""
        if not host or parts.scheme not in ("http", "https") or parts.query or parts.fragment or parts.username:
            raise ConfigError(
                "--webhook: that is no web address", next_step="Say --webhook https://shop.example/path."
            )
        if parts.scheme == "http" and not _LOOPBACK.fullmatch(host):
            raise ConfigError(
                f"--webhook: {host} would be reached over plain http", next_step="Use its https address."
            )
        part = _derived(token, "path")
        return cls(f"{address.rstrip('/')}/{part}", part, _derived(token, "secret"))


def listening(place: str) -> tuple[str, int]:
    """Return host and port of `127.0.0.1:8443`. Raises ConfigError."""
    host, _, port = place.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--listen: {place[:60]!r} is no HOST:PORT", next_step="Say --listen 127.0.0.1:8443.")
    return host.strip("[]"), int(port)


def _derived(token: str, purpose: str) -> str:
    return hmac.new(token.encode(), f"backhaul webhook {purpose}".encode(), hashlib.sha256).hexdigest()[:43]
