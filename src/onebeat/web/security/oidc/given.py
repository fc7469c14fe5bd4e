"""What the command line says of a provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from onebeat.errors import ConfigurationError, shown
from onebeat.web.security.grants import Grant
from onebeat.web.security.oidc.settings import SCOPES, OpenIDConnect


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What was given on the command line of a provider; each as the option of its name says it."""

    issuer: str | None = None
    client_id: str | None = None
    secret_file: Path | None = None
    name: str = ""
    claims: Sequence[str] = ()
    roles: Sequence[str] = ()
    default_role: str | None = None
    scopes: Sequence[str] = ()


def provider(given: Provider, secret: str, groups: Mapping[str, Grant]) -> list[OpenIDConnect]:
    """
    Return the provider, if there is one.

    Args:
        secret: The client's.

        groups: What the access file says of groups; an option comes before it.

    Raises:
        ConfigurationError: Something of it cannot work.
    """
    rest = {
        "--oidc-client-id": given.client_id, "--oidc-secret-file": given.secret_file, "--oidc-name": given.name,
        "--oidc-claim": given.claims, "--oidc-role": given.roles, "--oidc-default-role": given.default_role,
        "--oidc-scope": given.scopes,
    }  # fmt: skip
    if given.issuer is None:
        if said := [option for option, value in rest.items() if value]:
            raise ConfigurationError(f"{said[0]} is given, but no provider: give --oidc-issuer https://…")
        return []
    if given.client_id is None:
        raise ConfigurationError(
            f"issuer {shown(given.issuer)} is given, but not as what it knows this console: give --oidc-client-id"
        )
    return [
        OpenIDConnect(
            issuer=given.issuer,
            client_id=given.client_id,
            client_secret=secret,
            name=given.name,
            roles={**groups, **dict(map(_role, given.roles))},
            claims=tuple(given.claims) or ("groups",),
            role=given.default_role,
            scopes=(*SCOPES, *given.scopes),
        )
    ]


def _role(text: str) -> tuple[str, Grant]:
    """Read `oncall=operate`; the name of a group may have an equals sign in it, a role has none."""
    value, sign, role = text.rpartition("=")
    if not sign or not value:
        raise ConfigurationError(f"--oidc-role is {shown(text)}: give the value of a claim and a role: oncall=operate")
    try:
        return value, Grant.of(role)
    except ConfigurationError as error:
        raise ConfigurationError(f"--oidc-role {shown(text)}: {error}") from None
