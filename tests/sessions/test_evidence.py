"""What is kept of a failed attempt: enough to see why, and nothing of the account or of people."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.errors import BackhaulError
from backhaul.lake.landing import LandingFolder
from backhaul.model import Window
from backhaul.sandbox import SandboxBackOffice
from backhaul.sandbox.office.faults import Fault
from backhaul.sessions.browser import BROWSER
from backhaul.sessions.cleaning import Cleaner
from backhaul.sessions.evidence import Evidence
from backhaul.sessions.login import FormLogin
from backhaul.sessions.pages import Page
from backhaul.sessions.steps import Download, Fill, Open, Step
from backhaul.sessions.vault import Vault
from backhaul.sources import BackOffice
from tests.sessions.site import PASSWORD, USERNAME, Site
from tests.sessions.test_hostile import hostile, says

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")
BOTH = pytest.mark.parametrize("driver", ["http", pytest.param("browser", marks=pytest.mark.browser)])
BROWSER_TOO = {"page.html", "screenshot.png", "trace.json"}


@pytest.fixture(scope="module", autouse=True)
def one_browser() -> Iterator[None]:
    BROWSER.enter()
    yield
    BROWSER.leave()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def evidence_of(
    source: BackOffice, folder: Path, *steps: Step, fails: bool = True, timeout_s: float = 300
) -> dict[str, bytes]:
    """Return the files that one export leaves as evidence."""
    stream = source.export("data", key="id", steps=steps, timeout_s=timeout_s)
    session = source.open(Vault(folder / "vault"))
    try:
        source.fetch(session, stream, WINDOW, None, LandingFolder(folder / "landing", folder / "evidence"))
        assert not fails
    except BackhaulError:
        assert fails
    finally:
        session.close()
    return files_in(folder / "evidence")


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def office(site: Site, driver: str, password: str = PASSWORD) -> BackOffice:
    return BackOffice(site.url, FormLogin("/login", USERNAME, password), driver=driver)


def cleaned(body: str, *secrets: str, head: str = "") -> str:
    page = Page.read(f"<html><head>{head}</head><body>{body}</body></html>", "http://kantor.example/x")
    kept = Cleaner(secrets).page(page)
    assert kept is not None
    return kept.decode()


@BOTH
def test_a_page_that_misses_its_button_is_kept_with_what_was_asked(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (Open("/dates?token=RAHASIA"), Fill("[name=start_date]", "{start}"), Download("#gone"))

    kept = evidence_of(office(site, driver), tmp_path, *steps)

    assert set(kept) == (BROWSER_TOO if driver == "browser" else BROWSER_TOO - {"screenshot.png"})
    assert b'name="start_date"' in kept["page.html"] and b"<button>" in kept["page.html"]
    requests = json.loads(kept["trace.json"])["requests"]
    assert ("GET", "/dates", 200) in [(each["method"], each["path"], each["status"]) for each in requests]
    assert all(token.encode() not in b"".join(kept.values()) for token in [*site.tokens, "RAHASIA", PASSWORD])


@BOTH
def test_of_an_export_that_succeeds_nothing_is_kept(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (Open("/people"), Download("a"))

    assert evidence_of(office(site, driver), tmp_path, *steps, fails=False) == {}


@pytest.mark.browser
def test_of_a_detour_over_http_that_the_browser_makes_good_nothing_is_kept(site: Site, tmp_path: Path) -> None:
    assert evidence_of(office(site, "auto"), tmp_path, Open("/late"), Download("#here a"), fails=False) == {}


def test_a_day_without_data_is_no_failure(tmp_path: Path) -> None:
    with SandboxBackOffice() as sandbox:
        sandbox.faults.set(Fault.NO_DATA_PAGE)
        source = BackOffice(sandbox.url, FormLogin("/login", sandbox.username, sandbox.password), driver="http")
        stream = source.export(
            "user", key="User ID", page="/user-front", button="button.expot-pdf", no_data=".kosong"
        )
        session = source.open(Vault(tmp_path / "vault"))
        landing = LandingFolder(tmp_path / "landing", tmp_path / "evidence")
        assert source.fetch(session, stream, WINDOW, None, landing).artifacts == ()
        session.close()

    assert not (tmp_path / "evidence").exists()


@BOTH
def test_a_refused_password_leaves_the_login_page_without_the_account(
    site: Site, tmp_path: Path, driver: str
) -> None:
    said = 'value="{}"><p class="galat">{} / {} salah</p><form'
    site.login_page = (
        f'<form method="post" action="/login"><input type="hidden" name="_token" value="{{token}}">'
        f'<input name="email" {said.format(USERNAME, USERNAME.upper(), "salah-sekali-lagi")}>'
        '<input type="password" name="password"><button name="go" value="in">Masuk</button></form>'
    )

    with pytest.raises(BackhaulError):
        office(site, driver, "salah-sekali-lagi").open(Vault(tmp_path / "vault", None, tmp_path / "evidence"))

    kept = files_in(tmp_path / "evidence")
    names = {Path(name).name for name in kept}
    assert names == (BROWSER_TOO if driver == "browser" else BROWSER_TOO - {"screenshot.png"})
    whole = b"".join(kept.values()).lower()
    assert USERNAME.encode() not in whole and b"salah-sekali-lagi" not in whole
    page = next(content for name, content in kept.items() if name.endswith("page.html"))
    assert b'name="email"' in page and b"galat" in page


def test_rows_leave_a_table_and_its_headings_stay() -> None:
    kept = cleaned(
        "<table><thead><tr><th>Nama</th><th>Telepon</th></tr></thead><tbody>"
        '<tr id="baris"><th>Budi</th><td>0812-3456-7890</td><td>kota <b>Bogor</b> x</td>'
        '<td><button>Ubah</button> <a href="/orang/12345678?x=1" title="Budi">Budi</a></td></tr></tbody></table>'
    )

    assert "Nama" in kept and "Telepon" in kept and "Ubah" in kept and 'id="baris"' in kept
    assert not any(said in kept for said in ("Budi", "0812", "Bogor", "kota", " x<", "12345678", "x=1"))


@pytest.mark.parametrize("kind", ["text", "email", "hidden", "password", "tel", "search", "number", ""])
def test_what_stands_in_a_field_is_gone(kind: str) -> None:
    kept = cleaned(f'<input name="a" type="{kind}" value="Budi"><textarea name="b">Budi</textarea>')

    assert "Budi" not in kept and 'name="a"' in kept and 'name="b"' in kept


def test_scripts_comments_data_attributes_and_drawings_are_left_out() -> None:
    kept = cleaned(
        '<!-- Budi --><script src="/app.js?v=7">let a = "Budi"</script><style>.Budi{}</style>'
        "<svg><text>Budi</text></svg>"
        '<div data-user="Budi" onclick="go(\'Budi\')" style="x:Budi" alt="Budi">here</div>'
        "<a href=\"javascript:open('Budi')\">go</a><noscript>Budi</noscript><template><p>Budi</p></template>",
        head='<meta name="csrf-token" content="Budi-Budi"><meta http-equiv="refresh" content="3; url=/x?id=Budi">',
    )

    assert "Budi" not in kept
    assert 'src="/app.js"' in kept and "here" in kept and "go" in kept


def test_addresses_of_people_long_numbers_and_tokens_are_covered_and_days_and_words_are_not() -> None:
    kept = cleaned(
        "<p>budi@contoh.example, +62 812 3456 7890, 1234567890123456, eyJhbGciOiJIUzI1NiJ9abcdef, 2025-09-12, 404,"
        " pertanggungjawabannya</p>"
    )

    assert not any(said in kept for said in ("budi", "812", "3456", "eyJ"))
    assert "2025-09-12" in kept and "404" in kept and "pertanggungjawabannya" in kept


def test_a_form_token_is_gone_wherever_it_is_repeated() -> None:
    kept = cleaned('<input type="hidden" name="_token" value="abcdefgh"><p>abcdefgh</p><a class="x-abcdefgh">a</a>')

    assert "abcdefgh" not in kept


@pytest.mark.parametrize("secret", ["pet ugas", "kata&sandi<1>", 'say "hi"', "naïve/käse", "a+b=c?", "sandi"])
def test_a_secret_is_gone_in_every_spelling(secret: str) -> None:
    from html import escape
    from urllib.parse import quote, quote_plus

    spellings = (escape(secret), quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1])
    body = "".join(f'<p class="{escape(said)}" title="{escape(said)}">{escape(said)}!</p>' for said in spellings)
    page = Page.read(f"<html><body>{body}<p>{escape(secret)}</p></body></html>", "http://kantor.example/")

    kept = Evidence([secret]).cleaner.page(page)

    assert kept is not None
    assert not any(each.lower() in kept.decode().lower() for each in (secret, *spellings))


def test_a_page_that_cannot_be_shown_without_the_secret_is_not_shown() -> None:
    assert Cleaner(["body"]).page(Page.read("<html><body>x</body></html>", "http://kantor.example/")) is None


@given(st.text(max_size=200), st.binary(max_size=200))
def test_whatever_a_page_holds_it_is_cleaned_without_an_error(text: str, raw: bytes) -> None:
    secret = "kata-sandi-uji"
    markup = f'<table a="{text}"><tr><td {text}>{secret}{text}</td></tr></table><input {text} value={text}{secret}>'
    for html in (markup.encode("utf-8", "replace"), raw + secret.encode(), raw.join([b"<p x=", b">"])):
        evidence, kept = Evidence([secret]), dict[str, bytes]()
        evidence.ask("GET", "http://kantor.example/x")
        evidence.see(Page.read(html, "http://kantor.example/"))

        evidence.keep(kept.__setitem__)

        assert "trace.json" in kept
        assert secret.encode() not in kept.get("page.html", b"")


def test_a_huge_page_is_kept_short() -> None:
    rows = "<tr><td>Budi</td><td>1</td></tr>" * 100_000
    kept = cleaned(f"<table><thead><tr><th>Nama</th></tr></thead>{rows}</table><p>after</p>")

    assert len(kept) < 5_000 and "after" in kept


def test_a_trace_is_bounded_and_says_how_much_is_left_out() -> None:
    evidence, kept = Evidence(), dict[str, bytes]()
    for number in range(1000):
        evidence.hear(evidence.ask("GET", f"http://kantor.example/wait/{number}?x=1"), 200)

    evidence.keep(kept.__setitem__)

    trace = json.loads(kept["trace.json"])
    assert len(trace["requests"]) + trace["left_out"] == 1000
    assert len(kept["trace.json"]) < 100_000


def test_a_disk_that_takes_no_evidence_leaves_the_failure_as_it_was(site: Site, tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b"a file where the folder should be")
    source = office(site, "http")
    stream = source.export("data", key="id", steps=(Open("/dates"), Download("#gone")))
    session = source.open(Vault(tmp_path / "vault"))

    with pytest.raises(BackhaulError, match="'#gone' is not on"):
        source.fetch(session, stream, WINDOW, None, LandingFolder(tmp_path / "landing", tmp_path / "evidence"))
    session.close()


def test_a_request_that_was_never_answered_is_in_the_trace(tmp_path: Path) -> None:
    with hostile(lambda connection, request: None) as server:
        source = BackOffice(server.url, driver="http")
        kept = evidence_of(source, tmp_path, Open("/export/7fb9c1d2e3f4a5b6c7d8e9f0?x=1"), Download(), timeout_s=5)

    [request] = json.loads(kept["trace.json"])["requests"]
    assert (request["path"], request["status"]) == ("/export/***", None)


@pytest.mark.browser
def test_a_screenshot_shows_neither_fields_nor_rows_nor_long_numbers(tmp_path: Path) -> None:
    """Two pages that differ only in what is to be covered give the same picture."""
    pictures = []
    for name, phone in (("Budi", "081234567890"), ("Sari", "089876543210")):
        body = (
            "<style>select, table { width: 200px }</style>"
            f"<html><body><h1>Laporan</h1><input value='{name}'><select><option>{name}</select>"
            f"<textarea>{name}</textarea><table><tr><td>{name}</td></tr></table><div role=grid>{name}</div>"
            f"<pre>{name}</pre><dl><dd>{name}</dl><p>{phone}</p><p>{name.lower()}@contoh.example</p>"
            f"<iframe srcdoc='{name}'></iframe></body></html>"
        )
        answer = says("Content-Type: text/html", body=body.encode())
        with hostile(lambda connection, request, answer=answer: connection.sendall(answer)) as server:
            source = BackOffice(server.url, driver="browser")
            kept = evidence_of(source, tmp_path / name, Open("/"), Download("#gone"))
        pictures.append(kept["screenshot.png"])

    assert pictures[0].startswith(b"\x89PNG")
    assert pictures[0] == pictures[1]


@pytest.mark.browser
def test_a_screenshot_covers_the_account_where_the_page_repeats_it(tmp_path: Path) -> None:
    pictures = []
    for user in ("petugas-a", "petugas-b"):
        body = f"<html><body><h1>Halo {user}</h1><p>tetap</p></body></html>"
        answer = says("Content-Type: text/html", body=body.encode())
        with hostile(lambda connection, request, answer=answer: connection.sendall(answer)) as server:
            source = BackOffice(server.url, FormLogin("/login", user, PASSWORD), driver="browser")
            with pytest.raises(BackhaulError):
                source.open(Vault(tmp_path / user, None, tmp_path / user))
        [picture] = (tmp_path / user).rglob("screenshot.png")
        pictures.append(picture.read_bytes())

    assert pictures[0] == pictures[1]
