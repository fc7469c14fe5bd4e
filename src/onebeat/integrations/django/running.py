"""Runs tasks of `django.tasks` in a server of Onebeat."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from traceback import format_exception
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.app.surroundings import surrounded, surrounded_async
from onebeat.errors import Retry, RevokeTask, SkipRetry
from onebeat.integrations.django import results
from onebeat.integrations.django.backend import OnebeatBackend
from onebeat.integrations.django.compat import (
    TaskContext,
    TaskError,
    TaskResult,
    TaskResultStatus,
    normalize_json,
    task_backends,
    task_finished,
    task_started,
)
from onebeat.server.context import Context
from onebeat.server.mux import Middleware, Route
from onebeat.server.outcome import HandlerError
from onebeat.task import Task

UNKNOWN_FOR = timedelta(minutes=10)
"""How long a task without a function waits for a server that has one: that of a deploy under way."""

LOOK_AGAIN_S = 15


def attach(app: Onebeat[Any]) -> None:
    """Have an application run the tasks of this backend, on the queues that the setting TASKS names."""
    backends = [backend for backend in task_backends.all() if isinstance(backend, OnebeatBackend)]
    if backends:
        runner = Runner(app)
        queues = {queue for backend in backends for queue in backend.queues or {"default"}}
        app.adopt(results.PLAIN, Route(runner.plain, is_async=False, middleware=runner.layers), queues)
        app.adopt(results.COROUTINE, Route(runner.coroutine, is_async=True, middleware=runner.layers), queues)


class Runner:
    """Calls the functions, inside the application's middleware and surroundings."""

    def __init__(self, app: Onebeat[Any]) -> None:
        self._app = app

    def layers(self) -> Sequence[Middleware]:
        return self._app.layers

    def plain(self, context: Context[Any], task: Task[Any]) -> object:
        with surrounded(self._app.surroundings):
            attempt = _Attempt(context, task)
            task_started.send(OnebeatBackend, task_result=attempt.result)
            try:
                value = normalize_json(attempt.task.call(*attempt.args, **attempt.kwargs))
            except (Retry, RevokeTask):
                raise
            except (Exception, SystemExit) as error:
                failure = attempt.failed(error)
                if attempt.is_last:
                    task_finished.send(OnebeatBackend, task_result=attempt.result)
                raise failure from error
            kept = attempt.succeeded(value)
            task_finished.send(OnebeatBackend, task_result=attempt.result)
            return kept

    async def coroutine(self, context: Context[Any], task: Task[Any]) -> object:
        async with surrounded_async(self._app.surroundings):
            attempt = _Attempt(context, task)
            await task_started.asend(OnebeatBackend, task_result=attempt.result)
            try:
                value = normalize_json(await attempt.task.acall(*attempt.args, **attempt.kwargs))
            except (Retry, RevokeTask):
                raise
            except (Exception, SystemExit) as error:
                failure = attempt.failed(error)
                if attempt.is_last:
                    await task_finished.asend(OnebeatBackend, task_result=attempt.result)
                raise failure from error
            kept = attempt.succeeded(value)
            await task_finished.asend(OnebeatBackend, task_result=attempt.result)
            return kept


class _Attempt:
    """
    One attempt, as `django.tasks` sees it.

    Raises:
        Retry, SkipRetry: There is no such task here: others may have it for a while, then nobody has.
    """

    def __init__(self, context: Context[Any], given: Task[Any]) -> None:
        self._began = datetime.now(UTC)
        self._worker = f"{socket.gethostname()}:{os.getpid()}"
        self.task = _found(context, given, self._began)
        self.is_last = context.retried >= context.max_retry
        args, self.kwargs = results.arguments(given.payload)
        began = results.instant(self._began.isoformat())
        self.result: TaskResult[Any] = TaskResult(
            task=self.task,
            id=f"{context.queue}:{context.id}",
            status=TaskResultStatus.RUNNING,
            enqueued_at=results.instant(context.headers.get(results.ENQUEUED_AT)),
            started_at=began,
            finished_at=None,
            last_attempted_at=began,
            args=args,
            kwargs=self.kwargs,
            backend=context.headers.get("django-backend") or str(self.task.backend),
            errors=[],
            worker_ids=results.workers(context.retried + 1, self._worker),
        )
        self.args = [TaskContext(task_result=self.result), *args] if self.task.takes_context else args

    def succeeded(self, value: Any) -> dict[str, Any]:
        """Return what is kept of it."""
        ended = datetime.now(UTC)
        object.__setattr__(self.result, "_return_value", value)
        self._end(TaskResultStatus.SUCCESSFUL, ended)
        return results.success(value, self._began, ended, self._worker)

    def failed(self, error: BaseException) -> HandlerError:
        """Return the error whose text is kept of it."""
        ended, trace = datetime.now(UTC), "".join(format_exception(error))
        self.is_last = self.is_last or isinstance(error, SkipRetry)
        path = f"{type(error).__module__}.{type(error).__qualname__}"
        self.result.errors.append(TaskError(exception_class_path=path, traceback=trace))
        if self.is_last:
            self._end(TaskResultStatus.FAILED, ended)
        return HandlerError(results.error_text(error, trace, self._began, ended, self._worker))

    def _end(self, status: TaskResultStatus, ended: datetime) -> None:
        object.__setattr__(self.result, "status", status)
        object.__setattr__(self.result, "finished_at", results.instant(ended.isoformat()))


def _found(context: Context[Any], given: Task[Any], now: datetime) -> Any:
    path = results.path_of(given.type)
    task = results.find(path)
    if task is not None:
        return task
    enqueued = context.headers.get(results.ENQUEUED_AT)
    if enqueued and now - datetime.fromisoformat(enqueued) < UNKNOWN_FOR:
        raise Retry(f"{path} is no task here; it waits for a server that has it", delay=LOOK_AGAIN_S, counts=False)
    raise SkipRetry(f"{path} is no task: put @task above the function, or run this again when there is one")
