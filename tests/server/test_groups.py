"""Aggregation by servers: when, what of, what its failures and its server's death come to, and that nothing doubles."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context
from onebeat.server.server import Server
from onebeat.states import TaskState
from onebeat.task import Task
from tests.server.conftest import Bench, until

Ctx = Context[Any]


def collect(bench: Bench) -> list[bytes]:
    """Have combined tasks run, and return what they carry as they do."""
    ran: list[bytes] = []

    @bench.mux.handle("combined")
    async def combined(ctx: Ctx, task: Task[Any]) -> None:
        ran.append(task.payload)

    return ran


def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
    return Task("combined", group.encode() + b": " + b" ".join(task.payload for task in tasks))


async def test_a_group_becomes_one_task(bench: Bench) -> None:
    """When nobody has joined for the grace period; in the order in which they joined; then nothing is left of it."""
    ran = collect(bench)
    bench.mux.aggregate()(join)
    for payload in (b"a", b"b", b"c"):
        await bench.enqueue("event", payload, group="g")
    assert 3 == (await bench.stats()).aggregating
    async with bench.serving(group_grace=0.05):
        await bench.reaches(processed=1, aggregating=0)
    assert 1 == len(ran)
    assert (b"g:", [b"a", b"b", b"c"]) == (ran[0].split()[0], sorted(ran[0].split()[1:]))
    assert [] == [key for key in await bench.store.command("KEYS", "*{default}:g*") if b"groups" not in key]


async def test_coroutines_and_plain_functions_aggregate(bench: Bench) -> None:
    """The longest pattern counts; a plain function runs in a thread."""
    ran, threads = collect(bench), dict[str, str]()

    @bench.mux.aggregate("mail:")
    async def on_loop(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        threads["async"] = threading.current_thread().name
        return join(group, tasks)

    @bench.mux.aggregate()
    def in_thread(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        threads["plain"] = threading.current_thread().name
        return join(group, tasks)

    await bench.enqueue("event", b"a", group="mail:1")
    await bench.enqueue("event", b"b", group="other")
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=2, aggregating=0)
    assert [b"mail:1: a", b"other: b"] == sorted(ran)
    assert "MainThread" == threads["async"]
    assert threads["plain"].startswith("onebeat-group")
