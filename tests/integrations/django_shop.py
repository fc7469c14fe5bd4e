"""Tasks of a Django project, for test_django.py: a worker finds them by the path of this module."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from django.db import connection, connections

from onebeat import Context, SkipRetry
from onebeat.integrations.django import app
from onebeat.integrations.django.compat import TaskContext

if TYPE_CHECKING:
    from django_tasks import task
else:
    try:
        from django.tasks import task
    except ImportError:  # Django 5.2
        from django_tasks import task

seen: list[Any] = []
"""What handlers saw."""


@task
def double(number: int) -> int:
    return 2 * number


@task(takes_context=True)
async def attempt(context: TaskContext, fail_until: int = 1) -> list[Any]:
    if context.attempt < fail_until:
        raise ValueError(f"attempt {context.attempt}\nis too early")
    return [context.attempt, context.task_result.status]


@task
def broken() -> object:
    return object()


@task
def hopeless() -> None:
    raise SkipRetry("there is no such row")


@task
def leaves() -> None:
    raise SystemExit("it leaves")


@task
async def leaves_loop() -> None:
    raise SystemExit("it leaves")


def not_a_task() -> None:
    seen.append("it was called")


undecorated = task(not_a_task)


@app.task()
def in_thread() -> str:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    seen.append(connections["default"])
    return threading.current_thread().name


@app.task()
async def on_loop(ctx: Context) -> None:
    from asgiref.sync import sync_to_async

    def look() -> tuple[Any, threading.Thread]:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
        return connections["default"], threading.current_thread()

    first, second = await sync_to_async(look)(), await sync_to_async(look)()
    seen.append((first, second))
