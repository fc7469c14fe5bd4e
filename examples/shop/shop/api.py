"""The shop as a web application that runs its own tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from shop.signup import signup
from shop.tasks import app


@asynccontextmanager
async def opened(_: FastAPI) -> AsyncIterator[None]:
    """Connect, and serve; leave serving() out where `onebeat run shop.tasks:app` does that."""
    async with app, app.serving(concurrency=8):
        yield


api = FastAPI(lifespan=opened)


@api.post("/users/{user_id}", status_code=202)
async def sign_up(user_id: int) -> dict[str, str]:
    """Sign a user up."""
    return {"greeting": await signup(user_id)}
