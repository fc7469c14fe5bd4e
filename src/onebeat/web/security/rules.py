"""What a console's security is told when it is made: checked at once, before anything is started."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Self, cast

from onebeat.errors import ConfigurationError, shown
from onebeat.web.security.access import Access
from onebeat.web.security.crossing import origins as read_origins
from onebeat.web.security.hosts import host_names
from onebeat.web.security.oidc.settings import OpenIDConnect
from onebeat.web.security.proxies import Network, check_prefix, networks
from onebeat.web.security.ways import Authenticate, Function, Passwords, ProxyHeader, Tokens

Way = Passwords | OpenIDConnect | Tokens | ProxyHeader | Access | Authenticate
"""One way to say who one is."""

Auth = Way | Iterable[Way] | None
"""Any number of ways; None: nobody is asked, and the console answers on this machine alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """
    What a console's security is told.

    Attributes:
        passwords, oidc, tokens, header, functions: The ways in which a request can say whose it is.

        hosts: Names that `Host` may be.

        origins: Addresses of our own pages, where a proxy changes `Host`.

        proxies: Whose headers are believed.

        prefix: What all paths begin with in front of the proxies.

        prefix_stripped: Whether they strip it; None: that is seen from the path.

        secret: What sessions are signed with besides the hashes of passwords and the secret of a provider's client.

        login_url: Where the application signs its users in itself.
    """

    passwords: Passwords | None = None
    oidc: OpenIDConnect | None = None
    tokens: Tokens | None = None
    header: ProxyHeader | None = None
    functions: tuple[Function, ...] = ()
    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    proxies: tuple[Network, ...] = ()
    prefix: str = ""
    prefix_stripped: bool | None = None
    secret: str = ""
    login_url: str | None = None

    @classmethod
    def make(
        cls,
        auth: Auth = None,
        *,
        hosts: Collection[str] = (),
        origins: Collection[str] = (),
        proxies: Collection[str] = (),
        prefix: str = "",
        prefix_stripped: bool | None = None,
        secret: str = "",
        login_url: str | None = None,
    ) -> Self:
        """
        Read what is given.

        Raises:
            ConfigurationError: It cannot work.
        """
        _check_secret(secret)
        _check_login_url(login_url)
        public = read_origins(origins)
        ways = _Ways(auth)
        made = cls(
            passwords=ways.passwords,
            oidc=ways.oidc,
            tokens=ways.tokens,
            header=ways.header,
            functions=tuple(ways.functions),
            hosts=host_names(hosts, public),
            origins=public,
            proxies=networks(proxies),
            prefix=check_prefix(prefix),
            prefix_stripped=prefix_stripped,
            secret=secret,
            login_url=login_url,
        )
        if made.header is not None and not made.proxies:
            raise ConfigurationError(
                f"header {made.header.user} is to say who a user is, and no proxy is named that may send it: give "
                'proxies=["10.0.0.5"], or --proxy'
            )
        if made.oidc is not None:
            _check_oidc(made.oidc, made)
        return made

    @property
    def is_asked(self) -> bool:
        """Whether there is any way to say who one is."""
        return bool(self.passwords or self.oidc or self.tokens or self.header or self.functions)

    @property
    def private_headers(self) -> tuple[str, ...]:
        """Headers that nobody but a named proxy may send."""
        return self.header.headers if self.header is not None else ()


class _Ways:
    """What is given as `auth`, each by its kind."""

    def __init__(self, auth: object) -> None:
        self.passwords: Passwords | None = None
        self.oidc: OpenIDConnect | None = None
        self.tokens: Tokens | None = None
        self.header: ProxyHeader | None = None
        self.functions: list[Function] = []
        for way in _flat(auth):
            self._take(way)

    def _take(self, way: object) -> None:
        if isinstance(way, Passwords) and self.passwords is None:
            self.passwords = way
        elif isinstance(way, OpenIDConnect) and self.oidc is None:
            self.oidc = way
        elif isinstance(way, Tokens) and self.tokens is None:
            self.tokens = way
        elif isinstance(way, ProxyHeader) and self.header is None:
            self.header = way
        elif isinstance(way, (Passwords, OpenIDConnect, Tokens, ProxyHeader)):
            raise ConfigurationError(f"auth has two of {type(way).__name__}: give one that knows all")
        elif callable(way):
            self.functions.append(Function(cast(Authenticate, way)))
        else:
            raise ConfigurationError(
                f"auth is {shown(way)}: give Passwords, OpenIDConnect, Tokens, ProxyHeader, Access.read(…), or a "
                "function that takes a request and returns a User or None"
            )


def _check_secret(secret: object) -> None:
    if not isinstance(secret, str) or 0 < len(secret) < 16:
        raise ConfigurationError("secret is too short: give 16 characters or more, the same to each process")


def _check_oidc(oidc: OpenIDConnect, rules: Rules) -> None:
    if not oidc.signs and not rules.secret:
        raise ConfigurationError(
            f"sessions of {oidc.name} have nothing that signs them, as its client has no secret, or a short one: give "
            "secret= of 16 characters or more, the same to each process (ONEBEAT_WEB_SECRET)"
        )
    if "*" in rules.hosts and not rules.origins:
        raise ConfigurationError(
            f"hosts are any, and {oidc.name} has to be told where to send browsers back to: give "
            'origins=["https://jobs.example.com"], or --origin'
        )


def _check_login_url(address: object) -> None:
    if address is not None and not (isinstance(address, str) and address.startswith(("/", "https://"))):
        raise ConfigurationError(f"login_url is {shown(address)}: give a path, or an address with https://")


def _flat(auth: object) -> Iterable[object]:
    if auth is None:
        return
    ways = list(auth) if isinstance(auth, Iterable) and not isinstance(auth, str) else [auth]
    if not ways:
        raise ConfigurationError("auth is empty, so that nobody could come in: give a way, or None")
    for way in ways:
        if isinstance(way, Access):
            if way.passwords is None and way.tokens is None:
                raise ConfigurationError(
                    "the access file has neither a password nor a token: nobody could come in by it"
                )
            yield from (each for each in (way.passwords, way.tokens) if each is not None)
        else:
            yield way
