"""The page of one task, over HTTP."""

from __future__ import annotations

import html
import json
import re

import httpx2
import msgspec
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.options import Unique
from onebeat.task import Task
from onebeat.web import Redaction, Role, User, console
from tests.inspector.conftest import put
from tests.web import hostile
from tests.web.conftest import ORIGIN
from tests.web.forms import filled
from tests.web.tasks import NOW_S, write

ON = {"queue": "q", "id": "a"}


async def page(web: httpx2.AsyncClient, **given: str) -> str:
    answer = await web.get("/task", params={**ON, **given})
    assert 200 == answer.status_code, answer.text
    return answer.text


def text_of(markup: str) -> str:
    """Return what a page says, without its elements, in single spaces."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", markup)))


async def test_a_task_shows_its_payload_exactly(web: httpx2.AsyncClient, client: Client) -> None:
    """Numbers digit by digit, and markup as text."""
    payload = b'{"user_id":9007199254740993,"rate":1e400,"html":"<script>alert(1)</script>"}'
    await client.enqueue(Task("email:welcome", payload), queue="q", task_id="a")
    shown = await page(web)
    assert '"user_id": 9007199254740993, "rate": 1e400, "html": "<script>alert(1)</script>"' in re.sub(
        r" +([,:])", r"\1", text_of(shown)
    )
    assert "<script>alert" not in shown


async def test_a_task_shows_its_options(web: httpx2.AsyncClient, client: Client) -> None:
    """And what holds its lock."""
    await client.enqueue(
        Task("email:welcome", {"n": 1}), queue="q", task_id="a", max_retry=3, timeout=90.5, retention=3600,
        unique=600, headers={"q": "v"},
    )  # fmt: skip
    told = text_of(await page(web))
    for words in (
        "Max retry 3 (0 used)",
        "Timeout 1m 30s",
        "Retention 1h",
        "asynq:{q}:unique:email:welcome:",
        "q v",
    ):
        assert words in told


async def test_a_task_of_go_says_what_it_holds_and_what_is_missing(web: httpx2.AsyncClient, store: Store) -> None:
    """How often it failed, its last error and when; not the attempts, which Go does not keep."""
    await write(store, "a", "retry", retried=2, error_msg="smtp: 421 try later", last_failed_at=NOW_S)
    told = text_of(await page(web))
    assert "Failed 2 of 26 attempts: smtp: 421 try later" in told
    assert "2 failures in all; servers of Go keep no attempts" in told
    assert "Of the attempts before, and of tracebacks, nothing is kept" in told
    assert "Next attempt retry 2 of 25" in told


@pytest.mark.parametrize(
    ("state", "told", "acts"),
    [
        ("pending", "Waits for a server", ["archive", "cancel", "delete", "Edit", "Clone"]),
        ("active", "Taken; no server that lives has said that it runs it", ["cancel", "Clone"]),
        ("scheduled", "Waits until it is due", ["run", "archive", "cancel", "delete", "Edit", "Clone"]),
        ("retry", "Failed 0 of 26 attempts", ["run", "archive", "cancel", "delete", "Edit", "Clone"]),
        ("archived", "Archived", ["run", "delete", "Edit", "Clone"]),
        ("completed", "Completed", ["run", "delete", "Clone"]),
    ],
)
async def test_a_task_offers_what_can_be_done_in_its_state(
    web: httpx2.AsyncClient, store: Store, state: str, told: str, acts: list[str]
) -> None:
    """And its first sentence says how it stands."""
    await write(store, "a", state)
    shown = await page(web)
    assert told in text_of(shown)
    found = re.findall(r'name="action" value="(\w+)"', shown) + re.findall(r'class="button"[^>]*>(Edit|Clone)<', shown)
    assert acts == found


async def test_a_read_only_console_offers_nothing(store: Store) -> None:
    """Not even what would be refused."""
    await write(store, "a", "retry")
    board = console(store, read_only=True)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as web:
        shown = await page(web)
    assert "/act" not in shown
    assert "/task/edit" not in shown


async def test_a_result_is_shown_beside_the_payload(web: httpx2.AsyncClient, store: Store) -> None:
    """In the codec of its task."""
    headers = {"onebeat-codec": "msgpack"}
    result = msgspec.msgpack.encode({"sent": 2**63})
    await write(store, "a", "completed", payload=b"\x80", result=result, headers=headers, completed_at=NOW_S)
    told = text_of(await page(web))
    assert "Result · MessagePack" in told
    assert "9223372036854775808" in told


async def test_bytes_that_are_no_message_are_shown(web: httpx2.AsyncClient, store: Store) -> None:
    """As they are, with the sentence that nobody can run them."""
    await write(store, "a", "pending")
    await store.command("HSET", "asynq:{q}:t:a", "msg", b"\xff\xfe<b>")
    told = text_of(await page(web))
    assert "Its bytes are no message: no server can run it" in told
    assert "00000000 ff fe 3c 62 3e" in told


async def test_secrets_are_nowhere_on_the_page(web: httpx2.AsyncClient, store: Store) -> None:
    """In payload, result, error, headers and raw record; nor in what can be downloaded."""
    secret = "hunter2-correct-horse"  # noqa: S105 - of a test
    body = json.dumps({"password": secret, "kept": 1}).encode()
    await write(
        store, "a", "retry", payload=body, result=body, error_msg=f"login failed: password={secret}",
        last_failed_at=NOW_S, retried=1, headers={"Authorization": f"Bearer {secret}"},
    )  # fmt: skip
    shown = await page(web)
    digits = secret.encode().hex(" ")
    assert secret not in shown
    assert digits[:20] not in shown
    assert "Redaction rules hide a value in it." in shown
    file = await web.get("/download", params={**ON, "what": "payload"})
    assert b'{"password": "[hidden]", "kept": 1}' == file.content


async def test_rules_can_be_ones_own(store: Store) -> None:
    """In place of the defaults."""
    await write(store, "a", "pending", payload=b'{"iban":"DE00","password":"x"}')
    board = console(store, redaction=Redaction(keys=["iban"], patterns=()))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as web:
        file = await web.get("/download", params=ON)
    assert b'{"iban":"[hidden]","password":"x"}' == file.content


async def test_a_download_is_a_file_that_no_browser_opens(web: httpx2.AsyncClient, store: Store) -> None:
    """Byte for byte, whatever its id is made of."""
    body = b"<script>alert(1)</script>\xff"
    await write(store, 'x"\r\n<b>', "pending", payload=body)
    file = await web.get("/download", params={"queue": "q", "id": 'x"\r\n<b>'})
    assert body == file.content
    assert 'attachment; filename="payload-x____b_.bin"' == file.headers["content-disposition"]
    assert ("application/octet-stream", "nosniff") == (
        file.headers["content-type"], file.headers["x-content-type-options"]
    )  # fmt: skip


async def test_what_cannot_be_looked_into_is_not_downloaded(web: httpx2.AsyncClient, store: Store) -> None:
    """With the reason."""
    await write(store, "a", "pending", payload=hostile.BYTES[7])
    answer = await web.get("/download", params=ON)
    assert 403 == answer.status_code
    assert "Redaction rules cannot look into gzip" in answer.text


async def test_a_result_that_is_not_there_is_not_found(web: httpx2.AsyncClient, store: Store) -> None:
    """By its name."""
    await write(store, "a", "pending")
    answer = await web.get("/download", params={**ON, "what": "result"})
    assert 404 == answer.status_code
    assert "has no result" in answer.text


SOME = hostile.PAYLOADS[::7] + hostile.BYTES


@pytest.mark.parametrize("data", SOME, ids=hostile.names(SOME))
async def test_hostile_payloads_are_inert(web: httpx2.AsyncClient, store: Store, data: bytes) -> None:
    """On the page and in its forms: no element of them is there."""
    text = data.decode("utf-8", "replace")
    await write(store, "a", "retry", payload=data, result=data, error_msg=text, type="t" + text[:50].replace("\0", ""))
    await store.command("HSET", "asynq:{q}:t:a", "ob_attempts", data)
    for path in ("/task", "/task/edit", "/task/clone"):
        shown = (await web.get(path, params=ON, follow_redirects=True)).text
        for trap in (
            "<img src=x",
            "<svg onload",
            "<script>document",
            "<h1>out of it",
            "<base ",
            "<style",
            "<div hx-get",
        ):
            assert trap not in shown.replace('<svg class="icon"', "")
        assert "49" not in re.findall(r">\s*(49)\s*<", shown)


@pytest.mark.slow
async def test_a_payload_of_5_mb_is_cut_and_can_be_downloaded(web: httpx2.AsyncClient, store: Store) -> None:
    """The page stays small."""
    await write(store, "a", "pending", payload=hostile.LARGE)
    shown = await page(web)
    assert len(shown) < 2_500_000
    assert "Only its beginning is shown" in shown
    file = await web.get("/download", params=ON)
    assert hostile.LARGE == file.content


async def test_an_unchanged_task_is_not_sent_again(web: httpx2.AsyncClient, store: Store) -> None:
    """A poll with the tag of what is shown is answered 304."""
    await write(store, "a", "retry", retried=1, error_msg="x", last_failed_at=NOW_S)
    polls = {"HX-Request": "true"}
    first = await web.get("/task", params=ON, headers=polls)
    again = await web.get("/task", params=ON, headers={**polls, "HX-PTag": first.headers["HX-PTag"]})
    assert 304 == again.status_code


async def test_a_task_that_is_gone_says_where_it_may_be(web: httpx2.AsyncClient, store: Store) -> None:
    """In another queue, or over; and offers to search."""
    await write(store, "a", "pending", queue="other")
    answer = await web.get("/task", params=ON)
    assert 404 == answer.status_code
    assert 'href="/task?queue=other&amp;id=a"' in answer.text
    assert "kept for its retention" in answer.text
    assert 'name="q" value="a"' in answer.text


async def test_edit_changes_payload_and_options(web: httpx2.AsyncClient, client: Client, inspector: Inspector) -> None:
    """What was not touched stays byte for byte."""
    await client.enqueue(Task("t", b'{"n": 9007199254740993}'), queue="q", task_id="a", process_in=3600, timeout=90)
    form = await filled(web, "/task/edit")
    assert '{\n  "n": 9007199254740993\n}' == form["payload"]
    answer = await web.post("/task/edit", data={**form, "payload": '{"n": 1e400}\r\n', "max_retry": "7"})
    assert (303, "/task?queue=q&id=a") == (answer.status_code, answer.headers["location"])
    info = await inspector.task("q", "a")
    assert (b'{"n":1e400}', 7, 90) == (info.payload, info.max_retry, info.timeout.total_seconds())


async def test_an_edit_that_changes_nothing_writes_nothing(
    web: httpx2.AsyncClient, store: Store, client: Client
) -> None:
    """Not even the spaces of the payload."""
    await client.enqueue(Task("t", b'{ "n" : 1 }'), queue="q", task_id="a", process_in=3600, expires=7200)
    before = await store.command("HGETALL", "asynq:{q}:t:a")
    await web.post("/task/edit", data=await filled(web, "/task/edit"))
    assert before == await store.command("HGETALL", "asynq:{q}:t:a")
    assert "Nothing was changed" in await page(web)


async def test_an_edit_does_not_overwrite_what_others_did(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """Since the form was sent out."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a", process_in=3600)
    form = await filled(web, "/task/edit")
    await inspector.update("q", "a", payload={"n": 2})
    await web.post("/task/edit", data={**form, "payload": '{"n": 3}'})
    assert b'{"n":2}' == (await inspector.task("q", "a")).payload
    assert "was changed by others, so that nothing was changed" in await page(web)


async def test_a_task_that_has_begun_is_not_edited(web: httpx2.AsyncClient, store: Store) -> None:
    """Neither when the form is asked for, nor when it is sent."""
    await write(store, "a", "pending")
    form = await filled(web, "/task/edit")
    await store.command("LREM", "asynq:{q}:pending", 0, "a")
    await write(store, "a", "active")
    await web.post("/task/edit", data={**form, "payload": '{"n": 3}'})
    assert "It has begun, so that nothing was changed" in await page(web)
    assert 303 == (await web.get("/task/edit", params=ON)).status_code
    assert "It runs, so that it cannot be edited" in await page(web)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("payload", '{"n": 01}', "It was JSON, and is none any more: look at line 1."),
        ("max_retry", "many", "Give a whole number, 0 for no retry."),
        ("timeout", "soon", "&#39;soon&#39; is no duration: write 90s, 1h30m, 2d or 1w."),
        ("due", "yesterday", "&#39;yesterday&#39; is no instant"),
        ("queue", "{x}", "leave out braces"),
    ],
)
async def test_what_is_typed_wrong_is_said_and_kept(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector, name: str, value: str, told: str
) -> None:
    """Beside its field, and nothing is changed."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a", process_in=3600)
    form = await filled(web, "/task/edit")
    answer = await web.post("/task/edit", data={**form, "retention": "1h", name: value})
    assert 400 == answer.status_code
    assert told in answer.text
    assert html.escape(value) in answer.text.replace("&#34;", "&quot;")
    assert 'value="1h"' in answer.text
    assert 0 == (await inspector.task("q", "a")).retention.total_seconds()


async def test_a_redacted_payload_cannot_be_edited_as_a_text(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """Nobody sees it, and no placeholder is written; its options can be."""
    body = b'{"password":"hunter2"}'
    await client.enqueue(Task("t", body), queue="q", task_id="a", process_in=3600)
    form = await filled(web, "/task/edit")
    assert "payload" not in form
    await web.post("/task/edit", data={**form, "payload": '{"password":"[hidden]"}', "max_retry": "7"})
    info = await inspector.task("q", "a")
    assert (body, 7) == (info.payload, info.max_retry)


async def test_a_placeholder_is_never_written(web: httpx2.AsyncClient, client: Client, inspector: Inspector) -> None:
    """Copied from another page, say."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a", process_in=3600)
    for path in ("/task/edit", "/task/clone"):
        form = await filled(web, path)
        answer = await web.post(path, data={**form, "payload": '{"password": "[hidden]"}'})
        assert 400 == answer.status_code
        assert "stands for a hidden value" in answer.text
    assert b'{"n":1}' == (await inspector.task("q", "a")).payload


async def test_edit_moves_a_task_to_another_queue(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """And goes there."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a", process_in=3600)
    answer = await web.post("/task/edit", data={**await filled(web, "/task/edit"), "queue": "low"})
    assert "/task?queue=low&id=a" == answer.headers["location"]
    assert b'{"n":1}' == (await inspector.task("low", "a")).payload


async def test_a_clone_is_a_new_task(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """With the payload byte for byte, unless it was changed, and the options that were not."""
    await write(store, "a", "archived", payload=b'{ "n" : 1 }', retried=3, error_msg="x", headers={"h": "v"}, retry=4)
    answer = await web.post("/task/clone", data={**await filled(web, "/task/clone"), "queue": "low", "due": "2h"})
    assert 303 == answer.status_code
    queue, id_ = re.fullmatch(r"/task\?queue=(\w+)&id=(.+)", answer.headers["location"]).groups()  # type: ignore[union-attr]
    info = await inspector.task(queue, id_)
    assert ("low", "scheduled", b'{ "n" : 1 }', 4, 0, {"h": "v"}) == (
        info.queue, info.state, info.payload, info.max_retry, info.retried, dict(info.headers)
    )  # fmt: skip
    assert "archived" == (await inspector.task("q", "a")).state
    assert "as a copy of a" in (await web.get(answer.headers["location"])).text


async def test_a_clone_of_a_unique_task_says_who_holds_its_lock(
    web: httpx2.AsyncClient, client: Client, inspector: Inspector
) -> None:
    """It would take the same lock, unless it is told otherwise."""
    await client.enqueue(Task("t", {"n": 1}), queue="q", task_id="a", unique=600)
    form = await filled(web, "/task/clone")
    assert form["unique"]
    answer = await web.post("/task/clone", data=form)
    assert 400 == answer.status_code
    assert "is already in queue" in answer.text
    assert 'The lock is held by</span> <a class="mono" href="/task?queue=q&amp;id=a">a</a>' in answer.text
    assert 303 == (await web.post("/task/clone", data={**form, "unique": ""})).status_code
    assert 2 == (await inspector.stats("q")).pending


async def test_a_clone_is_refused_as_a_client_refuses_it(web: httpx2.AsyncClient, store: Store) -> None:
    """By the same sentence."""
    await write(store, "a", "archived")
    answer = await web.post("/task/clone", data={**await filled(web, "/task/clone"), "queue": "{x}"})
    assert 400 == answer.status_code
    assert "leave out braces" in answer.text


async def test_an_address_without_a_task_is_refused(web: httpx2.AsyncClient) -> None:
    """By the name of what is missing."""
    for missing, given in (("id", {"queue": "q"}), ("queue", {"id": "a"})):
        answer = await web.get("/task", params=given)
        assert 400 == answer.status_code
        assert f"{missing} is missing" in answer.text


def board_for(store: Store, who: User) -> httpx2.AsyncClient:
    """Return a browser of somebody who is signed in."""
    board = console(store, auth=lambda _request: who)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN, headers={"Origin": ORIGIN})


async def test_a_task_of_a_hidden_queue_is_not_for_everybody(store: Store) -> None:
    """Neither its page, nor its files, nor its forms; nor is it found elsewhere."""
    await write(store, "a", "pending", queue="payroll")
    hidden = {"queue": "payroll", "id": "a"}
    async with board_for(store, User("bob", Role.ADMIN, {"payroll": None})) as web:
        for path in ("/task", "/download", "/task/edit", "/task/clone"):
            assert 403 == (await web.get(path, params=hidden)).status_code
        for path in ("/task/edit", "/task/clone"):
            form = {"queue_of": "payroll", "id": "a", "stamp": "x", "state": "pending"}
            assert 403 == (await web.post(path, data=form)).status_code
        assert "payroll" not in (await web.get("/task", params=ON)).text


async def test_who_only_looks_is_offered_nothing_and_refused(store: Store, inspector: Inspector) -> None:
    """By the page, the form, and what the form sends."""
    await write(store, "a", "retry")
    async with board_for(store, User("ann", Role.OPERATE)) as web:
        forms = {path: await filled(web, path) for path in ("/task/edit", "/task/clone")}
    async with board_for(store, User("bob", Role.VIEW)) as web:
        shown = await page(web)
        assert not re.search(r'href="/task/(edit|clone)|action="/act"', shown)
        for path, form in forms.items():
            assert 403 == (await web.get(path, params=ON)).status_code
            assert 403 == (await web.post(path, data={**form, "max_retry": "7", "queue": "low"})).status_code
    assert 25 == (await inspector.task("q", "a")).max_retry
    assert ["q"] == await inspector.queues()


async def test_a_move_needs_the_role_on_both_queues(store: Store, inspector: Inspector) -> None:
    """And nothing is done without it."""
    await write(store, "a", "retry")
    async with board_for(store, User("bob", Role.VIEW, {"q": Role.OPERATE})) as web:
        form = await filled(web, "/task/edit")
        assert 403 == (await web.post("/task/edit", data={**form, "queue": "low"})).status_code
        assert 403 == (await web.post("/task/clone", data={**form, "queue": "low"})).status_code
    assert ["q"] == await inspector.queues()


@pytest.mark.parametrize(("action", "became"), [("run", "pending"), ("archive", "archived")])
async def test_a_button_acts_and_comes_back(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, action: str, became: str
) -> None:
    """To the task's page, which says what was done."""
    await write(store, "a", "retry")
    shown = await page(web)
    form = re.search(rf'<form[^>]*action="/act"[^>]*>((?:(?!</form>).)*value="{action}".*?)</form>', shown, re.DOTALL)
    assert form is not None
    fields = {name: html.unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)"', form[1])}
    answer = await web.post("/act", data=fields)
    assert (303, "/task?queue=q&id=a") == (answer.status_code, answer.headers["location"])
    assert became == (await inspector.task("q", "a")).state
    assert "1 task" in await page(web)


async def test_an_edit_is_written_down(web: httpx2.AsyncClient, inspector: Inspector, store: Store) -> None:
    """And one that was refused, too."""
    await write(store, "a", "retry")
    form = await filled(web, "/task/edit")
    await web.post("/task/edit", data={**form, "max_retry": "7"})
    await web.post("/task/edit", data={**form, "max_retry": "8"})
    told = [
        (record.action, record.queue, record.about, str(record.outcome)) for record in (await inspector.audit()).records
    ]
    assert [("task.update", "q", "a", "refused"), ("task.update", "q", "a", "done")] == told


async def test_until_when_a_lock_holds_is_the_same_at_each_look(store: Store, inspector: Inspector) -> None:
    """Else the page would change from look to look, and be sent again."""
    await put(store, "a", unique=Unique(600, key="a"))
    looks = [(await inspector.record("q", "a")).lock for _ in range(20)]
    assert 1 == len({look and look.until for look in looks})
