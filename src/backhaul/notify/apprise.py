"""Every other channel, through Apprise: mail, ntfy, Slack, Discord and a hundred more, each by an address."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from backhaul.config import Secret, Text, text
from backhaul.errors import ConfigError
from backhaul.notices import Message, Notice, SendInterrupted
from backhaul.notify.kinds import EVERY_RUN, Kinds, is_told
from backhaul.notify.markup import as_plain
from backhaul.notify.wording import worded
from backhaul.notify.words import words_of

_LOOPBACK = re.compile(r"localhost|.*\.localhost|127\.\d+\.\d+\.\d+|::1")
_WEB = frozenset({"apprise", "apprises", "form", "forms", "json", "jsons", "xml", "xmls", "gotify", "gotifys"})
"""Addresses of a person's own web servers, with and without encryption."""
_URLS_STEP = "Correct APPRISE_URLS; each service's form of address is in the documentation of Apprise."


class _Through:
    """Which services have taken the message that others did not, while the process runs."""

    def __init__(self) -> None:
        self._message: Message | None = None
        self._services: set[int] = set()

    def of(self, message: Message) -> set[int]:
        """Return the numbers for message, to be added to; the ones of another message are forgotten."""
        if message != self._message:
            self._message, self._services = message, set()
        return self._services

    def forget(self) -> None:
        """Begin anew: the next message may have the same words."""
        self._message = None


@dataclass(frozen=True)
class Apprise:
    """Services that are named by Apprise addresses; needs the extra `apprise`.

    Args:
        urls: one or more addresses with spaces between them; they hold passwords.
        language: `en`, `he` or `id`.
        kinds: which notices are sent: EVERY_RUN, ALERTS, or a set of classes of notices.
        name: what the outbox calls it; two notifiers of a pipeline need two names.
    """

    urls: Text = field(default=Secret("APPRISE_URLS"), repr=False)
    language: Text = "en"
    kinds: Kinds = EVERY_RUN
    name: str = "apprise"
    _through: _Through = field(default_factory=_Through, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ConfigError for a language that there is none of."""
        if isinstance(self.language, str):
            words_of(self.language)

    def compose(self, notice: Notice) -> Message | None:
        """Return the message in plain words, or None for a kind of notice that is not told here; pure."""
        if not is_told(notice, self.kinds):
            return None
        words = words_of(text(self.language))
        return Message(as_plain(worded(notice, words), words))

    def send(self, message: Message, skip_parts: int = 0) -> str | None:
        """Give the message to each service, but to the first skip_parts; one that is down does not stop the others.

        Raises SendInterrupted if a service did not take it, and ConfigError. Apprise does not say why.
        """
        title, _, body = message.text.partition("\n")
        if not body:
            title, body = "", title
        through = self._through.of(message)
        failed = []
        services = self._services()
        for number, service in enumerate(services):
            if number < skip_parts or number in through:
                continue
            # Without the format Apprise would send < and & unescaped to services that read HTML.
            if service.notify(body=body, title=title, body_format=_apprise().NotifyFormat.TEXT):
                through.add(number)
            else:
                failed.append(number)
        if failed:
            numbers = ", ".join(str(number + 1) for number in failed)
            raise SendInterrupted(
                f"Apprise: {len(failed)} of {len(services)} services did not take a message (number {numbers})",
                parts_sent=failed[0],
                next_step="It is sent again by itself; check these addresses in APPRISE_URLS if it goes on.",
            )
        self._through.forget()
        return None

    def check(self) -> str:
        """Return in one line which services are addressed; asks none of them. Raises ConfigError."""
        names = [str(service[0].service_name) for service in self._services()]
        return f"{len(names)} addressed through Apprise: {', '.join(names)} (not asked)"

    def _services(self) -> list[Any]:
        """Return each address as an Apprise of its own, in order. Raises ConfigError, which shows none of them."""
        apprise = _apprise()
        # Memory: nothing of a message or an address is left on the disk.
        asset = apprise.AppriseAsset(storage_mode=apprise.PersistentStoreMode.MEMORY)
        services = []
        urls = list(_split(text(self.urls)))
        for number, url in enumerate(urls, 1):
            service = apprise.Apprise(asset=asset)
            if not service.add(url) or len(service) != 1:
                message = f"Apprise does not understand address {number} of {len(urls)}"
                raise ConfigError(message, next_step=_URLS_STEP)
            _check_encrypted(service[0], number, len(urls))
            services.append(service)
        if not services:
            raise ConfigError("there is no address for Apprise", next_step=_URLS_STEP)
        return services


def _split(urls: str) -> Iterator[str]:
    # By Apprise's own rule, because an address may hold commas.
    from apprise.utils.parse import parse_urls

    yield from parse_urls(urls)  # type: ignore[no-untyped-call]


def _check_encrypted(service: Any, number: int, of: int) -> None:
    schema, host = str(service.schema), str(service.host or "")
    if schema in _WEB and not service.secure and not _LOOPBACK.fullmatch(host):
        raise ConfigError(
            f"Apprise: address {number} of {of} ({schema}://) is plain http, readable by anyone on the way",
            next_step=f"Use {schema}s:// instead, the encrypted form.",
        )


def _apprise() -> Any:
    """Return the package, silenced: what it and its HTTP client log would show addresses with passwords."""
    try:
        import apprise
    except ImportError:
        raise ConfigError(
            "the package for Apprise is not installed", next_step='Install it: pip install "backhaul[apprise]".'
        ) from None
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 10)
    urllib3 = logging.getLogger("urllib3.connectionpool")
    urllib3.setLevel(max(urllib3.level, logging.WARNING))
    return apprise
