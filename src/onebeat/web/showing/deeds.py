"""What somebody did, as a sentence: "ada ran 12 tasks of queue “mail”". Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.web.showing.signs import quoted, short
from onebeat.web.showing.words import counted

_VERBS: Mapping[str, tuple[str, str]] = {
    "enqueue": ("enqueue", "enqueued"), "run": ("run", "ran"), "archive": ("archive", "archived"),
    "cancel": ("cancel", "cancelled"), "update": ("change", "changed"), "clone": ("clone", "cloned"),
    "replace_hidden": ("replace what is hidden of", "replaced what is hidden of"), "delete": ("delete", "deleted"),
    "free": ("free", "freed"), "pause": ("pause", "paused"), "resume": ("resume", "resumed"),
    "remove": ("remove", "removed"), "drain": ("drain", "drained"), "stop": ("stop", "stopped"),
    "repair": ("repair", "repaired"), "begin": ("sign in", "signed in"), "end": ("end", "ended"),
    "save": ("save", "saved"), "share": ("share", "shared"), "unshare": ("unshare", "unshared"),
}  # fmt: skip
"""What an action is called before it is done, and after."""

_THINGS: Mapping[str, str] = {
    "group": "a group", "lock": "a unique lock", "schedule": "a schedule", "server": "a server", "health": "the store",
    "view": "a view",
}  # fmt: skip

_JOB = re.compile(r"(stop|go on with) job\b")


def told(record: AuditRecord) -> str:
    """Say who did what, or tried to."""
    who = short(record.user, 40)
    kind, _, verb = record.action.partition(".")
    if verb not in _VERBS or kind not in ("task", "queue", "session", *_THINGS):
        return f"{short(record.action, 60)} by {who}"  # a tool of somebody's own, in its own words
    before, after = _VERBS[verb]
    what = _what(kind, verb, record)
    if job := _JOB.match(record.about) if kind == "task" else None:
        before, after, what = (job[1], "stopped" if job[1] == "stop" else "went on with", " a job")
    match record.outcome:
        case AuditOutcome.DONE:
            return f"{who} {after}{what}"
        case AuditOutcome.BEGUN:
            return f"{who} began to {before}{what}"
        case AuditOutcome.REFUSED:
            return f"{who} tried to {before}{what}, which was refused"
        case AuditOutcome.FAILED:
            return f"{who} tried to {before}{what}, which failed"


def _what(kind: str, verb: str, record: AuditRecord) -> str:
    if kind == "queue":
        return f" queue {quoted(record.queue)}"
    if kind == "session":
        return "" if verb == "begin" else " a session"
    where = f" of queue {quoted(record.queue)}" if record.queue else ""
    return f" {_tasks(record) if kind == 'task' else _THINGS[kind]}{where}"


def _tasks(record: AuditRecord) -> str:
    """Say how many: what was done and is not counted was done to one, or is done by a job."""
    if record.count is not None:
        return counted(record.count, "task")
    return "a task" if record.outcome is AuditOutcome.DONE and not record.job else "tasks"
