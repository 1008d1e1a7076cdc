"""`login` for WhatsApp Web: shows the code that the phone scans, here and far away, and waits for the scan."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from backhaul.cli.output import Output
from backhaul.config import home, load_settings, resolved
from backhaul.engine.systems import Target, find
from backhaul.engine.words import counted
from backhaul.errors import BackhaulError, ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.notices import Message, Notifier
from backhaul.sessions.whatsapp.reading import Standing
from backhaul.sources import WhatsAppWeb

if TYPE_CHECKING:
    from backhaul.sessions.whatsapp.page import QrCode
    from backhaul.sources.whatsapp_web import ReadablePage

LOOK_S = 1.0
RENEW_S = 60.0
"""After how long an unchanged code is asked for anew: the page gives up renewing it after some minutes."""
SEND_EVERY_S = 15.0
_MOST_SENT = 20
_SAID = (
    "Sign in to WhatsApp Web: on the phone, Settings, Linked devices, Link a device, then scan this picture."
    " It is good for about 20 seconds; another one follows."
)
_EXTRA = 'Install it: pip install "backhaul[whatsapp]"; the picture alone works without.'


def whatsapp_of(name: str) -> WhatsAppWeb | None:
    """Return the page of WhatsApp Web that what name stands for is read from, or None."""
    sources = [stream.source for target in find(home() / "systems", name) for stream in target.pipeline.streams]
    return next((source for source in sources if isinstance(source, WhatsAppWeb)), None)


def login_whatsapp(
    output: Output, name: str, source: WhatsAppWeb, *, wait_minutes: float, send: bool, look_s: float = LOOK_S
) -> None:
    """Show the page's code until it is scanned, and say what came of it.

    The code stands on the terminal and in a private picture in the data folder, which is removed at the end; with
    `send` the pipeline's notifiers get the picture too. Raises LoginRequired if nobody scans it in time.
    """
    if not 0 < wait_minutes <= 24 * 60:
        raise ConfigError(f"--wait-minutes is {wait_minutes:g}; it is more than 0 and at most a day")
    asked = resolved(source, load_settings(home()))
    senders = _senders(name) if send else []
    with asked.page() as page, _picture(name) as picture:
        show = Showing(output, picture, senders)
        standing = _wait(page, show, wait_minutes * 60, look_s)
    was_before = standing is Standing.READY and not show.codes
    if output.json:
        output.document({"standing": "signed in", "was_signed_in": was_before, "codes_shown": show.codes})
    output.say(
        "WhatsApp Web is signed in already; nothing was changed."
        if was_before
        else "Signed in: the phone lists it under Linked devices, where it can be ended too."
    )


@dataclass
class Showing:
    """Where a code goes to; it stands in no log."""

    output: Output
    picture: Path
    senders: list[Notifier]
    codes: int = 0
    _sent: int = 0
    _sent_at: float = float("-inf")

    def show(self, code: QrCode) -> None:
        """Show a code in place of the last one."""
        self.codes += 1
        _replace(self.picture, code.png)
        if self.codes == 1:
            self.output.progress("On the phone: Settings, Linked devices, Link a device; then scan the code.")
            self.output.progress(f"Its picture: {self.picture} (removed at the end)")
        # What is written to a file or to a service's log is no terminal.
        if code.content and sys.stderr.isatty():
            try:
                draw(code.content, sys.stderr)
            except ConfigError as error:
                if self.codes == 1:
                    self.output.progress(f"{error}. {error.next_step}")
        if self.senders and self._sent < _MOST_SENT and time.monotonic() - self._sent_at >= SEND_EVERY_S:
            self._send()

    def _send(self) -> None:
        self._sent += 1
        self._sent_at = time.monotonic()
        for notifier in self.senders:
            try:
                notifier.send(Message(_SAID, photo=str(self.picture)))
            except BackhaulError as error:
                self.output.progress(f"{notifier.name}: the picture was not sent: {error}")
                self.output.progress(f"  next: {error.next_step}")
            else:
                self.output.progress(f"The picture was sent through {notifier.name}.")


def draw(content: str, to: TextIO) -> None:
    """Draw a QR code of content with half blocks. Raises ConfigError if the package for it is missing."""
    try:
        import segno
    except ImportError:
        raise ConfigError("the package that draws codes is not installed", next_step=_EXTRA) from None
    to.write("\n")
    # What a picture may hold is limited; a code that does not fit is in the other picture.
    with contextlib.suppress(segno.DataOverflowError):
        segno.make(content, error="l", micro=False).terminal(out=to, compact=True)
    to.write("\n")
    to.flush()


def _wait(page: ReadablePage, show: Showing, seconds: float, look_s: float) -> Standing:
    """Look at the page until it is signed in. Raises LoginRequired, SourceChanged, TransientError."""
    ends_at = time.monotonic() + seconds
    shown, shown_at = b"", time.monotonic()
    standing = page.standing(min(60.0, seconds))
    while standing is not Standing.READY:
        if standing is Standing.RELINK:
            raise LoginRequired(
                "WhatsApp Web wants to be linked anew: its data in the profile is damaged",
                next_step="Remove the profile's folder (WHATSAPP_PROFILE), then run this command again.",
            )
        if time.monotonic() > ends_at:
            raise _too_late(standing, show, seconds)
        if standing in (Standing.QR, Standing.EXPIRED):
            if (code := _code(page)) is not None and (mark := code.content.encode() or code.png) != shown:
                shown, shown_at = mark, time.monotonic()
                show.show(code)
            elif time.monotonic() - shown_at > RENEW_S:
                shown_at = time.monotonic()
                page.renew()
        time.sleep(look_s)
        standing = page.standing(0)
    return standing


def _code(page: ReadablePage) -> QrCode | None:
    """Return the code that is shown; None in the moment in which the page goes from one to the next."""
    try:
        return page.code()
    except (SourceChanged, TransientError):
        return None


def _too_late(standing: Standing, show: Showing, seconds: float) -> BackhaulError:
    minutes = f"{seconds / 60:g} minutes"
    if show.codes:
        return LoginRequired(
            f"nobody scanned the code within {minutes}; {counted(show.codes, 'code')} shown",
            next_step="Run the command again with the phone at hand; --send brings the picture to it.",
        )
    if standing is Standing.LOADING:
        return TransientError(f"WhatsApp Web was still loading after {minutes}")
    return SourceChanged(f"WhatsApp Web showed neither chats nor a code within {minutes}")


def _senders(name: str) -> list[Notifier]:
    """Return the notifiers that send pictures, each once. Raises ConfigError if there is none."""
    targets: list[Target] = find(home() / "systems", name)
    settings = load_settings(home())
    found: list[Notifier] = []
    for target in targets:
        for notifier in target.pipeline.notify:
            if hasattr(notifier, "photos"):
                filled: Notifier = resolved(notifier, settings)
                if filled not in found:
                    found.append(filled)
    if not found:
        raise ConfigError(
            f"{name} has no notifier that sends pictures",
            next_step="Give a pipeline notify=[Telegram()], or run the command without --send.",
        )
    return found


@contextlib.contextmanager
def _picture(name: str) -> Iterator[Path]:
    """Give the name of a picture in the data folder; nothing of it is left afterwards."""
    folder = home() / "data"
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"whatsapp-code-{secrets.token_hex(4)}.png"
    try:
        yield picture
    finally:
        for path in (picture, _part(picture)):
            path.unlink(missing_ok=True)


def _replace(picture: Path, content: bytes) -> None:
    """Write a picture for its owner alone, never half."""
    part = _part(picture)
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    part.replace(picture)


def _part(picture: Path) -> Path:
    return picture.with_suffix(".part")
