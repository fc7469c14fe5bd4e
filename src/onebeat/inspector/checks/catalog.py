"""All checks, in the order in which they are told."""

from __future__ import annotations

from onebeat.errors import ConfigurationError
from onebeat.inspector.checks import damage, queues, schedules, servers, store
from onebeat.inspector.checks.facts import Check

CHECKS: tuple[Check, ...] = (*store.CHECKS, *servers.CHECKS, *queues.CHECKS, *schedules.CHECKS, *damage.CHECKS)
_BY_ID = {check.id: check for check in CHECKS}


def chosen(ids: object) -> tuple[Check, ...]:
    """
    Return the checks of these ids, all if there are none.

    Raises:
        ConfigurationError: There is no check of that id.
    """
    if isinstance(ids, str) or not isinstance(ids, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"checks is {ids!r}: give a list of ids, such as ['queue-without-server']")
    unknown = sorted(str(one) for one in ids if one not in _BY_ID)
    if unknown:
        raise ConfigurationError(f"check {unknown[0]!r} is none: choose from {', '.join(_BY_ID)}")
    return tuple(check for check in CHECKS if not ids or check.id in ids)
