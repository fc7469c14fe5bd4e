"""
The setting ONEBEAT, read and checked.

    ONEBEAT = {
        "URL": "redis://db:6379/0",                   # else $ONEBEAT_URL, else the embedded store of the project
        "NAME": "shop",                               # names the application to other instances; "onebeat"
        "SERVER": {"concurrency": 16, "lease": 60},   # of `manage.py onebeat_run`; see `ServerConfig`
    }

or {"APP": "shop.beat:app", …} in place of NAME, where the project makes its own `Onebeat(...)`: for a lifespan, or
codecs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from onebeat.broker.store import check_source
from onebeat.errors import ConfigurationError, shown
from onebeat.server.server import Server, ServerSettings

KEYS = ("APP", "NAME", "SERVER", "URL")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What ONEBEAT says."""

    app: str | None = None
    name: str = "onebeat"
    url: str | None = None
    server: ServerSettings = field(default_factory=ServerSettings)


def configuration() -> Configuration:
    """
    Read the setting ONEBEAT.

    Raises:
        ConfigurationError: It is no mapping, has an unknown key, or a value that cannot work.
    """
    given = getattr(settings, "ONEBEAT", {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"setting ONEBEAT is {shown(given)}: give a dict")
    unknown = [key for key in given if key not in KEYS]
    if unknown:
        raise ConfigurationError(f"setting ONEBEAT: key {shown(unknown[0])} is unknown; choose from {', '.join(KEYS)}")
    found = Configuration(**{str(key).lower(): value for key, value in given.items() if value is not None})
    _check(found)
    return found


def _check(found: Configuration) -> None:
    app: Any = found.app
    if app is not None and not (isinstance(app, str) and app.count(":") == 1 and all(app.split(":"))):
        raise ConfigurationError(f'setting ONEBEAT: APP is {shown(app)}; write "package.module:attribute"')
    if app is not None and found.name != "onebeat":
        raise ConfigurationError(f"setting ONEBEAT: APP {app!r} has a name of its own; leave out NAME, or APP")
    check_source(found.url)
    server: Any = found.server
    if not isinstance(server, Mapping):
        raise ConfigurationError(f"setting ONEBEAT: SERVER is {shown(server)}; give a dict")
    try:
        Server(**found.server)
    except ConfigurationError as error:
        raise ConfigurationError(f"setting ONEBEAT: SERVER: {error}") from None
