"""A queue that is hidden from a user is in no page, no answer, no sum and no sentence."""

from __future__ import annotations

import httpx2
import pytest

from onebeat import Every, Task
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.auditing import AuditRecord
from onebeat.inspector.inspector import Inspector
from onebeat.preparing import prepare
from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.web import User, console
from onebeat.web.api.operation import PREFIX
from onebeat.web.api.table import OPERATIONS
from onebeat.web.security.ways import Passwords
from onebeat.web.showing.redaction import Redaction
from onebeat.wire.message import decode
from tests.conftest import NOON
from tests.inspector.conftest import put
from tests.web.api.filling import list_server
from tests.web.conftest import ORIGIN
from tests.web.security.rights import pages

pytestmark = pytest.mark.slow

HIDDEN, TYPE, ERROR = "payrollqueue", "salarytype", "salaryerror"
SECRETS = (HIDDEN, TYPE, ERROR)

USERS = {
    "some": User("bob", "view", {HIDDEN: None}),
    "one": User("bob", None, {"mail": "admin"}),
    "admin of the rest": User("bob", "admin", {"payroll*": None}),
}


async def put_archived(store: Store) -> None:
    """Archive a task with an error, as a server does."""
    message = prepare(Task(TYPE, {"a": 1}, queue=HIDDEN, task_id="archived"), {}).new
    wire = decode(message.message)
    wire.error_msg, wire.last_failed_at, wire.retried = ERROR, NOON, 3
    root = f"asynq:{{{HIDDEN}}}:"
    await store.command("HSET", f"{root}t:archived", "msg", wire.SerializeToString(), "state", "archived")
    await store.command("ZADD", f"{root}archived", NOON, "archived")


ASKED: dict[str, tuple[str, ...]] = {
    "": ("",),
    "name": (HIDDEN, "mail", "nowhere"),
    "queue": (HIDDEN, "mail", "nowhere"),
    "id": ("archived", "pay", "one", "nowhere"),
    "server": ("one",),
    "q": ("", f"queue:{HIDDEN}", f"type:{TYPE}", "queue:pay*", f"error:{ERROR}", f"-queue:{HIDDEN}"),
}
"""What is asked of each page and operation, one at a time and in pairs."""


@pytest.fixture
async def filled(store: Store, client: Client) -> Store:
    """Return a store with a queue that all may see, and one with something of everything that is hidden."""
    await put(store, "open", {"to": "a"}, queue="mail")
    for number in range(3):
        await client.enqueue(Task(TYPE, {"a": number}), queue=HIDDEN, task_id=f"pending-{number}")
    await client.enqueue(Task(TYPE, {"a": 1}), queue=HIDDEN, task_id="later", process_in=600)
    await put_archived(store)
    await Scheduler(store, app="pay", entries=[entry("pay", Every(60), Task(TYPE, queue=HIDDEN), {})]).declare(store)
    await Inspector(store).run_schedule("pay", key="first")
    await list_server(store, "web-1", 41, "one", NOON)
    inspector = Inspector(store)
    await inspector.record_audit(AuditRecord(user="ann", action="queue.pause", queue=HIDDEN, about=TYPE))
    await inspector.save_view(f"of {HIDDEN}", "state:retry", by="ann")
    await inspector.save_view("by name", f"queue:{HIDDEN}", by="ann")
    await inspector.save_view("by type", f"type:{TYPE}", by="ann")
    await inspector.save_view("by error", f"queue:* error:{ERROR}", by="ann")
    await inspector.begin_job("archive", f"queue:{HIDDEN} type:{TYPE}", user="ann")
    return store


def asked() -> list[tuple[str, dict[str, str]]]:
    """Return addresses to look at, with what is asked there."""
    paths = sorted(pages() - {"/login"}) + [PREFIX + one.path for one in OPERATIONS if not one.writes]
    single = [{name: value} if name else {} for name, values in ASKED.items() for value in values]
    pairs = [{"queue": queue, "id": name} for queue in ASKED["queue"] for name in ASKED["id"]]
    acts = [{"action": action, "q": f"queue:{HIDDEN}"} for action in ("run", "delete")]
    return [(path, given) for path in paths for given in [*single, *pairs, *acts]]


@pytest.mark.parametrize("user", USERS.values(), ids=USERS.keys())
async def test_a_queue_that_is_hidden_is_nowhere(filled: Store, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked: what was not typed is not answered, and nothing fails."""
    monkeypatch.setattr("onebeat.web.api.limits.Rate.take", lambda *_given: None)
    board = console(filled, auth=lambda _request: user)
    told: list[str] = []
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as http:
        for path, given in asked():
            answer = await http.get(path, params=given)
            said = " ".join(given.values())
            leaks = [secret for secret in SECRETS if secret in answer.text and secret not in said]
            if leaks or answer.status_code >= 500:
                told.append(f"{path} {given}: {answer.status_code} {leaks}")
    assert "" == "\n".join(told)


@pytest.mark.parametrize("user", [USERS["one"], USERS["admin of the rest"]], ids=["one", "admin of the rest"])
async def test_a_queue_that_is_hidden_is_as_one_that_is_not_there(
    filled: Store, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status tells nothing either."""
    monkeypatch.setattr("onebeat.web.api.limits.Rate.take", lambda *_given: None)
    board = console(filled, auth=lambda _request: user)
    told: list[str] = []
    paths = ["/queue?name=Q", "/task?queue=Q&id=archived", "/tasks?q=queue:Q", "/errors?q=queue:Q"]
    paths += [f"{PREFIX}/queue?name=Q", f"{PREFIX}/task?queue=Q&id=archived", f"{PREFIX}/tasks?q=queue:Q"]
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as http:
        for path in paths:
            found = [(await http.get(path.replace("Q", name))).status_code for name in (HIDDEN, "payrollnowhere")]
            if found[0] != found[1] or found[0] >= 500:
                told.append(f"{path}: {found}")
    assert "" == "\n".join(told)


async def test_who_may_see_it_finds_it(filled: Store) -> None:
    """So that the tests above look for what is there."""
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(console(filled)), base_url=ORIGIN) as http:
        every = "".join([(await http.get(path, params=given)).text for path, given in asked()])
    assert {True} == {secret in every for secret in SECRETS}


@pytest.mark.parametrize(("method", "path"), [("GET", "/assets/x"), ("OPTIONS", "/assets/x/y"), ("DELETE", "/login")])
async def test_who_is_nobody_is_told_nothing_of_what_is_inside(store: Store, method: str, path: str) -> None:
    """Neither where the store is nor what the installation is called, by what may be asked for at the door either."""
    board = console(store, auth=Passwords([("correct horse", User("ann", "admin"))]), title="staging-eu")
    await board.inspector()
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as http:
        answer = await http.request(method, path, headers={"Origin": ORIGIN})
    assert answer.status_code in (404, 405)
    assert [] == [told for told in (board.store_name, "staging-eu", "/audit") if told in answer.text]


async def test_a_field_whose_name_is_hidden_is_not_completed(store: Store) -> None:
    """As it is not shown either."""
    await put(store, "keyed", {"AKIAIOSFODNN7": 1, "to": "a"}, queue="mail")
    board = console(store, redaction=Redaction(patterns=["AKIA[A-Z0-9]+"]))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as http:
        assert ["payload.to"] == (await http.get("/tasks/complete")).json()["fields"]
