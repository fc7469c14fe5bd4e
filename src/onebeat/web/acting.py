"""
Every change that the console makes goes through here.

The role, then the audit record, then the deed, then what has become of it: whatever is changed was allowed and is
written down, and what could not be written down is not done.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from onebeat.errors import BrokerError, OnebeatError, shown
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.web import reasons
from onebeat.web.security import gate, proxies, roles

if TYPE_CHECKING:
    from onebeat.web.console import Console

T = TypeVar("T")

log: logging.Logger = logging.getLogger("onebeat.web")

REFUSALS: Final = 20
"""Refused attempts of one user that are written down within a minute: more would push out what was done."""


class NotAllowed(HTTPException):
    """
    A change was refused.

    Args:
        why: The sentence.

        code: "forbidden", or "read-only", as the API calls it.
    """

    def __init__(self, why: str, code: str) -> None:
        super().__init__(403, why)
        self.code = code


async def perform(
    request: Request,
    action: str,
    *,
    deed: Callable[[], Awaitable[T]],
    queue: str | None = None,
    queues: Collection[str] | None = None,
    about: str = "",
    changes: str = "",
    reason: str | None = "",
    is_many: bool = False,
    count: Callable[[T], int | None] | None = None,
    job: Callable[[T], str] | None = None,
) -> T:
    """
    Make a change, if who asks may.

    Args:
        action: What is done: one of `roles.ACTIONS`.

        deed: Does it.

        queue: To which queue; None: it concerns none, or all, and needs the role on everything.

        queues: To which queues, of what concerns several: the role is needed on each.

        about: To what: the id of a task, a filter, a server.

        changes: The names of what of it is changed, without values.

        reason: Why, in the words of who asks; "": they said nothing. None: nobody is asked, as it is about something
            for which that was said.

        is_many: Whether it is done to all that fit a filter.

        count: Returns from what the deed returned to how many tasks it was done; by default that is not counted.

        job: Returns the id of the job that goes on with it.

    Raises:
        NotAllowed: Who asks may not, or nobody may.
        NoReason: They have to say why, and did not.
        HTTPException: 422: why cannot be kept as it is.
        BrokerUnavailable: It cannot be written down, so it was not done.
    """
    console: Console = request.app.state.console
    inspector = await console.inspector()
    concerned = (queue,) if queues is None else tuple(sorted(queues))
    record = _record(request, action, concerned, about, changes)
    why = roles.refusal(gate.user(request), action, concerned, read_only=console.settings.read_only)
    if why is not None:
        is_read_only = console.settings.read_only and action not in roles.ALWAYS
        log.warning("refused to %s: %s", record.user, why)
        if not is_read_only and console.refusals.may_note(record.user):
            await inspector.record_audit(replace(record, outcome=AuditOutcome.REFUSED, why=why))
        raise NotAllowed(why, "read-only" if is_read_only else "forbidden")
    begun = await inspector.record_audit(
        replace(record, outcome=AuditOutcome.BEGUN, reason=_reason(console, action, reason, is_many=is_many))
    )
    log.info("%s: %s %s %s", record.user, action, _line(record.queue), _line(record.about))
    try:
        found = await deed()
    except Exception as error:
        await _end(inspector, replace(begun, outcome=_outcome(error), why=_why(console, error)))
        raise
    finally:
        console.reads.forget()
    counted = None if count is None else count(found)
    job_id = "" if job is None else job(found)
    await _end(inspector, replace(begun, outcome=AuditOutcome.DONE, count=counted, job=job_id))
    return found


def all_of(filter: Filter, group: str) -> str:
    """Return what the audit calls all that fit a filter, of a group of errors if a key is given."""
    among = f"errors {group} among " if group else ""  # in front: pages cut the end
    return f"{among}{str(filter) or 'all tasks'}"


def _record(request: Request, action: str, queues: tuple[str | None, ...], about: str, changes: str) -> AuditRecord:
    console: Console = request.app.state.console
    rules, who = console.settings.redaction, gate.user(request)
    found = {who.role_on(queue) for queue in queues or (None,)}
    role = min((role for role in found if role is not None), default=None) if None not in found else None
    return AuditRecord(
        user=who.name,
        role="" if role is None else str(role),
        action=action,
        queue=(queues[0] or "") if len(queues) == 1 else "",
        about=rules.text(about or ("" if len(queues) == 1 else ", ".join(map(str, queues)))),
        changes=rules.text(changes),
        via="api" if gate.is_script(request) else "page",
        address=proxies.client(request.scope),
    )


def _reason(console: Console, action: str, given: str | None, *, is_many: bool) -> str:
    """
    Return what is written down as the reason.

    Raises:
        NoReason: One is needed, and none is given.
    """
    if given is None:
        return ""
    reason = reasons.read(given)
    if not reason and reasons.needs(console.settings, action, is_many=is_many):
        raise reasons.NoReason(action)
    return console.settings.redaction.text(reason)


def _line(text: str) -> str:
    """Write a text for the log: in one line, whatever is in it, so that nobody writes lines of it."""
    return shown(text) if text else "-"


def _why(console: Console, error: Exception) -> str:
    return console.settings.redaction.text(str(error) or type(error).__name__)


def _outcome(error: Exception) -> AuditOutcome:
    """Say what became of a deed: what the inspector refuses was left alone, what broke on the way may be half done."""
    if isinstance(error, HTTPException) or (isinstance(error, OnebeatError) and not isinstance(error, BrokerError)):
        return AuditOutcome.REFUSED
    return AuditOutcome.FAILED


async def _end(inspector: Inspector, record: AuditRecord) -> None:
    """Write down what has become of a deed. It is done by now: a store that went away meanwhile undoes nothing."""
    try:
        await inspector.record_audit(record)
    except OnebeatError as error:
        log.warning("what became of %s by %s is not in the audit: %s", record.action, record.user, error)


class Refusals:
    """
    Says how many refused attempts are still to be written down.

    Args:
        monotonic: The clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._noted: OrderedDict[str, list[float]] = OrderedDict()

    def may_note(self, user: str) -> bool:
        """Whether one more of a user is; if so it counts as written."""
        now = self._monotonic()
        times = [at for at in self._noted.pop(user, []) if at > now - 60]
        self._noted[user] = times
        while len(self._noted) > 1000:
            self._noted.popitem(last=False)
        if len(times) >= REFUSALS:
            return False
        times.append(now)
        return True
