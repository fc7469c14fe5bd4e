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
        JobNotFound,
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
        ScheduleNotFound,
        SemaphoreFull,
        ServerNotFound,
        SkipRetry,
        TaskCrashed,
        TaskFailed,
        TaskIdConflict,
        TaskNotFound,
        WrongState,
    )
    from onebeat.events import (
        AttemptEnded,
        Event,
        Figure,
        LeaseLost,
        Observer,
        ScheduleFired,
        ScheduleMissed,
        TaskArchived,
        TaskCancelled,
        TaskCompleted,
        TaskEnqueued,
        TaskEvent,
        TaskRecovered,
        TaskRetried,
        TaskReturned,
        TaskStarted,
    )
    from onebeat.inspector.auditing import AuditOutcome, AuditPage, AuditRecord
    from onebeat.inspector.blocking import SyncInspector
    from onebeat.inspector.checks.finding import Diagnosis, Finding, NotChecked, Repaired, Severity
    from onebeat.inspector.error_groups import ErrorGroup, ErrorGroups
    from onebeat.inspector.filters import Filter
    from onebeat.inspector.found import Applied, Chosen, Found, Selection
    from onebeat.inspector.inspector import Inspector
    from onebeat.inspector.job_models import Job, JobState, Preview
    from onebeat.inspector.models import (
        DayStats,
        GroupInfo,
        GroupRule,
        GroupsFound,
        LostServer,
        QueueDetails,
        ScheduleEntry,
        ScheduleEvent,
        ServerInfo,
        ServerSheet,
        StoreInfo,
        WorkerInfo,
    )
    from onebeat.inspector.recording import Lock, TaskRecord
    from onebeat.inspector.schedule_models import (
        ScheduleFire,
        ScheduleForm,
        ScheduleInfo,
        ScheduleResumed,
        ScheduleState,
    )
    from onebeat.inspector.series_models import (
        Attempt,
        Backlog,
        Distribution,
        Series,
        SeriesPoint,
        SizePoint,
        Spark,
        TypePoint,
        TypeSeries,
    )
    from onebeat.inspector.signing import ConsoleSession
    from onebeat.inspector.store_models import (
        ClusterNode,
        StoreCluster,
        StoreKey,
        StoreNode,
        StoreRefusal,
        StoreReplica,
        StoreReport,
    )
    from onebeat.inspector.views import SavedView
    from onebeat.limits.semaphore import Semaphore
    from onebeat.observe.listeners import Listeners
    from onebeat.observe.stream import EventStream
    from onebeat.options import Unique
    from onebeat.preparing import BulkResult, Enqueued, Failure
    from onebeat.scheduler.periodic import PeriodicTask
    from onebeat.scheduler.scheduler import Scheduler
    from onebeat.scheduler.triggers import Cron, Every
    from onebeat.server.backoff import exponential
    from onebeat.server.config import ServerConfig
    from onebeat.server.context import Context, current
    from onebeat.server.health import Health, HealthReport
    from onebeat.server.logs import JsonFormatter, TaskFilter
    from onebeat.server.mux import Handler, Mux
    from onebeat.server.server import Server
    from onebeat.states import Cancellation, TaskState
    from onebeat.sync import SyncClient
    from onebeat.task import Progress, Task, TaskInfo

__version__ = "0.6.0"

_HOMES = {
    "app.app": ["Onebeat"],
    "app.declared": ["Declared"],
    "app.handle": ["Handle", "SyncHandle"],
    "app.router": ["Router"],
    "broker.browse": ["QueueStats"],
    "client": ["Client"],
    "errors": [
        "BrokerError", "BrokerUnavailable", "BrokerUnsupported", "ConfigurationError", "DuplicateTask",
        "HandlerNotFound", "InvalidFilter", "InvalidTask", "JobNotFound", "MissingExtra", "NotReplicated",
        "OnebeatError", "PayloadError", "QueueFull", "QueueNotEmpty", "QueueNotFound", "ResultNotKept", "ResultTimeout",
        "Retry", "RevokeTask", "ScheduleNotFound", "SemaphoreFull", "ServerNotFound", "SkipRetry", "TaskCrashed",
        "TaskFailed", "TaskIdConflict", "TaskNotFound", "WrongState",
    ],
    "events": [
        "AttemptEnded", "Event", "Figure", "LeaseLost", "Observer", "ScheduleFired", "ScheduleMissed", "TaskArchived",
        "TaskCancelled", "TaskCompleted", "TaskEnqueued", "TaskEvent", "TaskRecovered", "TaskRetried", "TaskReturned",
        "TaskStarted",
    ],
    "inspector.auditing": ["AuditOutcome", "AuditPage", "AuditRecord"],
    "inspector.blocking": ["SyncInspector"],
    "inspector.checks.finding": ["Diagnosis", "Finding", "NotChecked", "Repaired", "Severity"],
    "inspector.error_groups": ["ErrorGroup", "ErrorGroups"],
    "inspector.filters": ["Filter"],
    "inspector.found": ["Applied", "Chosen", "Found", "Selection"],
    "inspector.inspector": ["Inspector"],
    "inspector.job_models": ["Job", "JobState", "Preview"],
    "inspector.models": [
        "DayStats", "GroupInfo", "GroupRule", "GroupsFound", "LostServer", "QueueDetails", "ScheduleEntry",
        "ScheduleEvent", "ServerInfo", "ServerSheet", "StoreInfo", "WorkerInfo",
    ],
    "inspector.schedule_models": ["ScheduleFire", "ScheduleForm", "ScheduleInfo", "ScheduleResumed", "ScheduleState"],
    "inspector.recording": ["Lock", "TaskRecord"],
    "inspector.series_models": [
        "Attempt", "Backlog", "Distribution", "Series", "SeriesPoint", "SizePoint", "Spark", "TypePoint", "TypeSeries",
    ],
    "inspector.signing": ["ConsoleSession"],
    "inspector.store_models": [
        "ClusterNode", "StoreCluster", "StoreKey", "StoreNode", "StoreRefusal", "StoreReplica", "StoreReport",
    ],
    "inspector.views": ["SavedView"],
    "limits.semaphore": ["Semaphore"],
    "observe.listeners": ["Listeners"],
    "observe.stream": ["EventStream"],
    "options": ["Unique"],
    "preparing": ["BulkResult", "Enqueued", "Failure"],
    "scheduler.periodic": ["PeriodicTask"],
    "scheduler.scheduler": ["Scheduler"],
    "scheduler.triggers": ["Cron", "Every"],
    "server.backoff": ["exponential"],
    "server.config": ["ServerConfig"],
    "server.context": ["Context", "current"],
    "server.logs": ["JsonFormatter", "TaskFilter"],
    "server.mux": ["Handler", "Mux"],
    "server.server": ["Server"],
    "server.health": ["Health", "HealthReport"],
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
    "Applied", "Attempt", "AttemptEnded", "AuditOutcome", "AuditPage", "AuditRecord", "Backlog", "BrokerError",
    "BrokerUnavailable", "BrokerUnsupported", "BulkResult", "Cancellation", "Chosen", "Client", "ClusterNode",
    "ConfigurationError", "ConsoleSession", "Context", "Cron", "DayStats", "Declared", "Diagnosis", "Distribution",
    "DuplicateTask", "Enqueued", "ErrorGroup", "ErrorGroups", "Event", "EventStream", "Every", "Failure", "Figure",
    "Filter", "Finding", "Found", "GroupInfo", "GroupRule", "GroupsFound", "Handle", "Handler", "HandlerNotFound",
    "Health", "HealthReport", "Inspector", "InvalidFilter", "InvalidTask", "Job", "JobNotFound", "JobState",
    "JsonFormatter", "LeaseLost", "Listeners", "Lock", "LostServer", "MissingExtra", "Mux", "NotChecked",
    "NotReplicated", "Observer", "Onebeat", "OnebeatError", "PayloadError", "PeriodicTask", "Preview", "Progress",
    "QueueDetails", "QueueFull", "QueueNotEmpty", "QueueNotFound", "QueueStats", "Repaired", "ResultNotKept",
    "ResultTimeout", "Retry", "RevokeTask", "Router", "SavedView", "ScheduleEntry", "ScheduleEvent", "ScheduleFire",
    "ScheduleFired", "ScheduleForm", "ScheduleInfo", "ScheduleMissed", "ScheduleNotFound", "ScheduleResumed",
    "ScheduleState", "Scheduler", "Selection", "Semaphore", "SemaphoreFull", "Series", "SeriesPoint", "Server",
    "ServerConfig", "ServerInfo", "ServerNotFound", "ServerSheet", "Severity", "SizePoint", "SkipRetry", "Spark",
    "StoreCluster", "StoreInfo", "StoreKey", "StoreNode", "StoreRefusal", "StoreReplica", "StoreReport", "SyncClient",
    "SyncHandle", "SyncInspector", "Task", "TaskArchived", "TaskCancelled", "TaskCompleted", "TaskCrashed",
    "TaskEnqueued", "TaskEvent", "TaskFailed", "TaskFilter", "TaskIdConflict", "TaskInfo", "TaskNotFound",
    "TaskRecord", "TaskRecovered", "TaskRetried", "TaskReturned", "TaskStarted", "TaskState", "TypePoint", "TypeSeries",
    "Unique", "WorkerInfo", "WrongState", "current", "exponential",
]  # fmt: skip
