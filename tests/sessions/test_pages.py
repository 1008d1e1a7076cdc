"""Answers: pages and files told apart, statuses, names, addresses."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from backhaul.errors import ConfigError, SourceChanged, TransientError
from backhaul.sessions.answers import (
    SessionExpired,
    check_address,
    check_status,
    seconds_to_wait,
    suffix_of,
)
from backhaul.sessions.pages import Page, is_page


@pytest.mark.parametrize(
    ("head", "content_type", "disposition", "expected"),
    [
        (b"<!DOCTYPE html><html>", "text/html", "", True),
        (b"\xef\xbb\xbf\r\n <HTML>", "application/vnd.ms-excel", "attachment; filename=a.xls", True),
        (b"<table><tr>", "application/vnd.ms-excel", "", True),
        (b"PK\x03\x04", "text/html; charset=utf-8", "", False),
        (b"id,name\n", "text/html", "attachment; filename=a.csv", False),
        (b"Session expired", "text/html", "", True),
        (b"id,name\n", "text/csv", "", False),
        (b'<?xml version="1.0"?><Workbook>', "application/xml", "", False),
    ],
)
def test_a_page_is_told_from_a_file_by_bytes_before_headers(
    head: bytes, content_type: str, disposition: str, expected: bool
) -> None:
    assert is_page(head, content_type, disposition) is expected


@pytest.mark.parametrize(
    ("disposition", "url", "suffix"),
    [
        ('attachment; filename="export 2025.XLSX"', "https://a.example/x", ".xlsx"),
        ("attachment; filename*=UTF-8''lap%C3%B3ran.csv; filename=b.txt", "https://a.example/x", ".csv"),
        ('attachment; filename="../../etc/passwd"', "https://a.example/x.php", ""),
        ('attachment; filename="a.xlsx/../b"', "https://a.example/x", ""),
        ("", "https://a.example/files/report.csv?token=1.zip", ".csv"),
        ("", "https://a.example/export", ""),
        ('attachment; filename="v1.2025"', "https://a.example/x", ""),
    ],
)
def test_of_a_server_s_name_only_the_suffix_is_used(disposition: str, url: str, suffix: str) -> None:
    assert suffix_of(disposition, url) == suffix


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (408, TransientError),
        (429, TransientError),
        (500, TransientError),
        (503, TransientError),
        (401, SessionExpired),
        (403, SessionExpired),
        (419, SessionExpired),
        (404, SourceChanged),
        (410, SourceChanged),
    ],
)
def test_a_status_says_who_has_to_act(status: int, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        check_status("kantor: GET /export", status, None)


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)

    assert seconds_to_wait("120") == 120
    assert 80 < (seconds_to_wait(soon) or 0) <= 90
    assert seconds_to_wait("Wed, 01 Jan 2020 00:00:00 GMT") == 0
    assert seconds_to_wait("tomorrow") is None
    assert seconds_to_wait(None) is None


@pytest.mark.parametrize(
    "url", ["https://a.example", "http://127.0.0.1:80/x", "http://localhost/x", "http://[::1]/x"]
)
def test_a_safe_address_passes(url: str) -> None:
    check_address("kantor", url, allow_http=False)


@pytest.mark.parametrize("url", ["http://a.example", "http://localhost.example", "ftp://a.example", "a.example"])
def test_an_unsafe_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="kantor: "):
        check_address("kantor", url, allow_http=False)


def test_plain_http_may_be_allowed_by_name() -> None:
    check_address("kantor", "http://a.example", allow_http=True)


def test_a_page_is_named_by_its_short_title_and_path_alone() -> None:
    page = Page.read(f"<title>{'word ' * 40}</title><p>private", "https://a.example/x?token=hush")

    assert len(page.title) == 60
    assert "hush" not in str(page)
    assert "private" not in str(page)


@pytest.mark.parametrize(
    ("meta", "target"),
    [
        ('<meta http-equiv="Refresh" content="2; URL=\'done\'">', "https://a.example/jobs/done"),
        ('<meta http-equiv="refresh" content="5">', "https://a.example/jobs/1"),
        ("<p>", None),
    ],
)
def test_a_page_says_where_it_goes_on_by_itself(meta: str, target: str | None) -> None:
    assert Page.read(f"<head>{meta}</head>", "https://a.example/jobs/1").refresh == target


def test_an_empty_page_is_blank_and_one_with_a_picture_is_not() -> None:
    assert Page.read(b"", "https://a.example/").is_blank
    assert not Page.read("<img src=x>", "https://a.example/").is_blank
