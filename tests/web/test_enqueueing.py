"""A new task by hand, over HTTP: what its form asks for, who may, what is written, and what is refused how."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import httpx2
import msgspec
import pytest

from onebeat import Onebeat, Unique
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import DuplicateTask, TaskNotFound
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import Role, User, console
from onebeat.web.api.operation import PREFIX
from tests.web.conftest import ORIGIN
from tests.web.forms import fields_of

NEW = "/task/new"


class Address(msgspec.Struct):
    """Where to."""

    city: str
    country: str = "NO"


app = Onebeat("shop")


@app.task("ship", queue="q", max_retry=3, timeout=60, unique=Unique(600, until="start"), retention=30)
async def ship(
    order: int,
    to: Address,
    speed: Literal["slow", "fast"],
    tags: list[str] = [],  # noqa: B006 - as users write it
    gift: bool = False,
    password: str = "",
    proxy: str = "http://ann:hunter2@proxy",
) -> None:
    """
    Send an order.

    And more.
    """


@app.task("packed", queue="q", codec="msgpack")
async def packed(n: int, note: str | None = None) -> None:
    """Take MessagePack."""


@app.task("whole", queue="q")
async def whole(numbers: list[int], /) -> None:
    """Take the whole payload."""


@app.task("bare", queue="q")
async def bare() -> None:
    """Take nothing."""


@asynccontextmanager
async def browsing(store: Store, **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask a console that knows the application."""
    board = console(store, app=app, **settings)
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        yield client
    await board.aclose()


@pytest.fixture
async def knowing(store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of sorts, of a console that knows the application."""
    async with browsing(store) as client:
        yield client


async def post(web: httpx2.AsyncClient, type: str = "", **typed: str) -> httpx2.Response:
    """Open the form, type into it, and send it."""
    answer = await web.get(NEW, params={"type": type})
    assert 200 == answer.status_code, answer.text
    return await web.post(NEW, data={**fields_of(answer.text, NEW), **typed})


async def sent(web: httpx2.AsyncClient, inspector: Inspector, type: str = "", **typed: str) -> Any:
    """Send the form, and return what is known of the new task."""
    answer = await post(web, type, **typed)
    assert 303 == answer.status_code, html.unescape(answer.text)
    place = httpx2.URL(answer.headers["location"]).params
    return await inspector.record(place["queue"], place["id"])


async def names(inspector: Inspector) -> list[str]:
    """Return the ids of all tasks."""
    return [info.id async for part in inspector.search("") for info in part.tasks]


# -- a task of which nothing is declared ---------------------------------------------------------------------------


async def test_a_type_and_a_payload_are_enough(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """JSON is written without its spaces, digit by digit, as a client writes it; the rest is as by default."""
    record = await sent(web, inspector, type="mail:send", payload='{"n": 9007199254740993, "s": "<b>"}')
    info = record.info
    assert ("default", "mail:send", "pending", 25, timedelta(minutes=30)) == (
        info.queue, info.type, info.state, info.max_retry, record.timeout,
    )  # fmt: skip
    assert b'{"n":9007199254740993,"s":"\\u003cb\\u003e"}' == info.payload


async def test_what_a_client_enqueues_is_the_same_to_the_byte(
    web: httpx2.AsyncClient, store: Store, client: Client
) -> None:
    """Whoever reads the message, Go's servers too, cannot tell which it was."""
    task = Task("t", {"n": 1}, task_id="a", queue="one", max_retry=2, timeout=5, retention=60)
    await client.enqueue(task, process_in=3600)
    typed = {"type": "t", "payload": '{"n": 1}', "queue": "two", "task_id": "a", "due": "1h", "max_retry": "2"}
    assert 303 == (await post(web, **typed, timeout="5s", retention="1m")).status_code
    one, two = [(await Inspector(store).record(queue, "a")).fields for queue in ("one", "two")]
    assert one.keys() == two.keys()
    assert one["msg"].replace(b"one", b"two") == two["msg"]


@pytest.mark.parametrize(("payload", "stored"), [("", b""), ("plain ü", "plain ü".encode()), ("7", b"7")])
async def test_a_payload_is_any_text_or_none(
    web: httpx2.AsyncClient, inspector: Inspector, payload: str, stored: bytes
) -> None:
    """As it was typed."""
    assert stored == (await sent(web, inspector, type="t", payload=payload)).info.payload


async def test_every_option_is_taken(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """As the form of a clone has them, and an id."""
    deadline = datetime(2038, 1, 1, tzinfo=UTC)
    record = await sent(
        web, inspector, type="t", queue="low", task_id="mine", due="2037-12-31T00:00:00Z", max_retry="0",
        timeout="1m30s", deadline="2038-01-01T00:00:00Z", expires="1h", retention="1d", unique="10m",
    )  # fmt: skip
    info = record.info
    assert ("low", "mine", "scheduled", 0, timedelta(seconds=90), deadline, timedelta(days=1)) == (
        info.queue, info.id, info.state, info.max_retry, record.timeout, info.deadline, info.retention,
    )  # fmt: skip
    assert datetime(2037, 12, 31, tzinfo=UTC) == info.next_process_at
    assert datetime(2037, 12, 31, 1, tzinfo=UTC) == info.expires_at
    assert record.lock is not None


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"type": " "}, "Write the type by which a server finds its handler"),
        ({"payload": '{"n": 1,}'}, "It begins as JSON, and is none"),
        ({"payload": '{"password": "[hidden]"}'}, "stands for a hidden value"),
        ({"queue": "{q}"}, "leave out braces"),
        ({"max_retry": "many"}, "Give a whole number"),
        ({"timeout": "soon"}, "soon"),
        ({"due": "then"}, "then"),
    ],
)
async def test_what_cannot_be_is_said_where_it_was_typed(
    web: httpx2.AsyncClient, inspector: Inspector, typed: dict[str, str], why: str
) -> None:
    """Nothing is written, not even into the audit; and what was typed stays."""
    answer = await post(web, **{"type": "t", **typed})
    told = html.unescape(answer.text)
    assert (400, True) == (answer.status_code, why in told)
    assert all(value.strip() in told for value in typed.values())
    assert ([], []) == (await names(inspector), list((await inspector.audit()).records))


async def test_what_begins_as_json_is_a_text_if_one_says_so(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """By the box that then is there."""
    answer = await post(web, type="t", payload="{broken")
    assert "Enqueue it all the same, as a text" in answer.text
    form = fields_of(answer.text, NEW)
    assert 303 == (await web.post(NEW, data={**form, "raw": "yes"})).status_code
    [task_id] = await names(inspector)
    assert b"{broken" == (await inspector.task("default", task_id)).payload


async def test_a_taken_id_is_said_and_leads_to_its_task(web: httpx2.AsyncClient, client: Client) -> None:
    """With what was typed still there."""
    await client.enqueue(Task("t"), queue="q", task_id="a")
    answer = await post(web, type="t", queue="q", task_id="a", payload="[1, 2]")
    told = html.unescape(answer.text)
    assert 400 == answer.status_code
    assert "task id 'a' is taken in queue 'q'" in told
    assert "That task is" in told
    assert 'href="/task?queue=q&id=a"' in told
    assert "[1, 2]" in told


async def test_a_duplicate_is_said_and_leads_to_who_holds_the_lock(web: httpx2.AsyncClient, client: Client) -> None:
    """Of the same type and payload, as code enqueues it."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a", unique=600)
    answer = await post(web, type="t", queue="q", payload='{"n": 1}', unique="1m")
    told = html.unescape(answer.text)
    assert (400, True) == (answer.status_code, "is already in queue 'q' as a" in told)
    assert "The lock is held by" in told
    assert 'href="/task?queue=q&id=a"' in told


# -- a task that the application declares --------------------------------------------------------------------------


async def test_the_form_has_what_the_declaration_says(knowing: httpx2.AsyncClient) -> None:
    """A field for each parameter, nested ones too, what is needed, what it is else, and its options."""
    shown = html.unescape((await knowing.get(NEW, params={"type": "ship"})).text)
    form = fields_of(shown, NEW)
    for words in ("order", "to.city", "to.country", "NO if empty", "[] if empty", "Send an order."):
        assert words in shown
    assert "And more" not in shown
    assert "hunter2" not in shown
    assert "http://[hidden]@proxy if empty" in shown
    assert 3 == shown.count('<span class="need">')
    assert ("q", "3", "1m", "30s", "10m") == tuple(
        form[name] for name in ("queue", "max_retry", "timeout", "retention", "unique")
    )
    assert '<option value="">choose</option><option>fast</option><option>slow</option>' in shown


async def test_fields_become_the_payload_that_the_application_writes(
    knowing: httpx2.AsyncClient, inspector: Inspector
) -> None:
    """In the order of its parameters, defaults filled in, so that uniqueness is the same as from code."""
    record = await sent(knowing, inspector, "ship", v0="9007199254740993", v1="Oslo", v3="fast", v4='["a"]', v5="true")
    assert ship.bind(9007199254740993, Address("Oslo"), "fast", ["a"], gift=True).payload == record.info.payload
    assert (3, timedelta(seconds=60), timedelta(seconds=30)) == (
        record.info.max_retry, record.timeout, record.info.retention,
    )  # fmt: skip


async def test_who_enqueues_the_same_from_code_meets_its_lock(
    knowing: httpx2.AsyncClient, store: Store, inspector: Inspector
) -> None:
    """With the declaration's own rule of when it ends."""
    record = await sent(knowing, inspector, "ship", v0="1", v1="Oslo", v3="fast")
    task = ship.bind(1, Address("Oslo"), "fast")
    async with Client(store) as client:
        with pytest.raises(DuplicateTask, match=record.info.id):
            await client.enqueue(task)
    assert record.lock is not None


async def test_an_emptied_option_does_not_count(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """What the declaration said of it: no lock, nothing kept, the timeout that all have."""
    record = await sent(
        knowing, inspector, "ship", v0="1", v1="Oslo", v3="fast", unique="", retention="", timeout="", max_retry=""
    )
    assert record.lock is None
    assert (timedelta(0), timedelta(minutes=30), 25) == (record.info.retention, record.timeout, record.info.max_retry)


async def test_another_time_leaves_the_rest_of_a_lock(
    knowing: httpx2.AsyncClient, store: Store, inspector: Inspector
) -> None:
    """What ends it stays as it is declared."""
    await sent(knowing, inspector, "ship", v0="1", v1="Oslo", v3="fast", unique="1h", task_id="a")
    async with Client(store) as client:
        await client.enqueue(ship.bind(2, Address("Oslo"), "fast"), task_id="b")
    one, other = [(await inspector.record("q", id_)).fields for id_ in ("a", "b")]
    assert one.keys() == other.keys()


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"v1": "Oslo", "v3": "fast"}, "It must be given."),
        ({"v0": "1", "v3": "fast"}, 'It must be given; an empty text is "" as JSON.'),
        ({"v0": "1", "v1": "Oslo"}, "It must be given: choose one."),
        ({"v0": "many", "v1": "Oslo", "v3": "fast"}, "It is a whole number"),
        ({"v0": "1", "v1": "Oslo", "v3": "fast", "v4": "[1]"}, "Field tags does not fit what task ship declares"),
        ({"v0": "1", "v1": "Oslo", "v3": "fast", "v2": "[hidden]"}, "stands for a hidden value"),
        ({"t0": "json", "v0": '"x"', "v1": "Oslo", "v3": "fast"}, "Expected `int`, got `str`"),
        ({"payload": '{"order": 1}'}, "Object missing required field `to`"),
        ({"v0": "1", "v1": "Oslo", "v3": "fast", "payload": "{}"}, "by field and as one text"),
    ],
)
async def test_what_does_not_fit_is_said_at_its_field(
    knowing: httpx2.AsyncClient, inspector: Inspector, typed: dict[str, str], why: str
) -> None:
    """And nothing is enqueued."""
    answer = await post(knowing, "ship", **typed)
    told = html.unescape(answer.text)
    assert (400, True) == (answer.status_code, why in told)
    assert all(value in told for value in typed.values())
    assert [] == await names(inspector)


async def test_what_does_not_fit_is_enqueued_if_one_says_so(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """As it was typed, with the options of its declaration."""
    record = await sent(knowing, inspector, "ship", payload='{"order": "x"}', raw="yes")
    assert (b'{"order":"x"}', 3) == (record.info.payload, record.info.max_retry)


async def test_one_text_does_in_place_of_fields(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """What fits is written as the application writes it."""
    record = await sent(knowing, inspector, "ship", payload='{"speed":"slow", "to":{"city":"Oslo"}, "order":1}')
    assert ship.bind(1, Address("Oslo"), "slow").payload == record.info.payload


async def test_a_codec_of_its_own_is_used(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """With the header by which a server knows it."""
    info = (await sent(knowing, inspector, "packed", v0="7", t1="null")).info
    assert {"n": 7, "note": None} == msgspec.msgpack.decode(info.payload)
    assert "msgpack" == info.headers["onebeat-codec"]


async def test_a_null_with_a_value_is_refused(knowing: httpx2.AsyncClient) -> None:
    """Nothing that was typed is dropped without a word."""
    answer = await post(knowing, "packed", v0="7", t1="null", v1="x")
    assert (400, True) == (answer.status_code, "Null has no value" in answer.text)


async def test_a_whole_payload_is_a_text(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """It has no fields, and is checked all the same."""
    shown = (await knowing.get(NEW, params={"type": "whole"})).text
    assert "It takes its whole payload: <code>list[int]</code>" in shown
    assert 400 == (await post(knowing, "whole", payload='["a"]')).status_code
    assert b"[1,2]" == (await sent(knowing, inspector, "whole", payload="[1, 2]")).info.payload


async def test_a_task_without_arguments_needs_a_click(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """And none of its fields."""
    assert "It takes no arguments" in (await knowing.get(NEW, params={"type": "bare"})).text
    assert b"{}" == (await sent(knowing, inspector, "bare")).info.payload


async def test_a_declaration_that_changed_meanwhile_takes_nothing(
    knowing: httpx2.AsyncClient, inspector: Inspector
) -> None:
    """Else what was typed for one parameter would be that of another."""
    answer = await post(knowing, "ship", stamp="0" * 16, v0="1", v1="Oslo", v3="fast")
    assert (409, True) == (answer.status_code, "has changed meanwhile" in answer.text)
    assert [] == await names(inspector)


async def test_a_secret_is_not_sent_back(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """Nor told in the audit, nor shown where the task is."""
    answer = await post(knowing, "ship", v0="many", v1="Oslo", v3="fast", v6="swordfish")
    assert (400, False) == (answer.status_code, "swordfish" in answer.text)
    record = await sent(knowing, inspector, "ship", v0="1", v1="Oslo", v3="fast", v6="swordfish")
    assert b"swordfish" in record.info.payload
    [noted] = (await inspector.audit()).records
    assert ("task.enqueue", "ship", "q", "payload (order, to.city, speed, password)", "done") == (
        noted.action, noted.about, noted.queue, noted.changes, str(noted.outcome),
    )  # fmt: skip
    page = await knowing.get("/task", params={"queue": "q", "id": record.info.id})
    assert (200, False) == (page.status_code, "swordfish" in page.text)


async def test_the_palette_leads_to_each_declared_task(knowing: httpx2.AsyncClient) -> None:
    """And to the form itself."""

    async def found(words: str) -> list[tuple[str, str]]:
        items = (await knowing.get("/palette", params={"q": words})).json()["items"]
        return [(item["text"], item["href"]) for item in items if item["kind"] == "act"]

    assert [("Enqueue a task…", NEW)] == await found("enqueue a task")
    assert [("Enqueue ship…", f"{NEW}?type=ship")] == await found("enq ship")


# -- who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "may"),
    [
        (User("ann", Role.VIEW), False),
        (User("ann", Role.OPERATE), True),
        (User("ann", Role.VIEW, {"q": Role.OPERATE}), True),
        (User("ann", Role.OPERATE, {"q": Role.VIEW}), False),
    ],
)
async def test_a_role_counts_on_the_queue(
    store: Store, client: Client, inspector: Inspector, user: User, *, may: bool
) -> None:
    """Who may not is refused, and the attempt is written down."""
    await client.enqueue(Task("t"), queue="q")
    async with browsing(store, auth=lambda _request: user) as web:
        assert may is ("Enqueue a task" in (await web.get("/queue", params={"name": "q"})).text)
        assert (200 if may else 403) == (await web.get(NEW, params={"queue": "q"})).status_code
        answer = await web.post(NEW, data={"type": "t", "queue": "q"})
        assert (303 if may else 403) == answer.status_code
    [record] = (await inspector.audit()).records
    assert ("task.enqueue", "q", "done" if may else "refused") == (record.action, record.queue, str(record.outcome))
    assert may is (len(await names(inspector)) == 2)


async def test_a_viewer_gets_no_form(store: Store) -> None:
    """Nor a way to it; who may on one queue alone gets one for that."""
    async with browsing(store, auth=lambda _request: User("ann", Role.VIEW)) as web:
        assert 403 == (await web.get(NEW)).status_code
        assert NEW not in (await web.get("/tasks")).text
        assert NEW not in (await web.get("/palette", params={"q": "enqueue"})).text
    async with Client(store) as client:
        await client.enqueue(Task("t"), queue="mine")
    async with browsing(store, auth=lambda _request: User("ann", Role.VIEW, {"mine": "operate"})) as web:
        assert "mine" == fields_of((await web.get(NEW)).text, NEW)["queue"]
        assert f'href="{NEW}"' in (await web.get("/tasks")).text


async def test_a_console_that_is_read_only_refuses(store: Store, inspector: Inspector) -> None:
    """Whoever asks."""
    async with browsing(store, read_only=True) as web:
        assert 403 == (await web.get(NEW)).status_code
        assert 403 == (await web.post(NEW, data={"type": "t"})).status_code
    assert [] == await names(inspector)


async def test_what_is_too_long_is_refused(web: httpx2.AsyncClient) -> None:
    """As in every form."""
    assert 413 == (await web.post(NEW, data={"type": "t", "payload": "x" * 2_100_000})).status_code
    assert 400 == (await web.post(NEW, data={"type": "t" * 1001})).status_code


async def test_the_task_is_there_once_the_page_says_so(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """The next page is that of the task."""
    answer = await post(web, type="t", due="1h", task_id="a b/c")
    page = await web.get(answer.headers["location"])
    assert (200, True) == (page.status_code, "It is enqueued" in page.text)
    assert "scheduled" == (await inspector.task("default", "a b/c")).state
    with pytest.raises(TaskNotFound):
        await inspector.task("q", "a b/c")


# -- by the API ------------------------------------------------------------------------------------------------------


async def test_the_api_checks_what_is_declared(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """As the form does, unless `raw` says otherwise; what was given stays digit by digit."""
    body: dict[str, Any] = {"type": "packed", "queue": "q", "payload": {"json": {"n": "x"}}}
    refused = await knowing.post(f"{PREFIX}/tasks", json=body)
    assert (422, "invalid-payload") == (refused.status_code, refused.json()["code"])
    assert "field n does not fit what task packed declares" in refused.json()["detail"]
    assert 201 == (await knowing.post(f"{PREFIX}/tasks", json={**body, "raw": True})).status_code
    answer = await knowing.post(f"{PREFIX}/tasks", json={**body, "payload": {"json": {"n": 7}}, "task_id": "a"})
    assert 201 == answer.status_code
    assert b'{"n":7}' == (await inspector.task("q", "a")).payload
    changes = [record.changes for record in (await inspector.audit()).records]
    assert ["payload, task_id", "payload"] == changes


async def test_the_api_tells_who_may_not_nothing_of_what_is_declared(store: Store) -> None:
    """The refusal is the same whether the payload fits or not."""
    async with browsing(store, auth=lambda _request: User("ann", Role.VIEW)) as web:
        answers = [
            await web.post(f"{PREFIX}/tasks", json={"type": "packed", "queue": "q", "payload": {"json": {"n": n}}})
            for n in (1, "x")
        ]
    assert [403, 403] == [answer.status_code for answer in answers]
    assert answers[0].json()["detail"] == answers[1].json()["detail"]


async def test_the_api_takes_no_placeholder(web: httpx2.AsyncClient) -> None:
    """What was read where secrets are hidden is not written back without them."""
    answer = await web.post(f"{PREFIX}/tasks", json={"type": "t", "payload": {"json": {"password": "[hidden]"}}})
    assert (422, True) == (answer.status_code, "stands for a hidden value" in answer.json()["detail"])
