"""
Many scripts in one round trip to one node: errors stand in place of answers, and what it does not know is said again.

A plan is a generator that yields the commands of a round trip and is sent their answers, so `Store` and `BlockingStore`
share it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeVar

from onebeat.broker import driver
from onebeat.broker.call import Argument, Call, load
from onebeat.broker.opening import command_of
from onebeat.errors import BrokerError, BrokerUnavailable

T = TypeVar("T")

Plan = Generator[list[list[Argument]], list[Any], T]


def each(
    calls: Sequence[Call[T]], translated: Callable[[BaseException], BrokerError], *, injected_clock: bool
) -> Plan[list[T | BrokerError]]:
    """
    Run operations that only read, in one round trip, or in two if the node has not cached a script.

    Raises:
        BrokerUnavailable: The store refuses for now.
    """
    scripts = {call.script: load(call.script, injected_clock=injected_clock) for call in calls}
    answers = yield [command_of(scripts[call.script], call, "EVALSHA") for call in calls]
    unknown = [i for i, answer in enumerate(answers) if isinstance(answer, driver.NoScriptError)]
    if unknown:
        told: set[str] = set()
        # in order: the first of each script brings it along, the rest find it there
        again = [command_of(scripts[calls[i].script], calls[i], _verb(calls[i].script, told)) for i in unknown]
        for i, answer in zip(unknown, (yield again), strict=True):
            answers[i] = answer
    found: list[T | BrokerError] = []
    for call, answer in zip(calls, answers, strict=True):
        error = _error(answer, translated)
        found.append(interpreted(call, answer) if error is None else error)
    return found


def interpreted(call: Call[Any], answer: Any) -> Any:
    """Return what an answer means, or the error that it is."""
    try:
        return call.interpret(answer)
    except BrokerError as error:
        return error


def _verb(script: str, told: set[str]) -> str:
    if script in told:
        return "EVALSHA"
    told.add(script)
    return "EVAL"


def _error(answer: Any, translated: Callable[[BaseException], BrokerError]) -> BrokerError | None:
    if not isinstance(answer, driver.RedisError):
        return None
    error = translated(answer)
    if isinstance(error, BrokerUnavailable):
        raise error from answer
    return error
