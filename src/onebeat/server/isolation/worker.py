"""
Runs isolated handlers, one after another, in a process that has nothing else to do.

It knows neither the store nor leases: it gets a payload and says what came of it. Every application whose tasks
it runs has its `lifespan` entered here once, as in a server.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import importlib.util
import inspect
import math
import os
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import ModuleType
from typing import Any, Protocol

import msgspec

from onebeat.broker.again import run_again
from onebeat.errors import ConfigurationError, Retry, RevokeTask, SemaphoreFull
from onebeat.server import outcome
from onebeat.server.context import Context, Say, running
from onebeat.server.isolation.carried import entered
from onebeat.server.isolation.frames import LENGTH, Greeting, Job, Said, Verdict, pack
from onebeat.server.logs import prepare_log
from onebeat.server.mux import Route
from onebeat.server.traces import in_handler
from onebeat.task import Task

MAIN = "__onebeat_main__"
"""Under this name the file that the server was started with is imported, so that its main part does not run."""


SAY_EVERY_S = 0.05


class _Writable(Protocol):
    def write(self, data: bytes, /) -> object: ...
    def flush(self) -> None: ...


class _Mouth:
    """Writes frames, whole ones, whichever thread of the handler speaks; of progress no more than anybody reads."""

    def __init__(self, stream: _Writable) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._said = -math.inf

    def put(self, frame: Said | Verdict) -> None:
        with self._lock:
            self._stream.write(pack(frame))
            self._stream.flush()

    def say(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            self.put(Said(fraction, text))


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Target(Protocol):
    """What a job's target must be: a declared task."""

    @property
    def route(self) -> Route: ...

    @property
    def lifespan(self) -> Callable[[], AbstractAsyncContextManager[Any]] | None: ...


def work(descriptor: int) -> None:
    """Do jobs until the server hangs up."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as stream, asyncio.Runner() as loop:
        greeting = _read(stream, Greeting)
        if greeting is None:
            return
        sys.path[:] = greeting.path
        prepare_log(greeting.log_level, is_json=greeting.log_json)
        mouth = _Mouth(stream)
        worker = Worker(greeting.main, loop, mouth.say)
        while (job := _read(stream, Job)) is not None:
            mouth.put(worker.run(job))
        worker.close()


def _read(stream: _Readable, kind: type[Any]) -> Any:
    length = stream.read(LENGTH)
    return msgspec.msgpack.decode(stream.read(int.from_bytes(length)), type=kind) if length else None


class Worker:
    """Finds functions and calls them."""

    def __init__(self, main: str, loop: asyncio.Runner, say: Say) -> None:
        self._main = main
        self._say = say
        self._loop = loop
        self._states: dict[object, Any] = {}
        self._open = AsyncExitStack()

    def run(self, job: Job) -> Verdict:
        """Run one attempt and say how it ended."""
        route: Route | None = None
        try:
            target = self.find(job.target)
            route = target.route
            state = self._state(target)
            return self._call(route, job, state)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its task's outcome
            return judge(route, job.retried, error)

    def close(self) -> None:
        """Leave the lifespans."""
        self._loop.run(self._open.aclose())

    def find(self, target: str) -> Target:
        """Import a declared task by "module:name"."""
        module, _, names = target.partition(":")
        found: Any = self._import(module)
        for name in names.split("."):
            found = getattr(found, name)
        if not isinstance(getattr(found, "route", None), Route):
            raise ConfigurationError(f"{target} is {found!r} and no task: put @app.task above the function itself")
        return found  # type: ignore[no-any-return] # looked at just now

    def _import(self, module: str) -> ModuleType:
        if module != "__main__":
            return importlib.import_module(module)
        if MAIN not in sys.modules:
            spec = importlib.util.spec_from_file_location(MAIN, self._main)
            assert spec is not None  # noqa: S101 - tasks without a file are refused where they are declared
            assert spec.loader is not None  # noqa: S101
            found = importlib.util.module_from_spec(spec)
            with run_again(self._main):
                spec.loader.exec_module(found)
            sys.modules[MAIN] = found
        return sys.modules[MAIN]

    def _state(self, target: Target) -> Any:
        lifespan = target.lifespan
        if lifespan is None:
            return None
        if lifespan not in self._states:
            self._states[lifespan] = self._loop.run(self._open.enter_async_context(lifespan()))
        return self._states[lifespan]

    def _call(self, route: Route, job: Job, state: Any) -> Verdict:
        context = Context(
            id=job.id,
            queue=job.queue,
            type=job.type,
            retried=job.retried,
            max_retry=job.max_retry,
            headers=job.headers,
            state=state,
            say=self._say,
            deadline_us=lambda: job.deadline_us,
        )
        running.set(context)
        with entered(job):
            result = route.handler(context, Task.received(job.type, job.payload, job.headers))
            if inspect.iscoroutine(result):
                result = self._loop.run(result, context=contextvars.copy_context())
        return Verdict("returned", result=route.encode(result, job.headers) if job.keeps else b"")


def judge(route: Route | None, retried: int, error: BaseException) -> Verdict:
    """Say what an error means for the task; the error itself stays in this process."""
    text, found = outcome.error_text(error), in_handler(error)
    trace = "".join(traceback.format_exception(*found)) if found is not None else ""
    if outcome.in_chain(error, RevokeTask):
        return Verdict("revoked")
    if isinstance(error, SemaphoreFull):
        return Verdict("full", text=text, delay=error.delay)
    if isinstance(error, Retry):
        return Verdict("retry", text=text, delay=error.delay, counts=error.counts)
    kind = outcome.error_type(error)
    if not outcome.worth_retrying(route, error):
        return Verdict("skipped", text=text, trace=trace, error_type=kind)
    delay = route.backoff(retried, error) if route is not None and route.backoff is not None else None
    return Verdict("failed", text=text, delay=delay, trace=trace, error_type=kind)


def main_file() -> str:
    """Return the file that this process was started with, or "" where there is none, as in a notebook."""
    return os.path.abspath(getattr(sys.modules.get("__main__"), "__file__", None) or "")  # noqa: PTH100 - may be ""
