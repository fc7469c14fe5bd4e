"""stub: replaced by the wire room."""
from __future__ import annotations
from functools import lru_cache
QUEUES = "asynq:queues"
SCHEDULERS = "asynq:schedulers"
WAKE_CHANNEL = "onebeat:wake"
SCHEDULES = "onebeat:schedules"
SCHEDULE_QUEUES = "onebeat:sched-queues"
@lru_cache(4096)
def root(queue: str) -> str:
    return f"asynq:{{{queue}}}:"
@lru_cache(4096)
def own_root(queue: str) -> str:
    return f"onebeat:{{{queue}}}:"
def schedulers(id: str) -> str:
    return f"asynq:schedulers:{id}"
