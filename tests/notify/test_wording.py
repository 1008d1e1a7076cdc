"""The layouts that people are used to, word for word."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.languages import LANGUAGES
from backhaul.model import Counts
from backhaul.notices import (
    AlertClosed,
    AlertOpened,
    Digest,
    DigestLine,
    Greeting,
    Notice,
    RunStarted,
    RunWarned,
    StreamDone,
    StreamLine,
    StreamRecovered,
    SystemFailed,
)
from backhaul.notify.markup import as_html, as_plain, without_tags
from backhaul.notify.wording import worded
from backhaul.notify.words import words_of
from tests.notify.told import AT, POINTS, RUN, done, failed, summary

OPENED = AlertOpened(
    **POINTS,
    error="LoginRequired",
    message="the office asks for a code",
    next_step="Sign in by hand.",
    since=AT,
    failures=1,
    needs_person=True,
)
CLOSED = AlertClosed(
    **POINTS, since=AT - timedelta(hours=5, minutes=3), missed=2, counts=Counts(new=40, rejected=1, removed=2)
)


def said(notice: Notice, language: str = "id") -> str:
    words = words_of(language)
    return as_plain(worded(notice, words), words)


def test_a_start_says_mode_and_number_of_exports():
    started = RunStarted(**RUN, streams=4, own_sessions=False)

    assert said(started) == "🚀 AUTOMATION DIMULAI - Mode: single session - 4 exports"
    assert said(replace(started, own_sessions=True, streams=1)).endswith("- Mode: individual sessions - 1 exports")


def test_a_success_says_the_rows_that_were_read_and_the_seconds():
    counts = Counts(new=20, updated=4, unchanged=2, duplicate=1)
    notice = StreamDone(**RUN, stream="transaksi", title="Transaksi", counts=counts, seconds=13.81)

    assert said(notice) == "✅ Transaksi Export Berhasil! Records: 27 rows, Waktu: 13.81s"


def test_a_day_without_data_is_a_success_with_no_rows():
    notice = StreamDone(**POINTS, counts=Counts(), seconds=10.6)

    assert said(notice) == "✅ Point Transaction Export Berhasil! Records: 0 rows, Waktu: 10.60s"


def test_what_was_rejected_and_what_is_gone_stand_in_one_line():
    notice = StreamDone(**POINTS, counts=Counts(new=5, rejected=2, removed=1), seconds=1)

    assert said(notice).splitlines()[1:] == ["Perhatian: 2 rows ditolak, 1 rows hilang dari sumber"]
    assert said(notice).splitlines()[0].endswith("Records: 7 rows, Waktu: 1.00s")


def test_a_failed_attempt_says_the_error_and_which_attempt_it_was():
    assert said(failed()) == "❌ Point Transaction Export Gagal! Error: Timeout, Retry attempt: 2/3"


def test_a_stream_that_is_given_up_says_what_to_do():
    step = "Sign in by hand once and check the user name and password in the settings."

    lines = said(failed(attempt=3, is_final=True, next_step=step)).splitlines()

    assert lines == [
        "❌ Point Transaction Export Gagal! Error: Timeout, Retry attempt: 3/3",
        "Tidak dicoba lagi pada run ini.",
        "Langkah berikutnya: Login manual sekali, lalu periksa nama pengguna dan kata sandi di pengaturan.",
    ]


def test_a_next_step_without_a_translation_is_said_as_it_is():
    assert said(failed(is_final=True, next_step="Call Budi {now}.")).endswith("Langkah berikutnya: Call Budi {now}.")


def test_a_recovery_says_which_attempt_it_was():
    notice = StreamRecovered(**POINTS, attempt=3)

    assert said(notice) == "🔁 Point Transaction Export Pulih! Percobaan ke-3 berhasil."


def test_a_summary_of_a_good_run():
    lines = [
        done("transaksi", new=27),
        done("point_trx", new=40, unchanged=10),
        done("user", new=13, updated=3),
        done("pembayaran_koin", new=1),
    ]

    assert said(summary(lines)).splitlines() == [
        "📊 SUMMARY DAILY EXPORT",
        "Status: SEMUA BERHASIL",
        "Total Records: 94",
        "Total Waktu: 1.28 min",
        "Baru 81, diperbarui 3, tetap 10",
        "Berhasil (4):",
        "- transaksi: 27 rows",
        "- point_trx: 50 rows",
        "- user: 16 rows",
        "- pembayaran_koin: 1 rows",
        "12/09/2025 08:00:45 WIB",
    ]


def test_a_summary_lists_what_failed_and_what_waits_with_short_reasons():
    lines = [
        done("transaksi", new=5, duplicate=1, rejected=1),
        StreamLine("user", "User", "failed", Counts(), "GET /user answered 503 " + "again and " * 40),
        StreamLine("koin", "Koin", "login needed", Counts(), "a code is asked for"),
        StreamLine("point_trx", "Point", "pending", Counts(new=3)),
    ]

    text = said(summary(lines, "partly done"))

    assert "Status: SEBAGIAN BERHASIL" in text
    assert "Baru 8, diperbarui 0, tetap 0, duplikat 1\nPerhatian: 1 rows ditolak" in text
    reason = next(line for line in text.splitlines() if line.startswith("- user: "))
    assert reason.startswith("- user: GET /user answered 503 again")
    assert reason.endswith("…")
    assert len(reason) < 140
    assert "Gagal (1):" in text
    assert "Belum selesai (2):\n- koin: perlu login: a code is asked for\n- point_trx: sudah diambil" in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("failed", "GAGAL"),
        ("login needed", "PERLU LOGIN"),
        ("interrupted", "DIHENTIKAN"),
        ("a new status", "A NEW STATUS"),
    ],
)
def test_a_summary_says_how_the_run_ended(status, words):
    assert f"Status: {words}\n" in said(summary([], status))


def test_a_system_error_says_component_error_and_next_step():
    notice = SystemFailed(**RUN, component="single_session", message="Browser timeout", next_step="Wait a while.")

    assert said(notice).splitlines() == [
        "🚨 SYSTEM ERROR - Component: single_session - Error: Browser timeout",
        "Langkah berikutnya: Wait a while.",
    ]


def test_a_test_message_says_whose_messages_arrive():
    assert said(Greeting(**RUN)).splitlines() == [
        "👋 TES - andalan",
        "Pesan dari pipeline ini tiba di sini.",
        "12/09/2025 08:00:45 WIB",
    ]


def test_an_alert_says_what_since_when_why_and_what_to_do():
    assert said(OPENED, "en").splitlines() == [
        "✋ NEEDS YOU - Point Transaction",
        "Pipeline: andalan",
        "Cause: the office asks for a code",
        "Failing since 2025-09-12 08:00:45 WIB",
        "1 run has failed",
        "Next step: Sign in by hand.",
        "Run: r-1",
    ]


@pytest.mark.parametrize(
    ("needs_person", "is_reminder", "head"),
    [(True, True, "✋ STILL NEEDS YOU"), (False, False, "❌ FAILING"), (False, True, "❌ STILL FAILING")],
)
def test_an_alert_says_whether_it_is_new(needs_person, is_reminder, head):
    notice = replace(OPENED, needs_person=needs_person, is_reminder=is_reminder)

    assert said(notice, "en").startswith(head)


def test_an_alert_that_is_over_says_how_long_it_lasted_and_what_was_caught_up():
    assert said(CLOSED, "en").splitlines() == [
        "✅ WORKS AGAIN - Point Transaction",
        "Pipeline: andalan",
        "It had failed since 2025-09-12 02:57:45 WIB, for 5 h 3 min",
        "2 runs had failed",
        "Caught up: 41 rows",
        "New 40, updated 0, unchanged 0",
        "Note: 1 row rejected, 2 rows gone at the source",
    ]


def test_a_digest_has_counts_and_freshness_of_each_stream():
    lines = (
        DigestLine("transaksi", "Transaksi", 2, 1, Counts(new=1234, rejected=1), AT),
        DigestLine("user", "User", 1, 1, Counts(), None),
    )
    notice = Digest(**RUN, since=AT - timedelta(days=1), streams=lines)

    assert said(notice, "en").splitlines() == [
        "📋 DIGEST - andalan",
        "Since 2025-09-11 08:00:45 WIB",
        "- transaksi: 2 runs, 1 failed, 1,235 rows",
        "  New 1,234, updated 0, unchanged 0",
        "  Note: 1 row rejected",
        "  last success 2025-09-12 08:00:45 WIB",
        "- user: 1 run, 1 failed, 0 rows",
        "  has never succeeded",
    ]


def test_every_line_in_hebrew_is_marked_and_every_foreign_word_isolated():
    text = said(summary([done("transaksi", new=27), StreamLine("user", "User", "failed", Counts(), "503")]), "he")

    assert all(line.startswith("\N{RIGHT-TO-LEFT MARK}") for line in text.splitlines())
    assert "\N{FIRST STRONG ISOLATE}transaksi\N{POP DIRECTIONAL ISOLATE}" in text
    assert "\N{LEFT-TO-RIGHT ISOLATE}27\N{POP DIRECTIONAL ISOLATE}" in text
    assert "\N{FIRST STRONG ISOLATE}12/09/2025 08:00:45 WIB\N{POP DIRECTIONAL ISOLATE}" in text


def test_a_text_from_outside_cannot_turn_the_reading_or_add_lines():
    notice = failed(message="gagal\n\n\N{RIGHT-TO-LEFT OVERRIDE} txt.exe \N{LEFT-TO-RIGHT ISOLATE}\x00 selesai  ")

    assert said(notice) == "❌ Point Transaction Export Gagal! Error: gagal txt.exe selesai, Retry attempt: 2/3"


def test_an_error_without_words_is_told_by_its_class():
    assert "Error: TransientError, " in said(failed(message=""))


def test_a_notice_that_nobody_has_words_for_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="no words for Notice"):
        said(Notice(**RUN))


@given(st.text(max_size=400), st.sampled_from(LANGUAGES))
def test_whatever_comes_from_outside_is_one_line_and_escaped(text, language):
    words = words_of(language)
    wording = worded(failed(message=text or "-", title=text), words)

    html, plain = as_html(wording, words), as_plain(wording, words)

    assert html.count("\n") == plain.count("\n") == 0
    assert html.count("<") == 2
    assert without_tags(html) == plain


def test_warnings_are_told_by_stream_and_of_very_many_the_rest_is_counted():
    warnings = tuple(("Katalog", f"{number} items sell below cost") for number in range(1, 24))

    lines = said(RunWarned(**RUN, warnings=warnings)).splitlines()

    assert lines[:2] == ["⚠️ Mohon diperiksa", "- Katalog: 1 items sell below cost"]
    assert (len(lines), lines[-1]) == (22, "dan 3 lagi")
