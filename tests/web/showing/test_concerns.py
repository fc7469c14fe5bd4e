"""What is said of queues first: pure."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from onebeat.broker.browse import QueueStats
from onebeat.errors import BrokerError
from onebeat.web.showing.concerns import ORDER, Concern, concerns, verdict, waiting

EMPTY = QueueStats(**dict.fromkeys([*QueueStats.__dataclass_fields__], 0))  # type: ignore[arg-type]
SINCE_MS = int(datetime(2026, 11, 26, 8, 30, tzinfo=UTC).timestamp() * 1000)
SERVED = {"q": 1}
WAITED = (
    '<time datetime="2026-11-26T08:30:00.000Z" title="since 2026-11-26 08:30:00 UTC" data-span>'
    "since 2026-11-26 08:30:00 UTC</time>"
)


def stats(**fields: int) -> QueueStats:
    return replace(EMPTY, **fields)  # type: ignore[arg-type]


def said(found: list[Concern]) -> list[tuple[str, str]]:
    return [(one.kind, f"{one.badge}: {one.sentence}") for one in found]


@pytest.mark.parametrize(
    ("found", "served", "lately", "expected"),
    [
        (stats(), {}, (0, 0), []),
        (stats(completed=3, archived=2), {}, (0, 0), []),
        (stats(pending=1), {}, (0, 0), [("bad", "no workers: has no workers for 1 task")]),
        (stats(scheduled=5, overdue=2), {}, (0, 0), [("bad", "no workers: has no workers for 2 tasks")]),
        (stats(scheduled=5), {}, (0, 0), [("warn", "no workers: has no workers for 5 tasks still to come due")]),
        (stats(scheduled=5), SERVED, (0, 0), []),
        (stats(active=1, abandoned=1), {}, (0, 0), [("bad", "no workers: has no workers for 1 task")]),
        (stats(paused=1), SERVED, (0, 0), [("warn", "paused: is paused; nothing waits")]),
        (stats(paused=1, pending=1), SERVED, (0, 0), [("warn", "paused: is paused while 1 task waits")]),
        (stats(paused=1, scheduled=9), SERVED, (0, 0), [("warn", "paused: is paused; nothing waits")]),
        (stats(pending=2, latency_ms=60_000), SERVED, (0, 0), [("warn", "slow: is slow: 2 tasks wait")]),
        (stats(pending=2, latency_ms=59_000), SERVED, (0, 0), []),
        (
            stats(active=2, abandoned=2), SERVED, (0, 0),
            [("warn", "orphaned: has 2 orphaned tasks: their servers died, and nobody has taken them back")],
        ),
        (
            stats(), SERVED, (100, 10),
            [("warn", "failing: is failing: 10 of 100 attempts in the last 10 minutes failed")],
        ),
        (stats(), SERVED, (20, 10), [("bad", "failing: is failing: 10 of 20 attempts in the last 10 minutes failed")]),
        (stats(), SERVED, (9, 9), []),
    ],
)  # fmt: skip
def test_what_is_said_of_a_queue(
    found: QueueStats, served: dict[str, int], lately: tuple[int, int], expected: list[tuple[str, str]]
) -> None:
    """Each thing in its words; what is not due yet waits for nobody."""
    assert expected == said(concerns("q", found, served, lately))


def test_all_that_is_wrong_is_said_of_a_queue() -> None:
    """That first which hurts most."""
    found = concerns("q", stats(pending=4, paused=1, abandoned=1, active=1), SERVED, (20, 15))
    assert ["failing", "paused", "orphaned"] == [one.badge for one in found]


def test_what_the_last_server_ran_waits_too() -> None:
    """While any lives, a task that runs is none that waits."""
    assert (0, 3) == (waiting(stats(active=3), 1), waiting(stats(active=3), 0))


def test_what_hurts_most_comes_first() -> None:
    """What is broken before what is amiss, then in one order for all pages, then where it is about most tasks."""
    kinds = [
        ("damaged", "bad"), ("failing", "bad"), ("no workers", "bad"), ("failing", "warn"), ("no workers", "warn"),
        ("slow", "warn"), ("growing", "warn"), ("paused", "warn"), ("orphaned", "warn"),
    ]  # fmt: skip
    wanted = [Concern(queue=f"{at}", kind=kind, badge=badge, sentence="") for at, (badge, kind) in enumerate(kinds)]
    wanted.insert(3, Concern(queue="z", kind="bad", badge="no workers", sentence="", tasks=0))
    wanted.insert(2, Concern(queue="z", kind="bad", badge="no workers", sentence="", tasks=7))
    mixed = random.Random(7).sample(wanted, len(wanted))
    assert wanted == sorted(mixed, key=lambda one: one.order)
    assert {badge for badge, _ in kinds} == {badge for badge, _ in ORDER}


def test_one_orphaned_task_does_not_hide_a_queue_that_fails() -> None:
    """The verdict is of the worse; the other is counted."""
    lost = concerns("a", stats(active=1, abandoned=1), SERVED | {"a": 1})
    failing = concerns("default", stats(), {"default": 1}, (40, 12))
    kind, sentence = verdict([*lost, *failing], servers=2, active=1, queues=2)
    expected = "Queue “default” is failing: 12 of 40 attempts in the last 10 minutes failed · 1 more queue to look at"
    assert ("warn", expected) == (kind, sentence)


@pytest.mark.parametrize(
    ("found", "servers", "kind", "sentence"),
    [
        ([], 2, "good", "All is well: 2 servers, 1 task running"),
        ([], 0, "warn", "No server lives; nothing waits for one"),
        ([("q", stats(pending=1))], 0, "bad", "No server lives, and 1 task of queue “q” waits for one"),
        (
            [("q", stats(pending=1)), ("low", stats(active=2))], 0, "bad",
            "No server lives, and 3 tasks of 2 queues wait for one",
        ),
        (
            [("q", stats(pending=1, pending_since_ms=SINCE_MS))], 1, "bad",
            f"Queue “q” has no workers for 1 task; the oldest has waited {WAITED}",
        ),
    ],
)  # fmt: skip
def test_the_verdict(found: list[tuple[str, QueueStats]], servers: int, kind: str, sentence: str) -> None:
    """The cause first: where no server lives at all, that, and no queue."""
    every = [one for name, of in found for one in concerns(name, of, {}, servers=servers)]
    assert (kind, sentence) == verdict(every, servers=servers, active=1, queues=2)


def test_a_damaged_queue_is_the_worst() -> None:
    """Nobody can enqueue into it, or take from it."""
    every = [
        *concerns("q", BrokerError("WRONGTYPE"), {}),
        *concerns("a", stats(), {"a": 1}, (20, 20)),
    ]
    _, sentence = verdict(every, servers=1, active=0, queues=2)
    assert "Queue “q” cannot be read whole: the health page says what to do · 1 more queue to look at" == sentence


def test_a_name_is_no_markup_in_a_verdict() -> None:
    """Nor does it hide anything."""
    found = concerns("<b>\u202e", stats(pending=1), {})
    _, sentence = verdict(found, servers=1, active=0, queues=1)
    assert "Queue “&lt;b&gt;[U+202E]” has no workers for 1 task" == sentence
