"""Jobs of operators as they are stored: a record of each, which its runner writes and everybody reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onebeat.broker.call import Argument, Call
from onebeat.wire import keys

LOST_MS = 15_000
"""A job whose runner was silent for longer is nobody's; its runner speaks once a second."""

STANDS_S = 2 * 86_400
"""How long a job is remembered after its last sign of life."""

LONGEST_LINE_MS = 366 * 86_400_000
"""A line of turns that is longer was written by somebody else: at one a minute, half a million steps wait in it."""

LISTED = 200
"""Jobs that are listed: the latest."""


def begin(job_id: str, runner: str, fields: Mapping[str, str | int]) -> Call[tuple[str, int]]:
    """
    Write a new job, where the runner is "", or go on with one: see scripts/job_begin.lua.

    Returns:
        "begun", "gone", "running" or "done"; and what time it is, ms.
    """
    arguments = [runner, LOST_MS, STANDS_S, *_flat(fields)]
    return Call("job_begin", "", arguments, lambda answer: (answer[0].decode(), int(answer[1])), keys=_key(job_id))


def beat(job_id: str, runner: str, state: str, fields: Mapping[str, str | int]) -> Call[str]:
    """Say that a job is run, or ended; returns "on", "stop", or "taken" by somebody else."""
    return Call("job_beat", "", [runner, STANDS_S, state, *_flat(fields)], bytes.decode, keys=_key(job_id))


def stop(job_id: str, by: str) -> Call[str]:
    """Have a job stopped; returns "stopping", "stopped", "gone", or the state it ended in."""
    return Call("job_stop", "", (by, LOST_MS), bytes.decode, keys=_key(job_id))


def turn(count: int, per_minute: int) -> Call[int]:
    """Take the turn of a step of so many tasks among all jobs; returns how many ms to wait before it."""
    return Call("job_turn", "", (count, per_minute, LONGEST_LINE_MS), int, keys=(keys.JOB_TURNS,))


def read(job_id: str) -> Call[tuple[int, dict[str, str]]]:
    """Read a job: what time it is, ms, and its fields; none if there is no such job."""

    def interpret(answer: Any) -> tuple[int, dict[str, str]]:
        now, *words = [word.decode("utf-8", "replace") for word in answer]
        return int(now), dict(zip(words[::2], words[1::2], strict=True))

    return Call("job", "", (), interpret, keys=_key(job_id))


def listed(job_id: str, now_ms: int) -> list[tuple[Argument, ...]]:
    """Return the commands that list a job among the others, one after another."""
    return [
        ("ZADD", keys.JOBS, now_ms, job_id),
        ("ZREMRANGEBYRANK", keys.JOBS, 0, -LISTED - 1),
        ("EXPIRE", keys.JOBS, STANDS_S),
    ]


def _flat(fields: Mapping[str, str | int]) -> list[Argument]:
    return [word for pair in fields.items() for word in pair]


def _key(job_id: str) -> tuple[str]:
    return (keys.job(job_id),)
