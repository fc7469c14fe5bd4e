"""An event as it stands in the stream of the store."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from onebeat.states import TaskState

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    An event as it was read from the stream; what its kind does not have is left out.

    Attributes:
        id: Its id in the stream.

        name: Its kind, such as "retried"; "dropped" where a process could not write `count` events.

        at: When, by the clock of the process that tells it.

        host, pid: Which process that is.
    """

    id: str
    name: str
    at: Instant
    host: str = ""
    pid: int = 0
    queue: str = ""
    task_id: str | None = None
    type: str | None = None
    state: TaskState | None = None
    process_at: Instant | None = None
    waited: float | None = None
    retried: int | None = None
    seconds: float | None = None
    error: str | None = None
    error_type: str | None = None
    delay: float | None = None
    counts: bool | None = None
    schedule: str | None = None
    tick: Instant | None = None
    late: float | None = None
    ticks: int | None = None
    reason: str | None = None
    count: int | None = None
