"""Where programs enqueue without any framework: notebooks, threads, forked processes, loops that come and go."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import nbformat
import pytest
from asgiref.sync import async_to_sync
from nbclient import NotebookClient

from onebeat import Onebeat
from onebeat.broker import browse

THREADS, EACH = 32, 50

CELLS = [
    "from onebeat import ConfigurationError, Onebeat\napp = Onebeat('notebook')",
    "@app.task()\nasync def double(number: int) -> int:\n    return 2 * number",
    "handle = await double.enqueue(21)\nprint((await handle.info()).state)",
    "try:\n    double.enqueue_sync(1)\nexcept ConfigurationError as error:\n    print(error)",
    "async with app.serving(concurrency=1):\n    print(await handle.result(timeout=60))",
    "@app.task()\ndef halve(number: int) -> float:\n    return number / 2",
    "async with app.serving(concurrency=1):\n    print(await (await halve.enqueue(21)).result(timeout=60))",
]


@pytest.fixture
def app(url: str) -> Onebeat[Any]:
    app: Onebeat[Any] = Onebeat("threads", url=url)

    @app.task()
    def double(number: int) -> int:
        return 2 * number

    return app


def pending(app: Onebeat[Any]) -> int:
    return app.sync_client().store.run(browse.stats("default")).pending


@pytest.mark.slow
@pytest.mark.filterwarnings("default::ResourceWarning", "default::DeprecationWarning")
def test_a_notebook_awaits_at_its_top_level(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real kernel, whose loop runs all the time: cells share the connection, and blocking calls say to await."""
    monkeypatch.setenv("ONEBEAT_URL", url)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=60, iopub_timeout=60, kernel_name="python3").execute()
    # a kernel sends what is printed whenever it likes, so a line may come in two
    printed = "".join(
        output["text"] for cell in notebook.cells for output in cell.outputs if output["name"] == "stdout"
    )
    assert [
        "pending",
        "enqueue_sync() of task double would block the event loop that runs in this thread: await enqueue() instead",
        "42",
        "10.5",
    ] == printed.splitlines()


@pytest.mark.slow
def test_threads_share_an_application(app: Onebeat[Any]) -> None:
    """32 that begin at once: each task is there once, under an id of its own."""
    double, together = app.tasks["double"], threading.Barrier(THREADS)

    def enqueue(thread: int) -> list[str]:
        together.wait()
        return [double.enqueue_sync(number).id for number in range(EACH)]

    with ThreadPoolExecutor(THREADS) as pool:
        ids = {task_id for found in pool.map(enqueue, range(THREADS)) for task_id in found}
    assert THREADS * EACH == len(ids) == pending(app)
    app.close()


def _in_child(app: Onebeat[Any], answers: Any) -> None:
    async def both() -> str:
        return (await app.tasks["double"].enqueue(2)).id

    answers.put([app.tasks["double"].enqueue_sync(1).id, asyncio.run(both())])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_forked_children_enqueue_by_both_ways(app: Onebeat[Any]) -> None:
    """What the parent has opened, for code that blocks and on a loop, is its own."""
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    async def parent() -> None:
        await app.tasks["double"].enqueue(0)
        children = [context.Process(target=_run_child, args=(app, answers)) for _ in range(3)]
        for child in children:
            child.start()
        ids = [await asyncio.to_thread(answers.get, timeout=60) for _ in children]
        for child in children:
            await asyncio.to_thread(child.join)
        assert 6 == len({task_id for found in ids for task_id in found})
        await app.tasks["double"].enqueue(3)

    app.tasks["double"].enqueue_sync(0)
    asyncio.run(parent())
    assert 9 == pending(app)
    app.close()


def _run_child(app: Onebeat[Any], answers: Any) -> None:
    thread = threading.Thread(target=_in_child, args=(app, answers))  # a forked child inherits the parent's loop
    thread.start()
    thread.join()


@pytest.mark.slow
def test_loops_that_come_and_go(app: Onebeat[Any]) -> None:
    """An async view under WSGI has a loop for itself; nothing that it opened is left behind."""
    for number in range(3):
        async_to_sync(app.tasks["double"].enqueue)(number)
        gc.collect()  # what was left open would be a ResourceWarning, which is an error here
    assert 3 == pending(app)
    app.close()
