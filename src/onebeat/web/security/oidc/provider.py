"""What a provider says of itself, and the keys that it signs with: asked for when needed, and kept for a while."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet, import_key

from onebeat.web.reading import SharedReads
from onebeat.web.security.oidc.asking import ask
from onebeat.web.security.oidc.settings import OpenIDConnect, parts_of
from onebeat.web.security.oidc.troubles import Unbelievable

log: logging.Logger = logging.getLogger("onebeat.web")

KEPT_S: Final = 3600.0
"""For how long a description and keys are good."""

AGAIN_S: Final = 60.0
"""How old keys are at least that are fetched anew since one is not among them."""

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "EdDSA",
)
"""With a private key at the provider and a public one here; nothing that both would have to know."""

MOST_KEYS: Final = 100


@dataclass(frozen=True, slots=True)
class Description:
    """
    What a provider says of itself.

    Attributes:
        authorization, token, keys: Addresses: where users sign in, codes are given back, and keys lie.

        userinfo, end_session: Addresses that not every provider has.

        algorithms: That it signs with, of those that are believed.

        by_basic: Whether the client says its secret in a header rather than in the form.

        says_issuer: Whether it says in each answer who it is.

        prompts: What it can be told to ask users; None: it does not say.
    """

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    end_session: str | None
    algorithms: tuple[str, ...]
    by_basic: bool
    says_issuer: bool
    prompts: tuple[str, ...] | None


class Provider:
    """
    A provider, asked no more often than needed.

    Args:
        settings: Which one.

        monotonic: The clock, in seconds.
    """

    def __init__(self, settings: OpenIDConnect, monotonic: Callable[[], float]) -> None:
        self._settings = settings
        self._reads: SharedReads = SharedReads(monotonic)

    async def description(self) -> Description:
        """
        Return what it says of itself.

        Raises:
            Away: It gives no answer.
            Unbelievable: It says what cannot be.
        """
        return await self._reads.get("description", self._describe, seconds=KEPT_S)

    async def keys(self, *, anew: bool = False) -> KeySet:
        """
        Return its keys.

        Args:
            anew: Whether one is missing, so that they are fetched again unless that was done within `AGAIN_S`.

        Raises:
            Away: It gives no answer.
            Unbelievable: It says what cannot be.
        """
        return await self._reads.get("keys", self._fetch_keys, seconds=AGAIN_S if anew else KEPT_S)

    async def _describe(self) -> Description:
        settings = self._settings
        said = await ask(settings.name, f"{settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != settings.issuer:
            raise Unbelievable(
                settings.name,
                "it calls itself otherwise than --oidc-issuer does, which has to be the same to the last slash",
                f"issuer is {said.get('issuer')!r}, not {settings.issuer!r}",
            )
        algorithms = _texts(said.get("id_token_signing_alg_values_supported")) or ("RS256",)
        methods = _texts(said.get("token_endpoint_auth_methods_supported")) or ("client_secret_basic",)
        return Description(
            authorization=self._address(said, "authorization_endpoint"),
            token=self._address(said, "token_endpoint"),
            keys=self._address(said, "jwks_uri"),
            userinfo=self._address(said, "userinfo_endpoint") if said.get("userinfo_endpoint") else None,
            end_session=self._address(said, "end_session_endpoint") if said.get("end_session_endpoint") else None,
            algorithms=tuple(name for name in ALGORITHMS if name in algorithms),
            by_basic="client_secret_basic" in methods or "client_secret_post" not in methods,
            says_issuer=said.get("authorization_response_iss_parameter_supported") is True,
            prompts=_texts(said["prompt_values_supported"]) if "prompt_values_supported" in said else None,
        )

    def _address(self, said: Mapping[str, Any], name: str) -> str:
        address = said.get(name)
        parts = parts_of(address) if isinstance(address, str) else None
        here = self._settings.issuer.startswith("http://")
        if not isinstance(address, str) or parts is None or parts.fragment or (parts.scheme == "http" and not here):
            raise Unbelievable(self._settings.name, f"its {name} is no address with https", f"{name} is {address!r}")
        return address

    async def _fetch_keys(self) -> KeySet:
        description = await self.description()
        said = await ask(self._settings.name, description.keys)
        given = said.get("keys")
        found = [key for each in given[:MOST_KEYS] if (key := _key(each))] if isinstance(given, list) else []
        if not found:
            raise Unbelievable(self._settings.name, "there is no key in it that is known here", description.keys)
        return KeySet(found)


def _key(given: object) -> Key | None:
    """Read a key that somebody may have signed with; None: it is none, or too weak, as is one that both know."""
    if not isinstance(given, dict) or given.get("kty") not in ("RSA", "EC", "OKP") or given.get("use") == "enc":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of keys that are too short
            return import_key(given)
    except (JoseError, ValueError, TypeError, AttributeError, KeyError, Warning) as error:
        log.info("a key of the provider is left out: %s", error)
        return None


def _texts(given: object) -> tuple[str, ...]:
    return tuple(each for each in given if isinstance(each, str)) if isinstance(given, list) else ()
