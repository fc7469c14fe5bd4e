"""What the blocking inspector does with schedules and servers, beside tasks and queues."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from onebeat.inspector import fleet, schedule_steering, schedules, server_orders
from onebeat.inspector.models import LostServer, ServerInfo
from onebeat.inspector.schedule_models import ScheduleFire, ScheduleInfo, ScheduleResumed
from onebeat.inspector.schedule_steering import KEEP
from onebeat.inspector.steps import Procedure
from onebeat.options import Duration

T = TypeVar("T")


class BlockingOperating:
    """The part of `SyncInspector` that is about schedules and servers."""

    def _do(self, procedure: Procedure[T]) -> T:
        raise NotImplementedError

    def now(self) -> datetime:
        """Ask the store for its time, by which all is decided; clocks of hosts may differ. See `Inspector.now`."""
        return self._do(fleet.now())

    def declared_schedules(self, queue: str | None = None) -> list[ScheduleInfo]:
        """
        List the schedules of Onebeat, in whatever state, the next to fire first; Go's are among `schedules()`. See
        `Inspector.declared_schedules`.
        """
        return self._do(schedules.declared(queue))

    def schedule(self, schedule_id: str) -> ScheduleInfo:
        """Read one schedule of Onebeat. See `Inspector.schedule`."""
        return self._do(schedules.schedule(schedule_id))

    def next_ticks(self, schedule_id: str, count: int = 10) -> list[datetime]:
        """Reckon the coming ticks of a schedule, of the timing that is in force. See `Inspector.next_ticks`."""
        return self._do(schedules.coming(schedule_id, count))

    def fires(self, schedule_id: str, *, page: int = 1, size: int = 30) -> list[ScheduleFire]:
        """
        Read one page of a schedule's last 50 fires, the latest first, runs by hand among them, and what became of their
        tasks; pages are numbered as by `page`. See `Inspector.fires`.
        """
        return self._do(schedules.fires(schedule_id, page, size))

    def pause_schedule(self, schedule_id: str) -> ScheduleInfo:
        """
        Let a schedule fire at no tick until it is resumed; returns it as it is then. See `Inspector.pause_schedule`.
        """
        return self._do(schedule_steering.pause(schedule_id))

    def resume_schedule(self, schedule_id: str, missed: str = "skip") -> ScheduleResumed:
        """Let a paused schedule fire again, in its old phase. See `Inspector.resume_schedule`."""
        return self._do(schedule_steering.resume(schedule_id, missed))

    def run_schedule(self, schedule_id: str, payload: Any = KEEP, *, key: str | None = None) -> str:
        """
        Enqueue the task of a schedule now, in whatever state that is; returns the task's id, "<schedule id>:m:<key>".
        See `Inspector.run_schedule`.
        """
        return self._do(schedule_steering.run(schedule_id, payload, key))

    def lost_servers(self, within: Duration = 3600) -> list[LostServer]:
        """
        List servers that fell silent without leaving, the latest first, at most 100. See `Inspector.lost_servers`.
        """
        return self._do(fleet.lost_servers(within))

    def server(self, name: str) -> ServerInfo:
        """Read one server that lives. See `Inspector.server`."""
        return self._do(server_orders.server(name))

    def drain_server(self, name: str, *, stop: bool = False) -> ServerInfo:
        """
        Order a server of Onebeat to take no more tasks, and to end those that it runs; returns it as it was. See
        `Inspector.drain_server`.
        """
        return self._do(server_orders.drain(name, stop=stop))

    def resume_server(self, name: str) -> ServerInfo:
        """
        Let a server take tasks again that was told not to, by order or by SIGTSTP; returns it as it was. See
        `Inspector.resume_server`.
        """
        return self._do(server_orders.take(name))
