"""
A backend for `django.tasks`: `TASKS = {"default": {"BACKEND": "onebeat.integrations.django.backend.OnebeatBackend"}}`.

`manage.py onebeat_run` runs its tasks beside those declared with `@app.task`.
"""

from __future__ import annotations

from datetime import datetime
from inspect import iscoroutinefunction
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from onebeat import task
from onebeat.app.declared import RESULT_RETENTION_S
from onebeat.broker import browse
from onebeat.errors import OnebeatError
from onebeat.ids import new_id
from onebeat.inspector.showing import task_info
from onebeat.integrations.django.compat import (
    BaseTaskBackend,
    InvalidTaskError,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
)
from onebeat.integrations.django.project import application
from onebeat.integrations.django.results import ENQUEUED_AT, find, is_ours, result_of, type_of
from onebeat.options import resolve
from onebeat.sync import refuse_in_loop

OPTIONS = ("expires", "max_retry", "retention", "timeout", "unique")
DEFAULTS = {"max_retry": 0, "retention": RESULT_RETENTION_S}


class OnebeatBackend(BaseTaskBackend):
    """
    Enqueues tasks of `django.tasks` with Onebeat.

    `OPTIONS` of the setting are those of `EnqueueOptions` that hold for every task: max_retry (default 0, as
    `django.tasks` knows no retries), retention (how long a result is kept; default an hour), timeout, expires, unique.

    Priorities are refused, as the order of tasks is decided by queues here: give urgent ones a queue of their own
    (`queue_name`), and weights in ONEBEAT["SERVER"]["queues"].
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = False

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        unknown = [name for name in self.options if name not in OPTIONS]
        if unknown:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]: option {unknown[0]!r} is unknown; give {', '.join(OPTIONS)}")
        self._defaults = {**DEFAULTS, **self.options}
        try:
            resolve(self._defaults)
        except OnebeatError as error:
            raise ImproperlyConfigured(f"TASKS[{alias!r}]: {error}") from None

    def enqueue(self, task: Task[..., Any], args: Any, kwargs: Any) -> TaskResult[Any]:
        """
        Enqueue a task.

        Raises:
            InvalidTask: Of `django.tasks`: it cannot be run by this backend.
            TypeError: An argument has no JSON form.
            BrokerUnavailable: The store could not be reached; the task may exist.
        """
        self.validate_task(task)
        refuse_in_loop(f"enqueue() of {task.name}", "await aenqueue() instead")
        if find(task.module_path) is None:
            raise InvalidTaskError(
                f"{task.module_path} is no task where a worker looks for it: put @task above the function"
            )
        task_id, now = new_id(), timezone.now()
        result: TaskResult[Any] = TaskResult(
            task=task,
            id=f"{task.queue_name}:{task_id}",
            status=TaskResultStatus.READY,
            enqueued_at=now,
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=list(args),
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        application().sync_client().enqueue(self._task(task, task_id, result))
        task_enqueued.send(type(self), task_result=result)
        return result

    def _task(self, given: Task[..., Any], task_id: str, result: TaskResult[Any]) -> task.Task[Any]:
        options: dict[str, Any] = {
            **self._defaults,
            "queue": given.queue_name,
            "task_id": task_id,
            "headers": {ENQUEUED_AT: _aware(result.enqueued_at).isoformat(), "django-backend": self.alias},
        }
        if given.run_after is not None:
            options["process_at"] = _aware(given.run_after)
        task_type = type_of(given.module_path, is_async=iscoroutinefunction(given.func))
        return task.Task(task_type, {"args": result.args, "kwargs": result.kwargs}, **options)

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """
        Read a result by its id, "queue:id".

        Raises:
            TaskResultDoesNotExist: There is none, or it is not kept any more.
        """
        refuse_in_loop("get_result()", "await aget_result() instead")
        queue, _, task_id = result_id.rpartition(":")
        raw = application().sync_client().store.run(browse.info(queue, task_id)) if queue and task_id else None
        info = task_info(queue, task_id, raw) if raw is not None else None
        if info is None or not is_ours(info.type):
            raise TaskResultDoesNotExist(f"result {result_id!r} does not exist, or is not kept any more")
        return result_of(info)


def _aware(moment: datetime | None) -> datetime:
    assert moment is not None  # noqa: S101 - callers have looked
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
