"""Encryption at rest: bytes and files that only the holder of the key can read, and only whole."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import itertools
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from backhaul.errors import BackhaulError, ConfigError, ErrorSeverity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

KEY_SETTING = "BACKHAUL_KEY"
OLD_KEYS_SETTING = "BACKHAUL_OLD_KEYS"
KEYRING_SERVICE = "backhaul"
KEYRING_USER = "key"
MAKE_A_KEY = f"Make one with `backhaul sessions new-key` and keep it as {KEY_SETTING} in .env."

CHUNK_BYTES = 64 * 1024

_MAGIC = b"BKHLSEAL\x01"
"""What a sealed file begins with; the last byte is the version of the layout."""
_KEY_BYTES = 32
_ID_BYTES = 4
_SALT_BYTES = 32
_TAG_BYTES = 16
_HEAD_BYTES = len(_MAGIC) + _ID_BYTES + _SALT_BYTES


class Damaged(BackhaulError):
    """A sealed file was cut short, changed, or put in the place of another one."""

    severity = ErrorSeverity.HIGH
    default_next_step = "Put the file of a backup in its place."


class Seal:
    """One key to seal with, and older ones that still open what they have sealed; safe for several threads.

    Layout: magic and version, id of the key, salt; then chunks of 64 KB, each with a tag. Every sealed thing has a
    key of its own, made of the key and the salt. A chunk's number, whether it is the last one, the header and
    `about` go into its tag, so that bytes which were cut off, moved or exchanged do not open.
    """

    def __init__(self, key: bytes, old: Iterable[bytes] = ()) -> None:
        keys = [key, *old]
        if any(len(each) != _KEY_BYTES for each in keys):
            raise ConfigError(f"a key has {_KEY_BYTES} bytes", next_step=MAKE_A_KEY)
        self._key = key
        self._by_id = {_id_of(each): each for each in reversed(keys)}

    def __repr__(self) -> str:
        return f"Seal({self.key_id})"

    @property
    def key_id(self) -> str:
        """Eight hex digits that name the key and tell nothing of it."""
        return _id_of(self._key).hex()

    def opens(self, key_id: str) -> bool:
        """Tell whether what was sealed with the key of that id opens here."""
        return key_id in {each.hex() for each in self._by_id}

    def seal(self, content: bytes, *, about: bytes) -> bytes:
        """Return content sealed; it opens only with the same `about` (what it is, such as its name)."""
        return b"".join(self.seal_chunks([content], about=about))

    def unseal(self, sealed: bytes, *, about: bytes) -> bytes:
        """Return what was sealed. Raises Damaged, and ConfigError if another key sealed it."""
        return b"".join(self._opened(iter(_split(sealed)), sealed[:_HEAD_BYTES], about))

    def seal_file(self, source: Path, target: Path, *, about: bytes = b"") -> None:
        """Write source sealed to target, in bounded memory; target is private (0600), not synced, new or replaced."""
        with source.open("rb") as file:
            _write(target, self.seal_chunks(_read(file), about=about))

    def unseal_file(self, source: Path, target: Path, *, about: bytes = b"") -> None:
        """Write what source holds to target, in bounded memory. Raises as `unseal`, and then leaves no target."""
        with source.open("rb") as file:
            _write(target, self.unseal_chunks(file, about=about))

    def seal_chunks(self, content: Iterable[bytes], *, about: bytes) -> Iterator[bytes]:
        """Yield content sealed, whatever the sizes of its pieces."""
        salt = secrets.token_bytes(_SALT_BYTES)
        head = _MAGIC + _id_of(self._key) + salt
        cipher = _cipher(self._key, salt)
        yield head
        number, held = 0, bytearray()
        for piece in content:
            held += piece
            # The last chunk is held back: only the end shows which one it is.
            while len(held) > CHUNK_BYTES:
                yield cipher.encrypt(_nonce(number, is_last=False), bytes(held[:CHUNK_BYTES]), head + about)
                del held[:CHUNK_BYTES]
                number += 1
        yield cipher.encrypt(_nonce(number, is_last=True), bytes(held), head + about)

    def unseal_chunks(self, file: IO[bytes], *, about: bytes) -> Iterator[bytes]:
        """Yield what a sealed file holds, from where it stands. What came before an error is not to be trusted.

        Raises Damaged, and ConfigError if another key sealed it.
        """
        head = file.read(_HEAD_BYTES)
        yield from self._opened(_read(file, CHUNK_BYTES + _TAG_BYTES), head, about)

    def fingerprint(self, content: bytes) -> str:
        """Return 64 hex digits that name content, the same each time; without the key they tell nothing of it."""
        return hmac.digest(self._key, b"backhaul fingerprint\x00" + content, "sha256").hex()

    def _opened(self, chunks: Iterator[bytes], head: bytes, about: bytes) -> Iterator[bytes]:
        from cryptography.exceptions import InvalidTag

        cipher = _cipher(self._key_for(head), head[-_SALT_BYTES:])
        chunk = next(chunks, b"")
        for number in itertools.count():
            following = next(chunks, b"")
            try:
                yield cipher.decrypt(_nonce(number, is_last=not following), chunk, head + about)
            except InvalidTag:
                raise Damaged("a sealed file is damaged, cut short, or in the place of another") from None
            if not following:
                return
            chunk = following

    def _key_for(self, head: bytes) -> bytes:
        if not is_sealed(head) or len(head) != _HEAD_BYTES:
            raise Damaged("a file that should be sealed is not, or is cut short")
        wanted = head[len(_MAGIC) : len(_MAGIC) + _ID_BYTES]
        if wanted not in self._by_id:
            known = ", ".join(each.hex() for each in self._by_id)
            raise ConfigError(
                f"this was sealed with the key {wanted.hex()}; known here: {known}",
                next_step=f"Put that key into {OLD_KEYS_SETTING}, or make anew what it has sealed.",
            )
        return self._by_id[wanted]


def new_key() -> str:
    """Return a fresh key as text, the way settings hold it."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode().rstrip("=")


def is_sealed(head: bytes) -> bool:
    """Tell whether bytes begin as sealed ones do, in a layout that is known here."""
    return head.startswith(_MAGIC)


def key_from(settings: Mapping[str, str]) -> Seal | None:
    """Return the seal of BACKHAUL_KEY, else of the key in the OS keyring, else None; BACKHAUL_OLD_KEYS still open.

    Raises ConfigError for a text that is no key, and where the package for it is missing.
    """
    said, where = settings.get(KEY_SETTING), KEY_SETTING
    if not said:
        said, where = _from_keyring(), "the key in the OS keyring"
    if not said:
        return None
    if find_spec("cryptography") is None:
        raise ConfigError(
            "a key is set, and the package that encrypts is not installed",
            next_step='pip install "backhaul[vault]"',
        )
    old = [each for each in settings.get(OLD_KEYS_SETTING, "").split(",") if each.strip()]
    return Seal(_key_of(said, where), [_key_of(each, OLD_KEYS_SETTING) for each in old])


def keep_in_keyring(key: str) -> str:
    """Keep key in the OS keyring, in place of any before it, and return the keyring's name.

    Raises ConfigError where there is no keyring, or it refuses.
    """
    if find_spec("keyring") is None:
        raise ConfigError("the package keyring is not installed", next_step='pip install "backhaul[vault]"')
    without = f"Leave --keyring out and put the line that is printed into .env as {KEY_SETTING}."
    if not _may_have_keyring():
        raise ConfigError("this session has no keyring: it has no D-Bus", next_step=without)
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(KEYRING_SERVICE, KEYRING_USER, key)
    except (KeyringError, RuntimeError) as error:
        raise ConfigError(
            f"this machine has no keyring that takes the key ({type(error).__name__})",
            next_step=without,
        ) from None
    return str(keyring.get_keyring().name)


def _from_keyring() -> str | None:
    if not _may_have_keyring() or find_spec("keyring") is None:
        return None
    import keyring
    from keyring.errors import KeyringError

    # A keyring that is locked, broken or not there is as good as none: the key can stand in the settings.
    with contextlib.suppress(KeyringError, RuntimeError):
        return keyring.get_password(KEYRING_SERVICE, KEYRING_USER)
    return None


def _may_have_keyring() -> bool:
    """Tell whether it is worth the 0.2 s to look: on Linux, keyrings are reached over D-Bus, which cron has not."""
    named = os.environ.get("PYTHON_KEYRING_BACKEND") or os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    return not sys.platform.startswith("linux") or bool(named)


def _key_of(said: str, where: str) -> bytes:
    text = said.strip().rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ConfigError(f"{where} holds no key: one has 43 letters, digits, - and _", next_step=MAKE_A_KEY)
    return key


def _id_of(key: bytes) -> bytes:
    return hashlib.sha256(b"backhaul key id\x00" + key).digest()[:_ID_BYTES]


def _cipher(key: bytes, salt: bytes) -> ChaCha20Poly1305:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    except ImportError:
        raise ConfigError(
            "the package that encrypts is not installed", next_step='pip install "backhaul[vault]"'
        ) from None
    return ChaCha20Poly1305(hmac.digest(key, b"backhaul seal\x00" + salt, "sha256"))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _split(sealed: bytes) -> Iterator[bytes]:
    size = CHUNK_BYTES + _TAG_BYTES
    for start in range(_HEAD_BYTES, len(sealed), size):
        yield sealed[start : start + size]


def _read(file: IO[bytes], size: int = CHUNK_BYTES) -> Iterator[bytes]:
    while chunk := file.read(size):
        yield chunk


def _write(target: Path, chunks: Iterable[bytes]) -> None:
    """Write chunks to target, readable by its owner alone; what fails leaves nothing."""
    target.unlink(missing_ok=True)
    with contextlib.ExitStack() as undo:
        undo.callback(target.unlink, missing_ok=True)
        with open(target, "xb", opener=_private) as file:
            file.writelines(chunks)
        undo.pop_all()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
