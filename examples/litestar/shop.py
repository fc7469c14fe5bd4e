"""A shop: its tasks, and a Litestar application that enqueues and runs them."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Litestar, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery

from onebeat import Handle, Onebeat, TaskState
from onebeat.integrations.litestar import OnebeatPlugin

app = Onebeat("shop")


@app.task("email:welcome", max_retry=3)
async def send_welcome(user_id: int, locale: str = "en") -> str:
    return f"welcome, user {user_id}, in {locale}"


@dataclass
class Status:
    state: TaskState
    receipt: str | None = None


async def welcome_of(task_id: FromPath[str]) -> Handle[str]:
    return send_welcome.handle(task_id)


@post("/users/{user_id:int}", status_code=202)
async def sign_up(user_id: FromPath[int], locale: FromQuery[str] = "en") -> dict[str, str]:
    return {"id": (await send_welcome.enqueue(user_id, locale)).id}


@get("/welcomes/{task_id:str}", dependencies={"handle": Provide(welcome_of)})
async def welcome(handle: NamedDependency[Handle[str]]) -> Status:
    info = await handle.info()
    receipt = await handle.result() if info.state is TaskState.COMPLETED else None
    return Status(info.state, receipt)


api = Litestar([sign_up, welcome], plugins=[OnebeatPlugin(app, serve={"concurrency": 8}, mount="/tasks")])
