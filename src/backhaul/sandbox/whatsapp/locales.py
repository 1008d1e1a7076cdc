"""The words and the dates of the page in four languages.

Words of en-US are as public sources show them. Most words in Hebrew and Indonesian, and the Hebrew date, are
translations or what the language's own rules give: nobody has seen them on the real page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True)
class PageLocale:
    """One language of the page: `clock` and `day` write a time and a date, `words` are labels by what they label."""

    name: str
    clock: Callable[[datetime], str]
    day: Callable[[date], str]
    weekdays: tuple[str, ...]
    words: dict[str, str]
    direction: str = "ltr"

    def header(self, at: datetime, sender: str) -> str:
        """Return what stands in front of a copied message: `[8:19 PM, 6/13/2026] Jo: `."""
        return f"[{self.clock(at)}, {self.day(at.date())}] {sender}: "

    def divider(self, day: date, today: date) -> str:
        """Return the words above the first message of a day: today, yesterday, a weekday, or the date."""
        ago = today - day
        if ago == timedelta(0):
            return self.words["today"]
        if ago == timedelta(1):
            return self.words["yesterday"]
        return self.weekdays[day.weekday()] if timedelta(1) < ago < timedelta(7) else self.day(day)


def _twelve(at: datetime) -> str:
    return f"{at.hour % 12 or 12}:{at:%M} {'PM' if at.hour >= 12 else 'AM'}"


_ENGLISH = {
    "today": "TODAY",
    "yesterday": "YESTERDAY",
    "chat_list": "Chat list",
    "search": "Search or start a new chat",
    "chats": "CHATS",
    "scan": "Scan this QR code to link a device!",
    "scan_image": "Scan this QR code to link a device",
    "login_title": "Steps to log in",
    "by_phone": "Log in with phone number",
    "loading": "Loading your chats",
    "database_error": "A database error occurred on your browser. Please relink device.",
    "older": "Click here to get older messages from your phone.",
    "history_end": "Use WhatsApp on your phone to see older messages from before {date}.",
    "encrypted": "Messages and calls are end-to-end encrypted. Only people in this chat can read them.",
    "quoted": "Quoted message",
    "maybe": "Maybe {name}",
    "you": "You",
    "deleted": "This message was deleted",
    "deleted_own": "You deleted this message",
    "edited": "Edited",
    "read_more": "Read more",
    "voice": "Play voice message",
    "picture": "Open picture",
    "gif": "Play GIF",
    "forwarded": "Forwarded",
    "reaction": "reaction {emoji}. View reactions",
    "read": "Read",
    "message_contact": "Message",
    "composer": "Type a message",
    "send": "Send",
    "members_of": "{count} members",
}
_HEBREW = {
    "today": "היום",
    "yesterday": "אתמול",
    "chat_list": "רשימת צ'אטים",
    "search": "חיפוש או התחלת צ'אט חדש",
    "chats": "צ'אטים",
    "scan": "יש לסרוק את קוד ה-QR כדי לקשר מכשיר!",
    "scan_image": "יש לסרוק את קוד ה-QR כדי לקשר מכשיר",
    "login_title": "שלבי הכניסה",
    "by_phone": "כניסה עם מספר טלפון",
    "loading": "הצ'אטים שלך נטענים",
    "database_error": "אירעה שגיאה במסד הנתונים. יש לקשר מחדש את המכשיר.",
    "older": "יש ללחוץ כאן כדי לקבל הודעות ישנות יותר מהטלפון.",
    "history_end": "כדי לראות הודעות מלפני {date} יש להשתמש ב-WhatsApp בטלפון.",
    "encrypted": "ההודעות והשיחות מוצפנות מקצה לקצה. רק משתתפי הצ'אט יכולים לקרוא אותן.",
    "quoted": "הודעה מצוטטת",
    "maybe": "אולי {name}",
    "you": "את/ה",
    "deleted": "הודעה זו נמחקה",
    "deleted_own": "מחקת הודעה זו",
    "edited": "נערכה",
    "read_more": "קריאת עוד",
    "voice": "הפעלת הודעה קולית",
    "picture": "פתיחת תמונה",
    "gif": "הפעלת GIF",
    "forwarded": "הועברה",
    "reaction": "תגובה {emoji}. הצגת תגובות",
    "read": "נקראה",
    "message_contact": "שליחת הודעה",
    "composer": "הקלדת הודעה",
    "send": "שליחה",
    "members_of": "{count} משתתפים",
}
_INDONESIAN = {
    "today": "HARI INI",
    "yesterday": "KEMARIN",
    "chat_list": "Daftar chat",
    "search": "Cari atau mulai chat baru",
    "chats": "CHAT",
    "scan": "Pindai kode QR ini untuk menautkan perangkat!",
    "scan_image": "Pindai kode QR ini untuk menautkan perangkat",
    "login_title": "Langkah-langkah untuk masuk",
    "by_phone": "Masuk dengan nomor telepon",
    "loading": "Memuat chat Anda",
    "database_error": "Terjadi kesalahan database. Tautkan ulang perangkat.",
    "older": "Klik di sini untuk mendapatkan pesan lama dari telepon Anda.",
    "history_end": "Gunakan WhatsApp di telepon Anda untuk melihat pesan lama dari sebelum {date}.",
    "encrypted": "Pesan dan panggilan terenkripsi secara end-to-end.",
    "quoted": "Pesan yang dikutip",
    "maybe": "Mungkin {name}",
    "you": "Anda",
    "deleted": "Pesan ini telah dihapus",
    "deleted_own": "Anda menghapus pesan ini",
    "edited": "Diedit",
    "read_more": "Baca selengkapnya",
    "voice": "Putar pesan suara",
    "picture": "Buka gambar",
    "gif": "Putar GIF",
    "forwarded": "Diteruskan",
    "reaction": "reaksi {emoji}. Lihat reaksi",
    "read": "Dibaca",
    "message_contact": "Pesan",
    "composer": "Ketik pesan",
    "send": "Kirim",
    "members_of": "{count} anggota",
}
_ENGLISH_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_HEBREW_DAYS = ("יום שני", "יום שלישי", "יום רביעי", "יום חמישי", "יום שישי", "יום שבת", "יום ראשון")
_INDONESIAN_DAYS = ("Senin", "Selasa", "Rabu", "Kamis", "Jumat", "Sabtu", "Minggu")

LOCALES = {
    locale.name: locale
    for locale in (
        PageLocale("en-US", _twelve, lambda day: f"{day.month}/{day.day}/{day.year}", _ENGLISH_DAYS, _ENGLISH),
        PageLocale("en-IN", lambda at: _twelve(at).lower(), lambda day: f"{day:%d/%m/%Y}", _ENGLISH_DAYS, _ENGLISH),
        PageLocale(
            "he",
            lambda at: f"{at:%H:%M}",
            lambda day: f"{day.day}.{day.month}.{day.year}",
            _HEBREW_DAYS,
            _HEBREW,
            "rtl",
        ),
        PageLocale(
            "id",
            lambda at: f"{at:%H.%M}",
            lambda day: f"{day.day}/{day.month}/{day.year}",
            _INDONESIAN_DAYS,
            _INDONESIAN,
        ),
    )
}
"""By name."""
