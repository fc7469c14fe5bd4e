"""
What crosses between a server and the processes of its isolated tasks: bytes and texts, never pickled values.

A frame is its length in four bytes and a msgpack object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from onebeat.events import Carried

if TYPE_CHECKING:
    from onebeat.server.context import Context
    from onebeat.wire.message import TaskMessage

LENGTH = 4


class Greeting(msgspec.Struct):
    """
    Said once by the server: how to find the application's modules, and how loud to log.

    `main` is the file that the server's process was started with, for tasks declared in it; `log_json`: each line is a
    document.
    """

    path: list[str]
    main: str
    log_level: int
    log_json: bool = False


class Job(msgspec.Struct):
    """
    One attempt: which function, for which task.

    `keeps` says that its result is wanted; the deadline is microseconds since 1970, by the store's clock; `carried` is
    what observers have the process know.
    """

    target: str
    id: str
    queue: str
    type: str
    payload: bytes
    retried: int
    max_retry: int
    headers: dict[str, str]
    keeps: bool
    deadline_us: int | None = None
    carried: list[Carried] = []


def job(target: str, message: TaskMessage, context: Context[Any], carried: list[Carried]) -> Job:
    """Return what a process is to be given to run an attempt."""
    return Job(
        target=target,
        id=message.id,
        queue=message.queue,
        type=message.type,
        payload=message.payload,
        retried=message.retried,
        max_retry=message.retry,
        headers=dict(message.headers),
        keeps=bool(message.retention),
        deadline_us=context._deadline_us(),
        carried=carried,
    )


class Said(msgspec.Struct, tag=True):
    """How far the task says it is, while it runs."""

    fraction: float
    text: str


class Verdict(msgspec.Struct, tag=True):
    """
    How an attempt ended.

    Attributes:
        kind: What the handler did; "skipped" also stands for an error that is not worth a retry.

        result: What it returned, encoded, if it is kept.

        text: Its error, as it is stored.

        delay: Seconds until the retry, where the handler or its own back-off says so.

        counts: Whether the retry counts as a failure.

        trace: The traceback, for the log.

        error_type: The name of its error's class.
    """

    kind: Literal["returned", "failed", "skipped", "revoked", "retry", "full"]
    result: bytes = b""
    text: str = ""
    delay: float | None = None
    counts: bool = True
    trace: str = ""
    error_type: str = ""


def pack(frame: Greeting | Job | Said | Verdict) -> bytes:
    """Encode a frame with its length."""
    body = msgspec.msgpack.encode(frame)
    return len(body).to_bytes(LENGTH) + body
