"""Connections to nodes that have no slots any more: closed, however many of them there are at once."""

from __future__ import annotations

import asyncio
import re
from contextlib import AsyncExitStack

import pytest

from onebeat.broker.connection import endpoint
from onebeat.broker.endpoint import Address, show
from onebeat.broker.layout import Layout
from onebeat.broker.nodes import KEPT, Nodes
from onebeat.wire import keys
from tests.server.conftest import until


class Peer:
    """What nodes of a cluster are to whoever connects: each command is answered +OK."""

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.open: set[Address] = set()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own: Address = writer.get_extra_info("sockname")[:2]
        self.open.add(own)
        while read := await reader.read(65_536):
            writer.write(b"+OK\r\n" * len(re.findall(rb"(?m)^\*\d+\r$", read)))
        writer.close()
        await writer.wait_closed()
        self.open.discard(own)

    async def listen(self, stack: AsyncExitStack) -> None:
        """Be one node more."""
        server = await stack.enter_async_context(await asyncio.start_server(self._talk, "127.0.0.1", 0))
        self.addresses.append(server.sockets[0].getsockname()[:2])


def of(*addresses: Address) -> Layout:
    """Return a layout in which these have all slots."""
    return Layout([addresses[slot % len(addresses)] for slot in range(keys.SLOTS)])


@pytest.mark.parametrize("at_once", [1, 3 * KEPT])
async def test_nodes_that_are_gone_are_let_go_of_however_many(at_once: int) -> None:
    """Whether all change at once, as where a cluster moves, or one after another."""
    peer = Peer()
    async with AsyncExitStack() as stack:
        for _ in range(3 * KEPT + 1):
            await peer.listen(stack)
        *old, new = peer.addresses
        nodes = Nodes(endpoint("redis+cluster://127.0.0.1:1"))
        for start in range(0, len(old), at_once):
            some = old[start : start + at_once]
            await nodes._adopt(of(*some))
            for address in some:
                assert b"OK" == await nodes.at(show(address), ("ECHO", "x"))
        await nodes._adopt(of(new))

        async def are_closed() -> bool:
            return not peer.open

        await until(are_closed)
        await nodes.aclose()


async def test_a_call_that_connects_to_a_node_that_is_gone_leaves_nothing_open() -> None:
    """By the end at the latest; whether that is one of the last or of many before."""
    peer = Peer()
    async with AsyncExitStack() as stack:
        for _ in range(3 * KEPT + 1):
            await peer.listen(stack)
        *old, new = peer.addresses
        nodes = Nodes(endpoint("redis+cluster://127.0.0.1:1"))
        await nodes._adopt(of(*old))
        under_way = [nodes._node(address) for address in old]
        await nodes._adopt(of(new))
        for node in under_way:
            assert b"OK" == await node.client.execute_command("ECHO", "x")
        await nodes.aclose()

        async def are_closed() -> bool:
            return not peer.open

        await until(are_closed)
