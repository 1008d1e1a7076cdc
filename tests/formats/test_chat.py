"""An exported chat gives every message as it was sent, in every locale, and no other."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backhaul.formats.chat import DateOrder
from backhaul.sandbox.chat_files import LOCALES, LRM, RLM, ChatLine, Said, made_up_chat
from tests.formats.chat_truth import ZONE, read, rows, truth, written

YEAR_FIRST = ("en-CA", "en-ZA")
ORDERS = {
    name: DateOrder.YEAR_FIRST
    if name in YEAR_FIRST
    else DateOrder.MONTH_FIRST
    if name.startswith("en-US")
    else DateOrder.DAY_FIRST
    for name in LOCALES
}


PDF = f"notes.pdf • {LRM}3 pages {LRM}document omitted"
POLL = f"{LRM}POLL:\nWhen?\n{LRM}OPTION: Now ({LRM}1 vote)"


def chat(path: Path, text: str) -> Path:
    path.write_bytes(text.encode())
    return path


def said(path: Path, text: str, **given: object) -> list[tuple[str | None, str, str]]:
    frame = read(chat(path, text), **given)
    return frame.select("sender", "kind", "text").rows()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.txt"


@pytest.mark.parametrize("locale", LOCALES)
def test_every_row_of_every_locale_is_as_it_was_written(file: Path, locale: str) -> None:
    lines = list(made_up_chat(11, 1000))

    frame = read(written(file, lines, LOCALES[locale]))

    assert rows(frame) == truth(lines, LOCALES[locale])
    assert frame["shown_at"].to_list() == [LOCALES[locale].stamp(line.at) for line in lines]


@pytest.mark.parametrize("piece", [1, 700])
@pytest.mark.parametrize("locale", ["en-US", "he iOS", "ar"])
def test_where_the_text_is_cut_into_pieces_makes_no_difference(file: Path, locale: str, piece: int) -> None:
    lines = list(made_up_chat(12, 100))
    whole = read(written(file, lines, LOCALES[locale]))

    assert read(file, piece_bytes=piece).equals(whole)


VISIBLE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp", "Zs"), exclude_characters="<>()")
NAMES = st.text(st.characters(codec="utf-8", categories=("L", "Nd", "So"), include_characters="+-'~:."), min_size=1)
TEXTS = st.tuples(VISIBLE, st.text(st.one_of(VISIBLE, st.sampled_from("\n \t:\u00b2\ufb01"))), VISIBLE).map("".join)
# Of a clock that is put back, the first hour counts; so the truth is made with fold=0, as `truth` does.
MOMENTS = st.datetimes(datetime(2010, 1, 1), datetime(2026, 6, 1)).map(lambda at: at.replace(microsecond=0))


@st.composite
def chat_lines(draw: st.DrawFn) -> ChatLine:
    kind = draw(st.sampled_from([Said.TEXT] * 6 + [Said.MEDIA, Said.ATTACHED, Said.DELETED, Said.EMPTY]))
    text = draw(TEXTS) if kind is Said.TEXT else ""
    edited = kind is Said.TEXT and draw(st.booleans())
    return ChatLine(draw(MOMENTS), draw(NAMES).rstrip(":"), kind, text, edited)


@pytest.mark.parametrize("locale", LOCALES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(chat_lines().filter(lambda line: line.sender and line.text != "null"), min_size=1, max_size=12))
def test_random_messages_of_every_locale_come_back_as_they_were(
    file: Path, locale: str, lines: list[ChatLine]
) -> None:
    written(file, lines, LOCALES[locale])

    assert rows(read(file, date_order=ORDERS[locale])) == truth(lines, LOCALES[locale])


@pytest.mark.parametrize(
    ("header", "moment"),
    [
        ("1/14/23, 7:02\u202fPM - ", "2023-01-14 19:02:00"),
        ("1/14/23, 12:02\u202fAM - ", "2023-01-14 00:02:00"),
        ("14/1/23, 12:02 pm - ", "2023-01-14 12:02:00"),
        ("2023-12-20, 5:46\u00a0p.m. - ", "2023-12-20 17:46:00"),
        ("2023/12/20, 5:46 pm - ", "2023-12-20 17:46:00"),
        ("20/6/2017 8:28 p.\u00a0m. - ", "2017-06-20 20:28:00"),
        ("26.04.19, 14:42 - ", "2019-04-26 14:42:00"),
        ("17.2.2024, 15:49 - ", "2024-02-17 15:49:00"),
        ("20/08/24 14.30 - ", "2024-08-20 14:30:00"),
        ("13.6.2018 klo 21.25.15 - ", "2018-06-13 21:25:15"),
        ("13. 6. 2018. 21:25:15 ", "2018-06-13 21:25:15"),
        ("13.06.18 21.25.15: ", "2018-06-13 21:25:15"),
        ("13/06/2018 à 21:25 - ", "2018-06-13 21:25:00"),
        ("13-06-2018, 01.55 PM - ", "2018-06-13 13:55:00"),
        ("[14/10/2021, 3:34:09\u202fPM] ", "2021-10-14 15:34:09"),
        ("[2018/06/13, 21:25:15] ", "2018-06-13 21:25:15"),
        ("[06.13.18 21:25:15] ", "2018-06-13 21:25:15"),
        ("[13/6/18 1:55:00 p. m.] ", "2018-06-13 13:55:00"),
        (f"{LRM}[20/08/24, 14.30.15] ", "2024-08-20 14:30:15"),
        ("[2018. 6. 13. 오후 8:28:01] ", "2018-06-13 20:28:01"),
        (f"٢٠{RLM}/٦{RLM}/٢٠١٧، ٨:٢٨ م - ", "2017-06-20 20:28:00"),
        ("06/2018/13, 21:25 - ", "2018-06-13 21:25:00"),
    ],
)
def test_the_date_and_time_of_every_known_shape_are_read(file: Path, header: str, moment: str) -> None:
    frame = read(chat(file, f"{header}Jo: hello\n"), timezone="UTC")

    assert frame["sent_at"].to_list() == [datetime.fromisoformat(moment).replace(tzinfo=UTC)]
    assert frame["sender"].to_list() == ["Jo"]


def test_a_line_like_the_beginning_of_a_message_in_another_shape_is_text(file: Path) -> None:
    text = "see\n[14/01/2023, 19:00:00] Ana: hi\n1/14/23, 7:02 PM - Ana: hi\n14.1.23, 19:00 - A: b"

    assert said(file, f"1/14/23, 7:02\u202fPM - Jo: {text}") == [("Jo", "text", text)]


def test_a_line_like_the_beginning_of_a_message_on_a_day_that_does_not_exist_is_text(file: Path) -> None:
    text = "13/1/23, 7:02 - Jo: see\n31/2/23, 19:00 - Ana: hi\n13/1/23, 27:02 - Ana: ho\n13/1/23, 7:03 - Jo: ok\n"

    assert said(file, text) == [
        ("Jo", "text", "see\n31/2/23, 19:00 - Ana: hi\n13/1/23, 27:02 - Ana: ho"),
        ("Jo", "text", "ok"),
    ]


def test_where_messages_end_with_crlf_a_header_behind_a_bare_lf_is_text(file: Path) -> None:
    text = "[13/01/23, 10:00:05] Jo: a\n[13/01/23, 10:00:01] Ana: quoted\r\n[13/01/23, 10:00:06] Jo: b\r\n"

    assert said(file, text) == [("Jo", "text", "a\n[13/01/23, 10:00:01] Ana: quoted"), ("Jo", "text", "b")]


def test_a_file_that_was_given_crlf_everywhere_has_the_same_messages(file: Path) -> None:
    lines = list(made_up_chat(13, 200))
    whole = read(written(file, lines, LOCALES["de"]))

    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    assert read(file).equals(whole)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_text(file: Path, encoding: str) -> None:
    lines = list(made_up_chat(14, 300))

    found = rows(read(written(file, lines, LOCALES["id"], encoding=encoding), piece_bytes=999))

    assert found == truth(lines, LOCALES["id"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('Jo created group "Plan: B"', (None, "system", 'Jo created group "Plan: B"')),
        ("Jo changed the subject from “A: b” to “C”", (None, "system", "Jo changed the subject from “A: b” to “C”")),
        ("Jo left", (None, "system", "Jo left")),
        (f"{RLM}ההודעות והשיחות מוצפנות", (None, "system", f"{RLM}ההודעות והשיחות מוצפנות")),
        ("Missed voice call", (None, "call", "Missed voice call")),
        (f"{RLM}+972 54-000-0102: hi", ("+972 54-000-0102", "text", "hi")),
        ("\u202a+62\u00a0812-0000-0001\u202c: hi", ("+62 812-0000-0001", "text", "hi")),
        ("~\u202fBudi: hi", ("~ Budi", "text", "hi")),
        ('עו"ד רות: שלום', ('עו"ד רות', "text", "שלום")),
        ('Jo "JJ" Doe: hi', ('Jo "JJ" Doe', "text", "hi")),
        ("Ola:Acme: a: b", ("Ola:Acme", "text", "a: b")),
        ("Jo: ", ("Jo", "empty", "")),
        ("Jo:", ("Jo", "empty", "")),
        ("Jo: null", ("Jo", "empty", "null")),
        ("Jo: <Media omitted>\na caption", ("Jo", "media", "<Media omitted>\na caption")),
        ("Jo: IMG-1.jpg (file attached)\nhi", ("Jo", "media", "IMG-1.jpg (file attached)\nhi")),
        (f"Jo: {LRM}קובץ 1.pdf (קובץ מצורף)", ("Jo", "media", f"{LRM}קובץ 1.pdf (קובץ מצורף)")),
        ("Jo: You deleted this message", ("Jo", "deleted", "You deleted this message")),
        ("Jo: I said: This message was deleted", ("Jo", "text", "I said: This message was deleted")),
        ("Jo: see (file attached) there", ("Jo", "text", "see (file attached) there")),
        ("Jo: x <This message was edited>", ("Jo", "text", "x")),
        ("Jo: Missed voice call", ("Jo", "text", "Missed voice call")),
        ("Jo: x² ﬁ \u0065\u0301 \u200fא", ("Jo", "text", "x² ﬁ \u0065\u0301 \u200fא")),
        ("Jo:  a \n\n b ", ("Jo", "text", " a \n\n b ")),
        ("Jo: a\0b", ("Jo", "text", "a\0b")),
    ],
)
def test_android_lines_are_told_apart(file: Path, line: str, message: tuple[str | None, str, str]) -> None:
    assert said(file, f"13/1/23, 07:02 - {line}\n") == [message]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"Jo: {LRM}image omitted", ("Jo", "media", f"{LRM}image omitted")),
        (f"Jo: {PDF}", ("Jo", "media", PDF)),
        (
            f"Jo: look {LRM}<attached: 00000001-AUDIO.opus>",
            ("Jo", "media", f"look {LRM}<attached: 00000001-AUDIO.opus>"),
        ),
        (f"Jo: {LRM}This message was deleted.", ("Jo", "deleted", f"{LRM}This message was deleted.")),
        (f"Jo: x {LRM}<This message was edited>", ("Jo", "text", "x")),
        (
            f"Jo: {LRM}Missed voice call, {LRM}Tap to call back",
            ("Jo", "call", f"{LRM}Missed voice call, {LRM}Tap to call back"),
        ),
        (f"Team: One: {LRM}Jo created this group", (None, "system", f"{LRM}Jo created this group")),
        (f"Jo: {LRM}Jo left", (None, "system", f"{LRM}Jo left")),
        (f"~\u202fJo: {LRM}~\u202fJo joined", (None, "system", f"{LRM}~\u202fJo joined")),
        (f"Jo: {POLL}", ("Jo", "text", POLL)),
        (f"Jo: {LRM}words that I copied", ("Jo", "text", f"{LRM}words that I copied")),
    ],
)
def test_ios_lines_are_told_apart(file: Path, line: str, message: tuple[str | None, str, str]) -> None:
    notice = f"[13/01/23, 10:00:05] Team: One: {LRM}Messages and calls are end-to-end encrypted.\r\n"

    found = said(file, f"{notice}{LRM}[13/01/23, 10:00:06] {line}\r\n")

    assert found[0][1] == "system"
    assert found[1:] == [message]


def test_edited_messages_are_marked(file: Path) -> None:
    frame = read(chat(file, "13/1/23, 07:02 - Jo: x <Pesan ini diedit>\n13/1/23, 07:02 - Jo: y <hm>\n"))

    assert frame["is_edited"].to_list() == [True, False]
    assert frame["text"].to_list() == ["x", "y <hm>"]


def test_of_an_hour_that_comes_twice_the_first_counts_and_one_that_is_skipped_goes_on(file: Path) -> None:
    # Israel: 27 Oct 2024 from 02:00 back to 01:00, 29 March 2024 from 02:00 on to 03:00.
    frame = read(chat(file, "29.3.2024, 02:30 - Jo: a\n27.10.2024, 01:30 - Jo: b\n"))

    assert frame["sent_at"].to_list() == [
        datetime(2024, 3, 29, 0, 30, tzinfo=UTC),
        datetime(2024, 10, 26, 22, 30, tzinfo=UTC),
    ]


def test_every_minute_of_a_day_is_read_in_both_kinds_of_clock(file: Path) -> None:
    day = datetime(2024, 5, 20)
    lines = [ChatLine(day + timedelta(minutes=n), "Jo", Said.TEXT, "x") for n in range(1440)]
    for locale in ("en-US", "en-CA", "es", "ar", "id"):
        moments = read(written(file, lines, LOCALES[locale]))["sent_at"].to_list()

        assert moments == [line.at.replace(tzinfo=ZoneInfo(ZONE)) for line in lines]
