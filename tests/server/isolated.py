"""An application whose tasks run in processes of their own: what `test_isolation` works with."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from onebeat import Context, Onebeat, Retry, RevokeTask, SkipRetry, current


@dataclass
class State:
    pid: int


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    yield State(os.getpid())
    note("left")


app = Onebeat("isolated", lifespan=lifespan)


def note(text: str) -> None:
    """Add a line to the file that the test reads."""
    with Path(os.environ["ONEBEAT_TEST_NOTES"]).open("a") as file:
        file.write(f"{text}\n")


@app.task(isolation="process")
def where(ctx: Context[State], number: int) -> list[int]:
    return [os.getpid(), ctx.state.pid, os.getpgrp(), number, current().retried]


@app.task(isolation="process")
async def on_a_loop(ctx: Context[State]) -> str:
    await asyncio.sleep(0)
    return f"{current().id} {ctx.type}"


@app.task(isolation="process", max_retry=3, backoff=lambda failures: 1000 + failures, archive_on=(KeyError,))
def fails(how: str) -> None:
    errors: dict[str, BaseException] = {
        "value": ValueError("boom"),
        "key": KeyError("gone"),
        "skip": SkipRetry("never"),
        "revoke": RevokeTask(),
        "later": Retry("not now", delay=500, counts=False),
        "exit": SystemExit(3),
    }
    raise errors[how]


@app.task(isolation="process", max_retry=3, backoff=lambda failures: 1000 + failures)
def dies_for_now() -> None:
    os._exit(7)


@app.task(isolation="process", max_retry=0)
def dies(how: str) -> None:
    if how == "signal":
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(7)


@app.task(isolation="process", retention=60)
def unencodable() -> object:
    return object()


@app.task(isolation="process", max_retry=0)
def hangs(with_lock: bool) -> None:
    """Start a program that would outlive us, and never return; with the interpreter lock held if asked."""
    program = subprocess.Popen(["sleep", "600"])
    note(f"{os.getpid()} {program.pid}")
    if with_lock:
        ctypes.PyDLL(None).sleep(600)
    time.sleep(600)


@app.task(isolation="process")
def echo(payload: bytes, /) -> bytes:
    return payload[::-1]


@app.task(isolation="process", codec="msgpack")
def packed(parts: list[bytes]) -> list[bytes]:
    return parts[::-1]


@app.task(isolation="process")
def tells(ctx: Context[State]) -> None:
    ctx.progress(1, "one of four", of=4)
    while not Path(os.environ["ONEBEAT_TEST_NOTES"]).with_name("seen").exists():
        time.sleep(0.02)


@app.task(isolation="process")
def writes() -> None:
    logging.getLogger("shop").warning("from the process")
