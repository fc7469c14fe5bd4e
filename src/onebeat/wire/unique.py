"""The key of a unique lock (protocol §1.4): the identity of a task is its queue, type and payload bytes."""

from __future__ import annotations

from hashlib import md5

from onebeat.wire import keys


def unique_key(queue: str, task_type: str, payload: bytes | None) -> str:
    """
    Return the key of the lock.

    Args:
        payload: `None` is Go's nil, whose key ends in a colon; empty bytes have the digest of nothing.
    """
    digest = "" if payload is None else md5(payload, usedforsecurity=False).hexdigest()
    return f"{keys.root(queue)}unique:{task_type}:{digest}"
