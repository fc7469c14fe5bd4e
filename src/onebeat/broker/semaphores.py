"""Tokens of counting semaphores, as asynq's module x/rate keeps them (protocol §5.10)."""

from __future__ import annotations

from onebeat.broker.call import Argument, Call
from onebeat.wire import keys


def take_token(scope: str, *, max_tokens: int, holder: str, lease_ms: int | None, deadline_s: int | None) -> Call[bool]:
    """
    Take a token, or keep the one that the holder has; false if all are taken.

    Args:
        lease_ms, deadline_s: When it lapses: so long from now, or then, whichever is sooner. One of them at least.
    """
    arguments: list[Argument] = [max_tokens, holder]
    arguments += ["" if limit is None else limit for limit in (lease_ms, deadline_s)]
    return Call("semaphore", scope, arguments, bool, keys=(keys.semaphore(scope),))


def give_back(scope: str, holder: str) -> tuple[Argument, ...]:
    """Return the command that gives a token back; its answer is how many were held, 0 or 1."""
    return "ZREM", keys.semaphore(scope), holder
