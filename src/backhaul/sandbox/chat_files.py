"""Made-up WhatsApp exports beside the truth about them, in the locales that have been seen, for demo and tests."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

LRM, RLM = "\u200e", "\u200f"
ANDROID_MEDIA = "IMG-20250314-WA0007.jpg"
IOS_MEDIA = "00000012-PHOTO-2025-03-14-09-15-00.jpg"


class Said(StrEnum):
    """What is said in a line of a chat."""

    TEXT = "text"
    MEDIA = "media"
    ATTACHED = "attached"
    DELETED = "deleted"
    SYSTEM = "system"
    EMPTY = "empty"


@dataclass(frozen=True)
class ChatLine:
    """One message as it happened: `at` is local time, `text` what a person wrote (for media: the caption).

    A system line's text tells who did what, without it is the notice about encryption; it has no sender.
    """

    at: datetime
    sender: str | None
    said: Said
    text: str
    is_edited: bool = False


@dataclass(frozen=True)
class ChatLocale:
    """How phones of one language and make write an export.

    Args:
        stamp: date and time as written.
        is_ios: brackets, seconds, and WhatsApp's own words behind U+200E.
        media, attached: the words for media left out, and for a file's name in `{}`.
        line_end: between messages; inside of them it is always U+000A.
    """

    name: str
    stamp: Callable[[datetime], str]
    is_ios: bool
    media: str
    attached: str
    deleted: str
    edited: str
    encrypted: str
    separator: str = " - "
    line_end: str = "\n"

    def header(self, line: ChatLine) -> str:
        """Return all of a line that is in front of the sender."""
        if not self.is_ios:
            return self.stamp(line.at) + self.separator
        mark = LRM if line.said in (Said.MEDIA, Said.ATTACHED, Said.DELETED) else ""
        return f"{mark}[{self.stamp(line.at)}] "

    def body(self, line: ChatLine) -> str:
        """Return a message's text as the file has it, the words that tell of an edit left out."""
        mark = LRM if self.is_ios else ""
        match line.said:
            case Said.MEDIA | Said.ATTACHED:
                name = IOS_MEDIA if self.is_ios else ANDROID_MEDIA
                words = mark + (self.media if line.said is Said.MEDIA else self.attached.format(name))
                return f"{words}\n{line.text}" if line.text else words
            case Said.DELETED:
                return mark + self.deleted
            case Said.SYSTEM:
                return mark + (line.text or self.encrypted)
            case _:
                return line.text

    def written(self, line: ChatLine, group: str) -> str:
        """Return all of a message, without the line end behind it."""
        edited = f" {LRM if self.is_ios else ''}{self.edited}" if line.is_edited else ""
        sender = line.sender or (group if self.is_ios else "")
        return f"{self.header(line)}{sender}{': ' if sender else ''}{self.body(line)}{edited}"


def exported(lines: Iterable[ChatLine], locale: ChatLocale, group: str = "Kelas A1: Practice") -> Iterator[str]:
    """Yield the text of an export, message by message, line ends included."""
    for line in lines:
        yield locale.written(line, group) + locale.line_end


def _half(at: datetime, words: tuple[str, str] = ("AM", "PM")) -> str:
    return words[at.hour >= 12]


def _clock(at: datetime) -> str:
    return f"{at.hour % 12 or 12}:{at:%M}"


def _arabic(text: str) -> str:
    return text.translate({ord("0") + digit: chr(0x660 + digit) for digit in range(10)})


_ENGLISH = {
    "media": "<Media omitted>",
    "attached": "{} (file attached)",
    "deleted": "This message was deleted",
    "edited": "<This message was edited>",
    "encrypted": "Messages and calls are end-to-end encrypted. Only people in this chat can read them.",
}
_GERMAN = {
    "media": "<Medien ausgeschlossen>",
    "attached": "{} (Datei angehängt)",
    "deleted": "Diese Nachricht wurde gelöscht.",
    "edited": "<Diese Nachricht wurde bearbeitet.>",
    "encrypted": "Nachrichten und Anrufe sind Ende-zu-Ende-verschlüsselt.",
}
_HEBREW = {
    "media": "<המדיה לא נכללה>",
    "attached": "{} (קובץ מצורף)",
    "deleted": "הודעה זו נמחקה",
    "edited": "<ההודעה נערכה>",
    "encrypted": RLM + "ההודעות והשיחות מוצפנות מקצה לקצה. רק משתתפי הצ'אט יכולים לקרוא אותן.",
}
_INDONESIAN = {
    "media": "<Media tidak disertakan>",
    "attached": "{} (file terlampir)",
    "deleted": "Pesan ini telah dihapus",
    "edited": "<Pesan ini diedit>",
    "encrypted": "Pesan dan panggilan terenkripsi secara end-to-end.",
}
_SPANISH = {
    "media": "<Multimedia omitido>",
    "attached": "{} (archivo adjunto)",
    "deleted": "Se eliminó este mensaje.",
    "edited": "<Se editó este mensaje.>",
    "encrypted": "Los mensajes y las llamadas están cifrados de extremo a extremo.",
}
_N, _B = "\u202f", "\u00a0"


def _en_us(at: datetime) -> str:
    return f"{at.month}/{at.day}/{at:%y}, {_clock(at)}{_N}{_half(at)}"


def _en_us_ios(at: datetime) -> str:
    return f"{at.month}/{at.day}/{at:%y}, {_clock(at)}:{at:%S}{_N}{_half(at)}"


def _en_in(at: datetime) -> str:
    return f"{at:%d/%m/%y}, {_clock(at)}{_N}{_half(at).lower()}"


def _en_ca(at: datetime) -> str:
    return f"{at:%Y-%m-%d}, {_clock(at)}{_N}{_half(at, ('a.m.', 'p.m.'))}"


def _en_za(at: datetime) -> str:
    return f"{at:%Y/%m/%d}, {_clock(at)} {_half(at).lower()}"


def _es(at: datetime) -> str:
    return f"{at.day}/{at.month}/{at:%Y} {_clock(at)} {_half(at, (f'a.{_B}m.', f'p.{_B}m.'))}"


def _ar(at: datetime) -> str:
    return _arabic(f"{at.day}{RLM}/{at.month}{RLM}/{at:%Y}، {_clock(at)} ") + _half(at, ("ص", "م"))


def _written(form: str) -> Callable[[datetime], str]:
    """Return a stamp in which `{d}` and `{m}` are day and month without a leading zero, the rest is strftime's."""
    return lambda at: at.strftime(form).replace("{d}", str(at.day)).replace("{m}", str(at.month))


def _locales() -> Iterator[ChatLocale]:
    stamps = {
        "en-US": (_ENGLISH, _en_us),
        "en-GB": (_ENGLISH, _written("%d/%m/%Y, %H:%M")),
        "en-IN": (_ENGLISH, _en_in),
        "en-CA": (_ENGLISH, _en_ca),
        "en-ZA": (_ENGLISH, _en_za),
        "de": (_GERMAN, _written("%d.%m.%y, %H:%M")),
        "he": (_HEBREW, _written("{d}.{m}.%Y, %H:%M")),
        "id": (_INDONESIAN, _written("%d/%m/%y %H.%M")),
        "es": (_SPANISH, _es),
        "fi": (_ENGLISH, _written("{d}.{m}.%Y klo %H.%M")),
        "ar": (_ENGLISH, _ar),
    }
    for name, (words, stamp) in stamps.items():
        yield ChatLocale(name, stamp, False, **words)
    ios_stamps = {
        "en-US iOS": (_ENGLISH, _en_us_ios, "image omitted", "<attached: {}>"),
        "en-GB iOS": (_ENGLISH, _written("%d/%m/%Y, %H:%M:%S"), "image omitted", "<attached: {}>"),
        "de iOS": (_GERMAN, _written("%d.%m.%y, %H:%M:%S"), "Bild weggelassen", "<Anhang: {}>"),
        "he iOS": (_HEBREW, _written("{d}.{m}.%Y, %H:%M:%S"), "התמונה הושמטה", "<מצורף: {}>"),
        "id iOS": (_INDONESIAN, _written("%d/%m/%y, %H.%M.%S"), "gambar tidak disertakan", "<terlampir: {}>"),
    }
    for name, (words, stamp, media, attached) in ios_stamps.items():
        yield ChatLocale(name, stamp, True, line_end="\r\n", **{**words, "media": media, "attached": attached})


LOCALES = {locale.name: locale for locale in _locales()}
"""By name; with ` iOS` behind it, else Android."""

PEOPLE = (
    "Jo",
    "Dana Levi",
    "+972 55-000-0101",
    f"~{_N}Budi",
    'עו"ד רות',
    "Ana (mother of Tom)",
    "Ola:Acme",
    "דנה כהן",
)
_TALK = (20, 20, 20, 10, 10, 10, 1, 20)
"""How much each of PEOPLE talks; a colon in a name is rare."""


_LATIN = (
    *("practice", "done", "today", "lesson", "page", "twice", "with", "the", "piano", "at", "home", "ok", "thanks"),
    *("a:", "b", "12:30", "latihan", "selesai", "kelas"),
)
_OTHER = (
    *("תרגלתי", "היום", "שיעור", "שני", "בבית", "תודה", "Übung"),
    *("👍🏽", "🙏", "❤️", "½", "https://example.org/x?y=1"),
)


def made_up_chat(seed: int, count: int, *, start: datetime = datetime(2024, 5, 20, 7, 30)) -> Iterator[ChatLine]:
    """Yield count made-up lines in order of time, the notice about encryption first; the same for one seed.

    Of these about 1 % are system lines, 3 % media, 1 % deleted, 1 % edited and 10 % of several lines. A person
    sends several messages in one minute now and then, some of them equal. All times exist once in Europe and Asia:
    nothing is sent from one to four in the morning.
    """
    dice = random.Random(seed)
    at = start
    yield ChatLine(at, None, Said.SYSTEM, "")
    for _ in range(count - 1):
        if dice.random() > 0.3:
            at += timedelta(seconds=int(dice.expovariate(1 / 240)))
        if at.hour in (1, 2, 3, 4):
            at += timedelta(hours=5)
        yield _line(dice, at)


def _line(dice: random.Random, at: datetime) -> ChatLine:
    sender, luck = dice.choices(PEOPLE, _TALK)[0], dice.random()
    if luck < 0.01:
        who = sender.split(":")[0]
        done = dice.choice(
            (f"{who} left", f"{who} joined using this group's invite link", f'{who} changed the subject to "Plan: B"')
        )
        return ChatLine(at, None, Said.SYSTEM, done)
    if luck < 0.04:
        words = _sentence(dice) if luck < 0.015 else ""
        return ChatLine(at, sender, Said.MEDIA if luck < 0.03 else Said.ATTACHED, words)
    if luck < 0.05:
        return ChatLine(at, sender, Said.DELETED, "")
    if luck < 0.053:
        return ChatLine(at, sender, Said.EMPTY, "")
    lines = dice.randrange(2, 6) if dice.random() < 0.1 else 1
    text = "\n".join(_sentence(dice) for _ in range(lines))
    return ChatLine(at, sender, Said.TEXT, text, is_edited=luck > 0.99)


def _sentence(dice: random.Random) -> str:
    words = (*_LATIN, *_OTHER) if dice.random() < 0.3 else _LATIN
    return " ".join(dice.choices(words, k=dice.randrange(1, 22)))
