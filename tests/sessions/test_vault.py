"""The vault: sessions sealed and whole, facts that give nothing away."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from http.cookiejar import Cookie
from pathlib import Path

import pytest

from backhaul.errors import ConfigError
from backhaul.sealing import Damaged, Seal
from backhaul.sessions.cookies import new_cookie
from backhaul.sessions.saved import Origin, SavedSession, session_name
from backhaul.sessions.vault import Vault

SEAL = Seal(bytes(range(32)))
NAME = session_name("kantor.example", "081234567890")


def cookie(name: str = "sesi", value: str = "RAHASIA", expires: float | None = None) -> Cookie:
    return new_cookie(
        name, value, domain="kantor.example", path="/", expires=expires, is_secure=True, is_http_only=True
    )


def state(*cookies: Cookie) -> bytes:
    return SavedSession.of("kantor.example", "081234567890", Origin.LOGIN, cookies).written()


def test_a_session_comes_back_as_it_was_saved_and_its_files_show_nothing_of_it(tmp_path: Path) -> None:
    saved = state(cookie())

    Vault(tmp_path, SEAL).save_session(NAME, saved)

    assert Vault(tmp_path, SEAL).recall_session(NAME) == saved
    on_disk = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    names = " ".join(str(path) for path in tmp_path.rglob("*"))
    assert b"RAHASIA" not in on_disk and b"sesi" not in on_disk and b"081234567890" not in on_disk
    assert "081234567890" not in names


@pytest.mark.skipif(sys.platform == "win32", reason="file modes")
def test_files_and_folder_are_their_owners_alone(tmp_path: Path) -> None:
    Vault(tmp_path / "vault", SEAL).save_session(NAME, state(cookie()))

    folder = tmp_path / "vault" / "sessions"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_the_facts_of_a_session_are_listed_without_a_key(tmp_path: Path) -> None:
    until = time.time() + 3600
    Vault(tmp_path, SEAL).save_session(NAME, state(cookie(expires=until)))

    [facts] = Vault(tmp_path).saved_sessions()

    assert (facts.source, facts.user, facts.origin, facts.key_id) == ("kantor.example", "08***", "login", SEAL.key_id)
    assert facts.holds_until == datetime.fromtimestamp(int(until), UTC)
    assert facts.saved_at is not None and abs((facts.saved_at - datetime.now(UTC)).total_seconds()) < 60


def test_a_session_whose_facts_are_gone_or_broken_is_still_listed(tmp_path: Path) -> None:
    Vault(tmp_path, SEAL).save_session(NAME, state(cookie()))
    [facts] = tmp_path.rglob("*.json")

    for broken in (b"", b"[1]", b'{"saved_at": 7, "holds_until": "soon"}', b"\xff"):
        facts.write_bytes(broken)
        assert [each.source for each in Vault(tmp_path).saved_sessions()] == ["?"]
    facts.unlink()
    assert [each.source for each in Vault(tmp_path).saved_sessions()] == ["?"]


def test_without_a_key_nothing_is_saved_and_nothing_that_is_there_is_lost(tmp_path: Path) -> None:
    Vault(tmp_path, SEAL).save_session(NAME, state(cookie()))
    keyless = Vault(tmp_path)

    keyless.save_session(NAME, b"other")

    assert keyless.recall_session(NAME) is None
    assert Vault(tmp_path, SEAL).recall_session(NAME) is not None
    keyless.save_session("toko.example x", b"other")
    assert len(list(tmp_path.rglob("*.sealed"))) == 1


def test_a_forgotten_session_is_gone_and_may_be_forgotten_again(tmp_path: Path) -> None:
    vault = Vault(tmp_path, SEAL)
    vault.save_session(NAME, state(cookie()))

    vault.forget_session(NAME)
    vault.forget_session(NAME)

    assert vault.recall_session(NAME) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_session_of_another_key_is_told_by_the_ids(tmp_path: Path) -> None:
    Vault(tmp_path, SEAL).save_session(NAME, state(cookie()))

    with pytest.raises(ConfigError, match=SEAL.key_id):
        Vault(tmp_path, Seal(bytes(32))).recall_session(NAME)


def test_a_session_that_was_exchanged_for_another_or_cut_does_not_open(tmp_path: Path) -> None:
    vault = Vault(tmp_path, SEAL)
    vault.save_session(NAME, state(cookie()))
    [mine] = tmp_path.rglob("*.sealed")
    vault.save_session("toko.example x", state(cookie()))
    [other] = set(tmp_path.rglob("*.sealed")) - {mine}

    other.write_bytes(mine.read_bytes())
    with pytest.raises(Damaged):
        vault.recall_session("toko.example x")
    mine.write_bytes(mine.read_bytes()[:-1])
    with pytest.raises(Damaged):
        vault.recall_session(NAME)


def test_two_that_save_at_once_leave_one_whole_session(tmp_path: Path) -> None:
    states = [state(cookie(value=str(number) * 50_000)) for number in range(4)]

    def save(content: bytes) -> None:
        for _ in range(10):
            Vault(tmp_path, SEAL).save_session(NAME, content)

    threads = [threading.Thread(target=save, args=(each,)) for each in states]
    for thread in threads:
        thread.start()
    seen = [Vault(tmp_path, SEAL).recall_session(NAME) for _ in range(50)]
    for thread in threads:
        thread.join()

    assert set(seen) <= {None, *states}
    assert Vault(tmp_path, SEAL).recall_session(NAME) in states
    assert not list(tmp_path.rglob("*.part"))


def test_a_process_that_is_killed_while_it_saves_leaves_the_session_before_or_after(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from backhaul.sealing import Seal\n"
        "from backhaul.sessions.vault import Vault\n"
        "vault = Vault(Path(sys.argv[1]), Seal(bytes(range(32))))\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        f"    vault.save_session({NAME!r}, b'a' * 300_000)\n"
        f"    vault.save_session({NAME!r}, b'b' * 300_000)\n"
    )
    vault = Vault(tmp_path, SEAL)
    for wait_s in (0.01, 0.02, 0.035):
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline()
        time.sleep(wait_s)
        process.kill()
        process.wait()
        process.stdout.close()

        assert vault.recall_session(NAME) in (b"a" * 300_000, b"b" * 300_000, None)
    for part in tmp_path.rglob("*.part"):
        os.utime(part, (0, 0))
    vault.save_session(NAME, b"c")
    assert not list(tmp_path.rglob("*.part"))


def test_facts_and_sessions_do_not_mix(tmp_path: Path) -> None:
    vault = Vault(tmp_path, SEAL)
    vault.remember("driver:kantor:login", "browser")
    vault.save_session(NAME, b"x")

    assert vault.recall("driver:kantor:login") == "browser"
    assert vault.recall_session(NAME) == b"x"


def test_evidence_goes_into_its_folder_which_appears_with_the_first_file(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault", None, tmp_path / "evidence")
    assert not (tmp_path / "evidence").exists()

    vault.keep_evidence("kantor.example:80/../page.html", b"first")
    vault.keep_evidence("kantor.example:80/../page.html", b"second")
    vault.keep_evidence("big.png", bytes(3 << 20))
    Vault(tmp_path / "vault").keep_evidence("page.html", b"nowhere")

    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in kept] == [b"second"]
    assert kept[0].is_relative_to(tmp_path / "evidence")


def test_evidence_that_cannot_be_kept_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b"a file where the folder should be")

    Vault(tmp_path, None, tmp_path / "evidence").keep_evidence("page.html", b"x")

    assert (tmp_path / "evidence").is_file()


@pytest.mark.parametrize(
    "garbage", [b"", b"[]", b"{}", b"null", b'{"cookies": 7}', b'{"cookies": [{"name": 1}]}', b"\xff\x00"]
)
def test_bytes_that_are_no_session_are_none(garbage: bytes) -> None:
    assert SavedSession.read(garbage) is None


def test_cookies_whose_time_is_over_are_not_taken_up() -> None:
    read = SavedSession.read(state(cookie("old", expires=time.time() - 5), cookie("new", expires=time.time() + 500)))

    assert read is not None and [each.name for each in read.cookies] == ["new"]
