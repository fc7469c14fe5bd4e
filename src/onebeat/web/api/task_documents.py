"""A task as the API shows it: the documents of the command line, with what was cut off or replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from onebeat.documents.series import AttemptDocument
from onebeat.documents.tasks import TaskDetails, TaskRow, task_details, task_row
from onebeat.documents.values import Bytes
from onebeat.inspector.recording import TaskRecord
from onebeat.task import TaskInfo
from onebeat.web.api.payloads import ALONE, IN_LISTS

if TYPE_CHECKING:
    from onebeat.web.api.asking import Asked


class TaskItem(TaskRow, frozen=True, kw_only=True):
    """
    A task, as `onebeat task ls --json` has it, and what is not shown of it.

    Attributes:
        payload_bytes, result_bytes: How long they are; the result is null where there is none.

        cut: Fields of which only the beginning is shown: "payload", "result", "last_error".

        redacted: Fields in which secrets are replaced.
    """

    payload_bytes: int
    result_bytes: int | None
    cut: list[str]
    redacted: list[str]


class TaskWhole(TaskDetails, frozen=True, kw_only=True):
    """
    A task with all that is known of it, as `onebeat task show --json` has it, and what is not shown of it.

    Attributes:
        payload_bytes, result_bytes: How long they are; the result is null where there is none.

        cut: Fields of which only the beginning is shown: "payload", "result", "last_error", "raw".

        redacted: Fields in which secrets are replaced; "raw": it is left out, since secrets stand in it.
    """

    payload_bytes: int
    result_bytes: int | None
    cut: list[str]
    redacted: list[str]


class _Shown:
    """Collects what may be shown of a task, and what was cut or replaced."""

    def __init__(self, asked: Asked, most: int) -> None:
        self._asked, self._most = asked, most
        self.cut: list[str] = []
        self.redacted: list[str] = []

    def bytes(self, name: str, data: bytes) -> Bytes:
        found = self._asked.seen(data, self._most)
        self._note(name, is_cut=found.is_cut, is_redacted=found.is_redacted)
        return found.bytes

    def text(self, name: str, text: str) -> str:
        shown, is_cut, is_redacted = self._asked.text(text, self._most)
        self._note(name, is_cut=is_cut, is_redacted=is_redacted)
        return shown

    def _note(self, name: str, *, is_cut: bool, is_redacted: bool) -> None:
        if is_cut:
            self.cut.append(name)
        if is_redacted:
            self.redacted.append(name)


def _changed(asked: Asked, info: TaskInfo, row: TaskRow, most: int) -> dict[str, Any]:
    shown = _Shown(asked, most)
    headers = {name: asked.rules.header(name, text) for name, text in info.headers.items()}
    fields: dict[str, Any] = {name: getattr(row, name) for name in row.__struct_fields__}
    progress = row.progress
    if progress is not None:
        progress = msgspec.structs.replace(progress, text=shown.text("progress", progress.text))
    return {
        **fields,
        "payload": shown.bytes("payload", info.payload),
        "result": None if info.result is None else shown.bytes("result", info.result),
        "last_error": shown.text("last_error", info.last_error),
        "progress": progress,
        "headers": headers,
        "payload_bytes": len(info.payload),
        "result_bytes": None if info.result is None else len(info.result),
        "cut": shown.cut,
        "redacted": [*shown.redacted, *(["headers"] if headers != info.headers else [])],
    }


def task_item(asked: Asked, info: TaskInfo, most: int = IN_LISTS) -> TaskItem:
    """Show a task among others."""
    return TaskItem(**_changed(asked, info, task_row(info), most))


def attempt_shown(asked: Asked, one: AttemptDocument) -> AttemptDocument:
    """Show an attempt without its secrets."""
    error, traceback = asked.text(one.error, ALONE)[0], asked.text(one.traceback, ALONE)[0]
    return msgspec.structs.replace(one, error=error, traceback=traceback)


def task_whole(asked: Asked, record: TaskRecord, *, raw: bool) -> TaskWhole:
    """Show all of a task."""
    fields = _changed(asked, record.info, task_details(record, raw=False), ALONE)
    fields["attempts"] = [attempt_shown(asked, one) for one in fields["attempts"]]
    if raw and fields["redacted"]:
        fields["redacted"].append("raw")
    elif raw:
        shown = _Shown(asked, ALONE)
        fields["raw"] = {name: shown.bytes("raw", value) for name, value in record.fields.items()}
        fields["cut"] += ["raw"] if shown.cut else []
        fields["redacted"] += ["raw"] if shown.redacted else []
    return TaskWhole(**fields)
