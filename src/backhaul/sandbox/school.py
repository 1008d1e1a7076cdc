"""A made-up school for the demo and for tests of system C: its roster, what its groups say, day by day.

Nobody in it is real; numbers are of a range that no phone has.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from types import TracebackType
from zoneinfo import ZoneInfo

from backhaul.sandbox.chat_files import LOCALES, ChatLine, Said, exported
from backhaul.sandbox.mongo import SandboxMongo
from backhaul.sandbox.sheets.book import Book
from backhaul.sandbox.sheets.server import SandboxSheets
from backhaul.sandbox.whatsapp.school import PRACTICE, PRACTICE_TWIN, SALES
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sandbox.whatsapp.world import Kind

ZONE = ZoneInfo("Asia/Jerusalem")
OFFICE = "School office"

HEADER = ("phone_number", "name", "current_lesson", "teacher", "last_practice")
ROSTER = (
    ("972 55-000-0101", "דנה לוי", "5", "רות", ""),
    ("972 55-000-0102", "יוסי כהן", "3", "רות", "01/02/2026"),
    ("972 55-000-0103", "נועה מזרחי", "7", "אבי", ""),
    ("972 55-000-0104", "איתי פרץ", "5", "אבי", ""),
    ("972 55-000-0105", "מאיה גל", "2", "רות", ""),
    ("972 55-000-0105", "תומר גל", "4", "אבי", ""),
)
"""Phone, name, lesson, teacher, last practice; the last two are brother and sister with one phone."""

ALIASES = (("sender", "phone_number", "name"), ("~ נועה", "972 55-000-0103", "נועה מזרחי"))
DANA, YOSSI, NOA, ITAI, SIBLINGS = "דנה לוי", "+972 55-000-0102", "~ נועה", "+972 55-000-0104", "+972 55-000-0105"
STRANGER = "+972 55-000-0199"
PRACTISED, ASKED = "תרגלתי היום ✅", "יש לי שאלה"
WORDS = {"PRACTICE_WORDS": "תרגלתי,התאמנתי", "MESSAGE_WORDS": "שאלה,תודה"}

DATABASES = {"STUDENTS_DB": "demo_students_db", "SALES_DB": "demo_sales_db", "LOGGER_DB": "demo_logger_db"}

DAYS: tuple[tuple[tuple[int, str, str], ...], ...] = (
    (
        (8 * 60, DANA, PRACTISED),
        (8 * 60, DANA, PRACTISED),
        (9 * 60 + 15, YOSSI, "התאמנתי על השיר החדש"),
        (9 * 60 + 20, OFFICE, "כל הכבוד! 👍"),
        (10 * 60, NOA, PRACTISED),
        (10 * 60 + 1, ITAI, ASKED),
        (11 * 60, SIBLINGS, PRACTISED),
        (12 * 60, STRANGER, "תרגלתי גם אני"),
    ),
    (
        (8 * 60 + 30, DANA, "תודה, תרגלתי שוב"),
        (9 * 60, ITAI, "התאמנתי עשרים דקות"),
        (9 * 60 + 5, NOA, "ok"),
    ),
)
"""What is said in the practice group on each day: minute, sender, text. Two equal ones in one minute are two."""

LEADS: tuple[tuple[tuple[int, str], ...], ...] = (
    (
        (9 * 60, "מקור: אתר\nשם: רון ברק\nטלפון: 055-000-0201\nמייל: ron@example.org"),
        (9 * 60 + 30, "*שם:* שירה דגן\n*טלפון:* 055-000-0202\n*מקור:* פייסבוק"),
        (10 * 60, "מי מתקשר לשירה?"),
        (11 * 60, "מקור: אתר\nשם: \nטלפון: \nמייל: "),
    ),
    (
        (9 * 60, "מקור: המלצה\nשם: רון ברק\nטלפון: +972 55-000-0201"),
        (10 * 60, "מקור: אתר\nשם: גיא שקד\nטלפון: 055-000-0203\nמייל: guy@example.org"),
    ),
)
"""What is said in the sales group: a lead that cannot be read on the first day, a repeated one on the second."""


class SandboxSchool:
    """The school's WhatsApp, spreadsheets and MongoDB; runs between `with` and its end.

    Args:
        sheets: where its spreadsheets lie.
        first_day: the first of its days; without, yesterday.
        mongo_url: a MongoDB server to use; without one, a program of this machine is started.
        build, locale: of the page, see SandboxWhatsApp.
    """

    def __init__(
        self,
        sheets: SandboxSheets,
        *,
        first_day: date | None = None,
        mongo_url: str = "",
        build: str = "2026-09",
        locale: str = "en-US",
    ) -> None:
        self.first_day = first_day or (datetime.now(ZONE) - timedelta(days=1)).date()
        self.whatsapp = SandboxWhatsApp(build, locale, me=OFFICE)
        self.mongo_url = mongo_url
        self._sheets = sheets
        self._stack = ExitStack()
        self.roster: Book | None = None
        self.sales: Book | None = None

    def __enter__(self) -> SandboxSchool:
        with ExitStack() as starting:
            starting.enter_context(self.whatsapp)
            self.mongo_url = self.mongo_url or starting.enter_context(SandboxMongo()).url
            self._stack = starting.pop_all()
        self.roster = self._sheets.add_spreadsheet("Class roster")
        self.roster.rename_tab("Sheet1", "main")
        self.roster.fill("main", [HEADER, *ROSTER])
        self.roster.add_tab("aliases")
        self.roster.fill("aliases", ALIASES)
        self.sales = self._sheets.add_spreadsheet("Sales leads")
        members = (DANA, YOSSI, OFFICE)
        for title in (PRACTICE, PRACTICE_TWIN, SALES):
            self.whatsapp.add_group(title, members)
            self.whatsapp.note(title, at=self._at(0, 0))
        self.whatsapp.post(PRACTICE_TWIN, DANA, PRACTISED, at=self._at(0, 7 * 60))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    @property
    def settings(self) -> dict[str, str]:
        """What an installation's `.env` says to reach all of it."""
        assert self.roster is not None and self.sales is not None
        return {
            **self.whatsapp.settings,
            **WORDS,
            **DATABASES,
            "MONGODB_URI": self.mongo_url,
            "WHATSAPP_WEB": "yes",
            "WHATSAPP_OWN_NAME": OFFICE,
            "STUDENTS_GROUP": PRACTICE,
            "SALES_TEAM_GROUP": SALES,
            "SHEET_ID": self.roster.url,
            "SALES_SHEET_ID": self.sales.url,
        }

    def live(self, day: int) -> None:
        """Let the groups say what they say on a day: 0 is the first."""
        for minute, sender, text in DAYS[day]:
            self.whatsapp.post(PRACTICE, sender, text, at=self._at(day, minute), push_name=_push(sender))
        if not day:
            self.whatsapp.post(PRACTICE, DANA, at=self._at(day, 13 * 60), kind=Kind.IMAGE)
        for minute, text in LEADS[day]:
            self.whatsapp.post(SALES, "Sales desk", text, at=self._at(day, minute))

    def export(self, folder: Path, days: int = 30) -> Path:
        """Write an *Export chat* file of the days before the first into folder: one practice of DANA's on each."""
        first = datetime.combine(self.first_day, time(18, 0)) - timedelta(days=days)
        lines = [ChatLine(first, None, Said.SYSTEM, "")]
        lines += [ChatLine(first + timedelta(days=ago), DANA, Said.TEXT, PRACTISED) for ago in range(days)]
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "WhatsApp Chat with practice.txt"
        path.write_text("".join(_exported(lines)), encoding="utf-8", newline="")
        # It was put there a while ago: what has just been written to waits for the next run.
        a_while_ago = datetime.now(UTC).timestamp() - 60
        os.utime(path, (a_while_ago, a_while_ago))
        return path

    def _at(self, day: int, minute: int) -> datetime:
        midnight = datetime.combine(self.first_day + timedelta(days=day), time(), tzinfo=ZONE)
        return (midnight + timedelta(minutes=minute)).astimezone(UTC)


def _exported(lines: Iterable[ChatLine]) -> Iterable[str]:
    return exported(lines, LOCALES["he"], PRACTICE)


def _push(sender: str) -> str:
    return "Budi" if sender.startswith("+") else ""
