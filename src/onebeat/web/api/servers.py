"""Servers."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from onebeat.documents.servers import Server, ServerDetails, Worker
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ServerInfo
from onebeat.web.api import paging
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import Operation
from onebeat.web.api.paging import Cursor, Limit, Name, Reason


class ServersQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which servers.

    Attributes:
        limit: How many at most.

        cursor: Where to go on: `cursor` of the answer before.
    """

    limit: Limit = 100
    cursor: Cursor = ""


class ServerPage(msgspec.Struct, frozen=True, kw_only=True):
    """Servers that live, by host, process and id; and where the list goes on, null at its end."""

    servers: list[Server]
    cursor: str | None


class ServerQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which server.

    Attributes:
        server: Its id, or "host:pid".
    """

    server: Name


class ServerNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which server.

    Attributes:
        server: Its id, or "host:pid".

        reason: Why, in a line: it stands in the audit. A console may require it (`reason-missing`).
    """

    server: Name
    reason: Reason = ""


async def list_servers(asked: Asked, query: ServersQuery) -> ServerPage:
    """List the servers that live, Onebeat's and Go's."""
    asked.check_sees(None)
    living = await asked.read("servers", read=Inspector.servers)
    found, cursor = paging.part(living, _key, of="servers", limit=query.limit, cursor=query.cursor)
    return ServerPage(servers=[_visible(asked, Server.of(one)) for one in found], cursor=cursor)


def _key(one: ServerInfo) -> str:
    return f"{one.host}:{one.pid:010}:{one.id}"


async def get_server(asked: Asked, query: ServerQuery) -> ServerDetails:
    """Read one server: what it handles, how its clock and its event loop fare, and what it runs."""
    asked.check_sees(None)
    found = await asked.read("server", query.server, read=lambda inspector: inspector.server(query.server))
    return _details(asked, found)


def _details(asked: Asked, info: ServerInfo) -> ServerDetails:
    """Leave out what runs of queues that are hidden from who asks, and what is secret."""
    now = datetime.now(UTC)
    details = ServerDetails.of(info, now)
    workers = [
        msgspec.structs.replace(Worker.of(worker, now), payload=asked.seen(worker.payload).bytes)
        for worker in info.workers
        if asked.sees(worker.queue)
    ]
    return msgspec.structs.replace(details, server=_visible(asked, details.server), workers=workers)


def _visible(asked: Asked, row: Server) -> Server:
    return msgspec.structs.replace(
        row, queues={name: weight for name, weight in row.queues.items() if asked.sees(name)}
    )


async def drain_server(asked: Asked, body: ServerNamed) -> Server:
    """Order a server of Onebeat to take no more tasks, and to end those that it runs; answers it as it was."""
    return await _order(asked, "server.drain", body)


async def stop_server(asked: Asked, body: ServerNamed) -> Server:
    """
    Order a server of Onebeat to end, once nothing runs on it; answers it as it was.

    Whoever watches over its process may start another one.
    """
    return await _order(asked, "server.stop", body)


async def resume_server(asked: Asked, body: ServerNamed) -> Server:
    """Let a server take tasks again that was told not to; answers it as it was."""
    return await _order(asked, "server.resume", body)


async def _order(asked: Asked, action: str, body: ServerNamed) -> Server:
    name = body.server

    async def tell(inspector: Inspector) -> ServerInfo:
        if action == "server.resume":
            return await inspector.resume_server(name)
        return await inspector.drain_server(name, stop=action == "server.stop")

    return _visible(asked, Server.of(await asked.perform(action, tell, about=name, reason=body.reason)))


OPERATIONS = (
    Operation("GET", "/servers", list_servers),
    Operation("GET", "/server", get_server, refusals=(404,)),
    Operation("POST", "/server/drain", drain_server, "server.drain", refusals=(404,)),
    Operation("POST", "/server/stop", stop_server, "server.stop", refusals=(404,)),
    Operation("POST", "/server/resume", resume_server, "server.resume", refusals=(404,)),
)
