"""All that the API can be asked for."""

from __future__ import annotations

from collections.abc import Mapping

from onebeat.web.api import (
    description,
    health,
    jobs,
    queues,
    schedules,
    series,
    servers,
    sessions,
    stats,
    task_changes,
    tasks,
    views,
)
from onebeat.web.api.operation import Operation

RESOURCES: Mapping[str, tuple[Operation, ...]] = {
    "Store": stats.OPERATIONS,
    "Queues": queues.OPERATIONS,
    "Tasks": (*tasks.OPERATIONS, *series.TASK_OPERATIONS, *task_changes.OPERATIONS),
    "Many tasks": jobs.OPERATIONS,
    "Saved views": views.OPERATIONS,
    "Errors": jobs.ERROR_OPERATIONS,
    "Groups": queues.GROUP_OPERATIONS,
    "Schedules": schedules.OPERATIONS,
    "Servers": servers.OPERATIONS,
    "Metrics": series.OPERATIONS,
    "Health": health.OPERATIONS,
    "Audit": jobs.AUDIT_OPERATIONS,
    "Sessions": sessions.OPERATIONS,
    "This API": description.OPERATIONS,
}
"""Operations by what they are about."""

OPERATIONS: tuple[Operation, ...] = tuple(one for some in RESOURCES.values() for one in some)
"""All operations: routes, the OpenAPI document, the reference and the matrix of rights are made of these."""
