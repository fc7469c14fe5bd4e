"""
How many servers the work wants: `/scale`, for what starts and stops them.

All figures are the store's, so every replica answers alike, and the answers of several must not be added up.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from onebeat.broker.figures import QueueFigures
from onebeat.errors import ConfigurationError, shown
from onebeat.observe.routes import Answer, Asked
from onebeat.observe.sweep import Snapshot, Sweep

PATH = "/scale"
WINDOW_S = 120.0
"""Over which rates are measured."""
SHORTEST_S = 5.0
"""Over less, they say nothing."""
MAX_HISTORIES, MAX_SAMPLES = 100, 100
DEFAULT_SLOTS = 64
"""Of a replica, while there is none to look at and nobody says: what `onebeat run` has unless told otherwise."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """
    What `/scale` answers.

    Attributes:
        queues: Which queues it is about.

        backlog: Tasks that could run now and wait: pending ones, and delayed ones past their time. Those of paused
            queues do not count.

        active: Tasks that run.

        latency_seconds: Age of the oldest task that waits.

        arrived_per_second: Tasks that became pending, first and further attempts; null while that is not measured.

        ended_per_second: Attempts that ended; null while that is not measured.

        run_seconds: How long an attempt takes, by Little's law: those that ran, on average, by those that ended per
            second; null while none end.

        measured_seconds: Over how long the rates were measured.

        replicas: Hosts that serve any of the queues now.

        slots: Tasks that these run at the same time at most.

        slots_per_replica: That of one, as it was given, or as they have on average.

        desired_slots: How many the work wants.

        desired_replicas: How many replicas that is, within the bounds.

        age_seconds: Age of the oldest figure.

        unread: Queues that cannot be read, and so are not counted; `onebeat doctor` says which. Asked for one of them,
            `/scale` answers 503.
    """

    queues: list[str]
    backlog: int
    active: int
    latency_seconds: float
    arrived_per_second: float | None
    ended_per_second: float | None
    run_seconds: float | None
    measured_seconds: float
    replicas: int
    slots: int
    slots_per_replica: float
    desired_slots: float
    desired_replicas: int
    age_seconds: float
    unread: int = 0


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What was asked for.

    Attributes:
        queues: Which queues; none: all.

        target: Seconds within which the backlog is to be gone.

        slots: Tasks that one replica runs at the same time; None: as the present ones have.

        least, most: Bounds of the answer.
    """

    queues: tuple[str, ...] = ()
    target: float = 30.0
    slots: float | None = None
    least: int = 0
    most: int = 100

    @classmethod
    def of(cls, query: Mapping[str, list[str]]) -> Wish:
        """
        Read a query.

        Raises:
            ConfigurationError: A value cannot be.
        """
        unknown = sorted(set(query) - {"queue", "target", "slots", "min", "max"})
        if unknown:
            raise ConfigurationError(f"parameter {shown(unknown[0])} is unknown: give queue, target, slots, min, max")
        least, most = int(_number(query, "min", 0, 0)), int(_number(query, "max", 100, 1))
        if least > most:
            raise ConfigurationError(f"min is {least} and max {most}: give a min that is not above max")
        return cls(
            queues=tuple(sorted(set(query.get("queue", ())))),
            target=_number(query, "target", 30, 1),
            slots=_number(query, "slots", 0, 1) if "slots" in query else None,
            least=least,
            most=most,
        )


def _number(query: Mapping[str, list[str]], name: str, default: float, least: float) -> float:
    text = query[name][-1] if name in query else str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= 1_000_000:  # nor nan
        raise ConfigurationError(f"{name} is {shown(text)}: give a number from {least:g} to 1000000")
    return value


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float
    processed: int
    backlog: int
    active: int


class Scaler:
    """
    Answers `/scale`.

    Args:
        sweep: Looks at the queues.
    """

    def __init__(self, sweep: Sweep) -> None:
        self._sweep = sweep
        self._lock = threading.Lock()
        self._histories: OrderedDict[tuple[str, ...], deque[_Sample]] = OrderedDict()

    def page(self, asked: Asked) -> Answer:
        """Answer a question; 503 while the store is away, so that who asks keeps what there is."""
        try:
            wish = Wish.of(asked.query)
        except ConfigurationError as error:
            return Answer.text(str(error), 400)
        found = self._sweep.read()
        if not found.is_up:
            return Answer.text(f"The store does not answer all that was asked: {found.error}", 503)
        missing = [name for name in wish.queues if name not in found.figures] if found.unread else []
        if missing:  # what cannot be read is not empty
            told = f"Queue {shown(missing[0])} cannot be read, or is not there yet: `onebeat doctor` says what is wrong"
            return Answer.text(told, 503)
        return Answer.json(self.answer(wish, found))

    def answer(self, wish: Wish, found: Snapshot) -> Scale:
        """Say what the work wants, from what was just found and what was found before."""
        queues = wish.queues or tuple(sorted(found.figures))
        figures = [found.figures.get(name, QueueFigures()) for name in queues]
        backlog, active = _waiting(figures), sum(each.active for each in figures)
        now = _Sample(found.at, sum(each.processed for each in figures), backlog, active)
        with self._lock:
            samples = list(self._remembered(wish.queues, now))
        rates = _rates(samples)
        hosts, slots = _serving(found, queues)
        per_replica = wish.slots or (slots / hosts if hosts and slots else DEFAULT_SLOTS)
        desired = _desired(now, rates, wish.target, slots)
        replicas = math.ceil(round(desired / per_replica, 6))
        return Scale(
            queues=list(queues),
            backlog=backlog,
            active=active,
            latency_seconds=max((each.latency_ms / 1000 for each in figures), default=0.0),
            arrived_per_second=rates.arrived if rates else None,
            ended_per_second=rates.ended if rates else None,
            run_seconds=rates.run if rates else None,
            measured_seconds=samples[-1].at - samples[0].at,
            replicas=hosts,
            slots=slots,
            slots_per_replica=per_replica,
            desired_slots=desired,
            desired_replicas=min(max(replicas, wish.least, 1 if backlog or active else 0), wish.most),
            age_seconds=found.age,
            unread=found.unread,
        )

    def _remembered(self, queues: tuple[str, ...], now: _Sample) -> deque[_Sample]:
        samples = self._histories.pop(queues, None) or deque(maxlen=MAX_SAMPLES)
        self._histories[queues] = samples
        while len(self._histories) > MAX_HISTORIES:
            self._histories.popitem(last=False)
        if samples and now.processed < samples[-1].processed:
            samples.clear()  # a queue was removed, or the counters began anew
        if not samples or now.at > samples[-1].at:
            samples.append(now)
        while samples[0].at < now.at - WINDOW_S:
            samples.popleft()
        return samples


@dataclass(frozen=True, slots=True)
class _Rates:
    arrived: float
    ended: float
    run: float | None


def _rates(samples: list[_Sample]) -> _Rates | None:
    first, last = samples[0], samples[-1]
    span = last.at - first.at
    if span < SHORTEST_S:
        return None
    ended = (last.processed - first.processed) / span
    grown = (last.backlog + last.active - first.backlog - first.active) / span
    running = sum(each.active for each in samples) / len(samples)
    return _Rates(max(0.0, ended + grown), ended, running / ended if ended else None)


def _desired(now: _Sample, rates: _Rates | None, target: float, slots: int) -> float:
    """Return how many slots the work wants; see docs/how-to/autoscale.md."""
    if rates is None:  # nothing is measured yet: what there is stays
        return float(slots)
    if rates.run is None:  # nothing ended, so what runs takes longer than was measured: each task wants a slot
        return float(now.active + now.backlog)
    return rates.run * (rates.arrived + now.backlog / target)


def _waiting(figures: Iterable[QueueFigures]) -> int:
    return sum(each.pending + each.overdue for each in figures if each.paused_since is None)


def _serving(found: Snapshot, queues: Iterable[str]) -> tuple[int, int]:
    """Count the hosts that serve any of the queues, and their slots."""
    wanted = set(queues)
    serving = [server for server in found.servers if server.status == "active" and wanted.intersection(server.queues)]
    return len({server.host for server in serving}), sum(server.concurrency for server in serving)
