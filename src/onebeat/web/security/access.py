"""
The access file: who there is, with which password, token and roles.

    [users.ann]
    password = "scrypt$n=16384,r=8,p=5$…$…"   # as `onebeat web --hash-password` prints it
    role = "admin"

    [users.bob]                               # no password: whom a proxy's header names
    role = "view"
    queues = { mail = "operate", "payroll-*" = "none" }

    [tokens.deploy]
    token = "sha256$…"                        # as `onebeat web --new-token` prints it
    role = "operate"

    [groups]                                  # of a proxy's header, or of a claim of OpenID Connect
    oncall = "operate"
    payments = { role = "view", queues = { "payments-*" = "admin" } }
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from onebeat.errors import ConfigurationError, shown
from onebeat.web.security.credentials import PasswordHash, TokenHash
from onebeat.web.security.grants import Grant
from onebeat.web.security.roles import Role, User
from onebeat.web.security.watching import Live, Watch
from onebeat.web.security.ways import Passwords, Tokens

_PARTS: Final = {"users": "password", "tokens": "token"}
MAX_FILE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """
    What an access file says.

    Attributes:
        passwords, tokens: Ways in, or None if nobody has one.

        users: All users, with and without a password, by name.

        groups: What groups grant that a proxy's header names, or a claim of OpenID Connect.

    What `read` returns reads the file again when it is changed: a role that is taken away there, a user that is
    removed, a new password hold within two seconds. A file that says something that cannot work is left for the log to
    tell of; what it said before holds. A first password or token, where there was none, needs a new start.
    """

    passwords: Passwords | None = None
    tokens: Tokens | None = None
    users: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, Grant] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """
        Read an access file.

        Raises:
            ConfigurationError: It cannot be read, or says something that cannot work; the message says where.
        """
        made = cls._read(path)
        made._watch(Path(path))
        return made

    @classmethod
    def _read(cls, path: str | Path) -> Self:
        try:
            with Path(path).open("rb") as file:
                said = tomllib.loads(file.read(MAX_FILE).decode())
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise ConfigurationError(f"access file {shown(str(path))} cannot be read: {why}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigurationError(f"access file {shown(str(path))} is no TOML: {error}") from None
        try:
            return cls._of(said)
        except ConfigurationError as error:
            raise ConfigurationError(f"access file {shown(str(path))}: {error}") from None

    def _watch(self, path: Path) -> None:
        """Have all that was read from a file read it again when it was changed."""
        users, groups = dict(self.users), dict(self.groups)

        def take() -> None:
            now = type(self)._read(path)
            if self.passwords is not None:
                self.passwords.become(now.passwords)
            if self.tokens is not None:
                self.tokens.become(now.tokens)
            users.clear()
            users.update(now.users)
            groups.clear()
            groups.update(now.groups)

        watch = Watch(path, take)
        for way in (self.passwords, self.tokens):
            if way is not None:
                way.renew = watch.look
        object.__setattr__(self, "users", Live(users, watch.look))
        object.__setattr__(self, "groups", Live(groups, watch.look))

    @classmethod
    def _of(cls, said: Mapping[str, Any]) -> Self:
        if unknown := sorted(set(said) - {*_PARTS, "groups"}):
            raise ConfigurationError(f"[{unknown[0]}] is not known: give users, tokens and groups")
        users, tokens = (_entries(said, part) for part in _PARTS)
        passwords = [(PasswordHash(secret), user) for secret, user in users if secret is not None]
        if nameless := [user.name for secret, user in tokens if secret is None]:
            raise ConfigurationError(f'[tokens.{nameless[0]}] has no token: give token = "sha256$…"')
        return cls(
            Passwords(passwords) if passwords else None,
            Tokens([(TokenHash(secret), user) for secret, user in tokens if secret is not None]) if tokens else None,
            {user.name: user for _, user in users},
            {name: _grant(name, entry) for name, entry in _table(said, "groups").items()},
        )


def _entries(said: Mapping[str, Any], part: str) -> list[tuple[str | None, User]]:
    return [_entry(part, name, entry) for name, entry in _table(said, part).items()]


def _entry(part: str, name: str, entry: object) -> tuple[str | None, User]:
    where, secret = f"[{part}.{name}]", _PARTS[part]
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f'{where} is {shown(entry)}: give it as a table with role = "view"')
    if unknown := sorted(set(entry) - {secret, "role", "queues"}):
        raise ConfigurationError(f"{where} has {shown(unknown[0])}, which is not known: give {secret}, role and queues")
    given = entry.get(secret)
    if given is not None and not isinstance(given, str):
        raise ConfigurationError(f"{where} has a {secret} that is no text")
    return given, User(name, *_allowed(where, entry))


def _grant(name: str, entry: object) -> Grant:
    if not isinstance(entry, Mapping):
        return Grant(_named(f"groups.{name}", entry))
    where = f"[groups.{name}]"
    if unknown := sorted(set(entry) - {"role", "queues"}):
        raise ConfigurationError(f"{where} has {shown(unknown[0])}, which is not known: give role and queues")
    return Grant(*_allowed(where, entry))


def _allowed(where: str, entry: Mapping[str, Any]) -> tuple[Role | None, Mapping[str, Role | None]]:
    """Return what an entry allows: the role, and those on queues."""
    role = _named(where, entry["role"]) if "role" in entry else None
    queues = {queue: _hidden(where, each) for queue, each in _table(entry, "queues", where).items()}
    if role is None and not any(queues.values()):
        raise ConfigurationError(f'{where} may do nothing: give role = "view", or queues')
    return role, queues


def _table(said: Mapping[str, Any], name: str, where: str = "") -> Mapping[str, Any]:
    table = said.get(name, {})
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{where or name}: {name} is {shown(table)}: give a table")
    return table


def _named(where: str, role: object) -> Role:
    try:
        return Role.of(role)
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from None


def _hidden(where: str, role: object) -> Role | None:
    return None if role == "none" else _named(where, role)
