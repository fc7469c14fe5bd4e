"""The settings of a console that is served by itself: from options, files and the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from onebeat.errors import ConfigurationError, shown
from onebeat.web.security.access import Access
from onebeat.web.security.oidc.given import Provider, provider
from onebeat.web.security.roles import Role, User
from onebeat.web.security.rules import Way
from onebeat.web.security.ways import Passwords, ProxyHeader, Tokens
from onebeat.web.settings import BULK_PER_MINUTE, Settings
from onebeat.web.showing.redaction import KEYS, PATTERNS, Redaction

PASSWORD: Final = "ONEBEAT_WEB_PASSWORD"  # noqa: S105 - the name of a variable
TOKEN: Final = "ONEBEAT_WEB_TOKEN"  # noqa: S105 - likewise
SECRET: Final = "ONEBEAT_WEB_SECRET"  # noqa: S105 - likewise

OIDC_SECRET: Final = "ONEBEAT_WEB_OIDC_SECRET"  # noqa: S105 - likewise

ADMIN: Final = User("admin", Role.ADMIN)
"""Who has the one password that stands in the environment or a file."""

SCRIPT: Final = User("token", Role.ADMIN)
"""Who has the one token."""

MAX_SECRET: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """
    What was given on the command line; each as the option of its name says it.
    """

    title: str = ""
    read_only: bool = False
    require_reason: bool = False
    bulk_per_minute: int = BULK_PER_MINUTE
    access: Path | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    user_header: str | None = None
    groups_header: str | None = None
    header_role: str | None = None
    proxies: Sequence[str] = ()
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    prefix: str = ""
    prefix_stripped: bool | None = None
    redact_keys: Sequence[str] = ()
    redact_patterns: Sequence[str] = ()
    redact: bool = True
    oidc: Provider = field(default_factory=Provider)


def settings(given: Given, environ: Mapping[str, str]) -> Settings:
    """
    Read what was given. Nothing is started by it.

    Args:
        environ: The environment; passwords and tokens stand there or in files, since others see a command line.

    Raises:
        ConfigurationError: Something of it cannot work; the message says what.
    """
    access = Access.read(given.access) if given.access is not None else Access()
    ways: list[Way] = [
        *_passwords(access, _secret(given.password_file, environ, PASSWORD)),
        *provider(given.oidc, _secret(given.oidc.secret_file, environ, OIDC_SECRET), access.groups),
        *_tokens(access, _secret(given.token_file, environ, TOKEN)),
        *_headers(access, given),
    ]
    if given.access is not None and not ways:
        raise ConfigurationError(
            f"access file {shown(str(given.access))} has neither a password nor a token, and neither --user-header nor "
            "--oidc-issuer is given: nobody could come in"
        )
    return Settings(
        title=given.title,
        read_only=given.read_only,
        require_reason=given.require_reason,
        bulk_per_minute=given.bulk_per_minute or None,
        auth=ways or None,
        hosts=given.hosts,
        origins=given.origins,
        proxies=given.proxies,
        prefix=given.prefix,
        prefix_stripped=given.prefix_stripped,
        secret=environ.get(SECRET, ""),
        redaction=_redaction(given),
    )


def _passwords(access: Access, secret: str) -> list[Passwords]:
    if not secret:
        return [access.passwords] if access.passwords is not None else []
    if access.passwords is not None:
        raise ConfigurationError(f"the access file has passwords, and {PASSWORD} or --password-file has one: give one")
    return [Passwords([(secret, ADMIN)])]


def _tokens(access: Access, secret: str) -> list[Tokens]:
    if not secret:
        return [access.tokens] if access.tokens is not None else []
    if access.tokens is not None:
        raise ConfigurationError(f"the access file has tokens, and {TOKEN} or --token-file has one: give one")
    return [Tokens([(secret, SCRIPT)])]


def _headers(access: Access, given: Given) -> list[ProxyHeader]:
    if given.user_header is None:
        return []
    return [
        ProxyHeader(
            user=given.user_header,
            groups=given.groups_header,
            role=given.header_role,
            group_roles=access.groups if given.groups_header is not None else {},
            users=access.users,
        )
    ]


def _secret(path: Path | None, environ: Mapping[str, str], name: str) -> str:
    """Return a secret of a file, else of the environment; "" if there is none."""
    if path is None:
        return environ.get(name, "")
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_SECRET).strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(f"file {shown(str(path))} cannot be read: {why.lower()}") from None
    if not text:
        raise ConfigurationError(f"file {shown(str(path))} is empty: write the secret into it")
    return text


def _redaction(given: Given) -> Redaction:
    if not given.redact:
        return Redaction(keys=given.redact_keys, patterns=given.redact_patterns)
    return Redaction(keys=[*KEYS, *given.redact_keys], patterns=[*PATTERNS, *given.redact_patterns])
