"""Noting how much work queues hold, and reading it: each a procedure for both inspectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from onebeat.broker import sizes as broker
from onebeat.broker.sizes import Held, Noted, Waited
from onebeat.clock import EPOCH
from onebeat.errors import BrokerError, InvalidTask, shown
from onebeat.inspector import fleet, reading
from onebeat.inspector.series_models import Backlog, SizePoint
from onebeat.inspector.steps import Procedure, ask, ask_each, command

STEP = 50
"""Queues that one script notes: two or three milliseconds of the store."""

AT_ONCE = 5
"""Scripts in one round trip."""

BACKLOG_MINUTES = 60
BACKLOGS_STEP = 250
"""Queues whose minutes one script reads: two or three milliseconds of the store."""

MOST = 5000
"""With more queues nothing is noted, as the store would be kept busy by it."""


def sample_sizes(*, is_spread: bool) -> Procedure[int]:
    """
    Note what each queue holds, once in a minute whoever asks.

    What is asked again after a connection broke is written again into the same slot.
    """
    now_s = int((yield from fleet.now()).timestamp())
    names = yield from reading.queues()
    if not names or len(names) > MOST:
        return 0
    if not (yield from command("SET", broker.turn(now_s), "", "NX", "EX", 120)):
        return 0
    each = 1 if is_spread else STEP
    calls = [broker.sample(names[start : start + each]) for start in range(0, len(names), each)]
    found: list[Held] = []
    number = AT_ONCE if not is_spread else AT_ONCE * STEP
    for start in range(0, len(calls), number):
        for answer in (yield from ask_each(calls[start : start + number])):
            if not isinstance(answer, BrokerError):
                now_s = max(now_s, answer[0])
                found += [one for one in answer[1] if isinstance(one, Held)]
    key, offset = broker.place(now_s)
    yield from command("SETRANGE", key, offset, Held.of(found).packed())
    yield from command("EXPIRE", key, broker.ends_in(now_s))
    return len(found)


def sizes(queues: object, minutes: object) -> Procedure[list[SizePoint]]:
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= broker.MINUTES:
        raise InvalidTask(f"minutes is {shown(minutes)}: give a whole number from 1 to {broker.MINUTES}")
    if queues is None:
        found = [(yield from ask(broker.sizes(None, minutes)))]
    else:
        names = reading.names_of([queues] if isinstance(queues, str) else queues)
        answers = yield from ask_each([broker.sizes(name, minutes) for name in names])
        found = [answer for answer in answers if not isinstance(answer, BrokerError)]
    return list(_points(found, minutes))


def backlogs(queues: object, minutes: object, *, is_spread: bool) -> Procedure[dict[str, Backlog | None]]:
    if not isinstance(minutes, int) or isinstance(minutes, bool) or not 1 <= minutes <= BACKLOG_MINUTES:
        raise InvalidTask(f"minutes is {shown(minutes)}: give a whole number from 1 to {BACKLOG_MINUTES}")
    wanted = (yield from reading.queues()) if queues is None else reading.names_of(queues)
    each = 1 if is_spread else BACKLOGS_STEP
    parts = [wanted[start : start + each] for start in range(0, len(wanted), each)]
    found: dict[str, Backlog | None] = {}
    if not parts:
        return found
    answers = yield from ask_each([broker.backlogs(part, minutes) for part in parts])
    for part, answer in zip(parts, answers, strict=True):
        those: Sequence[Waited | None] = [None] * len(part) if isinstance(answer, BrokerError) else answer
        found.update((name, _backlog(one)) for name, one in zip(part, those, strict=True))
    return found


def _backlog(waited: Waited | None) -> Backlog | None:
    if waited is None:
        return None
    return Backlog(start=EPOCH + timedelta(seconds=waited.start), pending=waited.pending, processed=waited.processed)


def _points(found: Sequence[Noted], minutes: int) -> Iterator[SizePoint]:
    if not found:
        return
    start = max(noted.start for noted in found)
    before: Held | None = None
    for minute in range(minutes):
        at = start + minute * broker.MINUTE_S
        those = [held for noted in found if (held := _at(noted, at)) is not None]
        held = Held.of(those) if those else None
        yield SizePoint(
            at=EPOCH + timedelta(seconds=at),
            pending=None if held is None else held.pending,
            active=None if held is None else held.active,
            retry=None if held is None else held.retry,
            archived=None if held is None else held.archived,
            processed=None if held is None or before is None else broker.grown(before.processed, held.processed),
            failed=None if held is None or before is None else broker.grown(before.failed, held.failed),
        )
        before = held


def _at(noted: Noted, at: int) -> Held | None:
    place = (at - noted.start) // broker.MINUTE_S
    return noted.slots[place] if 0 <= place < len(noted.slots) else None
