"""Serving metrics over HTTP, and giving them to a registry of the user's."""

from __future__ import annotations

import gzip

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from onebeat.observe.routes import Answer, Asked, Page, Routes

PATH = "/metrics"


def register(*collectors: Collector, registry: CollectorRegistry = REGISTRY) -> None:
    """
    Give collectors to a registry. Nothing is asked of a store for it.

    Args:
        collectors: Such as a `WorkerMetrics` and a `QueueMetrics`.

        registry: Default: prometheus_client's own, which most programs serve.
    """
    for collector in collectors:
        registry.register(collector)


def page(registry: CollectorRegistry = REGISTRY) -> Page:
    """Return what answers `/metrics` from a registry, in the form that the scraper asks for, in a table of paths."""

    def answer(asked: Asked) -> Answer:
        encoder, content_type = choose_encoder(asked.headers.get("accept", ""))
        names = asked.query.get("name[]")
        body = encoder(registry.restricted_registry(names) if names else registry)
        headers: dict[str, str] = {}
        if "gzip" in asked.headers.get("accept-encoding", ""):
            body, headers = gzip.compress(body, compresslevel=1), {"content-encoding": "gzip"}
        return Answer(200, body, content_type, headers)

    return answer


def asgi(*collectors: Collector, registry: CollectorRegistry | None = None) -> Routes:
    """
    Return an ASGI application that answers `/metrics`, and blocks no event loop: `app.mount("/ops", asgi(metrics))`.

    Args:
        collectors: What it serves; none: all of `registry`.

        registry: Where they are put. Default: with collectors, one of their own; without, prometheus_client's.
    """
    if registry is None:
        registry = CollectorRegistry() if collectors else REGISTRY
    register(*collectors, registry=registry)
    return Routes({PATH: page(registry)})
