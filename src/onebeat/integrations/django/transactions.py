"""Tasks that wait for the transaction that makes them true."""

from __future__ import annotations

from typing import Any, Unpack

from django.db import transaction

from onebeat.ids import new_id
from onebeat.integrations.django.project import application
from onebeat.options import EnqueueOptions, merge, resolve
from onebeat.task import Task


def on_commit(
    task: Task[Any], *, using: str | None = None, robust: bool = False, **options: Unpack[EnqueueOptions]
) -> str:
    """
    Enqueue a bound task when the transaction commits, and not if it is rolled back: `on_commit(task.bind(...))`.

    Outside a transaction that is at once. The task is written after the commit, so a process that dies in between
    has the data and not the task; what must not be lost so is found by a schedule that looks for it.

    Args:
        task: What `bind()` gives.

        using: Which database's transaction.

        robust: Log an error of the enqueueing rather than raise it, as Django's `on_commit` does.

        options: Laid over the task's own.

    Returns:
        The id that the task will have.

    Raises:
        InvalidTask: An option cannot be used. Whatever the store may refuse is raised when the transaction commits.
    """
    task_id = resolve({"task_id": new_id(), **merge(task.options, options)}).task_id
    options = {**options, "task_id": task_id}
    client = application().sync_client()

    def enqueue() -> None:  # Django names it when it logs, so it cannot be a `partial`
        client.enqueue(task, **options)

    transaction.on_commit(enqueue, using=using, robust=robust)
    return task_id
