"""What a page says when something is not there, cannot be done, or the store is away."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from onebeat.errors import (
    BrokerError,
    BrokerUnavailable,
    BrokerUnsupported,
    ConfigurationError,
    InvalidFilter,
    InvalidTask,
    JobNotFound,
    MissingExtra,
    OnebeatError,
    PayloadError,
    QueueNotFound,
    ScheduleNotFound,
    ServerNotFound,
    TaskNotFound,
)
from onebeat.web import rights
from onebeat.web.page import render
from onebeat.web.security import gate

STATUSES: Mapping[type[OnebeatError], int] = {
    QueueNotFound: 404,
    TaskNotFound: 404,
    ScheduleNotFound: 404,
    ServerNotFound: 404,
    JobNotFound: 404,
    InvalidFilter: 400,
    InvalidTask: 400,
    PayloadError: 400,
    ConfigurationError: 400,
    MissingExtra: 500,
    BrokerUnavailable: 503,
    BrokerUnsupported: 502,
    BrokerError: 409,
    OnebeatError: 409,
}
"""The HTTP status of an error: of its class, or of the nearest above it."""

REMEDIES: Mapping[int, str] = {
    502: "The store answered, but not what was asked. The health page says more, or `onebeat doctor`.",
    503: "This page looks again by itself. Nothing is lost: servers go on when the store is back.",
}


def status_of(error: OnebeatError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


async def refused(request: Request, error: Exception) -> Response:
    """Answer what HTTP itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    sentence = error.detail if isinstance(error, HTTPException) else ""
    if status == 404 and sentence == HTTPStatus.NOT_FOUND.phrase:
        sentence = "There is no such page."
    answer = failure(request, status, sentence)
    if isinstance(error, HTTPException) and error.headers:
        answer.headers.update(error.headers)
    return answer


async def failed(request: Request, error: Exception) -> Response:
    """Answer what Onebeat refuses."""
    if not isinstance(error, OnebeatError):
        raise error
    text = str(error)
    if isinstance(error, QueueNotFound) and not rights.sees_all(request):  # it names those that there are
        text = "there is no such queue, or it is hidden from you"
    return failure(request, status_of(error), f"{text[:1].upper()}{text[1:]}")


def failure(request: Request, status: int, sentence: str) -> Response:
    """Answer with a sentence, in place of a page; who is nobody, as at the door, is shown nothing of what is inside."""
    if gate.identity(request) is None:
        return outside(request, status, sentence)
    return render(
        request,
        "failure.html",
        status=status,
        place="",
        polls=status == 503,
        title=HTTPStatus(status).phrase.capitalize(),
        sentence=sentence,
        remedy=REMEDIES.get(status, ""),
    )


def outside(request: Request, status: int, sentence: str) -> Response:
    """Answer somebody who is not let in, and to whom nothing is shown of what is inside."""
    may_sign_in = gate.signs_in(request) and gate.identity(request) is None
    return render(
        request,
        "outside.html",
        status=status,
        place="",
        polls=False,
        title=HTTPStatus(status).phrase.capitalize(),
        sentence=sentence,
        may_sign_in=may_sign_in,
    )


HANDLERS: Mapping[Any, Any] = {HTTPException: refused, OnebeatError: failed}
