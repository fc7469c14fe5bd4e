"""
Where plain functions run in the kit: one at a time, in the order they came, so that a test is the same each time.

They run in the thread that waits for the kit, if one does: a blocking test sees its handlers use its own database
connection and transaction (Django's `TestCase`), and no event loop runs there, so they may block. Otherwise they run
in a thread of the turnstile's own. A function that itself waits for the kit lets others run meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Turnstile(Executor):
    """Runs functions as a thread pool would, but one after another."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = threading.Condition()
        self._servants = 0
        self._has_worker = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function run, by who waits or else in the turnstile's own thread."""
        future: Future[T] = Future()
        with self._changed:
            self._waiting.append((future, lambda: fn(*args, **kwargs)))
            self._see_that_somebody_works()
            self._changed.notify_all()
        return future

    def wait(self, begin: Callable[[], Future[T]]) -> T:
        """Begin something and return its result; until it is there, run in this thread what comes."""
        with self._changed:
            self._servants += 1  # before it begins, or a thread of our own might run what it brings
        try:
            awaited = begin()
            awaited.add_done_callback(self._notify)
            while (item := self._next(awaited)) is not None:
                _run(*item)
        finally:
            with self._changed:
                self._servants -= 1
                self._see_that_somebody_works()
        return awaited.result()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002 - nothing is held
        """Forget what has not begun."""
        with self._changed:
            while self._waiting:
                self._waiting.popleft()[0].cancel()

    def _notify(self, _future: object) -> None:
        with self._changed:
            self._changed.notify_all()

    def _next(self, awaited: Future[Any]) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            self._changed.wait_for(lambda: awaited.done() or self._waiting)
            return None if awaited.done() else self._waiting.popleft()

    def _see_that_somebody_works(self) -> None:
        if self._waiting and not self._servants and not self._has_worker:
            self._has_worker = True
            threading.Thread(target=self._work, name="onebeat-testing", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._waiting or self._servants:
                    self._has_worker = False
                    return
                item = self._waiting.popleft()
            _run(*item)


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:
        future.set_exception(error)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
    else:
        future.set_result(result)
