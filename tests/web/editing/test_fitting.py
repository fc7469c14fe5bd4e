"""What is said of a payload that does not fit its declaration."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from onebeat import Onebeat
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web.editing.fitting import misfit
from onebeat.web.showing.redaction import Redaction

INFO = TaskInfo(
    id="a", queue="q", type="paint", payload=b"", state=TaskState.RETRY, max_retry=25, retried=2, last_error="",
    last_failed_at=None, timeout=timedelta(0), deadline=None, next_process_at=None, retention=timedelta(0),
    completed_at=None, result=None, headers={}, group="", crashes=0, progress=None,
)  # fmt: skip

app = Onebeat("shop")


@app.task("paint")
async def paint(colours: dict[str, Literal["red", "blue"]]) -> None:
    """Paint walls."""


def told(payload: bytes) -> str:
    """Return what is said of a payload."""
    found = misfit(app, INFO, payload, Redaction())
    assert found is not None
    return found.sentence


def test_a_value_is_told_where_none_is_hidden() -> None:
    """With the place, as far as it is known."""
    assert "Invalid enum value 'green'" in told(b'{"colours":{"a":"red","b":"green"}}')


def test_no_value_is_told_of_fields_of_which_one_is_hidden() -> None:
    """Of a mapping nobody knows which of them is meant."""
    said = told(b'{"colours":{"a":"red","password":"swordfish"}}')
    assert said.endswith("does not fit what task paint declares")
