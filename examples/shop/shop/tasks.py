"""What runs in the background."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from onebeat import Context, Cron, Handler, Onebeat, SkipRetry, Task, current, exponential
from shop.billing import billing
from shop.mailer import Mailer

log = logging.getLogger("shop")


@dataclass
class State:
    """What handlers share, typed through `Context[State]`."""

    mailer: Mailer


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    """Open what handlers need: once per server process, never in a client."""
    async with Mailer() as mailer:
        yield State(mailer)


app = Onebeat("shop", lifespan=lifespan)  # ONEBEAT_URL says where; nothing is opened at import


@app.task(
    "email:welcome",
    queue="critical",
    max_retry=3,
    timeout=30,
    retry_on=(ConnectionError,),  # any other error archives the task at once
    backoff=exponential(2, cap=600),
)
async def send_welcome(ctx: Context[State], user_id: int, locale: str = "en") -> str:
    """Write to a new user; the receipt is kept for an hour."""
    if user_id == 0:
        raise SkipRetry("user 0 does not exist")
    return await ctx.state.mailer.send(user_id, locale)


@app.task(isolation="process")
def thumbnail(image: bytes, /) -> bytes:
    """Make an image small, in a process of its own: bytes in, bytes out."""
    return image[:8]


@app.remote("video:encode", queue="go", rename="pascal")
def encode(url: str, max_width: int = 1080) -> None:
    """Encode a video: a Go server does, with {"Url": …, "MaxWidth": …}."""


@app.every(1.5)
@app.cron("0 3 * * mon-fri", tz="Europe/Berlin", id="report-nightly")
@app.task("report:tick", retention=300)
def tick(city: str = "Kyiv") -> str:
    """Report, in a thread of the server."""
    return f"{current().type.removeprefix('report:')} in {city}"


app.schedule("report-lviv", Cron("@hourly"), tick.bind(city="Lviv"))


@app.middleware
async def timed(ctx: Context[Any], task: Task[Any], call_next: Handler) -> object:
    """Log how long each handler took."""
    started = time.perf_counter()
    try:
        return await call_next(ctx, task)
    finally:
        log.debug("%s took %.3f s", task.type, time.perf_counter() - started)


app.include(billing)
