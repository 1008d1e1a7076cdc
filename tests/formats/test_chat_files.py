"""An export comes as a text or in a zip; whatever else a file is, it ends in an error that says what to do."""

import random
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backhaul.errors import BackhaulError, SourceChanged, TransientError
from backhaul.formats import FileKind, kind_of, prove, read_table
from backhaul.formats.chat import beginning, prove_chat
from backhaul.sandbox.chat_files import LOCALES, exported, made_up_chat
from tests.formats.chat_truth import NOW, read, rows, truth

LINES = list(made_up_chat(21, 120))
IOS, ANDROID = LOCALES["he iOS"], LOCALES["en-US"]
IOS_TEXT = "".join(exported(LINES, IOS)).encode()
ANDROID_TEXT = "".join(exported(LINES, ANDROID)).encode()
MEDIA = b"\xff\xd8\xff" + bytes(range(256)) * 40


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f"


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "members",
    [
        {"_chat.txt": IOS_TEXT},
        {"00000001-PHOTO.jpg": MEDIA, "_chat.txt": IOS_TEXT, "00000002-notes.txt": b"my notes"},
        {"_chat.txt": IOS_TEXT, "00000003-WhatsApp Chat with Jo.txt": ANDROID_TEXT},
        {"WhatsApp Chat - Kelas/": b"", "WhatsApp Chat - Kelas/_chat.txt": IOS_TEXT, "__MACOSX/._chat.txt": b"\0\5"},
        {"Chat WhatsApp dengan Kelas.txt": IOS_TEXT, "IMG-1.jpg": MEDIA, "other.txt": ANDROID_TEXT},
        {"Conversa do WhatsApp com Kelas.TXT": IOS_TEXT},
        {"renamed.txt": IOS_TEXT},
    ],
)
def test_of_a_zip_the_chat_is_read_whatever_else_is_in_it(file: Path, members: dict[str, bytes]) -> None:
    zipped(file, members)

    assert rows(read(file, piece_bytes=2000)) == truth(LINES, IOS)
    assert kind_of(file) is FileKind.CHAT
    prove(file)


def test_two_chats_in_one_zip_are_refused(file: Path) -> None:
    zipped(file, {"WhatsApp Chat with A.txt": IOS_TEXT, "WhatsApp Chat with B.txt": ANDROID_TEXT})

    with pytest.raises(SourceChanged, match="f: 2 chats in one zip"):
        read(file)


def test_a_zip_without_a_chat_is_refused(file: Path) -> None:
    zipped(file, {"a.txt": b"id\n1\n", "b.csv": IOS_TEXT})

    assert kind_of(file) is FileKind.UNKNOWN
    with pytest.raises(SourceChanged, match="a zip with 1 texts in it, none of which is a chat export"):
        read(file)


def test_a_locked_zip_is_refused(file: Path) -> None:
    data = bytearray(zipped(file, {"_chat.txt": IOS_TEXT}).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    saved(file, bytes(data))

    assert kind_of(file) is FileKind.UNKNOWN
    with pytest.raises(SourceChanged, match="locked with a password"):
        read(file)


@pytest.mark.parametrize("lies", [False, True])
def test_a_bomb_is_refused_before_it_fills_memory(file: Path, lies: bool) -> None:
    text = (b"1/14/23, 7:02 PM - Jo: " + b"x" * 100_000 + b"\n") * 650
    zipped(file, {"_chat.txt": text})
    if lies:
        size = len(text).to_bytes(4, "little")
        saved(file, file.read_bytes().replace(size, (40 * 1024**2).to_bytes(4, "little")))

    for use in (read, prove_chat):
        with pytest.raises(SourceChanged, match="decompression bomb"):
            use(file)


def test_a_zip_cut_or_damaged_anywhere_ends_in_an_error_of_ours_or_in_all_rows(file: Path) -> None:
    whole = zipped(file, {"_chat.txt": IOS_TEXT, "a.jpg": MEDIA}).read_bytes()
    expected = truth(LINES, IOS)
    damaged = [whole[:size] for size in range(4, len(whole) - 1, 400)]
    for at in range(0, len(whole), 101):
        flipped = bytearray(whole)
        flipped[at] ^= 0x55
        damaged.append(bytes(flipped))
    for data in damaged:
        saved(file, data)
        try:
            kind_of(file)
            prove_chat(file)
            found = rows(read(file))
        except BackhaulError as error:
            assert str(error).startswith("f: ")
            assert error.next_step
            continue

        assert found == expected


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", TransientError, "the file is empty"),
        (b"\xef\xbb\xbf \r\n", TransientError, "the file is empty"),
        (b"hello\nworld\n", SourceChanged, "no chat export, the first line"),
        (b"id,name\n1,a\n", SourceChanged, "no chat export"),
        (b"hello\n1/14/23, 7:02 PM - Jo: x\n", SourceChanged, "no chat export"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), SourceChanged, "no chat export"),
        ("1/14/23, 7:02 PM - Jo: ä".encode()[:-1], TransientError, "ends in the middle of a character"),
        ("1/14/23, 7:02 PM - Jö".encode()[:-1], TransientError, "ends in the middle of a character"),
        ("1/14/23, 7:02 PM - Jo: x".encode("utf-16")[:-1], TransientError, "ends in the middle of a character"),
        (b"1/14/23, 7:02 PM - Jo: \xe4 x", SourceChanged, "UTF-8 text with a wrong byte at 23"),
        (b"1/14/23, 7:02 PM - J\xe4: x", SourceChanged, "UTF-8 text with a wrong byte at 20"),
        (b"PK\x05\x06" + bytes(18), SourceChanged, "a zip with 0 texts"),
        (b"PK\x03\x04" + bytes(100), TransientError, "the zip archive is cut off or damaged"),
    ],
)
def test_what_is_no_whole_export_says_what_to_do(
    file: Path, data: bytes, error: type[BackhaulError], message: str
) -> None:
    saved(file, data)

    for use in (read, prove_chat):
        with pytest.raises(error, match=message) as caught:
            use(file)

        assert str(caught.value).startswith("f: ")
        assert caught.value.next_step


def test_errors_tell_nothing_that_people_wrote(file: Path) -> None:
    saved(file, b"14/1/23, 7:02 - Secret Name: secret words\n14/1/23, 7:02 - Secret: \xff\xfe\n" * 3)

    with pytest.raises(SourceChanged) as caught:
        read(file)

    assert "ecret" not in f"{caught.value} {caught.value.next_step} {caught.value.__cause__}"


def test_random_bytes_end_in_an_error_of_ours_or_in_rows(file: Path) -> None:
    dice = random.Random(5)
    header = b"1/14/23, 7:02 PM - "
    for number in range(300):
        start = (b"", header, b"\xff\xfe", b"PK\x03\x04", header + b"Jo: ", b"[14/1/23, 07:02:03] \xe2\x80\x8e")[
            number % 6
        ]
        noise = b"".join(dice.choice((dice.randbytes(9), b"\n" + header, b": ", b"\r\n")) for _ in range(30))
        saved(file, start + noise)
        try:
            assert kind_of(file)
            read(file, piece_bytes=dice.randrange(1, 99))
        except BackhaulError as error:
            assert str(error).startswith("f: ")


@pytest.mark.parametrize("locale", LOCALES)
def test_the_kind_of_every_locale_is_a_chat_and_no_table(file: Path, locale: str) -> None:
    saved(file, "".join(exported(LINES, LOCALES[locale])).encode())

    assert kind_of(file) is FileKind.CHAT
    prove(file)
    with pytest.raises(SourceChanged, match="an exported chat, where a table is expected"):
        next(read_table(file))


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-02 10:30:00,a,b\n2024-01-02 10:31:00,c,d\n",
        "2024-01-02 10:30:00 - INFO: started\n",
        "[2024-01-02 10:30:00] ERROR: failed\n",
        "2024-01-02 10:30:00 INFO: started\n",
        "2024-01-02,10:30,Jo: hello\n2024-01-02,10:31,x\n",
        "1/2/24,10:30 - 11:30,Room: 5\n",
        "1.2.24;10:30;x\n",
        "1/2/24 10:30,5\n",
        "date,time - who: what\n1/2/24, 10:30 - Jo: x\n",
    ],
)
def test_tables_and_logs_with_dates_are_no_chats(file: Path, text: str) -> None:
    assert kind_of(saved(file, text.encode())) is not FileKind.CHAT


def test_lists_of_numbers_stay_json(file: Path) -> None:
    assert kind_of(saved(file, b"[14, 10, 2021]")) is FileKind.JSON
    assert kind_of(saved(file, b'[1.5, 2.25, "3: x"]')) is FileKind.JSON


def test_a_message_too_large_for_any_chat_is_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backhaul.formats.chat.text.MAX_MESSAGE_BYTES", 5000)
    saved(file, b"14/1/23, 7:02 - Jo: " + b"x" * 10_000)

    with pytest.raises(SourceChanged, match="in one message, this is no chat"):
        read(file, piece_bytes=1000)


def test_a_message_of_all_the_characters_that_are_allowed_is_read(file: Path) -> None:
    text = "😀" * 65_536
    saved(file, f"14/1/23, 7:02 - Jo: {text}\n14/1/23, 7:03 - Jo: b\n".encode())

    assert read(file, piece_bytes=1000)["text"].to_list() == [text, "b"]


def test_an_export_that_begins_late_is_told(file: Path) -> None:
    saved(file, b"14/1/23, 07:02 - Jo: x\n15/1/23, 07:02 - Jo: y\n")

    begins = beginning(file, timezone="UTC", now=NOW)

    assert begins.at == datetime(2023, 1, 14, 7, 2, tzinfo=UTC)
    assert begins.is_after(datetime(2023, 1, 1, tzinfo=UTC))
    assert not begins.is_after(datetime(2023, 1, 14, 8, tzinfo=UTC))


@pytest.mark.parametrize("locale", LOCALES)
def test_an_export_with_the_notice_of_a_new_chat_misses_nothing(file: Path, locale: str) -> None:
    saved(file, "".join(exported(LINES, LOCALES[locale])).encode())

    assert not beginning(file, timezone="UTC", now=NOW).is_after(datetime(2020, 1, 1, tzinfo=UTC))
