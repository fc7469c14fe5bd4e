"""How a viewer wants to see things: kept in cookies of the browser, since the console itself keeps nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from urllib.parse import unquote

from starlette.requests import Request

from onebeat.errors import ConfigurationError
from onebeat.scheduler.zones import zone

THEMES = ("system", "light", "dark")
DENSITIES = ("roomy", "compact")
INTERVALS = (1, 2, 5, 15, 60, 0)
"""Seconds between two looks; 0: none by itself."""

COOKIES = ("onebeat_theme", "onebeat_density", "onebeat_refresh", "onebeat_zone")


@dataclass(frozen=True, slots=True)
class Viewer:
    """
    How a viewer wants to see things.

    Attributes:
        theme: One of `THEMES`.

        density: One of `DENSITIES`: how high the rows of tables are.

        refresh: Seconds between two looks, one of `INTERVALS`.

        zone_name: Name of the time zone that instants are shown in, such as "Europe/Berlin".
    """

    theme: str = "system"
    density: str = "roomy"
    refresh: int = 2
    zone_name: str = "UTC"
    zone: tzinfo = field(default=UTC, compare=False)


def of(request: Request) -> Viewer:
    """Read what the cookies say; what they say wrongly counts as not said."""
    said = {name: unquote(request.cookies.get(name, "")) for name in COOKIES}
    theme, density, refresh, zone_name = (said[name] for name in COOKIES)
    known = {str(seconds): seconds for seconds in INTERVALS}
    found = _zone(zone_name)
    return Viewer(
        theme=theme if theme in THEMES else "system",
        density=density if density in DENSITIES else "roomy",
        refresh=known.get(refresh, 2),
        zone_name=zone_name if found is not None else "UTC",
        zone=found or UTC,
    )


def _zone(name: str) -> tzinfo | None:
    try:
        return zone(name) if name else None
    except ConfigurationError:
        return None
