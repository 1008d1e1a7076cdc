"""Service-account keys of Google, in whatever form a platform or a shell has left them."""

from __future__ import annotations

import ast
import base64
import binascii
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from backhaul.errors import ConfigError

LAYERS = 6
LONGEST_FILE_BYTES = 1_000_000
FIELDS = ("client_email", "private_key", "token_uri")
SETTING = "the Google service account"
NEW_KEY = (
    "Download the key again (Google Cloud console > IAM > Service accounts > Keys > JSON) and put the file's path or"
    " its whole text into GOOGLE_SERVICE_ACCOUNT_JSON."
)


@dataclass(frozen=True)
class Account:
    """A service account whose key has been proven readable; `info` is what google-auth takes, PEM repaired."""

    client_email: str
    project: str
    key_id_tail: str
    info: dict[str, Any] = field(repr=False, compare=False)

    @property
    def token_uri(self) -> str:
        """The address that gives access tokens for signed assertions."""
        return str(self.info["token_uri"])


def load_account(text: str) -> Account:
    """Return the account that text holds, or that lies in the file text names.

    Read are: JSON with the usual damage (quotes around it, escaped once or more, real line breaks inside the key,
    `NAME=` before it, a Python dict), base64 of such JSON, and a PEM key whose line breaks became blanks or went.
    Raises ConfigError, which tells positions and lengths, never content.
    """
    found = _document(_content(text))
    _check_kind(found)
    info = {**found, "private_key": _pem(str(found["private_key"]))}
    _check_address(str(info["token_uri"]))
    _prove(info)
    return Account(
        client_email=str(info["client_email"]).strip(),
        project=str(info.get("project_id", "")),
        key_id_tail=str(info.get("private_key_id", ""))[-4:],
        info=info,
    )


def _content(text: str) -> str:
    """Return the file's text if text names a file, else text itself."""
    name = text.strip().strip("\ufeff").strip("'\"").strip()
    if "{" in name or "\n" in name or not name or len(name) > 4096:
        return text
    if name.lower().startswith("file:"):
        name = unquote(urlsplit(name).path)
        name = name[1:] if re.match(r"/[A-Za-z]:", name) else name
    try:
        path = Path(name).expanduser()
        if path.is_file():
            if path.stat().st_size > LONGEST_FILE_BYTES:
                raise _broken(f"the file has {path.stat().st_size:,} bytes, too many for a key")
            return _decoded(path.read_bytes())
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, PermissionError):
            raise _broken("the file may not be read by this user") from None
        return text
    if name.lower().endswith(".json"):
        raise ConfigError(
            f"{SETTING}: there is no file at the path given ({len(name)} characters, ends in .json)",
            next_step="Correct the path in GOOGLE_SERVICE_ACCOUNT_JSON or CREDENTIALS_FILE; best give the full path.",
        )
    return text


def _decoded(raw: bytes) -> str:
    # PowerShell writes UTF-16 when it redirects into a file.
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise _broken(f"not text at byte {error.start} of {len(raw)}") from None


def _document(text: str) -> dict[str, Any]:
    if not text.strip("\ufeff \t\r\n\0'\""):
        raise ConfigError(f"{SETTING} is empty", next_step=NEW_KEY)
    waiting, seen = [text], set[str]()
    failure: json.JSONDecodeError | None = None
    for _ in range(LAYERS):
        layer: list[str] = []
        for candidate in (each.strip("\ufeff \t\r\n\0") for each in waiting):
            if candidate in seen:
                continue
            seen.add(candidate)
            try:
                # Not strict: a real line break inside a string is the commonest damage.
                value = json.loads(candidate, strict=False)
            except json.JSONDecodeError as error:
                failure = failure or (error if candidate.startswith("{") else None)
                value = _literal(candidate)
            except RecursionError:
                continue
            if isinstance(value, dict):
                return value
            layer.extend([value] if isinstance(value, str) else _unwrapped(candidate))
        waiting = layer
    raise _unreadable(text, failure)


def _literal(text: str) -> object:
    """Return the value of a Python dict's text, or None."""
    if not re.match(r"\{\s*'", text):
        return None
    for form in (text, text.replace("\r", "").replace("\n", "\\n")):
        try:
            return ast.literal_eval(form)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return None


def _unwrapped(text: str) -> Iterator[str]:
    """Yield what text may be a wrapping of, likeliest first."""
    if match := re.match(r"(?:export\s+|set\s+)?[A-Za-z_]\w*\s*=\s*(?=\S{2})", text):
        yield text[match.end() :]
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"`":
        yield text[1:-1]
    if re.match(r'\{\s*(\\[nrt]\s*)*\\+"', text):
        yield from _unescaped(text)
    if text.startswith("{"):
        # A line continued by a backslash, and backslashes that escape nothing.
        yield re.sub(r'\\(?!["\\/bfnrtu])', "", re.sub(r"\\\r?\n", r"\\n", text))
        if "\\n" in text:
            yield re.sub(r"(?<=[{,}])\s*\\n|\\n(?=\s*[\"}])", "\n", text)
    if text.startswith("data:") and "," in text:
        yield unquote(text.split(",", 1)[1])
    if (plain := _from_base64(text)) is not None:
        yield plain


def _unescaped(text: str) -> Iterator[str]:
    with contextlib.suppress(json.JSONDecodeError):
        yield str(json.loads(f'"{text}"', strict=False))
    yield text.replace('\\"', '"')


def _from_base64(text: str) -> str | None:
    packed = re.sub(r"\s+", "", text).rstrip("=")
    if len(packed) < 16 or not re.fullmatch(r"[A-Za-z0-9+/_-]+", packed):
        return None
    standard = packed.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True).decode("utf-8-sig")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _unreadable(text: str, failure: json.JSONDecodeError | None) -> ConfigError:
    text = text.strip("\ufeff \t\r\n\0")
    if curly := re.search("[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb]", text):
        return _broken(f'typographic quotes, the first at character {curly.start()} of {len(text)}, in place of "')
    if failure is not None:
        is_cut = not text.rstrip("'\"`").endswith("}")
        what = "it is cut off: there is no } at the end" if is_cut else failure.msg.split(":")[0]
        return _broken(f"{what} (line {failure.lineno}, character {failure.pos} of {len(text)})")
    return _broken(f"{len(text)} characters that are neither a path that exists, nor JSON, nor base64 of JSON")


def _check_kind(found: dict[str, Any]) -> None:
    if "installed" in found or "web" in found:
        raise ConfigError(
            f"{SETTING}: this is an OAuth client file, not a service account's key",
            next_step=NEW_KEY,
        )
    if found.get("type") != "service_account":
        raise _broken('its field "type" does not say "service_account"')
    missing = [name for name in FIELDS if not isinstance(found.get(name), str) or not found[name].strip()]
    if missing:
        raise _broken(f"missing fields: {', '.join(missing)}")


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and (
        parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost", "::1")
    ):
        raise _broken("its token_uri is not an https:// address")


def _pem(text: str) -> str:
    """Return the key as PEM with lines of 64 characters."""
    plain = re.sub(r"\\+[nrt]", "\n", text)
    match = re.search(r"-----\s*BEGIN ([A-Z ]*?PRIVATE KEY)\s*-----(.*)-----\s*END \1\s*-----", plain, re.DOTALL)
    if match is None:
        where = "begins but does not end" if "BEGIN" in plain else "has no BEGIN line"
        raise _broken(f"its private_key ({len(text)} characters) {where}")
    body = re.sub(r"[\s\\\x00-\x1f\x7f\ufeff\u200b]+", "", match[2])
    if strange := re.search(r"[^A-Za-z0-9+/=]", body):
        raise _broken(f"its private_key has a foreign character at {strange.start()} of {len(body)}")
    lines = (body[start : start + 64] for start in range(0, len(body), 64))
    return "\n".join([f"-----BEGIN {match[1]}-----", *lines, f"-----END {match[1]}-----", ""])


def _prove(info: dict[str, Any]) -> None:
    try:
        from google.auth import crypt
    except ImportError:
        raise missing_extra() from None
    try:
        crypt.RSASigner.from_service_account_info(info).sign(b"proof")  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, KeyError, AttributeError):
        body = info["private_key"].split("-----")[2].replace("\n", "")
        if body.startswith("n"):
            raise _broken(
                "the line breaks of its private_key were lost: each \\n has become a bare n, which can not be undone"
            ) from None
        raise _broken(f"its private_key can not be read: {len(body)} characters, cut or changed") from None


def missing_extra() -> ConfigError:
    """Return the error for an installation without Google's libraries."""
    return ConfigError(
        "Google Sheets needs the extra `sheets`, which is not installed",
        next_step='Run: pip install "backhaul[sheets]"',
    )


def _broken(what: str) -> ConfigError:
    return ConfigError(f"{SETTING} can not be read: {what}", next_step=NEW_KEY)
