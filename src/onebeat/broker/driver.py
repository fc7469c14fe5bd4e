"""
redis-py, loaded when a store is first named or opened: it takes about as long to load as all the rest.

So a program that only declares tasks, or imports those that do, goes without. The exceptions' names are looked up
here when they are used, which in an `except` clause is when something was raised.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis.exceptions import AuthenticationError as AuthenticationError
    from redis.exceptions import ConnectionError as ConnectionError  # noqa: A004 - redis-py's name
    from redis.exceptions import InvalidResponse as InvalidResponse
    from redis.exceptions import NoScriptError as NoScriptError
    from redis.exceptions import RedisError as RedisError
    from redis.exceptions import TimeoutError as TimeoutError  # noqa: A004 - likewise
else:

    def __getattr__(name: str) -> Any:
        value = globals()[name] = getattr(import_module("redis.exceptions"), name)
        return value


def is_loaded() -> bool:
    """Whether it was loaded."""
    return "redis.asyncio" in sys.modules


def load() -> None:
    """Load it now: where a loop runs, in a thread, so that the loop turns meanwhile."""
    import_module("redis.asyncio")
