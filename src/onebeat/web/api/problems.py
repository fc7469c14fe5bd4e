"""What the API says when it refuses: RFC 9457, with a sentence that names the object, the value and the remedy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from onebeat import errors
from onebeat.errors import OnebeatError

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Why a request was refused.

    Attributes:
        type: Where this kind of problem is explained: a part of the page about this API.

        title: The kind in a few words.

        status: The HTTP status.

        detail: What is wrong with what, and what to do, in a sentence.

        code: The kind, for programs: it stays the same.

        column: Of a filter that cannot be read: where the bad word begins, from 1.

        holder: Of a unique lock that is held: the id of the task that holds it.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    column: int | None = None
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, and what to do."""

    status: int
    title: str
    remedy: str


KINDS: Mapping[str, Kind] = {
    "malformed": Kind(400, "Malformed request", "Send JSON, and each parameter once, as the document says."),
    "not-authenticated": Kind(401, "Not authenticated", "Send a token: `Authorization: Bearer …`."),
    "forbidden": Kind(403, "Forbidden", "Ask for the role that the detail names, or use another token."),
    "read-only": Kind(403, "Read-only console", "Use a console that was not started read-only."),
    "cross-site": Kind(403, "Cross-site request", "Send changes from the console's own pages, or with a token."),
    "no-such-operation": Kind(404, "No such operation", "Look the path up on this page."),
    "task-not-found": Kind(404, "Task not found", "It may have ended, and was not retained; search for it."),
    "queue-not-found": Kind(404, "Queue not found", "`GET /queues` lists those that are known."),
    "schedule-not-found": Kind(404, "Schedule not found", "`GET /schedules` lists those that are known."),
    "server-not-found": Kind(404, "Server not found", "`GET /servers` lists those that live."),
    "job-not-found": Kind(404, "Job not found", "`GET /jobs` lists those that are remembered."),
    "not-found": Kind(404, "Not found", "The detail says where to look."),
    "method-not-allowed": Kind(405, "Method not allowed", "Use a method that the header `Allow` names."),
    "wrong-state": Kind(409, "Wrong state", "The detail says what it is in, and what leads out of it."),
    "queue-not-empty": Kind(409, "Queue not empty", "Send `force`, or delete its tasks first."),
    "duplicate-task": Kind(409, "Duplicate task", "Wait for the end of `holder`, which has the unique lock."),
    "task-id-conflict": Kind(409, "Task id conflict", "Give another id, or none."),
    "queue-full": Kind(409, "Queue full", "See why servers do not take what waits."),
    "damaged": Kind(409, "Damaged record", "`GET /health/repair` says what can be mended, `POST` mends it."),
    "too-large": Kind(413, "Too large", "Send less; the detail says how much may be sent."),
    "not-json": Kind(415, "Not JSON", "Send `Content-Type: application/json`."),
    "invalid": Kind(422, "Invalid value", "The detail names the parameter or field, and what may stand there."),
    "reason-missing": Kind(422, "Reason missing", "Send `reason`: this console asks why such a thing is done."),
    "invalid-filter": Kind(
        422, "Invalid filter", "`column` says where; the reference of filters, what may stand there."
    ),
    "invalid-payload": Kind(422, "Invalid payload", "Give JSON, text or base64, within the limit."),
    "too-many-requests": Kind(429, "Too many requests", "Wait for as many seconds as `Retry-After` says."),
    "internal": Kind(500, "Internal error", "It is a bug: the log of the console has it."),
    "extra-missing": Kind(500, "Extra missing", "Install what the detail names where the console runs."),
    "store-away": Kind(503, "Store unavailable", "Try again later: nothing is lost."),
    "nobody-known": Kind(503, "Nobody is known", "The log of the console says why who asks could not be found out."),
    "not-replicated": Kind(503, "Not replicated", "It was done, though not on enough replicas: do not repeat it."),
    "took-too-long": Kind(503, "Took too long", "Ask for less: a lower limit, one queue, a narrower filter."),
}
"""Every kind of problem, by its code."""

CODES: Mapping[type[OnebeatError], str] = {
    errors.TaskNotFound: "task-not-found",
    errors.QueueNotFound: "queue-not-found",
    errors.ScheduleNotFound: "schedule-not-found",
    errors.ServerNotFound: "server-not-found",
    errors.JobNotFound: "job-not-found",
    errors.WrongState: "wrong-state",
    errors.QueueNotEmpty: "queue-not-empty",
    errors.DuplicateTask: "duplicate-task",
    errors.TaskIdConflict: "task-id-conflict",
    errors.QueueFull: "queue-full",
    errors.InvalidTask: "invalid",
    errors.ConfigurationError: "invalid",
    errors.InvalidFilter: "invalid-filter",
    errors.PayloadError: "invalid-payload",
    errors.MissingExtra: "extra-missing",
    errors.BrokerUnavailable: "store-away",
    errors.NotReplicated: "not-replicated",
    errors.BrokerError: "damaged",
    errors.OnebeatError: "wrong-state",
}
"""The code of an error: of its class, or of the nearest above it."""


class Refused(Exception):  # noqa: N818 - a name that reads as a sentence where it is raised
    """
    A request is refused.

    Args:
        code: One of `KINDS`.

        detail: The sentence.

        headers: That go with it, such as `Allow`.
    """

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.code: str = code
        self.detail: str = detail
        self.headers: dict[str, str] = dict(headers or {})


def problem(code: str, detail: str, page: str, *, column: int | None = None, holder: str | None = None) -> Problem:
    """
    Make the document of a refusal.

    Args:
        page: Where the page about this API is.
    """
    kind = KINDS[code]
    return Problem(
        type=f"{page}#{code}", title=kind.title, status=kind.status, detail=detail, code=code, column=column,
        holder=holder or None,
    )  # fmt: skip


def of_error(error: OnebeatError, page: str, *, names_others: bool = True) -> Problem:
    """
    Make the document of an error that the inspector raised.

    Args:
        names_others: Of what is not found, its sentence may name what there is instead; else something might be named
            that is hidden from who asks.
    """
    code = next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)
    if KINDS[code].status == 404 and not names_others:
        what = code.partition("-")[0]
        return problem(code, f"no such {what} is known, or you may not look at it: ask for the role view there", page)
    column = error.column if isinstance(error, errors.InvalidFilter) else None
    holder = error.holder if isinstance(error, errors.DuplicateTask) else None
    return problem(code, str(error), page, column=column, holder=holder)


def code_of_status(status: int) -> str:
    """Return the most general code of a status, for what others than the API refuse."""
    general = {403: "forbidden", 404: "not-found", 409: "wrong-state", 422: "invalid", 503: "store-away"}
    return general.get(status) or next((code for code, kind in KINDS.items() if kind.status == status), "internal")


def title_of(status: int) -> str:
    """Say what a status means, for the OpenAPI document."""
    return (
        ", or ".join(
            kind.title.lower() if i else kind.title
            for i, kind in enumerate(kind for kind in KINDS.values() if kind.status == status)
        )
        or HTTPStatus(status).phrase
    )
