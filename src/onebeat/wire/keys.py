"""
The name of every key and channel (protocol §1).

All keys of a queue share the hash tag `{queue}`, in asynq's name space and in ours, so a queue lives in one
slot of a cluster and one script may touch all of it.
"""

from __future__ import annotations

from binascii import crc_hqx
from datetime import date
from functools import lru_cache

QUEUES = "asynq:queues"
SERVERS = "asynq:servers"
WORKERS = "asynq:workers"
SCHEDULERS = "asynq:schedulers"
CANCEL_CHANNEL = "asynq:cancel"

OWN_CANCEL_CHANNEL = "onebeat:cancel"
"""Carries "<queue>\\0<id>" of a running task that is to be stopped."""

WAKE_CHANNEL = "onebeat:wake"
"""Carries the name of a queue that has something due earlier than before."""

ORDERS_CHANNEL = "onebeat:orders"
"""Carries "<server id> <number> <word>", what an operator tells one server (broker/orders.py)."""

SCHEDULES = "onebeat:schedules"
"""Hash of schedule id to queue."""

SCHEDULE_QUEUES = "onebeat:sched-queues"
"""Set of the queues whose schedules every instance fires."""

AUDIT = "onebeat:audit"
"""Stream of what operators did (broker/audit.py)."""

JOBS = "onebeat:jobs"
"""Sorted set of the ids of jobs by when they were begun, ms (broker/jobs.py)."""

JOB_TURNS = "onebeat:job-turns"
"""When the next step of any job may begin, ms (broker/jobs.py)."""

SESSIONS = "onebeat:sessions"
"""Sorted set of who has sessions of a console, by until when, ms (broker/sessions.py)."""

VIEWS = "onebeat:views:{all}:shared"
"""Hash of the saved views of all users, by name; in the slot of those of each user (broker/views.py)."""

SERIES = "onebeat:series:{all}:"
"""What the series of all queues together begin with; no queue's keys begin so."""

SLOTS = 16_384


@lru_cache(4096)
def root(queue: str) -> str:
    """Return what every key of a queue begins with in asynq's name space."""
    return f"asynq:{{{queue}}}:"


@lru_cache(4096)
def own_root(queue: str) -> str:
    """Return what every key of a queue begins with in our name space."""
    return f"onebeat:{{{queue}}}:"


def task(queue: str, task_id: str) -> str:
    return f"{root(queue)}t:{task_id}"


def group(queue: str, name: str) -> str:
    """Return the key of a group; that of a set that is being aggregated is this, a colon, and the set's id."""
    return f"{root(queue)}g:{name}"


def daily(queue: str, counter: str, day: date) -> str:
    """Return the key of "processed" or "failed" of one UTC day."""
    return f"{root(queue)}{counter}:{day.isoformat()}"


def server(tag: str) -> str:
    """Return the key of a server's record; the tag is "<host>:<pid>:<server id>"."""
    return f"asynq:servers:{{{tag}}}"


def workers(tag: str) -> str:
    """Return the key of the tasks that a server runs."""
    return f"asynq:workers:{{{tag}}}"


def sheet(tag: str) -> str:
    """Return the key of what a server of Onebeat says of itself beside its record."""
    return f"onebeat:{{{tag}}}:sheet"


def order(tag: str) -> str:
    """Return the key of the order to a server of Onebeat."""
    return f"onebeat:{{{tag}}}:order"


def schedulers(scheduler_id: str) -> str:
    return f"asynq:schedulers:{scheduler_id}"


def scheduler_history(entry_id: str) -> str:
    return f"asynq:scheduler_history:{entry_id}"


def slot(key: str) -> int:
    """
    Return the slot of a key in Redis Cluster: the CRC16 of its hash tag, or of all of it.

    The tag is what stands between the first `{` and the next `}`, unless that is nothing.
    """
    start = key.find("{")
    if start >= 0:
        end = key.find("}", start + 1)
        if end > start + 1:
            key = key[start + 1 : end]
    return crc_hqx(key.encode(), 0) % SLOTS


def semaphore(scope: str) -> str:
    """Return the key of a counting semaphore of asynq's module x/rate; it has no hash tag, so a slot of its own."""
    return f"asynq:sema:{scope}"


def job(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"onebeat:job:{job_id}"


def sessions(user: str) -> str:
    """Return the key of a user's sessions of consoles."""
    return f"onebeat:sessions:{user}"


def views(user: str) -> str:
    """Return the key of the views that a user has saved; "" of those that all share."""
    return f"onebeat:views:{{all}}:of:{user}" if user else VIEWS
