"""Probes over HTTP: `/livez` and `/readyz`."""

from __future__ import annotations

from collections.abc import Callable

from onebeat.observe.routes import Answer, Asked, Routes
from onebeat.server.health import HealthReport

LIVE, READY = "/livez", "/readyz"

FAILS = 503


def probes(report: Callable[[], HealthReport]) -> Routes:
    """
    Return the probes of a process, to be served by `HttpServer` or mounted in a web application.

    `/livez` answers 200 unless a new process would fare better, `/readyz` if this one takes tasks and runs them;
    else 503. Both say why: the body is the report as JSON.

    Args:
        report: Says how the process fares, such as `serving.health_report`. It is called from a thread.
    """

    def live(_asked: Asked) -> Answer:
        found = report()
        return Answer.json(found, 200 if found.live else FAILS)

    def ready(_asked: Asked) -> Answer:
        found = report()
        return Answer.json(found, 200 if found.ready else FAILS)

    return Routes({LIVE: live, READY: ready})
