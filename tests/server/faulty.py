"""A store whose answers can be lost and whose calls can be held up, for tests of what happens then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from onebeat.broker.call import Argument, Call
from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable

T = TypeVar("T")


@dataclass
class Fault:
    """What happens to calls of one script: how often, and whether before or after it took place."""

    script: str
    times: int = 1
    is_lost_on_the_way: bool = False
    when: Callable[[Any], bool] = lambda _answer: True
    seen: list[Any] = field(default_factory=list)


class FaultyStore(Store):
    """
    The real store, but for the faults that a test puts in.

    Attributes:
        faults: Each is used up in its turn.

        gates: A script whose name is here waits for the event before it is sent.

        slow_answers: The answer of a script whose name is here waits for the event, once it has run.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.faults: list[Fault] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.slow_answers: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []

    async def run(self, call: Call[T]) -> T:
        self.calls.append(call.script)
        if call.script in self.gates:
            await self.gates[call.script].wait()
        fault = next((fault for fault in self.faults if fault.script == call.script), None)
        if fault is not None and fault.is_lost_on_the_way:
            self._use(fault, None)
            raise BrokerUnavailable("the test cut the line before the call")
        answer = await super().run(call)
        if call.script in self.slow_answers:
            await self.slow_answers[call.script].wait()
        if fault is not None and fault.when(answer):
            self._use(fault, answer)
            raise BrokerUnavailable("the test cut the line before the answer")
        return answer

    async def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        self.calls.append("commands")
        return await super().commands(commands)

    def _use(self, fault: Fault, answer: Any) -> None:
        fault.seen.append(answer)
        fault.times -= 1
        if fault.times == 0:
            self.faults.remove(fault)
