"""`django.tasks` of Django 6, or its backport for 5.2, the package `django-tasks`: they differ in a few names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onebeat.integrations.missing import missing

if TYPE_CHECKING:  # both have the same shape; the backport is the one with types of its own
    from django.dispatch import Signal
    from django_tasks import TaskBackendHandler, TaskContext, TaskResult, TaskResultStatus
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import Task, TaskError
    from django_tasks.exceptions import InvalidTaskError, TaskResultDoesNotExist
    from django_tasks.utils import normalize_json

    task_backends: TaskBackendHandler
    task_enqueued: Signal
    task_started: Signal
    task_finished: Signal
else:
    try:
        from django.tasks import TaskContext, TaskResult, TaskResultStatus, task_backends
        from django.tasks.backends.base import BaseTaskBackend
        from django.tasks.base import Task, TaskError
        from django.tasks.exceptions import InvalidTask as InvalidTaskError
        from django.tasks.exceptions import TaskResultDoesNotExist
        from django.tasks.signals import task_enqueued, task_finished, task_started
        from django.utils.json import normalize_json
    except ImportError:
        try:
            from django_tasks import TaskContext, TaskResult, TaskResultStatus, task_backends
            from django_tasks.backends.base import BaseTaskBackend
            from django_tasks.base import Task, TaskError
            from django_tasks.exceptions import InvalidTaskError, TaskResultDoesNotExist
            from django_tasks.signals import task_enqueued, task_finished, task_started
            from django_tasks.utils import normalize_json
        except ImportError as error:
            raise missing("django.backend", "Django 6, or its backport", "django-tasks") from error

__all__ = [
    "BaseTaskBackend", "InvalidTaskError", "Task", "TaskContext", "TaskError", "TaskResult", "TaskResultDoesNotExist",
    "TaskResultStatus", "normalize_json", "task_backends", "task_enqueued", "task_finished", "task_started",
]  # fmt: skip
