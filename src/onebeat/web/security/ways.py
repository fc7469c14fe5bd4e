"""The ways in which a request can say whose it is: a password once signed in, a token, a proxy, a function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from starlette.requests import Request

from onebeat.errors import ConfigurationError, shown
from onebeat.web.security.credentials import NOBODY, PasswordHash, TokenHash, password_hash, token_hash
from onebeat.web.security.grants import Grant, united
from onebeat.web.security.proxies import is_from_proxy
from onebeat.web.security.roles import Role, User
from onebeat.web.security.sessions import Session

Authenticate = Callable[[Request], User | Awaitable[User | None] | None]
"""The application's own function: returns whose a request is, or None."""

MAX_GROUPS = 100
"""Groups that are read of one header."""


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Whose a request is, and how one knows.

    Attributes:
        way: "password", "oidc", "token", "proxy", "function", or "open" where nobody is asked.

        is_forgeable: Whether a browser says so by itself, such as by a cookie, so that another site could make it.

        session: The session that says so; None: none does.
    """

    user: User
    way: str
    is_forgeable: bool = True
    session: Session | None = None


class Passwords:
    """
    Lets users sign in with a password, on the page /login; a signed cookie says who they are from then on.

    Args:
        users: Each with a password, or better with its hash, as `onebeat web --hash-password` prints it.

    Raises:
        ConfigurationError: A hash is none, a password is too short, or two users have one name.
    """

    def __init__(self, users: Iterable[tuple[str | PasswordHash, User]]) -> None:
        self.renew: Callable[[], object] = lambda: None
        """Called before each look: an access file reads itself again if it was changed."""

        self._users: dict[str, tuple[PasswordHash, User]] = {}
        for secret, user in users:
            if user.name in self._users:
                raise ConfigurationError(f"user {shown(user.name)} has two passwords: give one")
            self._users[user.name] = (password_hash(secret, user.name), user)
        if not self._users:
            raise ConfigurationError("passwords are given for no user: nobody could sign in")

    def become(self, other: Passwords | None) -> None:
        """Know whom another knows, and nobody else; None: nobody."""
        self._users = {} if other is None else dict(other._users)

    def _known(self) -> dict[str, tuple[PasswordHash, User]]:
        self.renew()
        return self._users

    def user(self, name: str) -> User | None:
        """Return a user by name."""
        found = self._known().get(name)
        return found[1] if found is not None else None

    @property
    def names(self) -> frozenset[str]:
        """Names of all users."""
        return frozenset(self._known())

    def hash_of(self, name: str) -> PasswordHash | None:
        """Return what is kept of a user's password."""
        found = self._known().get(name)
        return found[0] if found is not None else None

    async def check(self, name: str, password: str) -> User | None:
        """Return the user of a name and a password; takes as long for a name that nobody has."""
        kept, user = self._known().get(name, (NOBODY, None))
        fits = await asyncio.to_thread(kept.fits, password)
        return user if fits else None

    @property
    def is_for_one(self) -> bool:
        """Whether there is one user alone, so that no name need be asked for."""
        return len(self._known()) == 1

    @property
    def first_name(self) -> str:
        """The name of the first user."""
        return next(iter(self._users))


class Tokens:
    """
    Lets scripts in, by `Authorization: Bearer …`.

    Args:
        users: Each with a token, or better with its hash, as `onebeat web --new-token` prints both.

    Raises:
        ConfigurationError: A hash is none, or a token is too short.
    """

    def __init__(self, users: Iterable[tuple[str | TokenHash, User]]) -> None:
        self.renew: Callable[[], object] = lambda: None
        """See `Passwords`."""

        self._users: list[tuple[TokenHash, User]] = [(token_hash(secret, user.name), user) for secret, user in users]
        if not self._users:
            raise ConfigurationError("tokens are given for no user: nobody could come in by one")

    @property
    def names(self) -> frozenset[str]:
        """Names of all users."""
        return frozenset(user.name for _, user in self._known())

    def become(self, other: Tokens | None) -> None:
        """Know the tokens that another knows, and no others; None: none."""
        self._users = [] if other is None else list(other._users)

    def _known(self) -> list[tuple[TokenHash, User]]:
        self.renew()
        return self._users

    def has(self, user: User) -> bool:
        """Whether somebody comes in by a token with these very rights."""
        return any(known == user for _, known in self._known())

    def named(self, name: str) -> User | None:
        """Return the first user of a name; None: nobody of that name has a token."""
        return next((user for _, user in self._known() if user.name == name), None)

    def user(self, token: str) -> User | None:
        """Return whose token it is; all are compared, whichever fits."""
        found: User | None = None
        for kept, user in self._known():
            if kept.fits(token):
                found = user
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyHeader:
    """
    Believes a header of a proxy that has signed the user in: of OAuth2 Proxy, Authelia, Pomerium, and their like.

    It is believed from the addresses of `proxies=` alone, and taken away from what anybody else sends.

    Attributes:
        user: The header with the user's name.

        groups: A header with the user's groups, separated by commas.

        role: Of whom neither `users` nor `group_roles` knows; None: they are not let in.

        group_roles: Roles by group, or a `Grant`; who is in several may do what one of them allows.

        users: Users that have roles of their own, by name.
    """

    user: str = "X-Forwarded-User"
    groups: str | None = None
    role: Role | str | None = None
    group_roles: Mapping[str, Grant | Role | str] = field(default_factory=dict)
    users: Mapping[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names: tuple[object, ...] = (self.user, self.groups)
        for name in names:
            if name is not None and not (isinstance(name, str) and _is_header(name)):
                raise ConfigurationError(f"header of a proxy is {shown(name)}: give a name such as X-Forwarded-User")
        if self.role is not None:
            Role.of(self.role)
        for granted in self.group_roles.values():
            Grant.of(granted)
        if self.role is None and not self.group_roles and not self.users:
            raise ConfigurationError(
                f"nobody whom header {self.user} names has a role: give role=, group_roles= or users="
            )
        if self.group_roles and self.groups is None:
            raise ConfigurationError("group_roles are given, but no header that names groups: give groups=")

    @property
    def headers(self) -> tuple[str, ...]:
        """The headers that nobody but a proxy may send."""
        return (self.user,) if self.groups is None else (self.user, self.groups)

    def find(self, request: Request) -> User | None:
        """Return whom the header names, if a proxy has sent it, and once."""
        given = request.headers.getlist(self.user)
        if len(given) != 1 or not (name := given[0].strip()) or not is_from_proxy(request.scope):
            return None
        if (known := self.users.get(name)) is not None:
            return known
        grants = [Grant.of(self.group_roles[group]) for group in self._groups(request) if group in self.group_roles]
        grants = grants or ([] if self.role is None else [Grant.of(self.role)])
        try:
            return united(name, grants) if grants else None
        except ConfigurationError:  # a name that cannot be one
            return None

    def _groups(self, request: Request) -> list[str]:
        if self.groups is None:
            return []
        text = ",".join(request.headers.getlist(self.groups))
        return [group.strip() for group in text.split(",")[:MAX_GROUPS]]


def _is_header(name: str) -> bool:
    return name.isascii() and bool(name) and all(letter.isalnum() or letter in "-_" for letter in name)


@dataclass(frozen=True, slots=True)
class Function:
    """The application's own way."""

    authenticate: Authenticate
    way: ClassVar[str] = "function"

    async def find(self, request: Request) -> User | None:
        """
        Ask the function.

        Raises:
            TypeError: It returned neither a user nor None.
        """
        found = self.authenticate(request)
        if inspect.isawaitable(found):
            found = await found
        given: object = found
        if given is not None and not isinstance(given, User):
            raise TypeError(f"authenticate() returned {shown(given)}: return a onebeat.web.User, or None")
        return found


def bearer(request: Request) -> str | None:
    """Return the token of a request, if it bears one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
