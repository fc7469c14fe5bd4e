"""
What takes more than one round trip, written once for both inspectors.

A procedure is a generator that yields what is to be asked of the store, a script (`Call`), the words of a plain
command, or a list of scripts that only read, and is sent the answer, or thrown the error. It neither waits nor knows
who does, so the asyncio inspector and the blocking one cannot differ. One step of it touches one queue, or one key;
only the scripts of a list may be of several queues.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

from onebeat.broker.call import Argument, Call
from onebeat.broker.store import BlockingStore, Store
from onebeat.errors import BrokerError, OnebeatError

T = TypeVar("T")

Step = Call[Any] | tuple[Argument, ...] | list[Call[Any]]
Procedure = Generator[Step, Any, T]


def ask(call: Call[T]) -> Procedure[T]:
    """Run one script."""
    answer: T = yield call
    return answer


def ask_each(calls: list[Call[T]]) -> Procedure[list[T | BrokerError]]:
    """Run scripts that only read, of any queues, in one round trip per node; an error stands in place of an answer."""
    answers: list[T | BrokerError] = yield calls
    return answers


def command(*words: Argument) -> Procedure[Any]:
    """Run one plain command, on one key or none."""
    return (yield words)


async def follow(store: Store, procedure: Procedure[T]) -> T:
    """Carry a procedure out on an event loop."""
    try:
        step = next(procedure)
        while True:
            try:
                answer = await _answer(store, step)
            except OnebeatError as error:
                step = procedure.throw(error)
            else:
                step = procedure.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        procedure.close()


async def _answer(store: Store, step: Step) -> Any:
    if isinstance(step, list):
        return await store.run_each(step)
    return await (store.run(step) if isinstance(step, Call) else store.command(*step))


def follow_blocking(store: BlockingStore, procedure: Procedure[T]) -> T:
    """Carry a procedure out in this thread."""
    try:
        step = next(procedure)
        while True:
            try:
                answer = _blocking_answer(store, step)
            except OnebeatError as error:
                step = procedure.throw(error)
            else:
                step = procedure.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        procedure.close()


def _blocking_answer(store: BlockingStore, step: Step) -> Any:
    if isinstance(step, list):
        return store.run_each(step)
    return store.run(step) if isinstance(step, Call) else store.commands([step])[0]
