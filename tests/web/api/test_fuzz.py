"""
The API against its own document: whatever is asked, it answers as the document says, and never fails.

Names that are there are mixed among those that are generated, so that all is reached. ONEBEAT_API_EXAMPLES says how
many requests of each kind are made of each operation; `make proof-api` makes many.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import hypothesis.strategies as st
import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.python import asgi
from schemathesis.specs.openapi import checks

from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, console
from onebeat.web.api import limits
from onebeat.web.api.operation import Operation
from onebeat.web.api.table import OPERATIONS
from onebeat.wire import keys
from tests.inspector.conftest import STATES
from tests.web.api.conftest import DOCUMENT
from tests.web.api.filling import ODD, fill

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("ONEBEAT_API_EXAMPLES", "12"))
DESCRIBED = [one for one in OPERATIONS if one.path != "/"]

EXCLUDED = [checks.positive_data_acceptance, checks.unsupported_method, checks.ignored_auth]
"""A filter, a queue or a state may refuse what a schema allows; methods are tested elsewhere, as are rights."""

QUEUES = ["q", ODD]
KNOWN: dict[str, list[Any]] = {
    "name": QUEUES, "queue": QUEUES, "to_queue": QUEUES, "move_to": QUEUES, "id": list(STATES),
    "server": ["one", "web-1:41", "two"], "q": ["", "state:retry", "payload.user.id>1", "-type:x*", "age>1s"],
    "cursor": [""], "group": [""], "reason": ["", "as asked"], "checks": [[], ["orphaned-task"]], "queues": [[], ["q"]],
    "check": [["store-version"]], "payload": [None, {"json": {"a": 1}}, {"text": "x"}, {"base64": "AA=="}],
}  # fmt: skip
"""What parameters and fields may be so that something is found."""

JOB = "job-1"
SCHEDULES = ["report", "nightly", "e-1"]
IDS = {one.path: SCHEDULES for one in OPERATIONS if one.path.startswith("/schedule")} | {
    "/task/result": ["completed"], "/job": [JOB], "/job/stop": [JOB], "/job/continue": [JOB],
}  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> Any:
    """Return the document as schemathesis reads it."""
    return schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture
async def board(url: str, monkeypatch: pytest.MonkeyPatch) -> Console:
    """Return a console of a filled store, which nobody asks too often."""
    monkeypatch.setattr(limits.Rate, "take", lambda self, who, cost=1: None)
    async with await Store.open(url) as store:
        now, _ = await store.command("TIME")
        await fill(store, int(now))
        await Inspector(store).pause("q")
        with monkeypatch.context() as patch:
            patch.setattr("onebeat.inspector.jobs.new_id", lambda: JOB)
            await Inspector(store).begin_job("run", "state:archived", user="local")
        await store.command("HSET", keys.job(JOB), "state", "stopped")
    return console(url)


def near(board: Console) -> Any:
    """Have a script on this machine ask, whatever the client of schemathesis says of itself."""
    said = {b"host": b"127.0.0.1", b"authorization": b"Bearer fuzz"}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = [item for item in scope["headers"] if item[0] not in said]
            scope = {**scope, "client": ("127.0.0.1", 1), "headers": [*headers, *said.items()]}
        await board(scope, receive, send)

    return app


@pytest.fixture
def client(board: Console) -> Iterator[Any]:
    """Return what asks it, on an event loop of its own."""
    with asgi.get_client(near(board)) as opened:
        yield opened
    asgi.shutdown_lifespans()


@st.composite
def cases(draw: st.DrawFn, schema: Any, operation: Operation, mode: GenerationMode) -> Case[Any]:
    """Draw a request; in three of four valid ones some names are known."""
    case: Case[Any] = draw(schema[operation.path][operation.method].as_strategy(generation_mode=mode))
    given = case.query if operation.body is None else case.body
    if mode is GenerationMode.POSITIVE and isinstance(given, dict) and draw(st.integers(0, 3)):
        known = {**KNOWN, "id": IDS.get(operation.path, KNOWN["id"])}
        if operation.path == "/task/result":  # one task alone has one
            known["queue"] = ["q"]
        for name in [name for name in given if name in known]:
            given[name] = draw(st.sampled_from(known[name]))
    return case


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
@pytest.mark.parametrize("operation", DESCRIBED, ids=lambda operation: operation.name)
def test_whatever_is_asked_is_answered_as_the_document_says(
    schema: Any, client: Any, operation: Operation, mode: GenerationMode
) -> None:
    """Statuses, content types, headers and documents; what is invalid is refused, and nothing is a server's error."""
    if mode is GenerationMode.NEGATIVE and not operation.query.__struct_fields__ and operation.body is None:
        return  # nothing can be said wrongly
    seen: Counter[int] = Counter()

    @seed(7)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        derandomize=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases(schema, operation, mode))
    def ask(case: Case[Any]) -> None:
        answer = case.call(session=client, base_url=f"http://{asgi.HOST}/api/v1")
        seen[answer.status_code] += 1
        case.validate_response(answer, excluded_checks=EXCLUDED)

    ask()
    assert not {500, 502, 503} & seen.keys()
    if mode is GenerationMode.POSITIVE:
        assert operation.status in seen, f"no request was granted: {dict(seen)}"
