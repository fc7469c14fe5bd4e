"""What both forms of the kit see: the application, its private store, and a note of what was enqueued."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from onebeat.app.app import Onebeat
from onebeat.broker import browse
from onebeat.broker.connection import Endpoint
from onebeat.broker.store import BlockingStore
from onebeat.inspector.showing import task_info
from onebeat.preparing import Prepared
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.testing.bench import Plan
from onebeat.testing.driving import Driving
from onebeat.testing.records import EnqueuedTask
from onebeat.testing.transport import KitTransport, Reach, log
from onebeat.wire import keys

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar  # checkers know it without its being installed

    S = DefaultTypeVar("S", default=None)
else:
    S = TypeVar("S")

PAGE = 1000


class View(Generic[S]):
    """What both forms share: the app, its private store, and a note of what was enqueued."""

    driving: Driving
    reach: Reach
    transport: KitTransport
    state: S

    def __init__(self, app: Onebeat[S], plan: Plan, where: Endpoint, reading: BlockingStore) -> None:
        self.app = app
        self.plan = plan
        self.where = where
        self.reading = reading
        self.noted: list[EnqueuedTask] = []

    def open(self, driving: Driving, reach: Reach, transport: KitTransport, state: S) -> None:
        self.driving, self.reach, self.transport, self.state = driving, reach, transport, state

    def declared(self, type: str) -> Mapping[str, Any]:
        found = self.app.tasks.get(type)
        return found.default_options if found is not None else {}

    def note(self, prepared: Prepared) -> None:
        self.noted.append(EnqueuedTask.of(prepared, self.declared, self.plan.clock.now()))
        if prepared.queue not in self.plan.config.queues and prepared.type in self.app.tasks:
            log.warning(
                "task %s waits in queue %s, which application %s does not serve by itself: testing(queues=…)",
                prepared.type,
                prepared.queue,
                self.app.name,
            )

    def infos(self, *states: TaskState) -> list[TaskInfo]:
        self.reach.opened()
        [names] = self.reading.commands([("SMEMBERS", keys.QUEUES)])
        found = [
            task_info(queue, task_id, raw)
            for queue in sorted(name.decode() for name in names)
            for state in states
            for task_id in self._ids(queue, state)
            if (raw := self.reading.run(browse.info(queue, task_id))) is not None
        ]
        places = {(item.queue, item.id): place for place, item in enumerate(self.noted)}
        return sorted(found, key=lambda info: places.get((info.queue, info.id), len(places)))

    def _ids(self, queue: str, state: TaskState) -> Iterator[str]:
        if state is TaskState.AGGREGATING:
            yield from self._in_groups(queue)
            return
        offset = 0
        while ids := self.reading.run(browse.list_ids(queue, state, offset=offset, limit=PAGE)):
            yield from ids
            offset += PAGE

    def _in_groups(self, queue: str) -> Iterator[str]:
        [names, sets] = self.reading.commands(
            [("SMEMBERS", f"{keys.root(queue)}groups"), ("ZRANGE", f"{keys.root(queue)}aggregation_sets", 0, -1)]
        )
        places = [*(keys.group(queue, name.decode()) for name in sorted(names)), *(name.decode() for name in sets)]
        for ids in self.reading.commands([("ZRANGE", place, 0, -1) for place in places]) if places else ():
            yield from (id_.decode() for id_ in ids)
