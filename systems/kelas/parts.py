"""What both pipelines of kelas stand on: the page and the exports of WhatsApp, the schedule, the notifier."""

from __future__ import annotations

from backhaul import ALERTS, WARNINGS, Retention, Schedule, Setting, Telegram, WhatsAppExports, WhatsAppWeb

TIMEZONE = "Asia/Jerusalem"
schedule = Schedule("0 */2 * * *", timezone=TIMEZONE)

whatsapp = WhatsAppWeb()
exports = WhatsAppExports()
most = Setting("MESSAGE_COUNT", default="50")
region = Setting("PHONE_REGION", default="IL")

kept = Retention(days=3650, megabytes=5_000)
"""Counts are made of the messages, so their files stay for years."""

telegram = Telegram(language=Setting("TELEGRAM_LANGUAGE", default="he"), kinds=ALERTS | WARNINGS)
