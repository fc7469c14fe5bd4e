"""The two inspectors are one in all but waiting."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from onebeat import Client, ConfigurationError, Inspector, SyncInspector, Task
from onebeat.broker.store import Store


def methods(kind: type[Any]) -> dict[str, Any]:
    return {name: value for name, value in inspect.getmembers(kind, callable) if not name.startswith("_")}


def test_they_have_the_same_methods_with_the_same_signatures() -> None:
    """But `close`, since a block of `async with` closes the other."""
    one, two = methods(Inspector), methods(SyncInspector)
    assert {"close"} == two.keys() - one.keys()
    assert set() == one.keys() - two.keys()
    for name, method in one.items():
        here, there = inspect.signature(method), inspect.signature(two[name])
        assert here.parameters == there.parameters, name
        expected = here.return_annotation.replace("AsyncIterator", "Iterator")
        assert expected == there.return_annotation, name
        assert inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method), name
        assert not inspect.iscoroutinefunction(two[name]), name


def test_importing_onebeat_loads_neither_asyncio_nor_redis() -> None:
    """The names are there before anything is loaded."""
    code = "import sys, onebeat; assert 'SyncInspector' in dir(onebeat); print({'asyncio', 'redis'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()" == done.stdout.strip()


async def test_the_blocking_one_refuses_to_block_a_loop(url: str) -> None:
    """And says which does not."""
    inspector = SyncInspector(url)
    with pytest.raises(ConfigurationError, match=r"SyncInspector would block the event loop.*use Inspector"):
        inspector.queues()
    with pytest.raises(ConfigurationError, match="would block the event loop"):
        next(inspector.tasks("q", state="pending"))


def test_the_blocking_one_serves_any_number_of_threads(url: str) -> None:
    """From one object, opened when it is first used, and again after it was closed."""
    with SyncInspector(url) as inspector:
        found: list[list[str]] = []
        threads = [threading.Thread(target=lambda: found.append(inspector.queues())) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [[]] * 8 == found
        inspector.close()
        assert [] == inspector.queues()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_makes_its_own_connections(url: str) -> None:
    """And the parent's go on."""
    inspector = SyncInspector(url)
    assert [] == inspector.queues()
    child = os.fork()
    if child == 0:
        os._exit(0 if inspector.queues() == [] else 1)
    assert (child, 0) == os.waitpid(child, 0)
    assert [] == inspector.queues()
    inspector.close()


async def test_an_open_store_is_not_closed(url: str) -> None:
    """It is its owner's."""
    async with await Store.open(url) as store, Client(store) as client:
        async with Inspector(store) as inspector:
            await client.enqueue(Task("t"))
            assert ["default"] == await inspector.queues()
        assert b"PONG" == await store.command("PING") or True is await store.command("PING")


def test_iterators_are_what_they_are_annotated_as() -> None:
    """One is to be awaited, the other not."""
    assert isinstance(Inspector("redis://nowhere").tasks("q", state="pending"), AsyncIterator)
    assert isinstance(SyncInspector("redis://nowhere").tasks("q", state="pending"), Iterator)
