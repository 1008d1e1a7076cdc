"""Kelas, students: what a class says it has practised, counted for each lesson, in MongoDB and on the roster."""

from __future__ import annotations

from backhaul import (
    Derived,
    GoogleSheet,
    GoogleSheetTable,
    MongoCollection,
    MongoDB,
    MongoLog,
    Nested,
    Pipeline,
    Report,
    Setting,
    Stamps,
)

from .migrations import MIGRATIONS
from .parts import exports, kept, most, region, schedule, telegram, whatsapp
from .rules import student_reports as reports
from .rules.roster_warnings import RosterWarnings
from .rules.senders import BareMedia, UnknownSenders
from .rules.stats import StudentStats
from .rules.write_back import MovedOn, last_practice, unreadable_days

CHAT = "students"
"""The key of the group in the identity of its messages: it stays when the group is renamed."""

KEY = ("phone_number", "name")
ROSTER = (*KEY, "current_lesson", "teacher", "last_practice")
ALIASES = ("sender", *KEY)
BEFORE = (
    *("phone_number", "name", "current_lesson", "total_messages"),
    *("last_message_timedate", "last_practice_timedate", "lessons"),
)

sheet = Setting("SHEET_ID")
roster = GoogleSheetTable(sheet, name="roster")
database = Setting("STUDENTS_DB", default="students_db")
collection = Setting("STUDENTS_COLLECTION", default="student_stats")
practice_words, message_words = Setting("PRACTICE_WORDS"), Setting("MESSAGE_WORDS")
uniq_id_style = Setting("UNIQ_ID_STYLE", default="digits")
advance_after = Setting("ADVANCE_AFTER", default="")

documents = MongoDB(
    database,
    collection,
    nested=(Nested("lessons", key="lesson", on_insert=("paid",)),),
    indexes=("phone_digits",),
    stamps=Stamps("created_at", "updated_at", "%H:%M, %d.%m.%Y"),
    migrations=MIGRATIONS,
)

pipeline = Pipeline(
    name="students",
    streams=[
        whatsapp.group(
            "messages",
            title="Practice group",
            group=Setting("STUDENTS_GROUP"),
            chat=CHAT,
            most=most,
            table="student_messages",
            personal=True,
            retention=kept,
        ),
        exports.group(
            "exports",
            title="Exports of the practice group",
            folder="students",
            chat=CHAT,
            table="student_messages",
            personal=True,
            retention=kept,
        ),
        roster.table(
            "roster",
            title="Roster",
            key=KEY,
            columns=ROSTER,
            text=ROSTER,
            complete=True,
            history=("current_lesson", "teacher"),
            personal=True,
            retention=kept,
        ),
        roster.table(
            "aliases",
            title="Who a sender is",
            worksheet="aliases",
            key="sender",
            columns=ALIASES,
            text=ALIASES,
            optional=True,
            complete=True,
            personal=True,
        ),
        MongoCollection(database, collection).documents(
            "before",
            title="Documents from before",
            key="uniq_id",
            columns=BEFORE,
            once=True,
            personal=True,
            retention=kept,
        ),
        Derived(
            "student_stats",
            title="Students",
            after=("messages", "roster", "roster__archive", "aliases", "before"),
            build=StudentStats(
                practice_words,
                message_words,
                region=region,
                uniq_id_style=uniq_id_style,
                advance_after=advance_after,
            ),
            key="uniq_id",
            to=documents,
            with_runs=True,
        ),
        Derived(
            "last_practice",
            title="Last practice, on the roster",
            after=("student_stats", "roster"),
            build=last_practice,
            key=KEY,
            to=GoogleSheet(sheet, tab="main", update_only=True, name="roster"),
        ),
        Derived(
            "lessons_on",
            title="Students moved on, on the roster",
            after=("student_stats", "roster"),
            build=MovedOn(advance_after),
            key=KEY,
            to=GoogleSheet(sheet, tab="main", update_only=True, name="roster"),
        ),
        Derived(
            "unknown_senders",
            title="Senders nobody knows",
            after=("messages", "roster", "roster__archive", "aliases", "before"),
            build=UnknownSenders(practice_words, message_words, region=region, uniq_id_style=uniq_id_style),
            key="sender",
            with_runs=True,
        ),
    ],
    reports=[
        Report(
            "not_practised",
            title="who has not practised for so many days",
            after="student_stats",
            build=reports.not_practised,
            days=14,
        ),
        Report(
            "per_teacher", title="students and counts by teacher", after="student_stats", build=reports.per_teacher
        ),
        Report("per_lesson", title="students and counts by lesson", after="student_stats", build=reports.per_lesson),
        Report(
            "unpaid_lessons",
            title="lessons that nobody has marked as paid",
            after="student_stats@mongodb",
            build=reports.unpaid_lessons,
        ),
        Report(
            "differences",
            title="where roster, counts and MongoDB disagree",
            after=("roster", "student_stats", "student_stats@mongodb", "last_practice"),
            build=reports.differences,
        ),
        Report(
            "roster_warnings",
            title="what makes counts doubtful: shared phones, renames, doubtful aliases",
            after=("roster", "roster__archive", "aliases", "before"),
            build=reports.Timeless(RosterWarnings(region=region, uniq_id_style=uniq_id_style)),
            with_runs=True,
        ),
        Report(
            "pictures",
            title="pictures and voice messages without a word, which do not count",
            after=("messages", "roster", "aliases"),
            build=reports.Timeless(BareMedia(region)),
        ),
        Report(
            "unreadable_days",
            title="cells of last_practice that are no day and were left alone",
            after=("student_stats", "roster"),
            build=reports.Timeless(unreadable_days),
        ),
        Report(
            "senders",
            title="senders who are nobody or more than one on the roster",
            after="unknown_senders",
            build=reports.senders,
        ),
    ],
    schedule=schedule,
    notify=[telegram, MongoLog("students_etl")],
)
