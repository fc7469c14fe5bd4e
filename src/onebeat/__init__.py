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
        InvalidFilter,
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
    from onebeat.inspector.filters import Filter
    from onebeat.inspector.found import Applied, Chosen, Found, Selection
    from onebeat.inspector.inspector import Inspector
    from onebeat.inspector.models import (
        DayStats,
        GroupInfo,
        QueueDetails,
        ScheduleEntry,
        ScheduleEvent,
        ServerInfo,
        StoreInfo,
        WorkerInfo,
    )
    from onebeat.inspector.recording import Lock, TaskRecord
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
        "HandlerNotFound", "InvalidFilter", "InvalidTask", "MissingExtra", "NotReplicated", "OnebeatError",
        "PayloadError", "QueueFull",
        "QueueNotEmpty", "QueueNotFound", "ResultNotKept", "ResultTimeout", "Retry", "RevokeTask", "SemaphoreFull",
        "SkipRetry", "TaskCrashed", "TaskFailed", "TaskIdConflict", "TaskNotFound", "WrongState",
    ],
    "inspector.blocking": ["SyncInspector"],
    "inspector.filters": ["Filter"],
    "inspector.found": ["Applied", "Chosen", "Found", "Selection"],
    "inspector.inspector": ["Inspector"],
    "inspector.models": [
        "DayStats", "GroupInfo", "QueueDetails", "ScheduleEntry", "ScheduleEvent", "ServerInfo", "StoreInfo",
        "WorkerInfo",
    ],
    "inspector.recording": ["Lock", "TaskRecord"],
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
    "Applied", "BrokerError", "BrokerUnavailable", "BrokerUnsupported", "BulkResult", "Cancellation", "Chosen",
    "Client", "ConfigurationError", "Context", "Cron", "DayStats", "Declared", "DuplicateTask", "Enqueued", "Every",
    "Failure", "Filter", "Found", "GroupInfo", "Handle", "Handler", "HandlerNotFound", "Health", "Inspector",
    "InvalidFilter", "InvalidTask", "Lock", "MissingExtra", "Mux", "NotReplicated", "Onebeat", "OnebeatError",
    "PayloadError", "PeriodicTask", "Progress", "QueueDetails", "QueueFull", "QueueNotEmpty", "QueueNotFound",
    "QueueStats", "ResultNotKept", "ResultTimeout", "Retry", "RevokeTask", "Router", "ScheduleEntry", "ScheduleEvent",
    "Scheduler", "Selection", "Semaphore", "SemaphoreFull", "Server", "ServerConfig", "ServerInfo", "SkipRetry",
    "StoreInfo", "SyncClient", "SyncHandle", "SyncInspector", "Task", "TaskCrashed", "TaskFailed", "TaskIdConflict",
    "TaskInfo", "TaskNotFound", "TaskRecord", "TaskState", "Unique", "WorkerInfo", "WrongState", "current",
    "exponential",
]  # fmt: skip
