"""What an HTTP client is told when Onebeat refuses: the same in every framework, and nothing of our inside."""

from __future__ import annotations

from collections.abc import Mapping

from onebeat.errors import (
    BrokerUnavailable,
    DuplicateTask,
    OnebeatError,
    QueueFull,
    ResultNotKept,
    TaskIdConflict,
    TaskNotFound,
)

ANSWERS: Mapping[type[OnebeatError], tuple[int, str]] = {
    TaskNotFound: (404, "There is no such task, or it is not kept any more."),
    ResultNotKept: (404, "There is no such result, or it is not kept any more."),
    DuplicateTask: (409, "Such a task waits or runs already."),
    TaskIdConflict: (409, "There is a task of that id already."),
    QueueFull: (503, "There is too much to do at the moment. Try again later."),
    BrokerUnavailable: (503, "Tasks cannot be reached at the moment. Try again later."),
}
"""HTTP status and sentence by error. Other errors are bugs of the program, for which a framework has its 500."""


def answer(error: Exception) -> tuple[int, str]:
    """Return the status and the sentence for an error of one of the classes above, or of a subclass."""
    return next(ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
