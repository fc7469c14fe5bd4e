"""How tasks of `django.tasks` stand in the store, and how they are read back."""

from __future__ import annotations

import json
import re
import sys
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string

from onebeat.integrations.django.compat import Task, TaskError, TaskResult, TaskResultDoesNotExist, TaskResultStatus
from onebeat.states import TaskState
from onebeat.task import TaskInfo

PLAIN, COROUTINE = "django:", "django:async:"
"""What types begin with; the path of the function follows."""

ENQUEUED_AT = "django-enqueued-at"
UNKNOWN = "unknown"
"""Stands in `worker_ids` for who ran an earlier attempt: Onebeat counts attempts, and keeps the last one's worker."""

_STATUS = {
    TaskState.ACTIVE: TaskResultStatus.RUNNING,
    TaskState.COMPLETED: TaskResultStatus.SUCCESSFUL,
    TaskState.ARCHIVED: TaskResultStatus.FAILED,
}
_BEGUN = (TaskState.ACTIVE, TaskState.COMPLETED, TaskState.ARCHIVED)
_ERROR = re.compile(
    r"(?P<path>[\w.<>]+): [^\n]*\n\n(?P<trace>.*)\n\(from (?P<began>\S+) to (?P<ended>\S+) on (?P<worker>.*)\)",
    re.DOTALL,
)
MAX_TRACE = 6000


def type_of(path: str, *, is_async: bool) -> str:
    """Return a task's type on the wire."""
    return (COROUTINE if is_async else PLAIN) + path


def is_ours(task_type: str) -> bool:
    return task_type.startswith(PLAIN)


def path_of(task_type: str) -> str:
    return task_type.removeprefix(COROUTINE).removeprefix(PLAIN)


def find(path: str) -> Task[..., Any] | None:
    """
    Find a task, importing modules of installed applications if need be.

    Nothing else is ever imported or returned: whoever can write to the store can name any path.
    """
    if path.rpartition(".")[0] not in sys.modules and apps.get_containing_app_config(path) is None:
        return None
    try:
        found = import_string(path)
    except ImportError:
        return None
    return found if isinstance(found, Task) else None


def error_text(error: BaseException, trace: str, began: datetime, ended: datetime, worker: str) -> str:
    """Write down what `TaskError` and `TaskResult` need, so that people can read it, too."""
    path = f"{type(error).__module__}.{type(error).__qualname__}"
    first = str(error).partition("\n")[0][:500]
    when = f"(from {began.isoformat()} to {ended.isoformat()} on {worker})"
    return f"{path}: {first}\n\n{trace[-MAX_TRACE:].strip()}\n{when}"


def success(value: Any, began: datetime, ended: datetime, worker: str) -> dict[str, Any]:
    """Return what is kept of an attempt that returned."""
    return {"value": value, "began": began.isoformat(), "ended": ended.isoformat(), "worker": worker}


def arguments(payload: bytes) -> tuple[list[Any], dict[str, Any]]:
    read = json.loads(payload)
    return read["args"], read["kwargs"]


def result_of(info: TaskInfo) -> TaskResult[Any]:
    """
    Say what is known of a task.

    Raises:
        TaskResultDoesNotExist: Its function is no task of this project any more.
    """
    task = find(path_of(info.type))
    if task is None:
        raise TaskResultDoesNotExist(f"{path_of(info.type)} is no task of this project")
    args, kwargs = arguments(info.payload)
    kept: dict[str, Any] = json.loads(info.result) if info.state is TaskState.COMPLETED and info.result else {}
    failed = _ERROR.fullmatch(info.last_error) if not kept else None
    last: dict[str, Any] = kept or (failed.groupdict() if failed is not None else {})
    attempts = info.retried + info.crashes + (info.state in _BEGUN)
    is_over = info.state in (TaskState.COMPLETED, TaskState.ARCHIVED)
    result: TaskResult[Any] = TaskResult(
        task=task,
        id=f"{info.queue}:{info.id}",
        status=_STATUS.get(info.state, TaskResultStatus.READY),
        enqueued_at=instant(info.headers.get(ENQUEUED_AT)),
        started_at=instant(last.get("began")),
        finished_at=instant(last.get("ended")) or _local(info.last_failed_at) if is_over else None,
        last_attempted_at=instant(last.get("began")),
        args=args,
        kwargs=kwargs,
        backend=info.headers.get("django-backend", task.backend),
        errors=_errors(info.last_error, failed) if not kept else [],
        worker_ids=workers(attempts, str(last.get("worker", UNKNOWN))),
    )
    object.__setattr__(result, "_return_value", kept.get("value"))
    return result


def workers(attempts: int, last: str) -> list[str]:
    """Return one id an attempt, as that is how `django.tasks` counts them."""
    return [UNKNOWN] * (attempts - 1) + [last] * (attempts > 0)


def _errors(text: str, failed: re.Match[str] | None) -> list[TaskError]:
    if failed is not None:
        return [TaskError(exception_class_path=failed["path"], traceback=failed["trace"] + "\n")]
    return [TaskError(exception_class_path="onebeat.errors.TaskFailed", traceback=text)] if text else []


def instant(text: str | None) -> datetime | None:
    """Read an instant that was written down."""
    return _local(datetime.fromisoformat(text)) if text else None


def _local(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    return moment if settings.USE_TZ else timezone.make_naive(moment)
