"""An application with a task that runs in a process of its own: what `test_running` works with."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onebeat import Context, Onebeat


@asynccontextmanager
async def lifespan() -> AsyncIterator[str]:
    yield "real"


app = Onebeat("isolated", lifespan=lifespan)


@app.task(isolation="process")
def where(ctx: Context[str], begin: str) -> str:
    ctx.progress(0.5, "half-way")
    return f"{begin} {ctx.state} {os.getpid()}"


@app.task(isolation="process", backoff=lambda _failures: 7.0)
def failing() -> None:
    raise KeyError("nothing here")
