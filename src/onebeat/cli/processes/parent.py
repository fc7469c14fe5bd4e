"""The parent of `onebeat run --processes`. It imports nothing of the application, so it never needs a restart."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from functools import partial

from onebeat.cli.measuring import measuring_processes
from onebeat.cli.operations import Watched, from_elsewhere, hear_no_more, operations
from onebeat.cli.processes.fleet import Fleet
from onebeat.cli.processes.orders import Orders
from onebeat.cli.processes.place import Pace
from onebeat.server.config import ServerConfig
from onebeat.server.health import HealthReport
from onebeat.server.logs import prepare_log

log: logging.Logger = logging.getLogger("onebeat.processes")

MARGIN_S = 10.0


def run_processes(orders: Orders, count: int) -> int:
    """Run so many server processes until SIGTERM or Ctrl-C; SIGHUP replaces them. Returns the exit status."""
    prepare_log(orders.log_level.upper(), is_json=orders.log_format == "json")
    config = ServerConfig(**orders.settings)
    with operations(orders) as watched, measuring_processes(orders, watched):
        return 1 if asyncio.run(_run(orders, count, config, watched)) else 0


async def _run(orders: Orders, count: int, config: ServerConfig, watched: Watched) -> int:
    fleet = Fleet(orders, count, pace=Pace(stop=config.longest_stop + MARGIN_S), ready=watched.ready)
    loop = asyncio.get_running_loop()
    watched.report = from_elsewhere(partial(fleet.health, silence=config.block_limit))
    has_terminal = _has_terminal()
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # under nohup

    def hang_up() -> None:
        nonlocal has_terminal
        if not has_terminal or _has_terminal():
            fleet.roll()
            return
        has_terminal = False
        log.info("the terminal is gone")
        if not outlives_terminal:
            fleet.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, fleet.stop)
    loop.add_signal_handler(signal.SIGHUP, hang_up)
    try:
        return await fleet.run()
    finally:
        hear_no_more(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        watched.report = HealthReport.stopped


def _has_terminal() -> bool:
    """Whether this process has a terminal: one that was closed says SIGHUP too, and means something else."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
