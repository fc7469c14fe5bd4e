"""
What spans and metrics say, in the words of the semantic conventions for messaging (1.44, status: development).

The system is asynq, as its wire is what Go and Python share: a board that sums by `messaging.system` sums both. What
the conventions have no word for stands under `messaging.asynq`, as they ask.
"""

from __future__ import annotations

import traceback

from opentelemetry.trace import Span, Status, StatusCode

from onebeat.wire.message import clean_text

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


def fail(span: Span, kind: str, text: str) -> None:
    """Say that the operation failed. An exporter refuses a whole batch for a text that is not UTF-8."""
    span.set_attribute(ERROR_TYPE, kind or "_OTHER")
    span.set_status(Status(StatusCode.ERROR, clean_text(text)))


def record(span: Span, error: BaseException, kind: str, trace: str = "") -> None:
    """Put an exception into a span, as SDKs do, with its traceback unless another is given."""
    trace = trace or "".join(traceback.format_exception(error))
    said = {"exception.type": kind, "exception.message": str(error), "exception.stacktrace": trace}
    span.add_event("exception", {name: clean_text(text) for name, text in said.items()})
