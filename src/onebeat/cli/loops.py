"""Which event loop a command runs on."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from onebeat.errors import ConfigurationError

LOOPS = ("auto", "uvloop", "asyncio")


def run_async(work: Coroutine[Any, Any, None], loop: str = "auto") -> None:
    """
    Run a coroutine.

    Args:
        loop: "uvloop", "asyncio", or "auto": uvloop where it is installed.

    Raises:
        ConfigurationError: uvloop is wanted and not installed.
    """
    import asyncio

    if loop != "asyncio":
        try:
            import uvloop
        except ImportError:
            if loop == "uvloop":
                work.close()
                raise ConfigurationError("loop uvloop is not installed: pip install uvloop, or choose auto") from None
        else:
            uvloop.run(work)
            return
    asyncio.run(work)
