"""The messages of a WhatsApp group as WhatsApp Web shows them: read, and never written to.

It was built and is tested against a replica of the page, after dated public observations; nobody has verified it
against WhatsApp itself. The safe way in are Export chat files: see WhatsAppExports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Unpack

from backhaul.config import Setting, Text, home, says_yes, text
from backhaul.errors import ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.formats.chat.dates import DateOrder, zone_named
from backhaul.model import Artifact, Fetched, Landing, Session, Stream, StreamOptions, Vault
from backhaul.model import Window as Days
from backhaul.sessions.whatsapp.reading import REFUSED, PageRow, Reading, Standing
from backhaul.sources.whatsapp.document import dumped, is_reading, loaded
from backhaul.sources.whatsapp.enough import Wanted
from backhaul.sources.whatsapp.exported import exported, order_named
from backhaul.sources.whatsapp.fresh import new_messages
from backhaul.sources.whatsapp.memory import Memory
from backhaul.sources.whatsapp.messages import Ways, messages_of
from backhaul.sources.whatsapp.window import ADAPT, judged, refuse_unlike, same_title, warnings

if TYPE_CHECKING:
    import polars as pl

    from backhaul.sessions.whatsapp.page import QrCode

KEY = ("fingerprint", "occurrence")
SIGN_IN = (
    "Sign in once with `backhaul login SYSTEM`, and scan the code with the phone: Linked devices, Link a device."
)
_LINK_ANEW = "On the phone, remove the device under Linked devices; then `backhaul login SYSTEM` links it anew."


def utc_now() -> datetime:
    """Return the time (UTC)."""
    return datetime.now(UTC)


class ReadablePage(Protocol):
    """An opened page of WhatsApp Web."""

    def standing(self, timeout_s: float) -> Standing:
        """Return what the page shows, once it shows anything."""

    def read(self, group: str, enough: Callable[[Sequence[PageRow]], bool], deadline_s: float) -> Reading:
        """Return the messages of a chat, read upwards until they are enough."""

    def code(self) -> QrCode:
        """Return the code that is shown for scanning."""

    def renew(self) -> None:
        """Load the page anew."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True)
class WhatsAppWeb:
    """WhatsApp Web in a browser profile that a person has signed in once; its groups become streams.

    It reads one group after another, scrolls, and types nothing but a search. It is off until somebody switches it
    on: reading by a program may be against WhatsApp's terms. The browser does not disguise itself: without a window
    it calls itself HeadlessChrome. If WhatsApp refuses that, BACKHAUL_HEADED=1 gives it a window, on a server under
    `xvfb-run`. No picture of the page is kept as evidence: it could show people's chats.

    Args:
        profile: the folder of the browser's profile; who has it is signed in.
        url: the address of WhatsApp Web.
        timezone: in which the browser shows times; the same as that of phones whose exports are mixed with it.
        is_on: `yes` switches it on.
        own_name: the account's name as export files show it, in place of the page's word `You`.
        name: what messages call it.
        parallel: one visible page reads one group at a time.
        ready_s: how long the page may take to show its chats.
        deadline_s: how long the reading of one group may take.
        pace_s: a pause between two steps of scrolling.
        clock: tells the time (UTC).
    """

    profile: Text = field(default=Setting("WHATSAPP_PROFILE", default="data/whatsapp"))
    url: Text = field(default=Setting("WHATSAPP_URL", default="https://web.whatsapp.com"))
    timezone: Text = field(default=Setting("WHATSAPP_TIMEZONE", default="Asia/Jerusalem"))
    is_on: Text = field(default=Setting("WHATSAPP_WEB", default=""))
    own_name: Text = field(default=Setting("WHATSAPP_OWN_NAME", default=""))
    name: str = "WhatsApp Web"
    parallel: int = 1
    ready_s: float = 60.0
    deadline_s: float = 300.0
    pace_s: float = 0.3
    clock: Callable[[], datetime] = field(default=utc_now, repr=False, compare=False)

    def group(
        self,
        name: str,
        *,
        group: Text,
        chat: str,
        most: Text | int = 50,
        key: str | Iterable[str] = KEY,
        date_order: str = "auto",
        **options: Unpack[StreamOptions],
    ) -> Stream:
        """Return the stream of the messages of one group, those that were not seen before.

        Columns: fingerprint, occurrence, sent_at (UTC, whole minutes), shown_at, sender, kind, text, is_edited,
        wa_id, is_own, is_truncated, maybe_edit, on_page, read_at. A message that was edited or deleted comes again
        with its wa_id and another fingerprint, and with `read_at`, the moment of the reading (UTC), by which the last
        version is known; of all other messages it is null.
        It also reads an Export chat file that a person gives (`--file`), with the columns of WhatsAppExports.

        Args:
            name: the stream's name.
            group: the group's whole title.
            chat: the key of the chat, the same for every source that reads it; part of the messages' identity.
            most: how many messages the first run takes.
            key: the columns that name a message.
            date_order: `dmy` or `mdy`, where the dates of a reading leave it open.

        Raises ConfigError for a date order that is none.
        """
        request = GroupRequest(group, chat, most, order_named(date_order))
        return Stream.made_by(self, name, key=key, request=request, options=options)

    def open(self, vault: Vault) -> Session:
        """Return the signed-in page; where it is not switched on, nothing is opened.

        Raises LoginRequired where the code is shown, TransientError, SourceChanged, ConfigError.
        """
        if not self._is_on():
            return OpenPage(None)
        with ExitStack() as undo:
            page = self.opened()
            undo.callback(page.close)
            refuse_unready(page.standing(self.ready_s))
            undo.pop_all()
        return OpenPage(page)

    def opened(self) -> ReadablePage:
        """Return the page as it stands, signed in or not. Raises TransientError, ConfigError."""
        from backhaul.sessions.whatsapp.page import WhatsAppPage

        profile = home() / Path(text(self.profile)).expanduser()
        zone = zone_named(text(self.timezone))
        return WhatsAppPage.opened(profile, text(self.url), timezone=zone, pace_s=self.pace_s)

    @contextmanager
    def page(self) -> Iterator[ReadablePage]:
        """Give the page as it stands, for signing in; raises ConfigError where it is not switched on."""
        if not self._is_on():
            raise ConfigError(
                "reading WhatsApp Web is switched off",
                next_step="Read what it does and risks (docs/how-to/read-whatsapp.md), then set WHATSAPP_WEB=yes.",
            )
        page = self.opened()
        try:
            yield page
        finally:
            page.close()

    def check(self) -> str:
        """Return in a line whether it is switched on and signed in; reads no chat. Raises what `open` raises."""
        if not self._is_on():
            return "switched off (WHATSAPP_WEB is not yes): nothing is read"
        with self.page() as page:
            refuse_unready(page.standing(self.ready_s))
        return "signed in"

    def fetch(self, session: Session, stream: Stream, window: Days, cursor: str | None, landing: Landing) -> Fetched:
        """Land what the page shows of the group, unless nothing of it is new; the window is not used.

        Raises LoginRequired if the phone signs the page out, SourceChanged for a page that is not understood,
        ConfigError for dates whose order cannot be told (`ambiguous_date_order`), TransientError.
        """
        assert isinstance(session, OpenPage)
        if session.page is None:
            return Fetched((), cursor)
        request, memory = _request_of(stream), Memory.loads(cursor)
        wanted = Wanted(self._ways(stream), request.date_order, memory, _count(stream.name, request.most))
        reading = session.page.read(text(request.group), wanted.is_met_by, self.deadline_s)
        if not same_title(reading.title, text(request.group)):
            raise SourceChanged(
                f"{stream.name}: another chat than the wanted one was opened, and nothing of it was taken",
                next_step=ADAPT,
            )
        if not reading.rows and memory.known:
            raise SourceChanged(
                f"{stream.name}: the group shows no message, though {_seen_before(len(memory.known))}",
                next_step=f"Look whether the chat was cleared on the phone. If not, the page has changed: {ADAPT}",
            )
        if not reading.rows:
            return Fetched((), cursor)
        found = judged(reading, wanted)
        # A gap is told by the file, so that one is kept of it even if nothing else is new.
        if not found.new and not found.head.gap:
            return Fetched((), found.memory.dumps())
        label = f"{stream.name} {found.head.read_at:%Y-%m-%d %H%M%S}.ndjson"
        lines = dumped(found.head, found.rows, found.noted)
        file = landing.receive(lines, name=label, window=None, prove=_prove)
        return Fetched((file,), found.memory.dumps())

    def parse(self, stream: Stream, artifact: Artifact) -> Iterator[pl.DataFrame]:
        """Yield the messages that were new when the page was read, or those of an Export chat file.

        Raises SourceChanged for what is neither.
        """
        request = _request_of(stream)
        if not is_reading(artifact.path):
            yield from exported(
                artifact,
                stream=stream.name,
                chat=request.chat,
                timezone=zone_named(text(self.timezone)),
                order=request.date_order,
            )
            return
        head, rows, noted = loaded(artifact.path, f"{stream.name}: {artifact.name}")
        ways = Ways(stream.name, request.chat, head.timezone, head.date_order, head.own_name, head.read_at)
        minutes = {place: note.minute for place, note in enumerate(noted) if note.minute is not None}
        messages = messages_of(rows, ways, minutes)
        refuse_unlike(stream.name, rows, messages)
        for warning in warnings(head, messages):
            artifact.remark(warning)
        yield new_messages(messages.frame, noted, head.read_at)

    def _ways(self, stream: Stream) -> Ways:
        zone, own_name = zone_named(text(self.timezone)), text(self.own_name)
        return Ways(stream.name, _request_of(stream).chat, zone, DateOrder.AUTO, own_name, self.clock())

    def _is_on(self) -> bool:
        return says_yes({"WHATSAPP_WEB": text(self.is_on)}, "WHATSAPP_WEB")


@dataclass(frozen=True)
class GroupRequest:
    """Which group of the page a stream reads."""

    group: Text
    chat: str
    most: Text | int
    date_order: DateOrder


@dataclass(frozen=True)
class OpenPage:
    """The session of a WhatsAppWeb; without a page it is switched off."""

    page: ReadablePage | None

    def close(self) -> None:
        """Let go of the page."""
        if self.page is not None:
            self.page.close()


def refuse_unready(standing: Standing) -> None:
    """Raise what a page that shows no chats means; return for one that does."""
    match standing:
        case Standing.READY:
            return
        case Standing.QR:
            raise LoginRequired("WhatsApp Web is not signed in: it shows the code to scan", next_step=SIGN_IN)
        case Standing.EXPIRED:
            raise LoginRequired(
                "WhatsApp Web was signed in and is no longer: the phone has ended the link", next_step=SIGN_IN
            )
        case Standing.RELINK:
            raise LoginRequired("WhatsApp Web's own database is damaged: link it anew", next_step=_LINK_ANEW)
        case Standing.LOADING:
            raise TransientError(
                "WhatsApp Web is still loading its chats; none of them was read",
                next_step="Wait a while and run again.",
            )
        case _:
            raise SourceChanged("WhatsApp Web shows neither chats nor a code to scan", next_step=f"{ADAPT} {REFUSED}")


def _seen_before(count: int) -> str:
    return "1 was seen before" if count == 1 else f"{count:,} were seen before"


def _count(name: str, most: Text | int) -> int:
    try:
        count = most if isinstance(most, int) else int(text(most))
    except ValueError:
        count = 0
    if count < 1:
        raise ConfigError(
            f"{name}: how many messages the first run takes is not a whole number from 1",
            next_step="Set MESSAGE_COUNT, or what the pipeline names in its place, to a number like 50.",
        )
    return count


def _request_of(stream: Stream) -> GroupRequest:
    assert isinstance(stream.request, GroupRequest)
    return stream.request


def _prove(path: Path) -> None:
    loaded(path, path.name)
