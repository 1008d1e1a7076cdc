"""Made-up groups of a school, with all that makes a chat hard to read, for the demo and for tests."""

from __future__ import annotations

from datetime import datetime, timedelta

from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sandbox.whatsapp.world import Kind

RLM = "\N{RIGHT-TO-LEFT MARK}"

PRACTICE = f"{RLM}כיתה 5 \N{EN DASH} תרגול{RLM}"
"""The group of the students; its title holds direction marks and an en dash."""
PRACTICE_TWIN = "כיתה 5 - תרגול"
"""Another group, with a hyphen in its title."""
SALES = "Sales leads"
DANA, UNSAVED, MASKED, PUSH = "Dana Levi", "+972 55-000-0101", "+972 ∙∙∙∙∙∙∙02", "~ Noa"
"""A saved name, an unsaved number, a number that WhatsApp hides, a name that somebody gave himself."""
_DAYS = 3


def add_school(whatsapp: SandboxWhatsApp, *, until: datetime) -> None:
    """Add the groups and their messages: three days that end at `until`, which is shown as it is."""
    start = until - timedelta(days=_DAYS)
    members = (DANA, "Ola:Acme", UNSAVED, whatsapp.me)
    whatsapp.add_group(PRACTICE, members)
    whatsapp.add_group(PRACTICE_TWIN, (DANA, "+972 55-000-0109"))
    whatsapp.add_group(SALES, ("Sales desk", whatsapp.me), ends_on_phone=True)
    for name in ("Yossi (plumber)", "Family", "Choir: altos"):
        whatsapp.add_group(name)
    whatsapp.post(PRACTICE_TWIN, DANA, "תרגלתי, but in the other group", at=start)
    _practice(whatsapp, start)
    _odd_rows(whatsapp, until - timedelta(minutes=40))
    _leads(whatsapp, start)


def _practice(whatsapp: SandboxWhatsApp, start: datetime) -> None:
    """Let the class talk: runs of one sender, two in one minute, emoji, an answer that quotes a practice."""
    whatsapp.note(PRACTICE, at=start)
    people = (DANA, UNSAVED, MASKED, PUSH, "Ola:Acme")
    for number in range(60):
        at = start + timedelta(minutes=65 * number)
        sender = people[number // 2 % len(people)]
        said = whatsapp.post(PRACTICE, sender, f"תרגלתי שיעור {number % 7 + 1} ✅", at=at, push_name=_push(sender))
        if number % 9 == 0:
            whatsapp.post(PRACTICE, whatsapp.me, "כל הכבוד! 👍🏽", at=at + timedelta(minutes=3), quote=said)
        if number % 11 == 0:
            whatsapp.post(PRACTICE, sender, "ok", at=at, push_name=_push(sender))


def _push(sender: str) -> str:
    return "Budi" if sender.startswith("+") else ""


def _odd_rows(whatsapp: SandboxWhatsApp, at: datetime) -> None:
    """Add everything that is no plain text."""
    whatsapp.post(PRACTICE, UNSAVED, at=at, kind=Kind.IMAGE, push_name="Budi")
    whatsapp.post(PRACTICE, UNSAVED, "תרגלתי 🎹", at=at, kind=Kind.IMAGE, push_name="Budi")
    whatsapp.post(PRACTICE, DANA, at=at, kind=Kind.VOICE)
    whatsapp.post(PRACTICE, DANA, at=at, kind=Kind.GIF, is_forwarded=True)
    whatsapp.post(PRACTICE, PUSH, "Piano tuner\n+972 55-000-0177", at=at, kind=Kind.CONTACT)
    whatsapp.delete(whatsapp.post(PRACTICE, DANA, "תרגלתי twice", at=at))
    whatsapp.edit(whatsapp.post(PRACTICE, "Ola:Acme", "practise", at=at), "practised: page 12\nand page 13")
    whatsapp.react(whatsapp.post(PRACTICE, MASKED, "long story: " + "la " * 400 + "the end", at=at), "🙏")
    whatsapp.note(PRACTICE, "Dana Levi added +972 55-000-0103", at=at)


def _leads(whatsapp: SandboxWhatsApp, start: datetime) -> None:
    for number in range(6):
        at = start + timedelta(hours=11 * number)
        fields = (
            "*מקור:* אתר",
            f"שם: ליד {number}",
            f"טלפון: 055-000-02{number:02}",
            f"מייל: lead{number}@example.org",
        )
        whatsapp.post(SALES, "Sales desk", "\n".join(fields), at=at)
    whatsapp.post(SALES, whatsapp.me, "Who calls the last one?", at=start + timedelta(hours=60))
