"""What is told of a provider: checked at once, before anything is started. Nothing is asked of it yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Final
from urllib.parse import SplitResult, urlsplit

from onebeat.errors import ConfigurationError, MissingExtra, shown
from onebeat.web.security.grants import Grant
from onebeat.web.security.hosts import is_loopback
from onebeat.web.security.roles import Role, User

SCOPES: Final = ("openid", "profile", "email")

MIN_SECRET: Final = 16
"""Characters of a client's secret that is good enough to sign sessions with."""

OWN_WORDS: Final = frozenset(
    {"name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
     "website", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "address", "upn", "unique_name"}
)  # fmt: skip
"""Claims that users may say of themselves, or that pass from one to another: no role hangs on them."""

FOR_ALL: Final[Mapping[str, str]] = {
    "https://accounts.google.com": "Google",
    "https://gitlab.com": "GitLab.com",
    "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0": "Microsoft",
}
"""Issuers where anybody has an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIDConnect:
    """
    Lets users sign in with an OpenID Connect provider, by a button on the page /login; a signed cookie says who they
    are from then on. Needs the extra `oidc`.

    Attributes:
        issuer: Where the provider is, exactly as it calls itself, such as "https://login.example.com/realms/staff".
            What else there is to know it says below, at `/.well-known/openid-configuration`. http: on this machine
            alone.

        client_id: As what the provider knows this console.

        client_secret: The client's; "" for a client without one. If it has 16 characters or more, sessions are signed
            with it, else they need `secret=` of the console.

        name: What the button calls the provider. Default: the issuer's host.

        roles: What grants which role: values of the claims, each with a role or a `Grant`. Who has several may do what
            one of them allows.

        claims: Where the values stand: names of claims, with dots where they lie in one another, such as
            "realm_access.roles". "email" counts if the provider has verified it.

        role: Of everybody whom the provider signs in and no value of `roles` fits; None: they are not let in.

        scopes: What is asked for.

    Raises:
        ConfigurationError: Something of it cannot work.
        MissingExtra: The extra is not installed.
    """

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    name: str = ""
    roles: Mapping[str, Grant | Role | str] = field(default_factory=dict)
    claims: Sequence[str] | str = ("groups",)
    role: Role | str | None = None
    scopes: Sequence[str] | str = SCOPES

    def __post_init__(self) -> None:
        if not all(map(find_spec, ("httpx2", "joserfc"))):
            raise MissingExtra('OpenIDConnect needs joserfc and httpx2: pip install "onebeat[oidc]"')
        host = _check_issuer(self.issuer)
        for name, value in (("client_id", self.client_id), ("client_secret", self.client_secret)):
            _check_text(name, value, least=int(name == "client_id"))
        _check_text("name", self.name, most=60)
        object.__setattr__(self, "name", self.name.strip() or host)
        object.__setattr__(self, "claims", _words("claims", self.claims))
        object.__setattr__(self, "scopes", _words("scopes", self.scopes))
        object.__setattr__(self, "roles", _grants(self.roles))
        object.__setattr__(self, "role", None if self.role is None else Role.of(self.role))
        self._check_roles()

    def _check_roles(self) -> None:
        if wrong := sorted(OWN_WORDS & {claim.rpartition(".")[2] for claim in self.claims}):
            raise ConfigurationError(
                f"claim {shown(wrong[0])} is what users say of themselves, so no role may hang on it: give one that "
                "the provider vouches for, such as groups, roles or email"
            )
        if "openid" not in self.scopes:
            raise ConfigurationError(f"scopes are {', '.join(self.scopes)}: openid has to be among them")
        if not self.roles and self.role is None:
            raise ConfigurationError(
                f"nobody whom {self.name} signs in has a role: give roles={{'oncall': 'operate'}} "
                "(--oidc-role oncall=operate), or role= (--oidc-default-role) for everybody there"
            )
        if self.role is not None and (who := FOR_ALL.get(self.issuer.rstrip("/"))):
            raise ConfigurationError(
                f"role {self.role} is for everybody whom {who} signs in, and anybody has an account there: give roles= "
                "(--oidc-role) by a claim"
            )

    @property
    def signs(self) -> bool:
        """Whether the client's secret is good enough to sign sessions with."""
        return len(self.client_secret) >= MIN_SECRET

    @property
    def grants(self) -> tuple[tuple[str, Grant], ...]:
        """What grants roles, in an order that is the same in each process."""
        return tuple(sorted((value, Grant.of(given)) for value, given in self.roles.items()))

    @property
    def key(self) -> str:
        """
        What sessions are signed with: of all that they hang on, so that they end when it changes; and the same in all
        processes that are told the same.
        """
        granted = [[value, str(User("grant", each.role, each.queues))] for value, each in self.grants]
        said = [self.issuer, self.client_id, self.client_secret, list(self.claims), str(self.role), granted]
        return f"oidc${hashlib.sha256(json.dumps(said).encode()).hexdigest()}"


def parts_of(address: str) -> SplitResult | None:
    """Take an address apart that may be asked: https, or http on this machine; None: it is none."""
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.password is not None or not address.isascii():
        return None
    if any(letter.isspace() or not letter.isprintable() for letter in address):
        return None
    return parts if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)) else None


def _check_issuer(issuer: object) -> str:
    """Return its host."""
    wanted = "give it as the provider calls itself, such as https://login.example.com/realms/staff"
    if not isinstance(issuer, str) or "://" not in issuer:
        raise ConfigurationError(f"issuer is {shown(issuer)}: {wanted}")
    parts = parts_of(issuer)
    if parts is None and issuer.lower().startswith("http://"):
        raise ConfigurationError(
            f"issuer is {shown(issuer)}, and whoever is on the way could answer in its place: give it with https:// "
            "(http is taken on this machine alone)"
        )
    if parts is None or parts.query or parts.fragment or "?" in issuer or "#" in issuer:
        raise ConfigurationError(f"issuer is {shown(issuer)}: {wanted}")
    return str(parts.hostname)


def _check_text(name: str, value: object, *, least: int = 0, most: int = 1000) -> None:
    if not isinstance(value, str) or not least <= len(value) <= most or not value.isprintable():
        said = "no text of the right length" if name == "client_secret" else shown(value)
        raise ConfigurationError(f"{name} of a provider is {said}: give {least} to {most} characters")


def _words(name: str, given: object) -> tuple[str, ...]:
    words = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else ()
    if not words or not all(isinstance(word, str) and word and not set(word) & set(" \t\r\n") for word in words):
        raise ConfigurationError(f"{name} of a provider are {shown(given)}: give words such as groups")
    return tuple(dict.fromkeys(words))


def _grants(given: object) -> Mapping[str, Grant]:
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"roles of a provider are {shown(given)}: give them by value, {{'oncall': 'operate'}}")
    found: dict[str, Grant] = {}
    for value, each in given.items():
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"value {shown(value)} of a claim is to grant a role: give a text")
        try:
            found[value] = Grant.of(each)
        except ConfigurationError as error:
            raise ConfigurationError(f"what {shown(value)} grants: {error}") from None
    return found
