"""What the asyncio inspector does with schedules and servers, beside tasks and queues."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from onebeat.inspector import fleet, schedule_steering, schedules, server_orders
from onebeat.inspector.models import LostServer, ServerInfo
from onebeat.inspector.schedule_models import ScheduleFire, ScheduleInfo, ScheduleResumed
from onebeat.inspector.schedule_steering import KEEP
from onebeat.inspector.steps import Following
from onebeat.options import Duration


class Operating(Following):
    """The part of `Inspector` that is about schedules and servers."""

    async def now(self) -> datetime:
        """Ask the store for its time, by which all is decided; clocks of hosts may differ."""
        return await self._do(fleet.now())

    async def declared_schedules(self, queue: str | None = None) -> list[ScheduleInfo]:
        """
        List the schedules of Onebeat, in whatever state, the next to fire first; Go's are among `schedules()`.

        Args:
            queue: Those of one queue only.

        Raises:
            QueueNotFound: The queue is not known.
        """
        return await self._do(schedules.declared(queue))

    async def schedule(self, schedule_id: str) -> ScheduleInfo:
        """
        Read one schedule of Onebeat.

        Args:
            schedule_id: As it was declared, or as asynq's tools show it, "{queue}:id"; so in all that follows.

        Raises:
            ScheduleNotFound: There is none of that id; the message names similar ones.
            WrongState: It is kept by a scheduler of Go; `schedules()` shows it.
        """
        return await self._do(schedules.schedule(schedule_id))

    async def next_ticks(self, schedule_id: str, count: int = 10) -> list[datetime]:
        """
        Reckon the coming ticks of a schedule, of the timing that is in force.

        Of one that does not fire, as it is paused, say, these are the ticks that it would fire at; one that is done has
        none.

        Args:
            count: How many, at most 1,000.

        Raises:
            InvalidTask: The count is none.
            ScheduleNotFound, WrongState: As `schedule`; or its timing cannot be read.
        """
        return await self._do(schedules.coming(schedule_id, count))

    async def fires(self, schedule_id: str, *, page: int = 1, size: int = 30) -> list[ScheduleFire]:
        """
        Read one page of a schedule's last 50 fires, the latest first, runs by hand among them, and what became of their
        tasks; pages are numbered as by `page`.

        Raises:
            InvalidTask: A number is none.
            ScheduleNotFound, WrongState: As `schedule`; `events` reads the fires of Go's.
        """
        return await self._do(schedules.fires(schedule_id, page, size))

    async def pause_schedule(self, schedule_id: str) -> ScheduleInfo:
        """
        Let a schedule fire at no tick until it is resumed; returns it as it is then.

        It stays paused over restarts, deploys and changes of its definition, and in the queue that it moves to. It can
        still be run by hand. One that is just moving to another queue may fire for five seconds more in the old one.

        Raises:
            ScheduleNotFound: As `schedule`; or it is just moving: try again.
            WrongState: It is paused already, has no more ticks, or is Go's.
        """
        return await self._do(schedule_steering.pause(schedule_id))

    async def resume_schedule(self, schedule_id: str, missed: str = "skip") -> ScheduleResumed:
        """
        Let a paused schedule fire again, in its old phase.

        Args:
            missed: What becomes of the ticks that passed meanwhile: "skip" them, fire "once" for the latest, or "all"
                of them, the oldest first, at most 1,000. None fires that had fired before.

        Raises:
            InvalidTask: `missed` is none of these.
            ScheduleNotFound: As `schedule`; or it is just moving: try again.
            WrongState: It is not paused, is Go's, or more ticks passed than "all" fires; nothing was done.
        """
        return await self._do(schedule_steering.resume(schedule_id, missed))

    async def run_schedule(self, schedule_id: str, payload: Any = KEEP, *, key: str | None = None) -> str:
        """
        Enqueue the task of a schedule now, in whatever state that is; returns the task's id, "<schedule id>:m:<key>".

        Its ticks, their phase and their counts stay as they are. Its options hold, but `process_in`.

        Args:
            payload: In place of its own: what `Task` takes.

            key: Letters, digits, dots, dashes and underscores: the same key does not run it twice while the first task
                exists. Default: a random one.

        Raises:
            InvalidTask, PayloadError: The key is none; the payload cannot be encoded.
            DuplicateTask: Another task holds its unique lock.
            TaskIdConflict: It was run by that key.
            QueueFull: 100,000 tasks wait in its queue.
            ScheduleNotFound, WrongState: As `schedule`.
        """
        return await self._do(schedule_steering.run(schedule_id, payload, key))

    async def lost_servers(self, within: Duration = 3600) -> list[LostServer]:
        """
        List servers that fell silent without leaving, the latest first, at most 100.

        What such a server ran goes back to its queue when its lease ends. asynq's own tools strike such servers off as
        soon as they list servers, so nobody may be here although somebody died.

        Args:
            within: Seconds, or a `timedelta`, before now: those that fell silent earlier are left out.

        Raises:
            InvalidTask: That is no such time.
        """
        return await self._do(fleet.lost_servers(within))

    async def server(self, name: str) -> ServerInfo:
        """
        Read one server that lives.

        Args:
            name: Its id, or "host:pid".

        Raises:
            ServerNotFound: None is called so; the message names those that live.
            WrongState: Several servers of one process are called so: name one by its id.
        """
        return await self._do(server_orders.server(name))

    async def drain_server(self, name: str, *, stop: bool = False) -> ServerInfo:
        """
        Order a server of Onebeat to take no more tasks, and to end those that it runs; returns it as it was.

        It hears that at once, and within ten seconds if a connection was down, shows its status as "stopped", and goes
        on with upkeep. It obeys until it ends, or `resume_server`.

        Args:
            name: Its id, or "host:pid".

            stop: Also end it, once nothing runs, as a signal does: `onebeat run` ends with status 0. Whoever watches
                over its process may start another one.

        Raises:
            ServerNotFound, WrongState: As `server`; or it is Go's, which hears no orders.
        """
        return await self._do(server_orders.drain(name, stop=stop))

    async def resume_server(self, name: str) -> ServerInfo:
        """
        Let a server take tasks again that was told not to, by order or by SIGTSTP; returns it as it was.

        Args:
            name: Its id, or "host:pid".

        Raises:
            ServerNotFound, WrongState: As `drain_server`.
        """
        return await self._do(server_orders.take(name))
