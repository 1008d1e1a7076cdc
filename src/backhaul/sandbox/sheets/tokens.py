"""The sandbox's service account: its key, made at start, and the tokens it is given for it."""

from __future__ import annotations

import base64
import binascii
import functools
import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from backhaul.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

LIFETIME_S = 3600
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
"""Whom Google's own client names in its assertions, wherever it sends them."""

_SCOPE = "https://www.googleapis.com/auth/"
_DRIVE_SCOPES = {f"{_SCOPE}{name}" for name in ("drive", "drive.file", "drive.readonly", "drive.metadata.readonly")}
_WRITE_SCOPES = {f"{_SCOPE}{name}" for name in ("spreadsheets", "drive", "drive.file")}
_READ_SCOPES = _WRITE_SCOPES | {f"{_SCOPE}{name}" for name in ("spreadsheets.readonly", "drive.readonly")}
_CLOCK_SKEW_S = 300


class RefusedGrant(Exception):
    """An assertion that no token is given for; the text is Google's error_description."""


@dataclass(frozen=True)
class Token:
    """What a bearer may do, until expires_at (by the sandbox's clock)."""

    scopes: frozenset[str]
    expires_at: float

    @property
    def may_read(self) -> bool:
        """Tell whether it opens spreadsheets."""
        return bool(self.scopes & _READ_SCOPES)

    @property
    def may_write(self) -> bool:
        """Tell whether it changes spreadsheets."""
        return bool(self.scopes & _WRITE_SCOPES)

    @property
    def may_drive(self) -> bool:
        """Tell whether it sees files in Drive."""
        return bool(self.scopes & _DRIVE_SCOPES)


class ServiceAccount:
    """One service account and the tokens that are valid now; safe for several threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.client_email = "sandbox@backhaul-sandbox.iam.gserviceaccount.com"
        self.key_id = secrets.token_hex(20)
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def key_file(self, token_uri: str) -> str:
        """Return the JSON text of a service-account key, as Google's console gives it."""
        key = {
            "type": "service_account",
            "project_id": "backhaul-sandbox",
            "private_key_id": self.key_id,
            "private_key": _pem(),
            "client_email": self.client_email,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "auth_provider_x509_cert_url": "https://www.googleapis.com/oauth2/v1/certs",
            "client_x509_cert_url": "https://www.googleapis.com/robot/v1/metadata/x509/sandbox",
            "universe_domain": "googleapis.com",
        }
        return json.dumps(key, indent=2)

    def grant(self, fields: Mapping[str, str], own_uri: str) -> dict[str, Any]:
        """Return an access token for a signed assertion. Raises RefusedGrant with the reason."""
        if fields.get("grant_type") != GRANT:
            raise RefusedGrant("Unsupported grant type.")
        claims = self._claims(fields.get("assertion", ""))
        now = time.time()
        if claims.get("iss") != self.client_email:
            raise RefusedGrant("Invalid grant: account not found")
        if claims.get("aud") not in (own_uri, GOOGLE_AUDIENCE):
            raise RefusedGrant("Invalid JWT: Failed audience check.")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int) or not issued < expires <= issued + LIFETIME_S:
            raise RefusedGrant("Invalid JWT: Token must be a short-lived token (60 minutes).")
        if expires < now - _CLOCK_SKEW_S or issued > now + _CLOCK_SKEW_S:
            raise RefusedGrant("Invalid JWT: iat and exp must be in a reasonable timeframe. Check your clock.")
        scopes = frozenset(str(claims.get("scope", "")).split())
        if not scopes:
            raise RefusedGrant("Empty or missing scope not allowed.")
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._tokens[token] = Token(scopes, self._clock() + LIFETIME_S)
        return {"access_token": token, "expires_in": LIFETIME_S - 1, "token_type": "Bearer"}

    def token(self, authorization: str) -> Token | None:
        """Return what the bearer of an Authorization header may do; None if nothing."""
        kind, _, text = authorization.partition(" ")
        with self._lock:
            token = self._tokens.get(text) if kind == "Bearer" else None
        return token if token is not None and token.expires_at > self._clock() else None

    def expire_tokens(self) -> None:
        """Make every token that was given out worthless."""
        with self._lock:
            self._tokens.clear()

    def _claims(self, assertion: str) -> dict[str, Any]:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        try:
            head, body, signature = assertion.split(".")
            header, claims = json.loads(_decoded(head)), json.loads(_decoded(body))
            if header.get("alg") != "RS256":
                raise RefusedGrant("Invalid JWT: the algorithm must be RS256.")
            signed = f"{head}.{body}".encode("ascii")
            _key().public_key().verify(_decoded(signature), signed, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature as error:
            raise RefusedGrant("Invalid JWT Signature.") from error
        except (ValueError, AttributeError, binascii.Error) as error:
            raise RefusedGrant("Invalid JWT: it must have three parts.") from error
        if not isinstance(claims, dict):
            raise RefusedGrant("Invalid JWT: its claims must be an object.")
        return claims


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@functools.cache
def _key() -> RSAPrivateKey:
    # Once per process: making an RSA key takes longer than most tests.
    try:
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError as error:
        raise ConfigError(
            "The sandbox's Google Sheets needs the package cryptography, which is not installed.",
            next_step='Install it: pip install "backhaul[sheets]".',
        ) from error
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


@functools.cache
def _pem() -> str:
    key = _key()
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")
