"""Showing servers and what they run to asynq's tools (protocol §1.1, §3.4)."""

from __future__ import annotations

from collections.abc import Sequence

from onebeat.broker.call import Argument, Call
from onebeat.broker.store import BlockingStore
from onebeat.wire import keys

SHOWN_FOR_S = 10
"""How long a server is listed after its last sign of life (asynq: heartbeat.go)."""

MAX_WORKERS = 500
"""Workers per script."""


def show(store: BlockingStore, tag: str, server: bytes, workers: Sequence[tuple[str, bytes]]) -> None:
    """
    List a server and its workers for ten seconds.

    Args:
        tag: "<host>:<pid>:<server id>".

        server: Its `ServerRecord`, encoded.

        workers: (task id, encoded `WorkerRecord`) of each task that runs.
    """
    now_s = store.run(_show(tag, server, workers[:MAX_WORKERS]))
    for start in range(MAX_WORKERS, len(workers), MAX_WORKERS):
        store.run(_show(tag, b"", workers[start : start + MAX_WORKERS]))
    expires = now_s + SHOWN_FOR_S
    store.commands(
        [
            ("ZADD", keys.SERVERS, expires, keys.server(tag)),
            ("ZADD", keys.WORKERS, expires, keys.workers(tag)),
        ]
    )


def hide(store: BlockingStore, tag: str) -> None:
    """Strike a server off the list (asynq: rdb.go ClearServerState)."""
    store.commands(
        [
            ("ZREM", keys.SERVERS, keys.server(tag)),
            ("ZREM", keys.WORKERS, keys.workers(tag)),
            ("DEL", keys.server(tag)),
            ("DEL", keys.workers(tag)),
        ]
    )


def _show(tag: str, server: bytes, workers: Sequence[tuple[str, bytes]]) -> Call[int]:
    arguments: list[Argument] = [SHOWN_FOR_S, server]
    for worker in workers:
        arguments += worker
    return Call("presence", tag, arguments, int)
