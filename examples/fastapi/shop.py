"""A shop: its tasks, and a web application that enqueues them, tells how they fare, and runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from pydantic import BaseModel

from onebeat import Handle, Onebeat, SkipRetry, TaskState
from onebeat.integrations.asgi import Lifespan
from onebeat.integrations.starlette import exception_handlers

app = Onebeat("shop")


@app.task("email:welcome", max_retry=3)
async def send_welcome(user_id: int, locale: str = "en") -> str:
    if user_id == 0:
        raise SkipRetry("user 0 does not exist")
    return f"welcome, user {user_id}, in {locale}"


@asynccontextmanager
async def prices(api: FastAPI) -> AsyncIterator[None]:
    """What the web application opens for itself."""
    api.state.prices = {"tea": 4}
    yield


lifespan = Lifespan(app, prices, serve={"concurrency": 8})
api = FastAPI(lifespan=lifespan, exception_handlers=exception_handlers)
api.mount("/tasks", lifespan.health)


class Accepted(BaseModel):
    id: str


class Status(BaseModel):
    state: TaskState
    receipt: str | None = None
    error: str = ""


def welcome_of(task_id: str) -> Handle[str]:
    return send_welcome.handle(task_id)


Welcome = Annotated[Handle[str], Depends(welcome_of)]


@api.post("/users/{user_id}", status_code=202)
async def sign_up(user_id: int, locale: str = "en") -> Accepted:
    handle = await send_welcome.enqueue(user_id, locale)
    return Accepted(id=handle.id)


@api.get("/welcomes/{task_id}")
async def welcome(handle: Welcome) -> Status:
    info = await handle.info()
    receipt = await handle.result() if info.state is TaskState.COMPLETED else None
    return Status(state=info.state, receipt=receipt, error=info.last_error)


@api.get("/prices")
async def price_list(request: Request) -> dict[str, int]:
    prices: dict[str, int] = request.app.state.prices
    return prices
