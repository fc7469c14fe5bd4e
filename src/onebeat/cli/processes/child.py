"""
A server process under a parent: `python -m onebeat.cli.processes.child SOCKET`.

Stopping is the parent's business: it hears Ctrl-C as we do, and may be told to stop by a manager that tells every
process. So a signal stops us at most once, and only the parent's word makes us hurry.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import msgspec

from onebeat.app.app import Onebeat
from onebeat.app.serving import Serving
from onebeat.broker.connection import endpoint
from onebeat.cli import own
from onebeat.cli.load import application
from onebeat.cli.loops import run_async
from onebeat.cli.measuring import measure_child
from onebeat.cli.operations import Watched, hear_no_more
from onebeat.cli.processes.link import Link
from onebeat.cli.processes.orders import AWAY, FAILED, HEALTH, HELD_BACK, Facts, Schedule
from onebeat.cli.serving import observe, prepare_log, where
from onebeat.cli.traces import trimmed
from onebeat.clock import SystemClock
from onebeat.errors import BrokerUnavailable, OnebeatError
from onebeat.server.config import ServerConfig
from onebeat.server.server import ServerSettings

MARGIN_S = 5.0


def main(descriptor: int) -> None:
    """Serve until the parent says "stop", or is gone."""
    own.process = True
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: None)  # the parent's, who replaces us
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    link = Link(descriptor)
    watched = Watched()
    link.answers[HEALTH] = lambda: msgspec.json.encode(watched.report())
    link.listen()
    orders = link.orders
    prepare_log(orders)
    try:
        app = application(orders.app, orders.folder)
        url = os.environ["ONEBEAT_URL"] = where(app, orders)  # what handlers enqueue goes where their server is
        observe(app, orders)
        measure_child(app, orders)
        run_async(_serve(app, url, link, orders.settings, watched), orders.loop)
    except BrokerUnavailable as error:
        _fail(str(error), AWAY)
    except OnebeatError as error:
        _fail(str(error))
    except Exception as error:  # noqa: BLE001 - of the user's lifespan, or a bug of ours
        _fail(f"server process ended by an error\n\n{trimmed(error, Path(orders.folder))}")


def _fail(message: str, status: int = FAILED) -> NoReturn:
    sys.stderr.write(f"onebeat: {message}\n")
    raise SystemExit(status)


async def _serve(app: Onebeat[Any], url: str, link: Link, settings: dict[str, Any], watched: Watched) -> None:
    loop = asyncio.get_running_loop()
    starting = asyncio.current_task()
    assert starting is not None  # noqa: S101 - we are in one
    link.obey(starting.cancel)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, link.stop)
    serving = Serving(app, cast("ServerSettings", settings), url=url)
    watched.report = serving.health_report
    link.outlives_s = serving.config.longest_stop + MARGIN_S
    with ExitStack() as stack, suppress(asyncio.CancelledError):  # told to stop while we started
        stack.callback(hear_no_more, signal.SIGTERM, *HELD_BACK)
        async with serving:

            def stop() -> None:
                if not serving.stop_asked.is_set():
                    serving.signalled()

            def hurry() -> None:
                stop()
                serving.signalled()

            link.obey(stop, hurry)
            link.say(_facts(app, url, serving.config))
            await serving.stop_asked.wait()
        serving.end_badly_if_need_be()


def _facts(app: Onebeat[Any], url: str, config: ServerConfig) -> Facts:
    now_ms = round(SystemClock().now().timestamp() * 1000)
    schedules = [
        Schedule(entry.id, entry.trigger.spec, next(iter(entry.trigger.ticks_after(now_ms, 1)), None))
        for entry in app.entries.values()
    ]
    return Facts(
        store=endpoint(url).shown,
        tasks=sorted(app.tasks),
        schedules=schedules,
        queues=dict(config.queues),
        concurrency=config.concurrency,
        sources=[source.name for source in app.sources],
        groups=sorted(app.aggregations),
        url=url,
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
