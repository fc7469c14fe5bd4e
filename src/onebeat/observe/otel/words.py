"""
What spans and metrics say, in the words of the semantic conventions for messaging (1.44, status: development).

The system is asynq, as its wire is what Go and Python share: a board that sums by `messaging.system` sums both. What
the conventions have no word for stands under `messaging.asynq`, as they ask.
"""

from __future__ import annotations

SCHEMA = "https://opentelemetry.io/schemas/1.44.0"

SYSTEM = "asynq"

MESSAGING_SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION_NAME = "messaging.destination.name"
MESSAGE_ID = "messaging.message.id"
BATCH_COUNT = "messaging.batch.message_count"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

TASK_TYPE = "messaging.asynq.task.type"
RETRIED = "messaging.asynq.task.retried"
MAX_RETRY = "messaging.asynq.task.max_retry"
STATE = "messaging.asynq.task.state"
OUTCOME = "messaging.asynq.task.outcome"
RETRY_DELAY = "messaging.asynq.task.retry_delay"
REFUSED = "messaging.asynq.batch.refused"
GROUP = "messaging.asynq.group"
SCHEDULE = "messaging.asynq.schedule.id"
TICK = "messaging.asynq.schedule.tick"


Attributes = dict[str, str | int]


def operation(name: str, queue: str | None = None) -> Attributes:
    """Return what every operation says of itself: "send" or "process", and the queue, if it is one."""
    said: Attributes = {MESSAGING_SYSTEM: SYSTEM, OPERATION_NAME: name, OPERATION_TYPE: name}
    if queue is not None:
        said[DESTINATION_NAME] = queue
    return said


def name_of(error: BaseException) -> str:
    """Return the name of an error's class, as events and statistics have it."""
    return type(error).__qualname__
