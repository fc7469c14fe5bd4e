"""The store: what it and its nodes say of themselves."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import shown
from onebeat.inspector.store_models import StoreNode, StoreReport
from onebeat.web import consoles
from onebeat.web.forms import query
from onebeat.web.page import render
from onebeat.web.reading import kept
from onebeat.web.rights import check_sees
from onebeat.web.showing import stores

KEPT_S = 5.0
"""For how long what the store said is shown to all viewers."""


async def redis(request: Request) -> Response:
    """Show the store, and one of its nodes if there are several and it is named."""
    check_sees(request, None)
    console = consoles.of(request)
    inspector = await console.inspector()
    report = await console.reads.get("store report", inspector.store_report, seconds=kept(request, KEPT_S))
    node = _chosen(report, query(request).text("node"))
    troubles = stores.troubles(report)
    kind, sentence = stores.verdict(report, troubles)
    return render(
        request,
        "redis.html",
        place="redis",
        kind=kind,
        sentence=sentence,
        report=report,
        node=node,
        troubles=troubles,
        figures=_figures(report.nodes if node is None else (node,)),
        sections=[] if node is None else stores.sections(node),
        stores=stores,
    )


def _chosen(report: StoreReport, address: str) -> StoreNode | None:
    """Return the node whose facts are shown: the one that was named, or the only one."""
    if not address:
        return report.nodes[0] if len(report.nodes) == 1 else None
    found = next((one for one in report.nodes if one.address == address), None)
    if found is None:
        raise HTTPException(404, f"Node {shown(address)} is no primary of this store.")
    return found


def _figures(nodes: Sequence[StoreNode]) -> dict[str, int | None]:
    """Add up what can be added; None: no node tells."""

    def total(values: list[int | None]) -> int | None:
        told = [value for value in values if value is not None]
        return sum(told) if told else None

    return {
        "memory": total([node.memory for node in nodes]),
        "limit": total([node.memory_limit for node in nodes]),
        "clients": total([node.clients for node in nodes]),
        "rate": total([node.commands_per_second for node in nodes]),
        "keys": total([node.keys for node in nodes]),
        "evicted": total([node.evicted for node in nodes]),
    }


routes: list[Route] = [Route("/redis", redis)]
