"""The console for programs: a JSON API over the same models, with the same rights, described by OpenAPI."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from onebeat.web.api.limits import Rate
from onebeat.web.api.operation import PREFIX
from onebeat.web.api.serving import Api
from onebeat.web.api.table import RESOURCES


def routes(rate: Rate | None = None) -> list[BaseRoute]:
    """
    Return what answers below `PREFIX`.

    Args:
        rate: How often somebody may ask.
    """
    api = Api(RESOURCES, rate or Rate())
    return [Route(path, api) for path in (PREFIX, f"{PREFIX}/{{rest:path}}")]
