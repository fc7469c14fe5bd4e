"""
What crosses between a server and the processes of its isolated tasks: bytes and texts, never pickled values.

A frame is its length in four bytes and a msgpack object.
"""

from __future__ import annotations

from typing import Literal

import msgspec

LENGTH = 4


class Greeting(msgspec.Struct):
    """
    Said once by the server: how to find the application's modules, and how loud to log.

    `main` is the file that the server's process was started with, for tasks declared in it.
    """

    path: list[str]
    main: str
    log_level: int


class Job(msgspec.Struct):
    """One attempt: which function, for which task. `keeps` says that its result is wanted."""

    target: str
    id: str
    queue: str
    type: str
    payload: bytes
    retried: int
    max_retry: int
    headers: dict[str, str]
    keeps: bool


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
    """

    kind: Literal["returned", "failed", "skipped", "revoked", "retry"]
    result: bytes = b""
    text: str = ""
    delay: float | None = None
    counts: bool = True
    trace: str = ""


def pack(frame: Greeting | Job | Said | Verdict) -> bytes:
    """Encode a frame with its length."""
    body = msgspec.msgpack.encode(frame)
    return len(body).to_bytes(LENGTH) + body
