"""
What takes more than one round trip, written once for both inspectors.

A procedure is a generator that yields what is to be asked of the store, a script (`Call`), the words of a plain
command, such a command for one node or all (`At`, `Everywhere`), a list of scripts that only read, or a `Pause`, and is
sent the answer, or thrown the error. It neither waits nor knows who does, so the asyncio inspector and the blocking one
cannot differ. One step of it touches one queue, or one key; only the scripts of a list may be of several queues.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from onebeat.broker import spoiled
from onebeat.broker.call import Argument, Call
from onebeat.broker.spoiled import Spoiled
from onebeat.broker.store import BlockingStore, Store
from onebeat.errors import BrokerError, BrokerUnavailable, OnebeatError

T = TypeVar("T")

_FOREIGN = "WRONGTYPE"

MAX_EXPLAINED = 10
"""Errors of one round trip that are looked into."""


@dataclass(frozen=True, slots=True)
class Everywhere:
    """A plain command for every primary, answered by address; one that fails fails it all."""

    words: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class At:
    """A plain command for the primary of an address."""

    node: str
    words: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Seconds in which nothing is asked, between two looks."""

    seconds: float


Step = Call[Any] | tuple[Argument, ...] | list[Call[Any]] | Everywhere | At | Pause
Procedure = Generator[Step, Any, T]


def ask(call: Call[T]) -> Procedure[T]:
    """Run one script; of a key of a foreign type its error says which, and what to do."""
    try:
        answer: T = yield call
    except BrokerError as error:
        better = yield from _explained(call, error)
        raise better from (error if better is not error else error.__cause__)
    return answer


def ask_each(calls: list[Call[T]]) -> Procedure[list[T | BrokerError]]:
    """Run scripts that only read, of any queues, in one round trip per node; an error stands in place of an answer."""
    answers: list[T | BrokerError] = yield calls
    failed = [place for place, answer in enumerate(answers) if isinstance(answer, BrokerError)]
    for place in failed[:MAX_EXPLAINED]:
        error = answers[place]
        if isinstance(error, BrokerError):
            answers[place] = yield from _explained(calls[place], error)
    return answers


def alone(part: Procedure[T], unread: list[str]) -> Procedure[T | None]:
    """Follow a part that fails alone where what stands in the store is damaged: then it is None, `unread` says why."""
    try:
        return (yield from part)
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        if str(error) not in unread:
            unread.append(str(error))
        return None


def command(*words: Argument) -> Procedure[Any]:
    """Run one plain command, on one key or none; of a key of a foreign type its error says so, and what to do."""
    try:
        return (yield words)
    except BrokerError as error:
        if _FOREIGN not in str(error) or len(words) < 2 or not isinstance(words[1], str):
            raise
        kind = spoiled.name_of((yield ("TYPE", words[1])))
        if not spoiled.is_foreign(words[1], kind):
            raise
        raise Spoiled(f"key {words[1]} cannot be read", {words[1]: kind}) from error


def _explained(call: Call[Any], error: BrokerError) -> Procedure[BrokerError]:
    """Return an error that names the keys which are of a foreign type, if that is what it is about."""
    if _FOREIGN not in str(error) or isinstance(error, Spoiled):
        return error
    names = spoiled.candidates(call)
    try:
        kinds: list[str] = yield spoiled.types(call.queue, names) if not call.keys else spoiled.types_at(call.keys)
    except BrokerError:
        return error
    found = {name: kind for name, kind in zip(names, kinds, strict=True) if spoiled.is_foreign(name, kind)}
    return Spoiled(spoiled.subject(call.queue, list(found)), found) if found else error


async def taken(store: Store, step: Step) -> Any:
    """Take one step on an event loop; returns the answer."""
    match step:
        case Call():
            return await store.run(step)
        case list():
            return await store.run_each(step)
        case Everywhere(words):
            return await store.everywhere(*words)
        case At(node, words):
            return await store.at(node, *words)
        case Pause(seconds):
            return await asyncio.sleep(seconds)
        case _:
            return await store.command(*step)


def taken_blocking(store: BlockingStore, step: Step) -> Any:
    """Take one step in this thread."""
    match step:
        case Call():
            return store.run(step)
        case list():
            return store.run_each(step)
        case Everywhere(words):
            return store.everywhere(*words)
        case At(node, words):
            return store.at(node, *words)
        case Pause(seconds):
            return time.sleep(seconds)
        case _:
            return store.commands([step])[0]


async def follow(store: Store, procedure: Procedure[T]) -> T:
    """Carry a procedure out on an event loop."""
    try:
        step = next(procedure)
        while True:
            try:
                answer = await taken(store, step)
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
                answer = taken_blocking(store, step)
            except OnebeatError as error:
                step = procedure.throw(error)
            else:
                step = procedure.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        procedure.close()


class Following:
    """What carries procedures out on an event loop: the base of the parts of `Inspector`."""

    async def _do(self, procedure: Procedure[T]) -> T:
        raise NotImplementedError
