"""What claims say: how somebody is called, and the values that grant roles."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from onebeat.web.security.grants import Grant, united
from onebeat.web.security.oidc.settings import OpenIDConnect
from onebeat.web.security.oidc.troubles import NoRole, Seen, Unbelievable, printable
from onebeat.web.security.roles import MAX_NAME, User

MOST_SHOWN: Final = 50
"""Values of a claim that are shown to whom they grant nothing."""

_EMAIL: Final = "email"


def find(claims: object, path: str) -> Any:
    """
    Return what a claim says; None: it is not there.

    Args:
        path: Its name, which may have dots in it; or names with dots between, of claims that lie in one another.
    """
    if not isinstance(claims, Mapping):
        return None
    if path in claims:
        return claims[path]
    at = path.rfind(".")
    while at > 0:
        if (found := find(claims.get(path[:at]), path[at + 1 :])) is not None:
            return found
        at = path.rfind(".", 0, at)
    return None


def values(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """Return the values of a claim, as texts: of a list its items, of an object its names, else the value itself."""
    found = find(claims, path)
    items = found if isinstance(found, (list, Mapping)) else [found]
    return tuple(dict.fromkeys(text for item in items if (text := _text(item))))


def _text(item: object) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return str(item) if isinstance(item, (str, int)) else ""


def is_verified(claims: Mapping[str, Any], path: str = _EMAIL) -> bool:
    """Whether the provider has verified the e-mail address that stands at a path; some say so by a text."""
    said = find(claims, f"{path}_verified")
    return said is True or said == "true"


def counts(claims: Mapping[str, Any], path: str) -> bool:
    """Whether a role may hang on a claim: on an address that anybody could have typed in it may not."""
    return path.rpartition(".")[2] != _EMAIL or is_verified(claims, path)


def is_complete(claims: Mapping[str, Any], settings: OpenIDConnect) -> bool:
    """Whether all is there that is asked: roles, and a name that people read."""
    named = any(isinstance(claims.get(name), str) for name in ("preferred_username", _EMAIL))
    return named and all(find(claims, path) is not None for path in settings.claims)


def joined(token: Mapping[str, Any], told: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Join what the provider signed with what it told when asked; the first counts.

    An address and whether it is verified are taken from one of the two.
    """
    email = (_EMAIL, f"{_EMAIL}_verified")
    rest = {name: value for name, value in told.items() if _EMAIL not in token or name not in email}
    return {**rest, **token}


def name_of(claims: Mapping[str, Any], settings: OpenIDConnect) -> str:
    """
    Return how somebody is called, for the audit and the corner of pages. No right hangs on it.

    Raises:
        Unbelievable: By nothing that could be a name.
    """
    for name in _names(claims):
        if isinstance(name, str) and (text := name.strip()) and _is_name(text):
            return text
    raise Unbelievable(settings.name, f"it names the user by nothing that fits into {MAX_NAME} characters")


def _names(claims: Mapping[str, Any]) -> Iterator[object]:
    yield claims.get("preferred_username")
    if is_verified(claims):
        yield claims.get(_EMAIL)
    yield claims.get("sub")


def _is_name(text: str) -> bool:
    """Whether it is one, and fits into a cookie however it is written."""
    return text.isprintable() and len(text) <= MAX_NAME and len(json.dumps(text)) <= 2 * MAX_NAME


def granted(claims: Mapping[str, Any], settings: OpenIDConnect) -> tuple[int, ...]:
    """Return which of `settings.grants` somebody has, by number."""
    said = {value for path in settings.claims if counts(claims, path) for value in values(claims, path)}
    return tuple(number for number, (value, _) in enumerate(settings.grants) if value in said)


def user_of(name: str, numbers: tuple[int, ...], settings: OpenIDConnect) -> User | None:
    """
    Return who has some of `settings.grants`; None: nobody, as nothing is granted.

    Args:
        numbers: Which ones.
    """
    grants = [settings.grants[number][1] for number in numbers if 0 <= number < len(settings.grants)]
    if not grants:
        return None if settings.role is None else Grant.of(settings.role).to(name)
    return united(name, grants)


def no_role(claims: Mapping[str, Any], name: str, settings: OpenIDConnect) -> NoRole:
    """Say what the claims said, to whom they grant nothing."""
    return NoRole(settings.name, name, tuple(_seen(claims, path) for path in settings.claims))


def _seen(claims: Mapping[str, Any], path: str) -> Seen:
    found, note = values(claims, path), ""
    if path in _kept_back(claims):
        note = "left out, since there are too many"
    elif find(claims, path) is None:
        note = "not sent"
    elif not found:
        note = "empty"
    elif not counts(claims, path):
        note = "not verified by the provider, so it does not count"
    shown = tuple(printable(value, 100) for value in found[:MOST_SHOWN])
    return Seen(path, shown, len(found) - len(shown), note)


def _kept_back(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    """Claims of which the provider says only where they could be asked for: Entra's groups, where there are many."""
    names = claims.get("_claim_names")
    return names if isinstance(names, Mapping) else {}
