"""Group, headers and payloads of bytes in the forms of new tasks and clones, over HTTP: what is kept, and exact."""

from __future__ import annotations

import base64
import html
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from onebeat import Onebeat
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.codecs import MSGPACK
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import console
from onebeat.web.api.operation import PREFIX
from tests.inspector.conftest import put_in_group
from tests.web.conftest import ORIGIN
from tests.web.forms import fields_of
from tests.web.test_enqueueing import NEW, names, post, sent

CLONE = "/task/clone"
EVERY = bytes(range(256))
ODD = {"a:b": "colon", "note": "two\nlines", "padded": " kept ", "bell": "\x07"}
SECRET = {"authorization": "Bearer hunter2", "tenant": "acme"}

app = Onebeat("post", codec=MSGPACK)


@app.task("stamped", queue="q", headers={"tenant": "acme", "api_key": "hunter2"}, group="mail")
async def stamped(n: int) -> None:
    """Take a number."""


@app.task("blob", queue="q")
async def blob(data: bytes, /) -> None:
    """Take bytes as they are."""


@pytest.fixture
async def knowing(store: Store) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of sorts, of a console that knows the application."""
    board = console(store, app=app)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as client:
        yield client
    await board.aclose()


async def cloned(web: httpx2.AsyncClient, **typed: str) -> httpx2.Response:
    """Open the form of a clone of task "a" of queue "q", type into it, and send it."""
    answer = await web.get(CLONE, params={"queue": "q", "id": "a"})
    assert 200 == answer.status_code, answer.text
    return await web.post(CLONE, data={**fields_of(answer.text, CLONE), "task_id": "b", **typed})


async def clone_of(web: httpx2.AsyncClient, inspector: Inspector, **typed: str) -> Any:
    """Clone it, and return what is known of the clone."""
    answer = await cloned(web, **typed)
    assert 303 == answer.status_code, html.unescape(answer.text)
    return await inspector.task("q", "b")


# -- groups ----------------------------------------------------------------------------------------------------------


async def test_a_new_task_waits_in_the_group_that_is_typed(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """And nothing else of it differs; the audit says that a group was given."""
    info = (await sent(web, inspector, type="t", queue="q", group="mail")).info
    assert ("aggregating", "mail") == (info.state, info.group)
    assert "group" in (await inspector.audit()).records[0].changes


async def test_a_clone_stays_in_its_group_unless_it_is_emptied(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector
) -> None:
    """Or another is typed."""
    await put_in_group(store, "g", "a")
    assert "g" == (await clone_of(web, inspector)).group
    await inspector.delete("q", "b")
    assert "other" == (await clone_of(web, inspector, group="other")).group
    await inspector.delete("q", "b")
    assert ("pending", "") == ((info := await clone_of(web, inspector, group="")).state, info.group)


async def test_a_declared_group_is_left_by_emptying_it(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """As any other option that its declaration has."""
    assert "mail" == (await sent(knowing, inspector, "stamped", v0="1")).info.group
    assert "pending" == (await sent(knowing, inspector, "stamped", v0="1", group="")).info.state


async def test_an_edit_takes_no_group(web: httpx2.AsyncClient, client: Client, inspector: Inspector) -> None:
    """Nor headers: both are of a new task."""
    await client.enqueue(Task("t"), queue="q", task_id="a", headers={"x": "1"})
    page = (await web.get("/task/edit", params={"queue": "q", "id": "a"})).text
    form = fields_of(page, "/task/edit")
    assert not {"group", "headers"} & form.keys()
    answer = await web.post("/task/edit", data={**form, "group": "g", "headers": "y: 2", "max_retry": "3"})
    assert 303 == answer.status_code
    info = await inspector.task("q", "a")
    assert (3, "", {"x": "1"}) == (info.max_retry, info.group, info.headers)


# -- headers ---------------------------------------------------------------------------------------------------------


async def test_each_line_is_a_header(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """Only the first colon parts it, spaces at its ends are none of it, and blank lines are nothing."""
    typed = "tenant: acme\r\n\r\n  url :http://x:80/ \nempty:\nü: ä"
    info = (await sent(web, inspector, type="t", headers=typed)).info
    assert {"tenant": "acme", "url": "http://x:80/", "empty": "", "ü": "ä"} == info.headers
    assert "headers" == (await inspector.audit()).records[0].changes


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("a: 1\nnothing", "Line 2 is 'nothing': write name and value, such as tenant: acme."),
        (": 1", "Line 1 is ': 1': write name and value"),
        ("a: 1\nb: 2\na: 3", "Header 'a' is on lines 1 and 3: leave one."),
        ("a: [hidden]", "[hidden] on line 1 stands for a hidden value, and is none: write the value."),
        ("x" * 100_001, "headers has 100,001 characters"),
    ],
)
async def test_a_line_that_is_none_is_said(web: httpx2.AsyncClient, inspector: Inspector, typed: str, why: str) -> None:
    """What was typed stays, and nothing is written."""
    answer = await post(web, type="t", headers=typed)
    assert (400, True) == (answer.status_code, why in html.unescape(answer.text))
    assert len(typed) > 100_000 or typed == fields_of(answer.text, NEW)["headers"]
    assert ([], 0) == (await names(inspector), len((await inspector.audit()).records))


async def test_a_clone_keeps_all_headers_and_shows_no_secret(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """Those that no line would bring back, and those that nobody may see, stand beside as what they are."""
    given = {**SECRET, **ODD, "onebeat-codec": "msgpack"}
    await client.enqueue(Task("t", b"\x81\xa1n\x01"), queue="q", task_id="a", headers=given)
    page = (await web.get(CLONE, params={"queue": "q", "id": "a"})).text
    assert "hunter2" not in page
    assert "tenant: acme" == fields_of(page, CLONE)["headers"]
    assert "written by Onebeat: the codec of the payload" in page
    info = await clone_of(web, inspector)
    assert given == info.headers
    assert "task_id" == (await inspector.audit()).records[0].changes


async def test_a_clone_loses_the_headers_that_one_leaves_out(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """By their line, or by the box beside those that have none; and takes others."""
    await client.enqueue(Task("t"), queue="q", task_id="a", headers=SECRET)
    page = (await web.get(CLONE, params={"queue": "q", "id": "a"})).text
    [box] = {part.partition('"')[0] for part in page.split('type="checkbox" name="')[1:]} - {"raw"}
    info = await clone_of(web, inspector, headers="authorization: Bearer new\nregion: north", **{box: "yes"})
    assert {"authorization": "Bearer new", "region": "north"} == info.headers
    assert "headers" in (await inspector.audit()).records[0].changes


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("authorization: x", "Header 'authorization' stays as it is: leave it out below, or take line 1 away."),
        ("tenant: [hidden]", "[hidden] on line 1 stands for a hidden value"),
        ("onebeat-codec: json", "Header 'onebeat-codec' on line 1 says in which codec the payload is, which stays"),
    ],
)
async def test_a_clone_writes_nothing_over_what_stays(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector, typed: str, why: str
) -> None:
    """Neither a secret, nor the sign that stands for one, nor the codec."""
    await client.enqueue(Task("t"), queue="q", task_id="a", headers=SECRET)
    answer = await cloned(web, headers=typed)
    told = html.unescape(answer.text)
    assert (400, True, False) == (answer.status_code, why in told, "hunter2" in told)
    assert ["a"] == await names(inspector)


async def test_headers_that_others_changed_meanwhile_are_not_lost(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """The form is filled anew."""
    await client.enqueue(Task("t"), queue="q", task_id="a", process_in=600, headers={"tenant": "acme"})
    form = fields_of((await web.get(CLONE, params={"queue": "q", "id": "a"})).text, CLONE)
    await inspector.update("q", "a", headers={"tenant": "other"})
    answer = await web.post(CLONE, data=form)
    assert (409, "tenant: other") == (answer.status_code, fields_of(answer.text, CLONE)["headers"])


async def test_declared_headers_are_filled_in(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """As the application would write them, its codec among them; a line that is taken away does not count."""
    page = (await knowing.get(NEW, params={"type": "stamped"})).text
    assert ("tenant: acme", False) == (fields_of(page, NEW)["headers"], "hunter2" in page)
    codec = {"onebeat-codec": "msgpack"}
    info = (await sent(knowing, inspector, "stamped", v0="1")).info
    assert {"tenant": "acme", "api_key": "hunter2", **codec} == info.headers
    assert stamped.bind(1).payload == info.payload
    info = (await sent(knowing, inspector, "stamped", v0="1", headers="region: north")).info
    assert {"api_key": "hunter2", "region": "north", **codec} == info.headers
    answer = await post(knowing, "stamped", v0="1", headers="onebeat-codec: json")
    assert (400, True) == (answer.status_code, "is written by the application itself" in answer.text)


# -- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [EVERY, b"\x00", b"\xff\xfe", b"a\x00b", b"text\r\n"])
async def test_bytes_are_enqueued_and_cloned_as_they_are(
    web: httpx2.AsyncClient, inspector: Inspector, data: bytes
) -> None:
    """In base64, in lines or not; the form of the clone has them again."""
    typed = base64.encodebytes(data).decode().replace("\n", "\r\n")
    await sent(web, inspector, type="t", queue="q", task_id="a", payload=typed, payload_as="base64")
    assert data == (await inspector.task("q", "a")).payload
    assert data == (await clone_of(web, inspector)).payload
    assert "task_id" == (await inspector.audit()).records[0].changes


async def test_bytes_are_edited_in_base64(web: httpx2.AsyncClient, client: Client, inspector: Inspector) -> None:
    """In a clone, and where they are."""
    await client.enqueue(Task("t", EVERY), queue="q", task_id="a")
    page = (await web.get("/task/edit", params={"queue": "q", "id": "a"})).text
    form = fields_of(page, "/task/edit")
    assert EVERY == base64.b64decode(form["payload"])
    other = base64.b64encode(EVERY[::-1]).decode()
    assert EVERY[::-1] == (await clone_of(web, inspector, payload=other)).payload
    assert 303 == (await web.post("/task/edit", data={**form, "payload": other})).status_code
    assert EVERY[::-1] == (await inspector.task("q", "a")).payload


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("no base64!", "It begins 'no base64!', and is no base64"),
        ("QQ", "encode the bytes with RFC 4648"),
        (base64.b64encode(b"\xff[hidden]").decode(), "stands for a hidden value"),
    ],
)
async def test_what_is_no_base64_is_said(web: httpx2.AsyncClient, inspector: Inspector, typed: str, why: str) -> None:
    """What was typed stays, and what it was said to be."""
    answer = await post(web, type="t", payload=typed, payload_as="base64")
    assert (400, True) == (answer.status_code, why in html.unescape(answer.text))
    form = fields_of(answer.text, NEW)
    assert (typed, "base64") == (form["payload"], form["payload_as"])
    assert [] == await names(inspector)


async def test_bytes_that_nobody_may_see_stay_as_they_are(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """A clone has them nevertheless."""
    data = b"\xff\xfepassword\x00hunter2"
    await client.enqueue(Task("t", data), queue="q", task_id="a")
    page = (await web.get(CLONE, params={"queue": "q", "id": "a"})).text
    assert "payload" not in fields_of(page, CLONE)
    assert base64.b64encode(data).decode()[:12] not in page
    assert data == (await clone_of(web, inspector)).payload


async def test_declared_bytes_are_checked_in_their_codec(knowing: httpx2.AsyncClient, inspector: Inspector) -> None:
    """And written as they are, not decoded and encoded again."""
    info = (await sent(knowing, inspector, "blob", payload=base64.b64encode(EVERY).decode(), payload_as="base64")).info
    assert (EVERY, {"onebeat-codec": "msgpack"}) == (info.payload, info.headers)


async def test_the_api_takes_and_clones_the_same_bytes(web: httpx2.AsyncClient, inspector: Inspector) -> None:
    """As `base64` of a payload."""
    given = {"base64": base64.b64encode(EVERY).decode()}
    body: dict[str, Any] = {"type": "t", "queue": "q", "task_id": "a", "payload": given}
    assert 201 == (await web.post(f"{PREFIX}/tasks", json=body)).status_code
    assert 201 == (await web.post(f"{PREFIX}/task/clone", json={"queue": "q", "id": "a", "task_id": "b"})).status_code
    assert [EVERY, EVERY] == [(await inspector.task("q", name)).payload for name in "ab"]
