"""Saved sessions at work: what a run with one sends, and what becomes of one that has ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from backhaul.errors import LoginRequired, SourceChanged
from backhaul.lake.landing import LandingFolder
from backhaul.model import Fetched, Window
from backhaul.sandbox import SandboxBackOffice
from backhaul.sandbox.office.faults import Fault
from backhaul.sealing import Seal
from backhaul.sessions.browser import BROWSER
from backhaul.sessions.login import FormLogin
from backhaul.sessions.saved import Origin, SavedSession, session_name
from backhaul.sessions.vault import Vault
from backhaul.sources import BackOffice
from tests.sessions.site import PASSWORD, USERNAME, Site

SEAL = Seal(bytes(range(32)))
WINDOW = Window(date(2025, 9, 12), date(2025, 9, 12), "Asia/Jakarta")
BOTH = pytest.mark.parametrize("driver", ["http", pytest.param("browser", marks=pytest.mark.browser)])


@pytest.fixture(scope="module", autouse=True)
def one_browser() -> Iterator[None]:
    BROWSER.enter()
    yield
    BROWSER.leave()


@pytest.fixture
def office() -> Iterator[SandboxBackOffice]:
    with SandboxBackOffice() as running:
        yield running


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault", SEAL, tmp_path / "evidence")


def source_of(office: SandboxBackOffice, driver: str = "http", **login: str) -> BackOffice:
    return BackOffice(office.url, FormLogin("/login", office.username, office.password, **login), driver=driver)


def run(source: BackOffice, vault: Vault, folder: Path, page: str = "/transaksi/index-export") -> Fetched:
    """Open a session, do one export and close, as a run of one stream does."""
    stream = source.export("transaksi", key="Transaksi ID", page=page, button='button:has-text("Export")')
    session = source.open(vault)
    try:
        return source.fetch(session, stream, WINDOW, None, LandingFolder(folder))
    finally:
        session.close()


def saved(vault: Vault, source: BackOffice) -> SavedSession | None:
    assert source.login is not None
    state = vault.recall_session(session_name(source.name, source.login.account[0]))
    return None if state is None else SavedSession.read(state)


@BOTH
def test_a_run_with_a_saved_session_sends_no_password(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path, driver: str
) -> None:
    source = source_of(office, driver)

    for number in range(3):
        assert run(source, vault, tmp_path / str(number)).artifacts

    assert office.logins == 1
    assert not any(each.method == "POST" and each.path == "/login" for each in office.requests[5:])


@pytest.mark.browser
def test_a_session_that_one_driver_has_saved_serves_the_other(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    run(source_of(office, "browser"), vault, tmp_path / "one")
    run(source_of(office, "http"), vault, tmp_path / "two")

    assert office.logins == 1


@BOTH
def test_a_saved_session_that_has_ended_costs_one_sign_in_and_is_replaced(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path, driver: str
) -> None:
    source = source_of(office, driver)
    run(source, vault, tmp_path / "one")
    office.expire_sessions()

    run(source, vault, tmp_path / "two")
    run(source, vault, tmp_path / "three")

    assert (office.logins, office.refused_logins) == (2, 0)


def test_without_a_key_every_run_signs_in_and_nothing_is_saved(office: SandboxBackOffice, tmp_path: Path) -> None:
    for number in range(2):
        run(source_of(office), Vault(tmp_path / "vault"), tmp_path / str(number))

    assert office.logins == 2
    assert not (tmp_path / "vault" / "sessions").exists()


def test_a_disk_that_takes_no_session_is_no_failure(office: SandboxBackOffice, vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "sessions").write_bytes(b"a file where the folder should be")

    assert run(source_of(office), vault, tmp_path / "one").artifacts


def test_a_stream_in_a_session_of_its_own_leaves_the_saved_one_alone(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    run(source_of(office), vault, tmp_path / "one")
    before = vault.recall_session(session_name(source_of(office).name, office.username))

    run(source_of(office), vault.without_sessions(), tmp_path / "two")

    assert office.logins == 2
    assert vault.recall_session(session_name(source_of(office).name, office.username)) == before


def test_streams_that_find_the_saved_session_ended_at_once_sign_in_once(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    source = source_of(office)
    run(source, vault, tmp_path / "one")
    stream = source.export(
        "transaksi", key="Transaksi ID", page="/transaksi/index-export", button='button:has-text("Export")'
    )
    session = source.open(vault)
    office.expire_sessions()

    with ThreadPoolExecutor(4) as pool:
        landings = [LandingFolder(tmp_path / f"stream-{number}") for number in range(4)]
        fetched = list(pool.map(lambda landing: source.fetch(session, stream, WINDOW, None, landing), landings))
    session.close()

    assert all(each.artifacts for each in fetched)
    assert office.logins == 2


def test_an_ended_session_with_a_wrong_password_is_tried_once_and_never_again(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    run(source_of(office), vault, tmp_path / "one")
    office.expire_sessions()
    wrong = dataclasses.replace(source_of(office), login=FormLogin("/login", office.username, "salah"))

    for number in range(3):
        with pytest.raises(LoginRequired):
            run(wrong, vault, tmp_path / str(number))

    assert office.refused_logins == 1


def test_the_session_of_another_account_is_not_taken(office: SandboxBackOffice, vault: Vault, tmp_path: Path) -> None:
    run(source_of(office), vault, tmp_path / "one")
    other = dataclasses.replace(source_of(office), login=FormLogin("/login", "orang-lain", "apa-saja"))

    with pytest.raises(LoginRequired):
        run(other, vault, tmp_path / "two")

    assert saved(vault, source_of(office)) is not None


def test_a_session_that_another_key_has_sealed_is_passed_over(office: SandboxBackOffice, tmp_path: Path) -> None:
    run(source_of(office), Vault(tmp_path / "vault", SEAL), tmp_path / "one")
    rotated = Vault(tmp_path / "vault", Seal(bytes(32)))

    run(source_of(office), rotated, tmp_path / "two")
    run(source_of(office), rotated, tmp_path / "three")

    assert office.logins == 2


def test_where_a_person_has_to_sign_in_the_error_names_the_command_and_what_became_of_the_session(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    run(source_of(office), vault, tmp_path / "one")
    office.expire_sessions()
    office.faults.set(Fault.CAPTCHA)

    with pytest.raises(LoginRequired) as told:
        run(source_of(office), vault, tmp_path / "two")

    assert "backhaul login SYSTEM" in told.value.next_step
    assert "signed out" in told.value.next_step


@BOTH
def test_a_site_behind_a_captcha_works_as_long_as_the_saved_session_holds(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path, driver: str
) -> None:
    run(source_of(office, driver), vault, tmp_path / "one")
    office.faults.set(Fault.CAPTCHA)

    assert run(source_of(office, driver), vault, tmp_path / "two").artifacts

    assert office.logins == 1


def test_a_session_that_ends_in_the_middle_of_a_run_is_renewed_and_the_new_one_saved(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    run(source_of(office), vault, tmp_path / "one")
    before = saved(vault, source_of(office))
    office.faults.add(Fault.EXPIRED_SESSION, times=1)

    assert run(source_of(office), vault, tmp_path / "two").artifacts

    after = saved(vault, source_of(office))
    assert before is not None and after is not None and not before.same_cookies(after)
    run(source_of(office), vault, tmp_path / "three")
    assert office.logins == 2


def test_a_session_that_another_run_has_saved_in_the_meantime_is_not_forgotten(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    source = source_of(office)
    run(source, vault, tmp_path / "one")
    name = session_name(source.name, office.username)
    mine = vault.recall_session(name)
    office.expire_sessions()
    run(source, vault, tmp_path / "two")
    newer = vault.recall_session(name)

    class Late(Vault):
        """Sees at first what was saved before the other run."""

        looks = 0

        def recall_session(self, name: str) -> bytes | None:
            self.looks += 1
            return mine if self.looks == 1 else super().recall_session(name)

    office.faults.set(Fault.CAPTCHA)
    with pytest.raises(LoginRequired):
        run(source, Late(tmp_path / "vault", SEAL), tmp_path / "three")

    assert vault.recall_session(name) == newer


@BOTH
def test_a_site_that_wants_to_be_signed_out_of_is_left_so_and_nothing_is_saved(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path, driver: str
) -> None:
    source = source_of(office, driver, logout="/logout")

    for number in range(2):
        assert run(source, vault, tmp_path / str(number)).artifacts

    assert office.logins == 2
    assert [each.status for each in office.requests if each.path == "/logout"] == [302, 302]
    assert not (tmp_path / "vault" / "sessions").exists()


def test_signing_out_of_a_site_that_is_gone_is_no_failure(vault: Vault, tmp_path: Path) -> None:
    with SandboxBackOffice() as office:
        session = source_of(office, logout="/logout").open(vault)

    session.close()
    session.close()


def test_a_site_whose_login_is_elsewhere_lives_on_the_cookies_of_a_browser(
    office: SandboxBackOffice, vault: Vault, tmp_path: Path
) -> None:
    person = source_of(office).open(vault)
    person.close()
    signed_in = saved(vault, source_of(office))
    assert signed_in is not None
    source = BackOffice(office.url, driver="http")
    session = SavedSession.of(source.name, "", Origin.IMPORT, signed_in.cookies)
    vault.save_session(session_name(source.name, ""), session.written())

    assert run(source, vault, tmp_path / "one").artifacts
    office.expire_sessions()
    with pytest.raises(LoginRequired) as told:
        run(source, vault, tmp_path / "two")

    assert "backhaul login SYSTEM --cookies FILE" in told.value.next_step
    assert vault.recall_session(session_name(source.name, "")) is None


class TestOddSites:
    """Sites that do not send those who are signed in on from the login page."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        with Site() as running:
            running.shows_form_always = True
            yield running

    def office(self, site: Site, driver: str = "http") -> BackOffice:
        return BackOffice(site.url, FormLogin("/login", USERNAME, PASSWORD), driver=driver)

    def run(self, site: Site, vault: Vault, folder: Path, path: str = "/people", driver: str = "http") -> Fetched:
        source = self.office(site, driver)
        stream = source.export("data", key="id", page=path, button='a:has-text("Export")', no_data=".alert")
        session = source.open(vault)
        try:
            return source.fetch(session, stream, WINDOW, None, LandingFolder(folder))
        finally:
            session.close()

    @BOTH
    def test_a_login_form_that_is_always_shown_does_not_cost_the_saved_session(
        self, site: Site, vault: Vault, tmp_path: Path, driver: str
    ) -> None:
        for number in range(2):
            assert self.run(site, vault, tmp_path / str(number), driver=driver).artifacts

        assert len(site.passwords) == 1

    def test_a_page_that_misses_something_is_looked_at_again_after_signing_in(
        self, site: Site, vault: Vault, tmp_path: Path
    ) -> None:
        self.run(site, vault, tmp_path / "one")
        site.sessions.clear()
        site.greets_strangers = True

        assert self.run(site, vault, tmp_path / "two").artifacts
        assert len(site.passwords) == 2

    def test_no_data_is_believed_only_of_a_session_that_holds(self, site: Site, vault: Vault, tmp_path: Path) -> None:
        self.run(site, vault, tmp_path / "one")
        site.sessions.clear()
        site.greets_strangers = True
        site.greeting = '<div class="alert">No data</div><a href="/people">Export</a>'

        assert self.run(site, vault, tmp_path / "two").artifacts

    def test_what_is_still_missing_after_signing_in_is_a_change_of_the_site(
        self, site: Site, vault: Vault, tmp_path: Path
    ) -> None:
        self.run(site, vault, tmp_path / "one")

        with pytest.raises(SourceChanged):
            self.run(site, vault, tmp_path / "two", path="/dates")

        assert len(site.passwords) == 2
