"""
Onebeat: a distributed task queue and scheduler on Redis or Valkey that speaks asynq's wire format.

Importing this package loads neither asyncio nor redis: a name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.app.declared import Declared
    from onebeat.app.handle import Handle, SyncHandle
    from onebeat.app.router import Router
    from onebeat.broker.browse import QueueStats
    from onebeat.client import Client
    from onebeat.errors import (
        BrokerError,
        BrokerUnavailable,
        BrokerUnsupported,
        ConfigurationError,
        DuplicateTask,
        HandlerNotFound,
        InvalidTask,
        MissingExtra,
        NotReplicated,
        OnebeatError,
        PayloadError,
        QueueFull,
        QueueNotEmpty,
        QueueNotFound,
        ResultNotKept,
        ResultTimeout,
        Retry,
        RevokeTask,
        SemaphoreFull,
        SkipRetry,
        TaskCrashed,
        TaskFailed,
        TaskIdConflict,
        TaskNotFound,
        WrongState,
    )
    from onebeat.inspector.blocking import SyncInspector
    from onebeat.inspector.checks.finding import Diagnosis, Finding, NotChecked, Repaired, Severity
    from onebeat.inspector.inspector import Inspector
    from onebeat.inspector.models import (
        DayStats,
        GroupInfo,
        ScheduleEntry,
        ScheduleEvent,
        ServerInfo,
        ServerSheet,
        WorkerInfo,
    )
    from onebeat.limits.semaphore import Semaphore
    from onebeat.options import Unique
    from onebeat.preparing import BulkResult, Enqueued, Failure
    from onebeat.scheduler.periodic import PeriodicTask
    from onebeat.scheduler.scheduler import Scheduler
    from onebeat.scheduler.triggers import Cron, Every
    from onebeat.server.backoff import exponential
    from onebeat.server.config import ServerConfig
    from onebeat.server.context import Context, current
    from onebeat.server.mux import Handler, Mux
    from onebeat.server.server import Server
    from onebeat.server.serving import Health
    from onebeat.states import Cancellation, TaskState
    from onebeat.sync import SyncClient
    from onebeat.task import Progress, Task, TaskInfo

__version__ = "0.4.0"

_HOMES = {
    "app.app": ["Onebeat"],
    "app.declared": ["Declared"],
    "app.handle": ["Handle", "SyncHandle"],
    "app.router": ["Router"],
    "broker.browse": ["QueueStats"],
    "client": ["Client"],
    "errors": [
        "BrokerError", "BrokerUnavailable", "BrokerUnsupported", "ConfigurationError", "DuplicateTask",
        "HandlerNotFound", "InvalidTask", "MissingExtra", "NotReplicated", "OnebeatError", "PayloadError", "QueueFull",
        "QueueNotEmpty", "QueueNotFound", "ResultNotKept", "ResultTimeout", "Retry", "RevokeTask", "SemaphoreFull",
        "SkipRetry", "TaskCrashed", "TaskFailed", "TaskIdConflict", "TaskNotFound", "WrongState",
    ],
    "inspector.blocking": ["SyncInspector"],
    "inspector.checks.finding": ["Diagnosis", "Finding", "NotChecked", "Repaired", "Severity"],
    "inspector.inspector": ["Inspector"],
    "inspector.models": [
        "DayStats", "GroupInfo", "ScheduleEntry", "ScheduleEvent", "ServerInfo", "ServerSheet",
        "WorkerInfo",
    ],
    "limits.semaphore": ["Semaphore"],
    "options": ["Unique"],
    "preparing": ["BulkResult", "Enqueued", "Failure"],
    "scheduler.periodic": ["PeriodicTask"],
    "scheduler.scheduler": ["Scheduler"],
    "scheduler.triggers": ["Cron", "Every"],
    "server.backoff": ["exponential"],
    "server.config": ["ServerConfig"],
    "server.context": ["Context", "current"],
    "server.mux": ["Handler", "Mux"],
    "server.server": ["Server"],
    "server.serving": ["Health"],
    "states": ["Cancellation", "TaskState"],
    "sync": ["SyncClient"],
    "task": ["Progress", "Task", "TaskInfo"],
}  # fmt: skip

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # checkers would take any name for one of ours

    def __getattr__(name: str) -> Any:
        module = _HOME_OF.get(name)
        if module is None:
            raise AttributeError(f"module 'onebeat' has no attribute {name!r}")
        value = getattr(import_module(f"onebeat.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


__all__ = [
    "BrokerError", "BrokerUnavailable", "BrokerUnsupported", "BulkResult", "Cancellation", "Client",
    "ConfigurationError", "Context", "Cron", "DayStats", "Declared", "Diagnosis", "DuplicateTask", "Enqueued", "Every",
    "Failure", "Finding", "GroupInfo", "Handle", "Handler", "HandlerNotFound", "Health", "Inspector", "InvalidTask",
    "MissingExtra", "Mux", "NotChecked", "NotReplicated", "Onebeat", "OnebeatError", "PayloadError", "PeriodicTask",
    "Progress", "QueueFull", "QueueNotEmpty", "QueueNotFound", "QueueStats", "Repaired", "ResultNotKept",
    "ResultTimeout", "Retry", "RevokeTask", "Router", "ScheduleEntry", "ScheduleEvent", "Scheduler", "Semaphore",
    "SemaphoreFull", "Server", "ServerConfig", "ServerInfo", "ServerSheet", "Severity", "SkipRetry", "SyncClient",
    "SyncHandle", "SyncInspector", "Task", "TaskCrashed", "TaskFailed", "TaskIdConflict", "TaskInfo", "TaskNotFound",
    "TaskState", "Unique", "WorkerInfo", "WrongState", "current", "exponential",
]  # fmt: skip
