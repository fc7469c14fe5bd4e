"""The whole store at a glance, and who asks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import msgspec

from onebeat import __version__
from onebeat.documents.queues import Stats, Store
from onebeat.inspector.inspector import Inspector
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import Operation
from onebeat.web.security.roles import Role

RoleName = Literal["view", "operate", "admin"]


class Whoami(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who asks, and what of.

    Attributes:
        name: Of the user; null: this console asks nobody who they are.

        role: On what `queues` does not name; null: none.

        queues: Roles by queue, or by a pattern with `*`.

        read_only: Whether this console changes nothing for anybody.

        require_reason: Whether who deletes, cancels, removes or stops something, or does something to all tasks that
            fit, has to give a `reason`.

        version: Of Onebeat.
    """

    name: str | None
    role: RoleName | None
    queues: dict[str, RoleName | None]
    read_only: bool
    require_reason: bool
    version: str


async def get_stats(asked: Asked) -> Stats:
    """Count what all queues hold, and did, and read what the store says of itself."""

    async def read(inspector: Inspector) -> Stats:
        return Stats.of(await inspector.stats_each(), await inspector.store_info(), datetime.now(UTC))

    found = await asked.read("stats", read=read)
    return found if asked.sees_all else _visible(asked, found)


def _visible(asked: Asked, found: Stats) -> Stats:
    rows = [row for row in found.queues if asked.sees(row.queue)]
    broken = [one for one in found.unreadable if asked.sees(one.queue)]
    return msgspec.structs.replace(found, queues=rows, unreadable=broken, totals=type(found.totals).of(rows))


async def get_store(asked: Asked) -> Store:
    """Ask the store for its version, its memory, its clients, and the state of a cluster."""
    asked.check_sees(None)
    return await asked.read("store", read=_store)


async def _store(inspector: Inspector) -> Store:
    return Store.of(await inspector.store_info())


async def get_whoami(asked: Asked) -> Whoami:
    """Say who asks, by the token or the session that came along, and what they may do."""
    user = None if asked.is_open else asked.user
    return Whoami(
        name=None if user is None else user.name,
        role="admin" if user is None else _name(user.role_on(None)),
        queues={}
        if user is None
        else {name: _name(Role.of(role)) for name, role in user.queues.items() if role is not None},
        read_only=asked.console.settings.read_only,
        require_reason=asked.console.settings.require_reason,
        version=__version__,
    )


def _name(role: Role | None) -> RoleName | None:
    names: dict[Role | None, RoleName] = {Role.VIEW: "view", Role.OPERATE: "operate", Role.ADMIN: "admin"}
    return names.get(role)


OPERATIONS = (
    Operation("GET", "/stats", get_stats),
    Operation("GET", "/store", get_store),
    Operation("GET", "/whoami", get_whoami),
)
