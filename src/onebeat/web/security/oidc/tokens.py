"""Whether an ID token is to be believed: who signed it, for whom, when, and for which sign-in."""

from __future__ import annotations

import hmac
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, InvalidKeyIdError, JoseError, MissingClaimError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from onebeat.web.security.oidc.provider import Description, Provider
from onebeat.web.security.oidc.settings import OpenIDConnect
from onebeat.web.security.oidc.troubles import Unbelievable, printable

SKEW_S: Final = 60
"""By how much the clocks of the provider and of this machine may differ."""

MAX_SUB: Final = 255
"""Characters of a subject: OpenID Connect Core, 2."""


async def claims_of(
    token: str,
    *,
    provider: Provider,
    description: Description,
    settings: OpenIDConnect,
    nonce: str,
    begun: int,
    now: datetime,
) -> Mapping[str, Any]:
    """
    Return what an ID token says.

    Args:
        nonce: Of the sign-in that it answers.

        begun: When that began, seconds since 1970: what was signed before is not for it.

    Raises:
        Away: Keys are needed, and the provider gives none.
        Unbelievable: It is not to be believed.
    """
    try:
        found = _opened(token, await provider.keys(), description)
    except InvalidKeyIdError:
        try:
            found = _opened(token, await provider.keys(anew=True), description)
        except InvalidKeyIdError as error:
            raise _not_taken(settings, "no key of the provider fits its signature", error) from None
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise _not_taken(settings, _why(error), error) from None
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise _not_taken(settings, _why(error), error) from None
    try:
        _check(found, settings, nonce, begun, now)
    except (JoseError, ValueError, TypeError, OverflowError) as error:
        raise _not_taken(settings, _why(error), error) from None
    return found


def _opened(token: str, keys: KeySet, description: Description) -> Mapping[str, Any]:
    """Check the signature; an algorithm that the provider does not list, or that is none or secret, is no signature."""
    registry = JWSRegistry(algorithms=description.algorithms or ("RS256",), strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that EdDSA has another name by now; providers still use this one
        claims: object = jwt.decode(token, keys, registry=registry).claims
    if not isinstance(claims, dict):
        raise TypeError("claims are no object")
    return claims


def _check(claims: Mapping[str, Any], settings: OpenIDConnect, nonce: str, begun: int, now: datetime) -> None:
    """OpenID Connect Core, 3.1.3.7."""
    rules = jwt.JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=SKEW_S,
        iss={"essential": True, "value": settings.issuer},
        aud={"essential": True, "value": settings.client_id},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True},
    )
    rules.validate(dict(claims))
    if any(isinstance(claims.get(name), bool) for name in ("exp", "iat", "nbf")):
        raise InvalidClaimError("exp")
    if claims["iat"] < begun - SKEW_S:
        raise InvalidClaimError("iat")
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(claims["nonce"].encode(), nonce.encode()):
        raise InvalidClaimError("nonce")
    is_for_several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (is_for_several or "azp" in claims) and claims.get("azp") != settings.client_id:
        raise InvalidClaimError("azp")
    if not 0 < len(claims["sub"]) <= MAX_SUB:
        raise InvalidClaimError("sub")


WHY: Final[Mapping[str, str]] = {
    "iss": "it is of another issuer",
    "aud": "it is for another client",
    "azp": "it is for several clients, and was not given to this one",
    "iat": "it was signed before this sign-in began, or after now: do the clocks here and there agree?",
    "nbf": "it is not good yet: do the clocks here and there agree?",
    "exp": "it says no time that it is good until",
    "nonce": "it answers another sign-in",
    "sub": "it does not say whose it is",
}
"""What is wrong, by the claim that is."""


def _why(error: Exception) -> str:
    if isinstance(error, ExpiredTokenError):
        return "it has expired: do the clocks here and there agree?"
    if isinstance(error, (InvalidClaimError, MissingClaimError)):
        return WHY.get(error.claim, "it says something that cannot be")
    return "its signature does not fit"


def _not_taken(settings: OpenIDConnect, why: str, error: Exception) -> Unbelievable:
    return Unbelievable(settings.name, why.rstrip("."), printable(f"{type(error).__name__}: {error}"))
