"""Sealed bytes and files: what opens, what does not, and what is said of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backhaul.errors import ConfigError
from backhaul.sealing import CHUNK_BYTES, Damaged, Seal, is_sealed, keep_in_keyring, key_from, new_key

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
SIZES = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES)
CHUNK = CHUNK_BYTES + 16


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the keyring of whoever runs the tests alone."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")


@pytest.mark.parametrize("size", SIZES)
def test_a_sealed_file_opens_to_the_same_bytes_and_shows_none_of_them(tmp_path: Path, size: int) -> None:
    plain, sealed, opened = (tmp_path / name for name in ("plain", "sealed", "opened"))
    plain.write_bytes((b"petugas" * (size // 7 + 1))[:size])

    Seal(KEY).seal_file(plain, sealed, about=b"raw")
    Seal(KEY).unseal_file(sealed, opened, about=b"raw")

    assert opened.read_bytes() == plain.read_bytes()
    assert is_sealed(sealed.read_bytes()) and b"petugas" not in sealed.read_bytes()


@given(st.lists(st.binary(max_size=CHUNK_BYTES + 5), max_size=4), st.binary(max_size=20))
def test_it_does_not_matter_in_what_pieces_bytes_are_sealed(pieces: list[bytes], about: bytes) -> None:
    seal = Seal(KEY)

    sealed = b"".join(seal.seal_chunks(pieces, about=about))

    assert seal.unseal(sealed, about=about) == b"".join(pieces)


@given(st.data())
def test_a_byte_that_was_changed_anywhere_does_not_open(data: st.DataObject) -> None:
    seal = Seal(KEY)
    sealed = bytearray(seal.seal(b"id,name\n1,made up\n", about=b"x"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises((Damaged, ConfigError)):
        seal.unseal(bytes(sealed), about=b"x")


@given(st.integers(0, 2 * CHUNK + 100))
def test_what_was_cut_off_anywhere_does_not_open(length: int) -> None:
    seal = Seal(KEY)
    sealed = seal.seal(bytes(2 * CHUNK_BYTES), about=b"x")
    cut = sealed[: min(length, len(sealed) - 1)]

    with pytest.raises(Damaged):
        seal.unseal(cut, about=b"x")


def test_chunks_that_changed_places_or_were_added_do_not_open() -> None:
    seal = Seal(KEY)
    sealed = seal.seal(bytes(3 * CHUNK_BYTES), about=b"x")
    head, chunks = sealed[: -3 * CHUNK], [sealed[-3 * CHUNK :][n * CHUNK : (n + 1) * CHUNK] for n in range(3)]

    for order in ((1, 0, 2), (0, 1), (0, 2), (0, 1, 2, 2), (0, 0, 1, 2)):
        with pytest.raises(Damaged):
            seal.unseal(head + b"".join(chunks[n] for n in order), about=b"x")


def test_sealed_bytes_in_the_place_of_others_do_not_open() -> None:
    sealed = Seal(KEY).seal(b"cookies", about=b"session of kantor")

    with pytest.raises(Damaged):
        Seal(KEY).unseal(sealed, about=b"session of toko")


def test_the_same_bytes_sealed_twice_look_different() -> None:
    assert Seal(KEY).seal(b"same", about=b"x") != Seal(KEY).seal(b"same", about=b"x")


def test_another_key_is_refused_by_the_ids_of_both_and_neither_key_is_told() -> None:
    sealed = Seal(KEY).seal(b"cookies", about=b"x")

    with pytest.raises(ConfigError) as told:
        Seal(OTHER).unseal(sealed, about=b"x")

    assert Seal(KEY).key_id in str(told.value) and Seal(OTHER).key_id in str(told.value)
    assert KEY.hex() not in f"{told.value!r} {Seal(OTHER)!r}"


def test_an_old_key_opens_what_it_sealed_and_seals_nothing_more() -> None:
    sealed = Seal(OTHER).seal(b"cookies", about=b"x")
    rotated = Seal(KEY, [OTHER])

    assert rotated.unseal(sealed, about=b"x") == b"cookies"
    assert Seal(KEY).unseal(rotated.seal(b"new", about=b"x"), about=b"x") == b"new"


def test_a_file_that_does_not_open_leaves_nothing(tmp_path: Path) -> None:
    sealed = tmp_path / "sealed"
    sealed.write_bytes(Seal(KEY).seal(bytes(3 * CHUNK_BYTES), about=b"")[:-5])

    with pytest.raises(Damaged):
        Seal(KEY).unseal_file(sealed, tmp_path / "opened")

    assert not (tmp_path / "opened").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="file modes")
def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"x")

    Seal(KEY).seal_file(tmp_path / "plain", tmp_path / "sealed")

    assert (tmp_path / "sealed").stat().st_mode & 0o777 == 0o600


def test_a_fingerprint_names_content_under_one_key_only() -> None:
    assert Seal(KEY).fingerprint(b"a") == Seal(KEY).fingerprint(b"a") != Seal(OTHER).fingerprint(b"a")
    assert Seal(KEY).fingerprint(b"a") != Seal(KEY).fingerprint(b"b")


def test_settings_give_the_key_and_the_old_ones() -> None:
    key, old = new_key(), new_key()
    before = key_from({"BACKHAUL_KEY": old})
    assert before is not None
    sealed = before.seal(b"cookies", about=b"x")

    now = key_from({"BACKHAUL_KEY": f" {key}\n", "BACKHAUL_OLD_KEYS": f"{new_key()}, {old},"})

    assert now is not None and now.unseal(sealed, about=b"x") == b"cookies"


def test_without_a_key_and_a_keyring_there_is_no_seal() -> None:
    assert key_from({}) is None
    assert key_from({"BACKHAUL_KEY": ""}) is None


@pytest.mark.parametrize("said", ["rahasia", "é" * 43, "a" * 42, "a" * 44, " "])
def test_a_text_that_is_no_key_is_refused_without_repeating_it(said: str) -> None:
    with pytest.raises(ConfigError, match="BACKHAUL_KEY holds no key") as told:
        key_from({"BACKHAUL_KEY": said})

    assert said.strip() == "" or said not in f"{told.value} {told.value.next_step}"


@pytest.mark.parametrize("backend", ["fail", "null"])
def test_a_keyring_that_is_not_there_is_told_with_the_other_way(backend: str) -> None:
    code = (
        "from backhaul.sealing import *; from backhaul.errors import ConfigError; import sys\n"
        "try: print(keep_in_keyring(new_key()), key_from({}))\n"
        "except ConfigError as error: print(error, error.next_step)"
    )
    name = f"keyring.backends.{backend}.Keyring"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHON_KEYRING_BACKEND": name}, check=True
    )

    if backend == "fail":
        assert "no keyring that takes the key" in done.stdout and "BACKHAUL_KEY" in done.stdout
    else:
        assert done.stdout.endswith("None\n")


def test_a_key_in_the_keyring_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import keyring
    from keyring.backend import KeyringBackend

    class InMemory(KeyringBackend):
        priority = 1.0
        kept: dict[tuple[str, str], str] = {}  # noqa: RUF012

        def get_password(self, service: str, username: str) -> str | None:
            return self.kept.get((service, username))

        def set_password(self, service: str, username: str, password: str) -> None:
            self.kept[service, username] = password

        def delete_password(self, service: str, username: str) -> None:
            del self.kept[service, username]

    before, key = keyring.get_keyring(), new_key()
    keyring.set_keyring(InMemory())
    try:
        assert key_from({}) is None
        keep_in_keyring(key)
        found, said = key_from({}), key_from({"BACKHAUL_KEY": key})
    finally:
        keyring.set_keyring(before)

    assert found is not None and said is not None
    assert found.key_id == said.key_id
