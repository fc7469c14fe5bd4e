"""Who watches a command from outside: probes and scrapers over HTTP, and systemd."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

from onebeat.cli import own
from onebeat.cli.processes.orders import Facts, Orders
from onebeat.observe.health import probes
from onebeat.observe.routes import Routes
from onebeat.observe.systemd import Notifier
from onebeat.server.health import Check, HealthReport

if TYPE_CHECKING:
    from onebeat.app.serving import Serving

log: logging.Logger = logging.getLogger("onebeat.cli")

PATIENCE_S = 5.0
"""How long the event loop of a parent, which has nothing to do but that, may take to ask its processes."""


class Watched:
    """
    What is watched: something that starts, until there is more to tell.

    Attributes:
        report: Says how it fares; called from any thread.

        routes: What is answered over HTTP, where that is wanted; more may be added.

        ready: Called with what each process under a parent says when it serves.

        at: Where; None: nowhere.
    """

    def __init__(self) -> None:
        self.report: Callable[[], HealthReport] = HealthReport.starting
        self.at: str | None = None
        self.routes: Routes = probes(lambda: self.report())
        self.ready: Callable[[Facts], object] = lambda _facts: None

    def watch(self, serving: Serving) -> None:
        """Tell from now on how a server in this process fares."""
        self.report = serving.health_report


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """
    Let SIGTERM end this process until an event loop listens to it.

    At once, as the system does by itself, but not to the first process of a container: there a signal without a
    handler is as good as not sent.
    """
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:  # else it is over, see `hear_no_more`
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _end(number: int, _frame: object) -> NoReturn:
    os._exit(128 + number)


def hear_no_more(*numbers: signal.Signals) -> None:
    """
    Let these signals not reach this process any more: it is over, and one that hurries others finds it at its end.

    Called on the event loop that listened to them. Its close would leave them to Python's own handlers, and Python's
    end leaves to the system what has a handler, whoever's: either makes a clean end a failure. A process that goes on
    after the command, since it called it from Python, goes on to hear.
    """
    if not own.process:
        return
    loop = asyncio.get_running_loop()
    for number in numbers:
        while signal.getsignal(number) is not signal.SIG_IGN:
            with suppress(KeyboardInterrupt):  # of a signal that comes between the two
                loop.remove_signal_handler(number)
                signal.signal(number, signal.SIG_IGN)


@contextmanager
def operations(orders: Orders) -> Iterator[Watched]:
    """
    Answer over HTTP and tell systemd, each if it is wanted, while the block runs.

    Raises:
        ConfigurationError: The port or the host cannot be had.
    """
    watched = Watched()
    with ExitStack() as stack:
        stack.enter_context(ended_by_sigterm())
        if orders.metrics_port is not None:
            from onebeat.observe.http import HttpServer

            server = HttpServer(watched.routes, host=orders.metrics_host, port=orders.metrics_port)
            watched.at = stack.enter_context(server).url
        notifier = Notifier.of_this_process(lambda: watched.report())
        if notifier is not None:
            stack.enter_context(notifier)
        yield watched


def from_elsewhere(health: Callable[[], Coroutine[Any, Any, HealthReport]]) -> Callable[[], HealthReport]:
    """Let other threads ask what is known on the running loop."""
    loop = asyncio.get_running_loop()

    def report() -> HealthReport:
        work = health()
        try:
            asking = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:  # the loop is closed
            work.close()
            return HealthReport.stopped()
        try:
            return asking.result(PATIENCE_S)
        except CancelledError:  # the loop is being closed
            return HealthReport.stopped()
        except TimeoutError:
            asking.cancel()
            why = f"the parent has not answered for {PATIENCE_S:g} s"
            return HealthReport.of("serving", [Check(name="event_loop", ready=False, why=why)])

    return report
