"""
Time zones from the `tzdata` package, never the host's, so that every instance computes the same ticks.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata

from onebeat.errors import ConfigurationError, shown

VERSION = tzdata.IANA_VERSION
"""The release of the zone database, such as "2026a"."""


@cache
def _names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text().split())


def names() -> list[str]:
    """List all zones by their IANA names, sorted."""
    return sorted(_names())


def zone(name: object) -> ZoneInfo:
    """
    Return a zone by its IANA name.

    Raises:
        ConfigurationError: There is none of that name; the message suggests one that is spelled alike.
    """
    if not isinstance(name, str) or name not in _names():
        close = get_close_matches(str(name), _names(), n=1)
        hint = f"did you mean {close[0]!r}?" if close else "write an IANA name such as 'Europe/Kyiv'"
        raise ConfigurationError(f"time zone {shown(name)} is unknown: {hint}")
    return _read(name)


@cache
def _read(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)
