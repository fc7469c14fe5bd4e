"""A store as managed services give it: its user may do what Onebeat needs, and nothing that administers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from onebeat.broker.connection import endpoint
from onebeat.broker.store import Store
from tests.engines import Topology

USER, PASSWORD = "managed", "pw"
RIGHTS = ("on", f">{PASSWORD}", "~*", "&*", "+@all", "-@admin", "-@dangerous", "+info", "+role")


@asynccontextmanager
async def managed(topology: Topology, *refused: str) -> AsyncIterator[tuple[Store, Topology]]:
    """
    Open the store as such a user.

    Args:
        refused: Commands that are taken from it once the store is open, such as "-info".
    """
    allow(topology, *RIGHTS)
    where = endpoint(topology.url)
    try:
        user = replace(where, settings={**where.settings, "username": USER, "password": PASSWORD})
        async with await Store.open(user, injected_clock=True) as store:
            allow(topology, *refused)
            yield store, topology
    finally:
        for node in topology.primaries():
            node.client.execute_command("ACL", "DELUSER", USER)


def allow(topology: Topology, *rules: str) -> None:
    """Tell every primary what the user may."""
    for node in topology.primaries():
        node.client.execute_command("ACL", "SETUSER", USER, *rules)
