"""The source BackOffice against a small site on loopback, with both drivers."""

from __future__ import annotations

import ast
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import psutil
import pytest

from backhaul.config import Secret, Setting, resolved
from backhaul.errors import BackhaulError, ConfigError, LoginRequired, SourceChanged, TransientError
from backhaul.lake.landing import LandingFolder
from backhaul.model import Artifact, Stream, Window
from backhaul.sessions.browser import BROWSER, BrowserThread
from backhaul.sessions.login import FormLogin
from backhaul.sessions.shared import SharedSession
from backhaul.sessions.steps import (
    Await,
    Click,
    Download,
    Expect,
    Fill,
    Open,
    Select,
    Step,
    Tick,
    Type,
    Untick,
)
from backhaul.sources import BackOffice
from tests.sessions.site import PASSWORD, SCRIPT_LOGIN, USERNAME, Site

WINDOW = Window(date(2025, 9, 12), date(2025, 9, 14), "Asia/Jakarta")
BOTH = pytest.mark.parametrize("driver", ["http", pytest.param("browser", marks=pytest.mark.browser)])


class Memory:
    """A vault that forgets at the end of the test."""

    def __init__(self) -> None:
        self.facts: dict[str, str] = {}

    def recall(self, name: str) -> str | None:
        return self.facts.get(name)

    def remember(self, name: str, value: str) -> None:
        self.facts[name] = value

    def recall_session(self, name: str) -> bytes | None:
        return None

    def save_session(self, name: str, state: bytes) -> None:
        """Keep nothing: no key."""

    def forget_session(self, name: str) -> None:
        """Nothing is kept."""

    def keep_evidence(self, name: str, content: bytes) -> None:
        """Keep nothing."""


@pytest.fixture(scope="module", autouse=True)
def one_browser() -> Iterator[None]:
    """Keep the browser from one test to the next; it starts with the first test that needs it."""
    BROWSER.enter()
    yield
    BROWSER.leave()


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def office(site: Site, driver: str = "http", password: str = PASSWORD, parallel: int = 2) -> BackOffice:
    login = FormLogin("/login", username=USERNAME, password=password)
    return BackOffice(site.url, login, driver=driver, parallel=parallel)


def fetched(
    source: BackOffice, stream: Stream, folder: Path, memory: Memory | None = None
) -> list[tuple[str, bytes]]:
    """Return name and bytes of each file that one whole fetch brings."""
    session = source.open(memory or Memory())
    try:
        landed = source.fetch(session, stream, WINDOW, None, LandingFolder(folder)).artifacts
        return [(file.name, file.path.read_bytes()) for file in landed]
    finally:
        session.close()


def sent(
    source: BackOffice, folder: Path, *steps: Step, memory: Memory | None = None, **options: object
) -> list[tuple[str, str]]:
    """Return what the site was asked for by an export of these steps."""
    stream = source.export("data", key="id", steps=steps, **options)
    ((_, content),) = fetched(source, stream, folder, memory)
    rows = [line.split(",", 2) for line in content.decode().split("\r\n")[1:-1]]
    return [(name, ast.literal_eval(value)) for _, name, value in rows]


def failure(source: BackOffice, folder: Path, *steps: Step, **options: object) -> BackhaulError:
    """Return the error that an export of these steps ends with."""
    with pytest.raises(BackhaulError) as caught:
        sent(source, folder, *steps, **options)
    assert not [path for path in folder.rglob("*") if path.is_file()]
    assert PASSWORD not in str(caught.value)
    return caught.value


def asks(site: Site, path: str) -> int:
    return sum(asked.endswith(f" {path}") for asked in site.asked)


@BOTH
def test_the_common_form_is_one_line_and_sends_the_window(site: Site, tmp_path: Path, driver: str) -> None:
    source = office(site, driver)
    stream = source.export(
        "data",
        key="id",
        page="/dates",
        dates=("input[name=start_date]", "input[name=end_date]"),
        button='button:has-text("export ALL")',
    )

    ((name, content),) = fetched(source, stream, tmp_path)

    assert name == "data-2025-09-12..2025-09-14.csv"
    assert content.decode().split("\r\n")[1:] == [
        "1,start_date,'2025-09-12'",
        "2,end_date,'2025-09-14'",
        "3,note,'two\\r\\nlines'",
        "",
    ]


@BOTH
def test_dates_are_written_as_the_site_wants_them_also_into_read_only_fields(
    site: Site, tmp_path: Path, driver: str
) -> None:
    steps = (
        Open("/slashed"),
        Type("[name=start_date]", "{start}"),
        Fill("[name=end_date]", "{end}"),
        Download("button"),
    )

    assert sent(office(site, driver), tmp_path, *steps, date_format="%d/%m/%Y") == [
        ("start_date", "12/09/2025"),
        ("end_date", "14/09/2025"),
    ]


@BOTH
def test_a_date_format_that_a_date_field_refuses_is_a_configuration_error(
    site: Site, tmp_path: Path, driver: str
) -> None:
    steps = (Open("/dates"), Fill("[name=start_date]", "{start}"), Download("button"))

    error = failure(office(site, driver), tmp_path, *steps, date_format="%d/%m/%Y")

    assert isinstance(error, ConfigError)
    assert "takes YYYY-MM-DD" in str(error)


@BOTH
def test_the_address_carries_the_dates_and_the_link_hides_in_a_menu(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (
        Open("/list?start={start}&end={end}"),
        Click('button:has-text("More")'),
        Download('a:has-text("Download CSV")'),
    )

    assert sent(office(site, driver), tmp_path, *steps) == [("start", "2025-09-12"), ("end", "2025-09-14")]


@BOTH
def test_a_filter_form_leads_to_the_page_with_the_link(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (
        Open("/filter"),
        Fill("[name=start]", "{start}"),
        Click('button:has-text("Filter")'),
        Expect("ul a"),
        Download("ul a b"),
    )

    assert sent(office(site, driver), tmp_path, *steps) == [("start", "2025-09-12"), ("end", "")]


@BOTH
def test_options_boxes_and_the_clicked_button_are_sent_in_page_order(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (
        Open("/options"),
        Select("[name=format]", " Excel  file"),
        Tick("[value=city]"),
        Untick("[value=name]"),
        Tick("[name=sort][value=down]"),
        Download('input:has-text("Export")'),
    )

    assert sent(office(site, driver), tmp_path, *steps) == [
        ("format", "1"),
        ("col", "id"),
        ("col", "city"),
        ("sort", "down"),
        ("extra", "outside"),
        ("do", "Export"),
    ]


@BOTH
def test_an_option_that_is_not_there_says_that_the_site_has_changed(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (Open("/options"), Select("[name=format]", "PDF"), Download("[value=Export]"))

    error = failure(office(site, driver), tmp_path, *steps)

    assert isinstance(error, SourceChanged)
    assert str(error).endswith("'[name=format]' on /options has no choice 'PDF' among its 2")


@BOTH
def test_a_waiting_page_is_asked_again_until_the_file_is_there(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (Open("/prepared"), Download("button", waiting="#waiting", every_s=0.2))

    assert sent(office(site, driver), tmp_path, *steps) == [("prepared", "yes")]
    assert asks(site, "/prepared/start") == 1
    assert asks(site, "/prepared/file") == 3


@BOTH
def test_a_waiting_page_that_goes_on_by_itself_is_followed(site: Site, tmp_path: Path, driver: str) -> None:
    site.refresh = '<meta http-equiv="refresh" content="0; url=/echo.csv?went=on">'
    steps = (Open("/prepared"), Download("button", waiting="#waiting", every_s=0.3))

    assert sent(office(site, driver), tmp_path, *steps) == [("went", "on")]


@BOTH
def test_a_waiting_page_that_answers_the_form_itself_is_asked_with_the_same_data(
    site: Site, tmp_path: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "tokens", Forever(site))
    steps = (Open("/again"), Fill("[name=start]", "{start}"), Download("button", "#waiting", 0.2))

    assert sent(office(site, driver), tmp_path, *steps) == [("start", "2025-09-12")]


class Forever(set[str]):
    """Form tokens that stay good."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.tokens)

    def discard(self, token: str) -> None:
        """Keep it."""


@BOTH
def test_a_job_page_is_asked_again_until_its_link_appears(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (Open("/awaited"), Await("#done", every_s=0.2), Download("#done"))

    assert sent(office(site, driver), tmp_path, *steps) == [("awaited", "yes")]


@BOTH
def test_an_address_may_be_the_file_itself(site: Site, tmp_path: Path, driver: str) -> None:
    assert sent(office(site, driver), tmp_path, Open("/echo.csv?day={start}"), Download()) == [("day", "2025-09-12")]


@BOTH
def test_waiting_ends_with_the_time_out_of_the_export(site: Site, tmp_path: Path, driver: str) -> None:
    site.waits = 1000
    steps = (Open("/prepared"), Download("button", waiting="#waiting", every_s=0.3))

    error = failure(office(site, driver), tmp_path, *steps, timeout_s=2.0)

    assert isinstance(error, TransientError)
    assert "on /prepared/file within 2 s" in str(error)


@BOTH
def test_the_site_s_own_word_for_no_rows_is_an_empty_day(site: Site, tmp_path: Path, driver: str) -> None:
    source = office(site, driver)
    stream = source.export("data", key="id", page="/empty-day", button="button", no_data='.alert:has-text("no data")')

    assert fetched(source, stream, tmp_path) == []


@BOTH
@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        ("/broken/page", SourceChanged, "answered the page 'Galat: basis data' at /broken/page where a file"),
        ("/broken/empty", TransientError, "answered nothing where a file was expected"),
        ("/broken/cut", TransientError, "was cut off"),
        ("/broken/busy", TransientError, "GET /broken/busy answered 429"),
        ("/broken/down", TransientError, "GET /broken/down answered 503"),
        ("/broken/loop", TransientError, "/broken/loop"),
        ("/broken/slow", TransientError, "within 1 s"),
        ("/broken/gone", SourceChanged, "GET /broken/gone answered 404"),
        ("/broken/forbidden", SourceChanged, "GET /broken/forbidden answered 403"),
    ],
)
def test_what_is_no_file_is_told_apart_and_leaves_nothing_behind(
    site: Site, tmp_path: Path, driver: str, path: str, kind: type[BackhaulError], words: str
) -> None:
    timeout_s = 1.0 if path == "/broken/slow" else 20.0

    error = failure(office(site, driver), tmp_path, Open(path), Download(), timeout_s=timeout_s)

    assert type(error) is kind
    assert words in str(error).replace("1.0", "1")
    assert error.next_step


@BOTH
def test_a_busy_site_says_how_long_to_wait(site: Site, tmp_path: Path, driver: str) -> None:
    error = failure(office(site, driver), tmp_path, Open("/broken/busy"), Download())

    assert isinstance(error, TransientError)
    assert error.retry_after_s == 7


@BOTH
def test_a_page_under_the_name_of_a_file_is_not_kept(site: Site, tmp_path: Path, driver: str) -> None:
    error = failure(office(site, driver), tmp_path, Open("/broken/disguised"), Download())

    assert isinstance(error, SourceChanged)


@BOTH
def test_a_login_page_under_the_name_of_a_file_is_an_expired_session(site: Site, tmp_path: Path, driver: str) -> None:
    error = failure(office(site, driver), tmp_path, Open("/broken/login"), Download())

    assert isinstance(error, TransientError)
    assert "session expired again right after signing in" in str(error)


@BOTH
def test_a_missing_button_names_its_selector_and_the_page(site: Site, tmp_path: Path, driver: str) -> None:
    steps = (Open("/dates"), Download("button.gone"))

    error = failure(office(site, driver), tmp_path, *steps, timeout_s=3.0)

    assert type(error) is SourceChanged
    assert str(error).endswith("'button.gone' is not on the page 'Export' at /dates")


@BOTH
def test_a_session_that_expires_in_the_middle_is_signed_in_again_once(
    site: Site, tmp_path: Path, driver: str
) -> None:
    site.expire_at = "/dates/export"

    names = [name for name, _ in sent(office(site, driver), tmp_path, Open("/dates"), Download("button"))]

    assert names == ["start_date", "end_date", "note"]
    assert site.passwords == [PASSWORD, PASSWORD]


@BOTH
def test_a_session_that_expires_again_at_once_is_left_to_a_session_of_its_own(
    site: Site, tmp_path: Path, driver: str
) -> None:
    source = office(site, driver)
    stream = source.export("data", key="id", page="/dates", button="button")
    session = source.open(Memory())
    site.expire_always = True

    with pytest.raises(TransientError, match="session expired again right after signing in"):
        source.fetch(session, stream, WINDOW, None, LandingFolder(tmp_path))
    session.close()

    assert len(site.passwords) == 2


@BOTH
def test_a_page_with_a_password_field_of_its_own_is_no_login_page(site: Site, tmp_path: Path, driver: str) -> None:
    assert sent(office(site, driver), tmp_path, Open("/people"), Expect("form"), Download("a")) == [("a", "1")]
    assert len(site.passwords) == 1


@BOTH
def test_a_refused_password_is_sent_once_and_never_again(site: Site, driver: str) -> None:
    source = office(site, driver, password="salah-sekali")

    for _ in range(3):
        with pytest.raises(LoginRequired, match="the user name or the password was refused") as caught:
            source.open(Memory())

    assert site.passwords == ["salah-sekali"]
    assert "salah-sekali" not in f"{caught.value} {caught.value.next_step} {source!r}"


def test_a_refused_password_is_sent_once_by_many_threads(site: Site) -> None:
    source = office(site, password="salah-sekali")
    refused = []

    def try_to_open() -> None:
        try:
            source.open(Memory())
        except LoginRequired as error:
            refused.append(error)

    threads = [threading.Thread(target=try_to_open) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 4
    assert site.passwords == ["salah-sekali"]


def test_another_password_is_tried_after_a_refused_one(site: Site) -> None:
    with pytest.raises(LoginRequired):
        office(site, password="salah-sekali").open(Memory())

    office(site).open(Memory()).close()

    assert site.passwords == ["salah-sekali", PASSWORD]


@BOTH
def test_a_captcha_asks_for_a_person_before_the_password_is_sent(site: Site, driver: str) -> None:
    site.login_page = (
        '<form method="post"><input name="email"><input type="password"><i class="h-captcha"></i></form>'
    )

    with pytest.raises(LoginRequired, match="captcha"):
        office(site, driver).open(Memory())

    assert site.passwords == []


@BOTH
@pytest.mark.parametrize(
    "page",
    [
        '<form><input autocomplete="one-time-code"></form>',
        '<p>Masukkan kode verifikasi</p><form><input name="code"></form>',
    ],
)
def test_a_code_page_asks_for_a_person(site: Site, driver: str, page: str) -> None:
    site.after_login = page

    with pytest.raises(LoginRequired, match="asks for a code"):
        office(site, driver).open(Memory())

    assert site.passwords == [PASSWORD]


@BOTH
@pytest.mark.parametrize(
    ("status", "kind"),
    [(503, TransientError), (429, TransientError), (419, TransientError), (401, LoginRequired)],
)
def test_only_a_plain_no_to_the_password_counts_as_a_refusal(
    site: Site, driver: str, status: int, kind: type[BackhaulError]
) -> None:
    site.login_status = status

    with pytest.raises(kind):
        office(site, driver).open(Memory())

    # 419 says that the form was too old for its cookie; the password was not looked at.
    assert site.passwords == [PASSWORD] * (3 if (status, driver) == (419, "http") else 1)


@pytest.mark.browser
def test_a_login_by_script_is_done_in_the_browser_and_the_exports_over_http(site: Site, tmp_path: Path) -> None:
    site.login_page = SCRIPT_LOGIN
    login = FormLogin("/login", username=USERNAME, password=PASSWORD, submit="#go")
    source = BackOffice(site.url, login)
    memory = Memory()

    assert sent(source, tmp_path, Open("/echo.csv?a=1"), Download(), memory=memory) == [("a", "1")]

    assert memory.facts == {f"driver:{source.name}:login": "browser"}
    assert site.passwords == [PASSWORD]


@BOTH
def test_a_login_page_without_its_user_name_field_has_changed(site: Site, driver: str) -> None:
    site.login_page = '<form method="post"><input name="nomor"><input type="password" name="p"></form>'

    with pytest.raises(SourceChanged, match="/login"):
        office(site, driver).open(Memory())

    assert site.passwords == []


@BOTH
def test_a_time_out_at_the_login_may_be_tried_again(site: Site, driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backhaul.sessions.http.LOGIN_TIMEOUT_S", 0.5)
    monkeypatch.setattr("backhaul.sessions.browser.LOGIN_TIMEOUT_S", 1.5)
    site.login_delay_s = 2.0

    with pytest.raises(TransientError, match="within"):
        office(site, driver).open(Memory())
    site.login_delay_s = 0.0
    monkeypatch.undo()
    office(site, driver).open(Memory()).close()


@pytest.mark.browser
def test_exports_of_several_threads_queue_up_for_the_browser(site: Site, tmp_path: Path) -> None:
    source = office(site, "browser")
    session = source.open(Memory())
    hauled = []

    def haul(number: int) -> None:
        stream = source.export(f"s{number}", key="id", steps=[Open(f"/echo.csv?n={number}"), Download()])
        hauled.append(source.fetch(session, stream, WINDOW, None, LandingFolder(tmp_path / stream.name)))

    threads = [threading.Thread(target=haul, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()

    assert {file.artifacts[0].name for file in hauled} == {f"s{n}-{WINDOW}.csv" for n in range(3)}
    assert site.passwords == [PASSWORD]


def test_threads_share_one_session_and_sign_in_again_once(site: Site, tmp_path: Path) -> None:
    source = office(site, parallel=4)
    session = source.open(Memory())
    site.sessions.clear()
    landed: list[bytes] = []

    def haul(number: int) -> None:
        stream = source.export(f"s{number}", key="id", steps=[Open(f"/echo.csv?n={number}"), Download()])
        files = source.fetch(session, stream, WINDOW, None, LandingFolder(tmp_path / str(number)))
        landed.append(files.artifacts[0].path.read_bytes())

    threads = [threading.Thread(target=haul, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    session.close()

    assert sorted(landed) == [f"id,name,value\r\n1,n,'{number}'\r\n".encode() for number in range(6)]
    assert len(site.passwords) == 2


@BOTH
def test_a_host_that_nobody_answers_at_is_tried_again_later(driver: str) -> None:
    source = BackOffice("http://127.0.0.1:9", FormLogin("/login", username="a", password="b"), driver=driver)

    with pytest.raises(TransientError, match="/login"):
        source.open(Memory())


@BOTH
def test_plain_http_over_a_network_is_refused(driver: str) -> None:
    with pytest.raises(ConfigError, match=r"kantor\.example would be reached over plain http"):
        BackOffice("http://kantor.example", driver=driver).open(Memory())


@BOTH
def test_a_page_that_asks_to_sign_in_without_a_login_says_so(site: Site, tmp_path: Path, driver: str) -> None:
    error = failure(BackOffice(site.url, driver=driver), tmp_path, Open("/dates"), Download("button"))

    assert isinstance(error, LoginRequired)
    assert "the pipeline names no login" in str(error)


@BOTH
def test_the_login_may_come_from_secret_settings(site: Site, tmp_path: Path, driver: str) -> None:
    login = FormLogin("/login", username=Secret("U"), password=Secret("P"))
    source = BackOffice(Setting("URL"), login, driver=driver)
    filled = resolved(source, {"URL": site.url, "U": USERNAME, "P": PASSWORD})

    assert sent(filled, tmp_path, Open("/echo.csv?a=1"), Download()) == [("a", "1")]


@BOTH
def test_a_sign_in_that_leads_nowhere_clear_asks_for_a_proof(site: Site, driver: str) -> None:
    site.after_login = "<p>Welcome</p>"

    with pytest.raises(LoginRequired, match="neither the login form nor") as caught:
        office(site, driver).open(Memory())

    assert "signed_in" in caught.value.next_step


@pytest.mark.browser
def test_a_browser_that_dies_is_started_again(site: Site, tmp_path: Path) -> None:
    source = office(site, "browser")
    stream = source.export("data", key="id", steps=[Open("/echo.csv?a=1"), Download()])
    session = source.open(Memory())
    BROWSER.call(lambda: BROWSER.new_context().new_page().goto("about:blank"))

    for child in psutil.Process().children(recursive=True):
        if "headless" in child.name() or "chrom" in child.name():
            child.kill()
    with pytest.raises(TransientError, match="the browser"):
        source.fetch(session, stream, WINDOW, None, LandingFolder(tmp_path))
    landed = source.fetch(session, stream, WINDOW, None, LandingFolder(tmp_path)).artifacts
    session.close()

    assert landed[0].size_bytes == len(b"id,name,value\r\n1,a,'1'\r\n")
    assert site.passwords == [PASSWORD, PASSWORD]


@BOTH
def test_a_selector_that_is_no_css_is_a_configuration_error(site: Site, tmp_path: Path, driver: str) -> None:
    error = failure(office(site, driver), tmp_path, Open("/dates"), Download("text=Export"))

    assert isinstance(error, ConfigError)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("steps", "asked"),
    [
        ((Open("/script"), Fill("#from", "{start}"), Download("button")), [("from", "2025-09-12")]),
        ((Open("/outside"), Fill("#from", "{start}"), Download("#x")), [("from", "2025-09-12")]),
        ((Open("/late"), Download("#here a")), [("made", "late")]),
    ],
    ids=[
        "a script behind a dialog saves the file",
        "a script puts the dates into a link",
        "a script makes the link",
    ],
)
def test_auto_goes_to_the_browser_for_what_needs_scripts_and_remembers_it(
    site: Site, tmp_path: Path, steps: tuple[Step, ...], asked: list[tuple[str, str]]
) -> None:
    source = office(site, "auto")
    memory = Memory()
    stream = source.export("data", key="id", steps=steps)

    first = fetched(source, stream, tmp_path, memory)
    second = fetched(source, stream, tmp_path, memory)

    assert first[0][1].decode().split("\r\n")[1:-1] == [
        f"{n},{name},{value!r}" for n, (name, value) in enumerate(asked, 1)
    ]
    assert [content for _, content in second] == [content for _, content in first]
    assert memory.facts == {f"driver:{source.name}:data": "browser"}
    assert len(site.passwords) == 2
    assert asks(site, steps[0].path) == 3


def test_auto_starts_no_browser_where_http_is_enough(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHROME_BIN", "/nowhere/chrome")

    assert sent(office(site, "auto"), tmp_path, Open("/echo.csv?a=1"), Download()) == [("a", "1")]


def test_without_a_browser_a_script_button_says_what_to_install(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backhaul.sessions.browser.BROWSER", BrowserThread())
    monkeypatch.setenv("CHROME_BIN", "/nowhere/chrome")

    error = failure(office(site, "auto"), tmp_path, Open("/script"), Download("button"))

    assert isinstance(error, ConfigError)
    assert "works by script only; CHROME_BIN names /nowhere/chrome" in str(error)


def test_the_http_driver_alone_says_that_a_browser_is_needed(site: Site, tmp_path: Path) -> None:
    error = failure(office(site), tmp_path, Open("/script"), Download("button"))

    assert isinstance(error, SourceChanged)
    assert "driver='browser'" in error.next_step


def test_the_name_is_the_host_and_before_that_the_setting() -> None:
    source = BackOffice(Setting("BACKEND_URL"), FormLogin("/login", Secret("U"), Secret("P")))
    filled = resolved(source, {"BACKEND_URL": "https://kantor.example/app", "U": "u", "P": "hush"})

    assert (source.name, filled.name) == ("BACKEND_URL", "kantor.example")
    assert "hush" not in repr(filled)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"page": "/a"},
        {"button": "b"},
        {"page": "/a", "button": "b", "steps": [Open("/a"), Download("b")]},
        {"steps": []},
        {"steps": [Download()]},
        {"steps": [Open("/a")]},
        {"steps": [Open("/a"), Download(), Click("b")]},
        {"steps": [Open("/a?d={strat}"), Download()]},
        {"page": "/a", "button": "b", "timeout_s": 0},
    ],
)
def test_a_wrong_declaration_is_told_at_once(arguments: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="export data: "):
        BackOffice("https://kantor.example").export("data", key="id", **arguments)


def artifact(folder: Path, content: str) -> Artifact:
    path = folder / "file.csv"
    path.write_text(content, encoding="utf-8")
    return Artifact("1", path, "data.csv", "", len(content), WINDOW, datetime.now(UTC))


def parsed(folder: Path, content: str, **options: object) -> pl.DataFrame:
    stream = BackOffice("https://kantor.example").export("data", key="User ID", page="/a", button="b", **options)
    return pl.concat(stream.source.parse(stream, artifact(folder, content)))


def test_a_file_without_its_key_column_names_what_was_found(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match=r"data: column 'User ID' is missing; found .*'Name'.* in data.csv"):
        parsed(tmp_path, "Userid,Name\n1,a\n2,b\n")


@pytest.mark.parametrize(
    ("days", "read"),
    [
        ("12/09/2025", date(2025, 9, 12)),
        ("2025-09-12", date(2025, 9, 12)),
        ("12/09/2025 08:00:45", datetime(2025, 9, 12, 8, 0, 45)),
    ],
)
def test_the_window_column_is_read_in_the_site_s_format_and_ids_stay_text(
    tmp_path: Path, days: str, read: object
) -> None:
    frame = parsed(tmp_path, f"User ID,Tanggal\n007,{days}\n008,\n", window_column="Tanggal", date_format="%d/%m/%Y")

    assert frame.rows() == [("007", read), ("008", None)]


def test_a_window_column_without_dates_is_a_change_of_the_site(tmp_path: Path) -> None:
    with pytest.raises(SourceChanged, match="'Tanggal'"):
        parsed(tmp_path, "User ID,Tanggal\n1,kemarin\n", window_column="Tanggal")


def test_a_session_closes_twice(site: Site) -> None:
    session = office(site).open(Memory())

    session.close()
    session.close()

    assert isinstance(session, SharedSession)
