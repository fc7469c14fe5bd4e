"""
What takes more than one round trip, written once for both inspectors.

A procedure is a generator that yields what is to be asked of the store, a script (`Call`) or the words of a plain
command, and is sent the answer, or thrown the error. It neither waits nor knows who does, so the asyncio inspector
and the blocking one cannot differ. One step of it touches one queue, or one key.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from onebeat.broker.call import Argument, Call
from onebeat.broker.store import BlockingStore, Store
from onebeat.errors import OnebeatError

T = TypeVar("T")

Step = Call[Any] | tuple[Argument, ...]
Procedure = Generator[Step, Any, T]


def ask(call: Call[T]) -> Procedure[T]:
    """Run one script."""
    answer: T = yield call
    return answer


def command(*words: Argument) -> Procedure[Any]:
    """Run one plain command, on one key or none."""
    return (yield words)


async def follow(store: Store, procedure: Procedure[T]) -> T:
    """Carry a procedure out on an event loop."""
    try:
        step = next(procedure)
        while True:
            try:
                answer = await (store.run(step) if isinstance(step, Call) else store.command(*step))
            except OnebeatError as error:
                step = procedure.throw(error)
            else:
                step = procedure.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        procedure.close()


def follow_blocking(store: BlockingStore, procedure: Procedure[T]) -> T:
    """Carry a procedure out in this thread."""
    try:
        step = next(procedure)
        while True:
            try:
                answer = store.run(step) if isinstance(step, Call) else store.commands([step])[0]
            except OnebeatError as error:
                step = procedure.throw(error)
            else:
                step = procedure.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        procedure.close()
