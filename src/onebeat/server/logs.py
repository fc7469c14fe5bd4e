"""Lines of the log: which task each is about, what handlers write, and each line as a document of JSON."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import msgspec

from onebeat.broker.consume import Outcome
from onebeat.errors import shown
from onebeat.server.context import running
from onebeat.server.running import Running

ENDS = {
    Outcome.DONE: "completed",
    Outcome.COMPLETED: "completed",
    Outcome.RETRY: "retried",
    Outcome.ARCHIVED: "archived",
    Outcome.PENDING: "returned",
    Outcome.CANCELLED: "cancelled",
}
"""What becomes of a task, in the words of its events."""

FIELDS = ("task_id", "task_type", "queue", "attempt")


def about(attempt: Running, outcome: str = "", **more: object) -> dict[str, object]:
    """
    Return what a line of the log carries of an attempt, as `extra`.

    Args:
        outcome: How it has ended, if the line says so: then its duration is carried, too.
    """
    message = attempt.message
    said: dict[str, object] = {
        "task_id": attempt.id,
        "task_type": message.type if message is not None else "",
        "queue": attempt.queue,
        "attempt": attempt.retried + 1,
    }
    if outcome:
        said |= {"outcome": outcome, "duration": round(attempt.ended - attempt.started, 6)}
    return {**said, **more}


class TaskFilter(logging.Filter):
    """
    Puts the task that a handler runs on every record that it writes, whichever logger it uses.

    Each record gets `task_id`, `task_type`, `queue` and `attempt`, the number of the attempt, for formats such as
    `%(task_id)s`; all are "" where no task runs. Add it to a handler of `logging`: those of loggers see only what is
    written to that very logger.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        context = None if hasattr(record, "task_id") else running.get(None)
        values: tuple[object, ...] = ("", "", "", "")
        if context is not None:
            values = (context.id, context.type, context.queue, context.retried + 1)
        for name, value in zip(FIELDS, values, strict=True):
            if not hasattr(record, name):
                setattr(record, name, value)
        return True


_PLAIN = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_LEFT_OUT = _PLAIN | {"running", "failure"}
"""Beside what every record has, objects that lines carry for formatters in this process."""


class JsonFormatter(logging.Formatter):
    """
    Writes each record as one line of JSON.

    Its fields are `at` (RFC 3339, UTC), `level`, `logger`, `message`, what the record carries as `extra`, such as
    `task_id`, `task_type`, `queue`, `attempt`, `duration` and `outcome`, and `exception`, the traceback. What is empty
    is left out.

    Args:
        fields: Further fields of every line, such as the name of the service.
    """

    def __init__(self, **fields: object) -> None:
        super().__init__()
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line: dict[str, Any] = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._fields,
        }
        carried = vars(record).items()
        line |= {name: value for name, value in carried if name not in _LEFT_OUT and not (value is None or value == "")}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        try:
            return msgspec.json.encode(line, enc_hook=str).decode()
        except Exception:  # noqa: BLE001 - a value that has no form at all costs the form, not the line
            return msgspec.json.encode({name: _clean(value) for name, value in line.items()}).decode()


def _clean(value: object) -> object:
    """Return a value that JSON can hold: a number as it is, all else as text."""
    if isinstance(value, (int, float)):
        return value
    text = value if isinstance(value, str) else shown(value)
    return text.encode("utf-8", "backslashreplace").decode()


LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


def prepare_log(level: int | str, *, is_json: bool = False, number: int = 0) -> None:
    """
    Write the log of this process to standard error, unless somebody has configured it already.

    Args:
        number: Which process this is of several; 0: the only one.
    """
    handler = logging.StreamHandler()
    handler.addFilter(TaskFilter())
    text = f"[{number}] {LINE}" if number else LINE
    fields = {"process": number} if number else {}
    handler.setFormatter(JsonFormatter(**fields) if is_json else logging.Formatter(text))
    logging.basicConfig(level=level, handlers=[handler])
