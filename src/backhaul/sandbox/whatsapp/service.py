"""The sandbox WhatsApp Web: a page on loopback, and the people in its groups played by the test or the demo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from time import monotonic
from types import TracebackType

from backhaul.sandbox.serving import Serving
from backhaul.sandbox.whatsapp.locales import LOCALES
from backhaul.sandbox.whatsapp.server import WhatsAppServer
from backhaul.sandbox.whatsapp.traits import BUILDS, Body, Build, Ids, Search, Traits
from backhaul.sandbox.whatsapp.world import Kind, Message, Order, State, Touch, World


class SandboxWhatsApp:
    """A page modelled on WhatsApp Web with one account; runs between `with` and its end.

    The search box of the newer builds looks at its text when a key is let go: a text that is entered without keys
    (a value that a script sets, Playwright's `fill`, letters that the keyboard lacks) filters nothing until then.

    Args:
        build: how the page is written: `2025`, `2026-04` or `2026-09`.
        locale: the page's language: `en-US`, `en-IN`, `he` or `id`.
        port: 0 takes any free one.
        scan_needed: a browser profile sees the QR code until `scan`, as after installation; else all are signed in.
        me: the account's own name, the sender of its messages.
        today: for the words "today" and "yesterday"; without, the clock's day in the browser's zone.
        loading_s: how long "Loading your chats" is shown.

    Raises ValueError for an unknown build or locale.
    """

    def __init__(
        self,
        build: str = Build.OF_2026_09,
        locale: str = "en-US",
        port: int = 0,
        *,
        scan_needed: bool = False,
        me: str = "School office",
        today: date | None = None,
        loading_s: float = 0.05,
    ) -> None:
        self.me = me
        self._today = today
        self._world = World(Build(build), _known(locale), me=me, scan_needed=scan_needed)
        self._server = WhatsAppServer(("127.0.0.1", port), self._world, loading_s=loading_s, today=self._day)
        self._serving = Serving(self._server, "sandbox whatsapp")

    def __enter__(self) -> SandboxWhatsApp:
        self._serving.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everybody and give the port back; may be called twice."""
        self._server.closing.set()
        with self._world.changing():
            pass
        self._serving.close()

    @property
    def url(self) -> str:
        """The address of the page, without a slash at the end."""
        return self._server.url

    @property
    def settings(self) -> dict[str, str]:
        """What an installation's `.env` says to read this page instead of WhatsApp's."""
        return {"WHATSAPP_URL": self.url}

    @property
    def traits(self) -> Traits:
        """How the page is written now."""
        return self._world.traits

    @property
    def touches(self) -> list[Touch]:
        """All that a reader must not do and did, oldest first: typed a message, sent one, pressed a button of one."""
        with self._world.changed:
            return list(self._world.touches)

    @property
    def paths(self) -> list[str]:
        """The path of every request so far, oldest first."""
        return list(self._server.paths)

    def messages(self, group: str) -> list[Message]:
        """Return the messages of a chat as they are now, oldest first: the truth to compare a reader's rows with."""
        with self._world.changed:
            return list(self._world.groups[group].messages)

    def add_group(
        self, title: str, members: Iterable[str] = (), *, behind_button: int = 0, ends_on_phone: bool = False
    ) -> str:
        """Open a chat at the end of the list and return its title; the title may hold direction marks.

        Args:
            title: one that no other chat has.
            members: names and numbers below the title.
            behind_button: how many of the oldest messages come only after a click on "get older messages".
            ends_on_phone: above the oldest message stands that the phone has still older ones.
        """
        if title in self._world.groups:
            raise ValueError("there is a chat of this title already")
        return self._world.add_group(title, members, behind_button, ends_on_phone).title

    def post(
        self,
        group: str,
        sender: str,
        text: str = "",
        *,
        at: datetime | None = None,
        kind: str = Kind.TEXT,
        push_name: str = "",
        quote: Message | tuple[str, str] | None = None,
        is_forwarded: bool = False,
    ) -> Message:
        r"""Let somebody say something and return it; `me` is the account itself.

        Args:
            group: the title of a chat.
            sender: a saved name; a number in international form (unsaved); `~ Name` or a masked number.
            text: `*bold*`, links and emoji are drawn as WhatsApp does, longer than 700 characters is cut.
            at: without a zone as it is to be shown, else shown in the browser's zone; without, now.
            kind: see Kind; media without text has no header. A contact's text is `Name\nnumber`.
            push_name: the name that an unsaved sender gave himself.
            quote: the message that is answered, or its sender and text.
            is_forwarded: drawn as forwarded.

        Raises KeyError for an unknown chat, ValueError for an unknown kind.
        """
        message = Message(
            self._world.next_id(),
            group,
            sender,
            text,
            at or datetime.now(UTC),
            Kind(kind),
            push_name,
            (quote.sender, quote.text) if isinstance(quote, Message) else quote,
            is_forwarded=is_forwarded,
        )
        self._world.put(message)
        return message

    def note(self, group: str, text: str = "", *, at: datetime | None = None) -> Message:
        """Put a line of WhatsApp's own into a chat: who joined; without a text the one about encryption."""
        return self.post(group, "", text or self._world.locale.words["encrypted"], at=at, kind=Kind.SYSTEM)

    def edit(self, message: Message, text: str) -> Message:
        """Let the sender change a message; its id stays."""
        return self._world.alter(message, text=text, is_edited=True)

    def delete(self, message: Message) -> Message:
        """Let the sender delete a message for everybody; its id stays, its text goes."""
        return self._world.alter(message, text="", quote=None, kind=Kind.DELETED, reactions=())

    def react(self, message: Message, emoji: str) -> Message:
        """Let somebody react to a message."""
        return self._world.alter(message, reactions=(*message.reactions, emoji))

    def scan(self, timeout_s: float = 10) -> None:
        """Sign in every browser that shows the code, as a phone does; waits until one shows it.

        Raises TimeoutError if none does in time.
        """
        world, ends_at = self._world, monotonic() + timeout_s
        with world.changing():
            while not (devices := world.devices_showing_code()):
                if not world.changed.wait(ends_at - monotonic()):
                    raise TimeoutError("no browser shows the QR code")
            world.linked |= devices
            world.showing_code.clear()
            world.shown = State.READY

    def sign_out(self) -> None:
        """Unlink every browser, as the phone can at any time: they show the code."""
        with self._world.changing():
            self._world.linked.clear()
            self._world.showing_code.clear()
            self._world.scan_needed = True

    def renew_code(self) -> None:
        """Show another QR code, as WhatsApp does every twenty seconds."""
        with self._world.changing():
            self._world.code_number += 1

    def show(self, state: str) -> None:
        """Show a screen to everybody until another is shown: `loading`, `database_error`, `qr`; `ready` ends it."""
        with self._world.changing():
            self._world.shown = State(state)

    def hide_tab(self, is_hidden: bool = True) -> None:
        """Draw as in a tab that nobody looks at: the last message only."""
        with self._world.changing():
            self._world.is_hidden = is_hidden

    def answer_after(self, seconds: float) -> None:
        """Let messages arrive late from now on."""
        self._world.answer_delay_s = seconds

    def break_page(self) -> None:
        """Let every open page fail and go white until it is loaded again."""
        self._world.give_order(Order.BREAK)

    def freeze_page(self, seconds: float) -> None:
        """Let every open page answer nobody for a while."""
        self._world.give_order(Order.FREEZE, seconds)

    def reload_page(self) -> None:
        """Let every open page load itself anew, as after an update."""
        self._world.give_order(Order.RELOAD)

    def switch(self, *, build: str | None = None, locale: str | None = None) -> None:
        """Serve another build or language from now on, to open pages too."""
        with self._world.changing():
            if build is not None:
                self._world.build = Build(build)
                self._world.traits = BUILDS[self._world.build]
            if locale is not None:
                self._world.locale = LOCALES[_known(locale)]

    def change(
        self,
        *,
        ids: str | None = None,
        body: str | None = None,
        search: str | None = None,
        direction_classes: bool | None = None,
        test_ids: bool | None = None,
        labels: bool | None = None,
        header_attribute: str | None = None,
    ) -> None:
        """Write the page otherwise from now on, in open pages too; what is not named stays. See Traits."""
        given: dict[str, object] = {
            "ids": None if ids is None else Ids(ids),
            "body": None if body is None else Body(body),
            "search": None if search is None else Search(search),
            "direction_classes": direction_classes,
            "test_ids": test_ids,
            "labels": labels,
            "header_attribute": header_attribute,
        }
        with self._world.changing():
            changes = {name: value for name, value in given.items() if value is not None}
            self._world.traits = replace(self._world.traits, **changes)  # type: ignore[arg-type]

    def _day(self, zone: tzinfo) -> date:
        return self._today or datetime.now(zone).date()


def _known(locale: str) -> str:
    if locale not in LOCALES:
        raise ValueError(f"the page has no locale {locale!r}; it has {', '.join(LOCALES)}")
    return locale
