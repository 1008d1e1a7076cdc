"""A browser profile that is kept: one process at a time, and what a dead one has left is no obstacle."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backhaul.errors import BackhaulError, ConfigError, TransientError
from backhaul.sandbox.whatsapp.service import SandboxWhatsApp
from backhaul.sessions.profile import PROFILES, OpenProfiles, clear_marks, prepare
from backhaul.sessions.whatsapp.page import WhatsAppPage
from backhaul.sessions.whatsapp.reading import Standing
from tests.sessions.whatsapp_truth import ZONE

MARKS = ("SingletonLock", "SingletonCookie", "SingletonSocket")
HOLD = """
import sys
from pathlib import Path
from backhaul.sessions.whatsapp.page import WhatsAppPage

page = WhatsAppPage.opened(Path(sys.argv[1]), sys.argv[2], timezone="Asia/Jerusalem", pace_s=0)
print("open", flush=True)
sys.stdin.read()
"""
posix = pytest.mark.skipif(sys.platform == "win32", reason="Chromium marks its profile otherwise there")


@pytest.fixture
def whatsapp() -> Iterator[SandboxWhatsApp]:
    with SandboxWhatsApp(scan_needed=True) as running:
        yield running


def mark(folder: Path, holder: str) -> None:
    prepare(folder)
    for name, target in zip(MARKS, (holder, "1234", "/tmp/nowhere/SingletonSocket"), strict=True):
        (folder / name).symlink_to(target)


def marks(folder: Path) -> list[str]:
    return [name for name in MARKS if (folder / name).is_symlink()]


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def running_chrom(folder: Path) -> subprocess.Popen[bytes]:
    """Start something that calls itself like a Chromium."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", f"--chromium={folder}"])
    command = Path(f"/proc/{process.pid}/cmdline")
    # For a moment after its start, Linux shows no command of a process.
    _wait_until(lambda: not command.exists() or command.read_bytes())
    return process


def opened(folder: Path, whatsapp: SandboxWhatsApp) -> WhatsAppPage:
    return WhatsAppPage.opened(folder, whatsapp.url, timezone=ZONE, pace_s=0)


def test_without_playwright_the_extra_for_whatsapp_is_named_and_no_profile_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)

    with pytest.raises(ConfigError, match="WhatsApp Web needs a browser") as missing:
        WhatsAppPage.opened(tmp_path / "profile", "https://web.whatsapp.example", timezone=ZONE)

    assert missing.value.next_step == 'Install it: pip install "backhaul[whatsapp]".'
    assert not (tmp_path / "profile").exists()


@posix
def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)

    prepare(tmp_path / "open")
    prepare(tmp_path / "deep" / "new")

    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("open", "deep/new")] == [0o700, 0o700]


def test_a_file_in_the_folders_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "profile").write_text("")

    with pytest.raises(ConfigError, match="cannot be used"):
        prepare(tmp_path / "profile")


@posix
@pytest.mark.parametrize("holder", ["another-container-17", f"{socket.gethostname()}-dead", "nonsense"])
def test_marks_of_a_browser_that_is_gone_are_removed(tmp_path: Path, holder: str) -> None:
    mark(tmp_path, holder.replace("dead", str(dead_pid())))

    clear_marks("test", tmp_path, 0)

    assert marks(tmp_path) == []


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="tells programs by /proc")
def test_a_number_that_another_program_has_got_since_is_no_browser(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    mark(tmp_path, f"{socket.gethostname()}-{process.pid}")

    clear_marks("test", tmp_path, 0)
    process.kill()
    process.wait()

    assert marks(tmp_path) == []


@posix
def test_a_browser_of_this_machine_that_lives_keeps_its_profile(tmp_path: Path) -> None:
    process = running_chrom(tmp_path)
    mark(tmp_path, f"{socket.gethostname()}-{process.pid}")

    with pytest.raises(TransientError, match=rf"process {process.pid}\) has the profile open"):
        clear_marks("test", tmp_path, 0.3)
    process.kill()
    process.wait()

    assert marks(tmp_path) == list(MARKS)


@pytest.mark.parametrize(
    ("url", "timezone", "words"),
    [
        ("http://web.example.org", ZONE, "plain http"),
        ("ftp://127.0.0.1", ZONE, "no web address"),
        ("http://127.0.0.1:1", "Asia/Nowhere", "no time zone"),
    ],
)
def test_what_cannot_be_opened_is_told_before_anything_starts(
    tmp_path: Path, url: str, timezone: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        PROFILES.open("test", tmp_path / "profile", url, timezone)

    assert not (tmp_path / "profile").exists()


@pytest.mark.browser
def test_a_profile_is_signed_in_once_and_for_all(tmp_path: Path, whatsapp: SandboxWhatsApp) -> None:
    first = opened(tmp_path / "profile", whatsapp)
    before = first.standing(10)
    whatsapp.scan()
    _wait_until(lambda: first.standing(0) is Standing.READY)
    first.close()
    mark(tmp_path / "profile", "another-container-17")

    again = opened(tmp_path / "profile", whatsapp)
    after = again.standing(10)
    again.close()

    assert (before, after) == (Standing.QR, Standing.READY)


@pytest.mark.browser
def test_the_page_shows_times_of_its_zone_in_a_tab_that_is_seen(tmp_path: Path, whatsapp: SandboxWhatsApp) -> None:
    page = opened(tmp_path, whatsapp)

    said = page._profile.do(
        lambda tab: tab.evaluate("[Intl.DateTimeFormat().resolvedOptions().timeZone, document.visibilityState]")
    )
    page.close()

    assert said == [ZONE, "visible"]


@pytest.mark.browser
@pytest.mark.slow
def test_users_of_one_process_share_the_browser_and_the_last_one_ends_it(
    tmp_path: Path, whatsapp: SandboxWhatsApp
) -> None:
    first, second = opened(tmp_path, whatsapp), opened(tmp_path, whatsapp)
    numbers = [page._profile._pid for page in (first, second)]
    first.close()
    first.close()
    still = second.standing(10)

    with pytest.raises(ConfigError, match="open already"):
        WhatsAppPage.opened(tmp_path, whatsapp.url, timezone="UTC")
    second.close()

    assert numbers[0] == numbers[1] is not None
    assert still is Standing.QR
    _wait_until(lambda: not _lives(numbers[0]))


@pytest.mark.browser
def test_another_process_waits_and_is_told_who_holds_the_profile(tmp_path: Path, whatsapp: SandboxWhatsApp) -> None:
    page = opened(tmp_path, whatsapp)
    others, found = OpenProfiles(), []

    def take() -> None:
        # Another registry is what another process has.
        try:
            others.open("test", tmp_path, whatsapp.url, ZONE, wait_s=0.3)
        except BackhaulError as error:
            found.append(error)

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    page.close()

    assert isinstance(found[0], TransientError)
    assert f"in use by process {os.getpid()} on {socket.gethostname()}" in str(found[0])


@pytest.mark.browser
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
@pytest.mark.slow
def test_the_profile_of_a_killed_process_is_free_at_once(tmp_path: Path, whatsapp: SandboxWhatsApp) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path), whatsapp.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"open\n"
        holder.kill()
    page = opened(tmp_path, whatsapp)

    assert page.standing(10) is Standing.QR
    page.close()


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_that_is_not_reached_leaves_the_profile_free(tmp_path: Path, whatsapp: SandboxWhatsApp) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"

        with pytest.raises(TransientError, match="was not reached"):
            WhatsAppPage.opened(tmp_path, nobody, timezone=ZONE)

    page = opened(tmp_path, whatsapp)
    page.close()


@pytest.mark.browser
@pytest.mark.slow
def test_a_page_that_hangs_is_ended_and_the_next_one_works(tmp_path: Path, whatsapp: SandboxWhatsApp) -> None:
    page = opened(tmp_path, whatsapp)

    with pytest.raises(TransientError, match="kept the browser busy"):
        page._profile.do(lambda tab: tab.evaluate("() => { for (;;); }"), seconds=2)

    assert page.standing(10) is Standing.QR
    page.close()


def _lives(pid: int | None) -> bool:
    try:
        os.kill(pid or 0, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until(holds) -> None:
    ends_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.05)
