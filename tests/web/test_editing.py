"""A payload edited by field, over HTTP: who may, what stays, what is told of it."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx2
import msgspec
import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.consume import take
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import Role, User, console
from tests.web.conftest import ORIGIN
from tests.web.forms import filled

SECRET = (
    b'{"user":{"email":"a@b.c","password":"hunter2"},"amount":9007199254740993,"rate":1e400,"note":"caf\\u00e9 <b>"}'
)
Put = Callable[..., Awaitable[None]]


@pytest.fixture
async def put(client: Client) -> Put:
    """Return what enqueues a task that is not due."""

    async def enqueue(payload: object, type: str = "t", **options: object) -> None:
        await client.enqueue(Task(type, payload), queue="q", task_id="a", process_in=3600, **options)  # type: ignore[arg-type]

    return enqueue


async def payload(inspector: Inspector) -> bytes:
    return (await inspector.task("q", "a")).payload


async def post(web: httpx2.AsyncClient, path: str, **changed: str) -> httpx2.Response:
    return await web.post(path, data={**await filled(web, path), **changed})


async def test_one_secret_does_not_lock_the_others(web: httpx2.AsyncClient, put: Put, inspector: Inspector) -> None:
    """The field that is edited changes; what is hidden and all else stay byte for byte, and are not told."""
    await put(SECRET)
    shown = (await web.get("/task/edit", params={"queue": "q", "id": "a"})).text
    assert "hunter2" not in shown
    assert "user.password" in shown
    answer = await post(web, "/task/edit", v0="x@y.z")
    assert 303 == answer.status_code
    assert SECRET.replace(b"a@b.c", b"x@y.z") == await payload(inspector)


async def test_a_hidden_value_is_replaced_if_one_says_so(
    web: httpx2.AsyncClient, put: Put, inspector: Inspector
) -> None:
    """And by nothing else: what is typed beside an empty box is refused, and an empty one replaces nothing."""
    await put(SECRET)
    answer = await post(web, "/task/edit", v1="swordfish")
    assert (400, True) == (answer.status_code, "tick Replace, or leave this empty" in answer.text)
    answer = await post(web, "/task/edit", r1="yes")
    assert (400, True) == (answer.status_code, "Write what it is to be" in answer.text)
    assert SECRET == await payload(inspector)
    assert 303 == (await post(web, "/task/edit", r1="yes", v1="swordfish")).status_code
    assert SECRET.replace(b"hunter2", b"swordfish") == await payload(inspector)


async def test_what_was_typed_for_a_secret_is_not_sent_back(web: httpx2.AsyncClient, put: Put) -> None:
    """When another field is wrong, it is typed once more."""
    await put(SECRET)
    answer = await post(web, "/task/edit", r1="yes", v1="swordfish", v2="many")
    assert 400 == answer.status_code
    assert "It is a whole number" in answer.text
    assert "swordfish" not in answer.text


@pytest.mark.parametrize(("role", "may"), [(Role.OPERATE, False), (Role.ADMIN, True)])
async def test_a_hidden_value_is_replaced_by_an_administrator_alone(
    store: Store, put: Put, inspector: Inspector, role: Role, *, may: bool
) -> None:
    """Others edit what they see, and are told what is needed; the attempt is written down."""
    await put(SECRET)
    board = console(store, auth=lambda _request: User("ann", role))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as web:
        form = await filled(web, "/task/edit")
        assert may is ("v1" in form)
        answer = await web.post("/task/edit", data={**form, "r1": "yes", "v1": "swordfish"})
        assert (303 if may else 403) == answer.status_code
        if not may:
            assert 303 == (await web.post("/task/edit", data={**form, "v0": "x@y.z"})).status_code
    records = (await inspector.audit()).records
    first = records[-1]
    expected = ("task.replace_hidden", "done" if may else "refused")
    assert expected == (first.action, str(first.outcome))
    assert may is (b"swordfish" in await payload(inspector))


async def test_the_audit_tells_fields_and_no_values(web: httpx2.AsyncClient, put: Put, inspector: Inspector) -> None:
    """Of options, too."""
    await put(SECRET)
    await post(web, "/task/edit", v0="x@y.z", r1="yes", v1="swordfish", v2="7", max_retry="3")
    [record] = (await inspector.audit()).records
    assert "payload (user.email, user.password, amount), max_retry" == record.changes
    shown = html.unescape((await web.get("/audit")).text)
    assert "payload (user.email, user.password, amount), max_retry" in shown
    assert "swordfish" not in shown


@pytest.mark.parametrize(
    ("changed", "after"),
    [
        ({"v2": "9007199254740995"}, SECRET.replace(b"0993", b"0995")),
        ({"v3": "2.5e300"}, SECRET.replace(b"1e400", b"2.5e300")),
        ({"t3": "null"}, SECRET.replace(b"1e400", b"null")),
        ({"t3": "json", "v3": '[1, "<"]'}, SECRET.replace(b"1e400", b'[1,"\\u003c"]')),
        ({"t2": "remove"}, SECRET.replace(b'"amount":9007199254740993,', b"")),
        (
            {"new_path": "user.name", "new_value": "Ann"},
            SECRET.replace(b'"hunter2"}', b'"hunter2","name":"Ann"}'),
        ),
        ({"new_path": "n", "new_kind": "integer", "new_value": "5"}, SECRET[:-1] + b',"n":5}'),
    ],
)
async def test_fields_are_changed_made_others_taken_away_and_added(
    web: httpx2.AsyncClient, put: Put, inspector: Inspector, changed: dict[str, str], after: bytes
) -> None:
    """Each by the digits that were typed."""
    await put(SECRET)
    assert 303 == (await post(web, "/task/edit", **changed)).status_code
    assert after == await payload(inspector)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"v2": "1.5"}, "It is a whole number"),
        ({"t2": "json", "v2": "{"}, "It is no JSON"),
        ({"v4": "[hidden]"}, "stands for a hidden value"),
        ({"new_path": "amount", "new_value": "1"}, "It is there by now: change it above"),
        ({"new_path": "amount.x", "new_value": "1"}, "has nothing to set at 'amount.x'"),
        ({"new_path": "a..b", "new_value": "1"}, "leads to no field"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field(
    web: httpx2.AsyncClient, put: Put, inspector: Inspector, changed: dict[str, str], why: str
) -> None:
    """And what was typed stays."""
    await put(SECRET)
    answer = await post(web, "/task/edit", **changed)
    told = html.unescape(answer.text)
    assert (400, True) == (answer.status_code, why in told)
    assert all(value in told for value in changed.values())
    assert SECRET == await payload(inspector)


async def test_a_payload_without_secrets_has_both_ways(web: httpx2.AsyncClient, put: Put, inspector: Inspector) -> None:
    """By field and as one text, but not both at once."""
    await put(b'{"n":1,"t":"x"}')
    answer = await post(web, "/task/edit", v0="2", payload='{"n":3,"t":"x"}')
    assert (400, True) == (answer.status_code, "leave one of them as it was" in answer.text)
    await post(web, "/task/edit", payload='{"n":3,"t":"x","more":[1]}')
    assert b'{"n":3,"t":"x","more":[1]}' == await payload(inspector)
    await post(web, "/task/edit", v0="4")
    assert b'{"n":4,"t":"x","more":[1]}' == await payload(inspector)


@pytest.mark.parametrize(
    ("body", "why", "has_text"),
    [
        (b'{"n":1,"n":2}', "field 'n' stands twice in it", True),
        (b'{"password":1,"password":2}', "field 'password' stands twice in it", False),
        (b"7", "it is a single value", True),
    ],
)
async def test_a_payload_that_has_no_fields_says_why(
    web: httpx2.AsyncClient, put: Put, body: bytes, why: str, *, has_text: bool
) -> None:
    """The text is there where nothing is hidden."""
    await put(body)
    shown = html.unescape((await web.get("/task/edit", params={"queue": "q", "id": "a"})).text)
    assert why in shown
    assert has_text is ("payload" in await filled(web, "/task/edit"))
    if not has_text:
        assert "It stays as it is" in shown


async def test_messagepack_is_edited_by_field(web: httpx2.AsyncClient, put: Put, inspector: Inspector) -> None:
    """Bytes stay, and so does what is hidden."""
    packed = {"n": 1, "token": "hunter2hunter2", "raw": b"\x00\xff", "f": 0.5}
    await put(msgspec.msgpack.encode(packed), headers={"onebeat-codec": "msgpack"})
    form = await filled(web, "/task/edit")
    assert "payload" not in form
    await web.post("/task/edit", data={**form, "v0": "18446744073709551615", "v3": "0.25"})
    assert {**packed, "n": 2**64 - 1, "f": 0.25} == msgspec.msgpack.decode(await payload(inspector))


async def test_the_lock_follows_an_edited_field(
    web: httpx2.AsyncClient, put: Put, client: Client, store: Store, inspector: Inspector
) -> None:
    """And a payload whose lock another task holds is refused."""
    await put({"n": 1}, unique=600)
    before = (await inspector.record("q", "a")).lock
    await post(web, "/task/edit", v0="2")
    after = (await inspector.record("q", "a")).lock
    assert before is not None
    assert after is not None
    assert before.key != after.key
    assert (None, b"a") == (await store.command("GET", before.key), await store.command("GET", after.key))
    await client.enqueue(Task("t", {"n": 3}), queue="q", task_id="b", unique=600)
    answer = await post(web, "/task/edit", v0="3")
    assert (400, True) == (answer.status_code, "holds the lock of the new payload" in answer.text)


async def test_a_task_that_runs_meanwhile_is_left_alone(
    web: httpx2.AsyncClient, client: Client, store: Store, inspector: Inspector
) -> None:
    """And the page says so; so it does of one that was changed, or is gone."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a")
    form = {**await filled(web, "/task/edit"), "v0": "2"}
    await store.run(take("q", server="s", sequence=1, limit=1, lease_ms=15_000))
    await web.post("/task/edit", data=form)
    assert (
        "It has begun, so that nothing was changed" in (await web.get("/task", params={"queue": "q", "id": "a"})).text
    )
    assert b'{"n":1}' == await payload(inspector)


async def test_fields_of_a_payload_that_others_changed_are_not_taken_for_those_of_another(
    web: httpx2.AsyncClient, put: Put, inspector: Inspector
) -> None:
    """Neither in an edit nor in a clone."""
    await put({"a": 1, "b": 2})
    forms = {path: {**await filled(web, path), "v0": "9"} for path in ("/task/edit", "/task/clone")}
    await inspector.update("q", "a", payload=b'{"b":2,"a":1}')
    await web.post("/task/edit", data=forms["/task/edit"])
    answer = await web.post("/task/clone", data=forms["/task/clone"])
    assert (409, True) == (answer.status_code, "were changed by others meanwhile" in answer.text)
    assert b'{"b":2,"a":1}' == await payload(inspector)
    assert 1 == (await inspector.stats("q")).size


async def test_a_clone_is_changed_by_field(web: httpx2.AsyncClient, put: Put, inspector: Inspector) -> None:
    """With the secret of the first, byte for byte, or with one of its own; where and when one says."""
    await put(SECRET)
    answer = await post(web, "/task/clone", v2="5", queue="low", due="2h", max_retry="1")
    assert 303 == answer.status_code
    [info] = [info async for info in inspector.tasks("low", state="scheduled")]
    assert (SECRET.replace(b"9007199254740993", b"5"), 1) == (info.payload, info.max_retry)
    await post(web, "/task/clone", r1="yes", v1="swordfish", queue="other")
    [info] = [info async for info in inspector.tasks("other", state="pending")]
    assert SECRET.replace(b"hunter2", b"swordfish") == info.payload
    told = [(record.queue, record.changes) for record in (await inspector.audit()).records]
    assert [("other", "payload (user.password)"), ("low", "payload (amount), due, max_retry")] == told


@pytest.fixture
async def declared(url: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of a console that knows what tasks take."""
    app = Onebeat("shop", url=url)

    @app.task("pay")
    async def pay(user: int, amount: float, password: str = "", tags: list[str] | None = None) -> None:
        """Take something."""

    transport = httpx2.ASGITransport(console(app))
    async with app, httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as web:
        yield web


async def test_a_payload_must_be_what_its_task_declares(
    declared: httpx2.AsyncClient, put: Put, inspector: Inspector
) -> None:
    """The error names the field; who knows better says so."""
    await put({"user": 1, "amount": 2.5, "password": "hunter2", "tags": ["a"]}, type="pay")
    shown = ""
    for changed, told in (
        ({"t0": "json", "v0": '"x"'}, "Field user does not fit what task pay declares: Expected `int`, got `str`."),
        ({"v3": "[1]"}, "Field tags does not fit what task pay declares: Expected `str`, got `int`."),
        ({"t1": "remove"}, "It does not fit what task pay declares: Object missing required field `amount`."),
    ):
        answer = await post(declared, "/task/edit", **changed)
        shown = html.unescape(answer.text)
        assert (400, True) == (answer.status_code, told in shown), shown
    assert "Save it although it does not fit" in shown
    before = await payload(inspector)
    assert 303 == (await post(declared, "/task/edit", t1="remove", raw="yes")).status_code
    assert before.replace(b'"amount":2.5,', b"") == await payload(inspector)


async def test_what_does_not_fit_tells_no_secret(declared: httpx2.AsyncClient, put: Put) -> None:
    """Neither the one that is there nor the one that was typed."""
    await put({"user": 1, "amount": 2.5, "password": 77_441_122}, type="pay")
    answer = await post(declared, "/task/edit", v0="2")
    told = html.unescape(answer.text)
    assert "Field password does not fit what task pay declares" in told
    assert "77441122" not in told
    assert 303 == (await post(declared, "/task/edit", r2="yes", v2="swordfish")).status_code


async def test_a_right_guess_is_refused_as_every_other(store: Store, put: Put, inspector: Inspector) -> None:
    """Else who may not replace a hidden value could find it out by trying, and no record would tell."""
    await put(SECRET)
    board = console(store, auth=lambda _request: User("ann", Role.OPERATE))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as web:
        form = await filled(web, "/task/edit")
        for guess in ("hunter1", "hunter2"):
            assert 403 == (await web.post("/task/edit", data={**form, "r1": "yes", "v1": guess})).status_code
    assert 2 == len((await inspector.audit()).records)


async def test_who_may_not_replace_what_is_hidden_adds_nothing_to_it(
    store: Store, put: Put, inspector: Inspector
) -> None:
    """Nor learns what is in it already."""
    await put({"secrets": {"pin": 1}, "n": 1})
    before = await payload(inspector)
    board = console(store, auth=lambda _request: User("ann", Role.OPERATE))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN}
    ) as web:
        form = await filled(web, "/task/edit")
        answer = await web.post("/task/edit", data={**form, "new_path": "secrets.cvv2", "new_value": "x"})
    assert (403, before) == (answer.status_code, await payload(inspector))
