"""What handlers run in is entered where they run."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from onebeat import Onebeat, Router
from onebeat.app.surroundings import Surroundings


async def test_handlers_run_in_their_surroundings(url: str) -> None:
    """Plain ones in their thread, coroutines on the loop, a router's too; the first is the outermost."""
    app, router, seen = Onebeat[None]("surrounded", url=url), Router[None](), list[Any]()

    def surroundings(name: str) -> Surroundings:
        @contextmanager
        def plain() -> Iterator[None]:
            seen.append((name, threading.current_thread()))
            yield
            seen.append(f"{name} left")

        @asynccontextmanager
        async def coroutine() -> AsyncIterator[None]:
            with plain():
                yield

        return Surroundings(plain, coroutine)

    @app.task()
    def in_thread() -> bool:
        seen.append(("handler", threading.current_thread()))
        return True

    @router.task()
    async def on_loop() -> bool:
        return in_thread()

    app.include(router)
    for name in "ab":
        app.surround(surroundings(name))
    async with app, app.serving(concurrency=1):
        for task in (in_thread, on_loop):
            seen.clear()
            await (await task.enqueue()).result(timeout=60)
            *entered, last, first = seen
            threads = {thread for _, thread in entered}
            assert (["a", "b", "handler"], "b left", "a left") == ([name for name, _ in entered], last, first)
            assert 1 == len(threads)
            assert (task is on_loop) is (threading.current_thread() in threads)
