"""Kelas, sales: leads that are posted in a group, each once in the sales sheet."""

from __future__ import annotations

from backhaul import Derived, GoogleSheet, LastRun, MongoLog, Pipeline, Report, Setting

from .parts import exports, kept, most, schedule, telegram, whatsapp
from .rules import lead_reports as reports
from .rules.leads import KEY, SHEET_KEY, Leads, readable_leads, sales_sheet

CHAT = "sales"
"""The key of the group in the identity of its messages: it stays when the group is renamed."""

pipeline = Pipeline(
    name="sales",
    streams=[
        whatsapp.group(
            "messages",
            title="Sales group",
            group=Setting("SALES_TEAM_GROUP"),
            chat=CHAT,
            most=most,
            table="sales_messages",
            personal=True,
            checks=[readable_leads()],
            retention=kept,
        ),
        exports.group(
            "exports",
            title="Exports of the sales group",
            folder="sales",
            chat=CHAT,
            table="sales_messages",
            personal=True,
            checks=[readable_leads()],
            retention=kept,
        ),
        Derived("leads", title="Leads", after="messages", build=Leads(), key=KEY),
        Derived(
            "sales_sheet",
            title="Sales sheet",
            after="leads",
            build=sales_sheet,
            key=SHEET_KEY,
            to=GoogleSheet(Setting("SALES_SHEET_ID"), adds_only=True, adds_key=True),
        ),
    ],
    reports=[
        Report(
            "leads_by_week",
            title="leads of each source, week by week",
            after="leads",
            build=reports.per_source_and_week,
            days=90,
        ),
        Report("repeated_leads", title="leads that came again", after="leads", build=reports.repeated_leads, days=90),
    ],
    schedule=schedule,
    notify=[telegram, MongoLog("sales_leads_etl", count=("sales_sheet",), last_run=LastRun())],
)
