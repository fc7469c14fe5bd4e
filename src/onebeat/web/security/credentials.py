"""Passwords and tokens: kept as what they cannot be read back from, and compared in constant time."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final

from onebeat.errors import ConfigurationError, shown

COST: Final = {"n": 2**14, "r": 8, "p": 5}
"""16 MiB and some tenths of a second for one guess; what OWASP counts equal to 128 MiB at p = 1."""

MIN_PASSWORD, MAX_PASSWORD = 8, 1000
"""Characters of a password; the longest bounds what a login is made to compute."""

MIN_TOKEN = 20
"""Characters of a token, of which nobody limits the guesses."""

_PASSWORD = re.compile(r"scrypt\$n=(\d{1,7}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]{16,64})\$([\w-]{43})")
_TOKEN = re.compile(r"sha256\$([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """
    What is kept of a password: `scrypt$n=…,r=…,p=…$salt$hash`.

    Raises:
        ConfigurationError: It is none, or costs more than 256 MiB to compare.
    """

    text: str

    def __post_init__(self) -> None:
        if (found := _PASSWORD.fullmatch(self.text)) is None:
            raise ConfigurationError(
                "hash of a password is not as `onebeat web --hash-password` prints it: scrypt$n=…,r=…,p=…$…$…"
            )
        n, r, p = map(int, found.groups()[:3])
        is_power = n > 1 and n & (n - 1) == 0
        if not is_power or not r or not p or 128 * n * r > 2**28 or p > 16:
            raise ConfigurationError(f"hash of a password costs n={n}, r={r}, p={p}, which cannot be computed here")
        _read(found[4])

    @classmethod
    def make(cls, password: str, salt: bytes | None = None) -> PasswordHash:
        """
        Hash a password.

        Args:
            salt: Default: a new one. A given one makes the hash the same in every process.

        Raises:
            ConfigurationError: It is too short or too long.
        """
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise ConfigurationError(
                f"a password of {len(password)} characters is too {'short' if len(password) < MIN_PASSWORD else 'long'}"
                f": give {MIN_PASSWORD} to {MAX_PASSWORD}"
            )
        salt = secrets.token_bytes(16) if salt is None else salt
        cost = ",".join(f"{name}={value}" for name, value in COST.items())
        return cls(f"scrypt${cost}${_write(salt)}${_write(_scrypt(password, salt, **COST))}")

    def fits(self, password: str) -> bool:
        """Whether it is of this password. Takes some tenths of a second of one core: ask it in a thread."""
        found = _PASSWORD.fullmatch(self.text)
        if found is None or len(password) > MAX_PASSWORD:
            return False
        n, r, p, salt, wanted = found.groups()
        return hmac.compare_digest(_scrypt(password, _read(salt), n=int(n), r=int(r), p=int(p)), _read(wanted))


def _scrypt(password: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    data = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=2**29, dklen=32)


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except binascii.Error as error:
        raise ConfigurationError("hash of a password has a part that is no base64: copy all of it") from error


@dataclass(frozen=True, slots=True)
class TokenHash:
    """
    What is kept of a token: `sha256$…`. A token is random, so one round is enough.

    Raises:
        ConfigurationError: It is none.
    """

    text: str

    def __post_init__(self) -> None:
        if _TOKEN.fullmatch(self.text) is None:
            raise ConfigurationError("hash of a token is not as `onebeat web --new-token` prints it: sha256$…")

    @classmethod
    def make(cls, token: str) -> TokenHash:
        """
        Hash a token.

        Raises:
            ConfigurationError: It is too short to be random enough, or has what no header can carry.
        """
        if len(token) < MIN_TOKEN or re.fullmatch(r"[\x21-\x7e]+", token) is None:
            raise ConfigurationError(
                f"a token of {len(token)} characters cannot be used: give {MIN_TOKEN} or more of ASCII without spaces, "
                "such as `onebeat web --new-token` makes"
            )
        return cls(f"sha256${hashlib.sha256(token.encode()).hexdigest()}")

    def fits(self, token: str) -> bool:
        """Whether it is of this token."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        return hmac.compare_digest(f"sha256${digest}", self.text)


NOBODY: Final = PasswordHash(f"scrypt$n={COST['n']},r={COST['r']},p={COST['p']}${'nobody' * 4}${'A' * 43}")
"""What no password fits, at the price of any other: for names that nobody has."""


def password_hash(secret: object, name: str) -> PasswordHash:
    """
    Read a password or its hash.

    Args:
        secret: A password as it is typed is hashed with the name as its salt, so that all processes that are given the
            same one make the same sessions of it.

        name: Of the user.

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(secret, PasswordHash):
        return secret
    if not isinstance(secret, str):
        raise ConfigurationError(f"password of user {shown(name)} is of type {type(secret).__name__}: give a text")
    if secret.startswith("scrypt$"):
        return PasswordHash(secret)
    return PasswordHash.make(secret, salt=hashlib.sha256(f"onebeat web: {name}".encode()).digest()[:16])


def token_hash(secret: object, name: str) -> TokenHash:
    """
    Read a token or its hash.

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(secret, TokenHash):
        return secret
    if not isinstance(secret, str):
        raise ConfigurationError(f"token of user {shown(name)} is of type {type(secret).__name__}: give a text")
    return TokenHash(secret) if secret.startswith("sha256$") else TokenHash.make(secret)


def new_token() -> str:
    """Make a token that nobody guesses."""
    return f"ob_{secrets.token_urlsafe(32)}"
