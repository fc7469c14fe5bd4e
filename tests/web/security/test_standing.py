"""What is taken away while it is used: users, roles, and the right of a job to go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from onebeat.broker.store import Store
from onebeat.inspector.auditing import AuditOutcome
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import Job, JobState
from onebeat.web import Access, Console, Passwords, ProxyHeader, Tokens, User, console
from onebeat.web.api.operation import PREFIX
from onebeat.web.security import standing, watching
from onebeat.web.security.credentials import PasswordHash, TokenHash
from onebeat.web.security.grants import Grant
from onebeat.web.security.roles import Role
from onebeat.web.security.rules import Rules
from onebeat.web.security.standing import Right, Standing
from onebeat.web.security.ways import Identity
from tests.inspector.conftest import put
from tests.web.conftest import ORIGIN

PASSWORD, TOKEN = "correct horse", "ob_0123456789abcdefghij"
HASH, TOKEN_HASH = PasswordHash.make(PASSWORD).text, TokenHash.make(TOKEN).text
ANN = f'[users.ann]\npassword = "{HASH}"\nrole = "admin"\n'
BOB = f'[users.bob]\npassword = "{HASH}"\nrole = "view"\n'
DEPLOY = f'[tokens.deploy]\ntoken = "{TOKEN_HASH}"\nrole = "admin"\n'


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the file looked at each time."""
    monkeypatch.setattr(watching, "LOOK_EVERY_S", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return an access file with ann, bob and a token."""
    path = tmp_path / "access.toml"
    write(path, ANN + BOB + DEPLOY)
    return path


def write(path: Path, text: str) -> None:
    """Write a file, as an editor beside the console does."""
    path.write_text(text)


def test_a_changed_file_holds_at_once(path: Path) -> None:
    """A role, a user, a token; what was made of it before is changed, since a console holds that."""
    access = Access.read(path)
    assert access.passwords is not None
    assert access.tokens is not None
    write(path, ANN.replace("admin", "operate") + '[users.carl]\nrole = "view"\n[groups]\noncall = "operate"\n')
    assert (Role.OPERATE, None) == (access.passwords.user("ann").role, access.passwords.user("bob"))  # type: ignore[union-attr]
    assert (None, None) == (access.passwords.hash_of("bob"), access.tokens.user(TOKEN))
    assert (["ann", "carl"], {"oncall": Grant(Role.OPERATE)}) == (list(access.users), dict(access.groups))
    header = ProxyHeader(groups="X-Groups", users=access.users, group_roles=access.groups)
    write(path, ANN + '[groups]\noncall = "admin"\n')
    assert ({"ann"}, {"oncall": Grant(Role.ADMIN)}) == (set(header.users), dict(header.group_roles))


@pytest.mark.parametrize("broken", ["[users", '[users.ann]\nrole = "root"\n', None])
def test_a_broken_file_leaves_all_as_it_was(path: Path, broken: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """It is said once, until it is mended."""
    access = Access.read(path)
    assert access.passwords is not None
    if broken is None:
        path.unlink()
    else:
        write(path, broken)
    with caplog.at_level(logging.ERROR, "onebeat.web"):
        found = [access.passwords.user("bob") for _ in range(3)]
    assert [User("bob", "view")] * 3 == found
    assert 1 == caplog.text.count("what it said before holds: access file")
    write(path, ANN)
    assert access.passwords.user("bob") is None


@pytest.mark.slow
async def test_who_is_removed_is_out(store: Store, path: Path) -> None:
    """With the session that is on; who has less now may less; a new password ends sessions."""
    board = console(store, auth=Access.read(path))
    async with browser(board, "ann") as ann, browser(board, "bob") as bob:
        assert (200, 200) == ((await ann.get("/settings")).status_code, (await bob.get("/settings")).status_code)
        write(path, ANN.replace("admin", "view"))
        assert 303 == (await bob.get("/settings")).status_code
        assert 403 == (await ann.post("/queue/pause", data={"queue": "q"})).status_code
        write(path, ANN.replace(HASH, PasswordHash.make("another long one").text))
        assert 303 == (await ann.get("/settings")).status_code


def right(rules: Rules, who: Identity, *, is_read_only: bool = False) -> tuple[Standing, Right]:
    known = Standing(rules)
    return known, Right(known, who, "task.archive", lambda: is_read_only)


def test_a_right_is_what_it_is_now() -> None:
    """By whichever way its user came in."""
    ann = User("ann", "operate")
    passwords, tokens = Passwords([(HASH, ann)]), Tokens([(TOKEN, ann)])
    rules = Rules.make([passwords, tokens, lambda _request: None])
    kinds: dict[str, Callable[[], object]] = {
        "password": lambda: passwords.become(Passwords([(HASH, User("ann", "view"))])),
        "token": lambda: tokens.become(Tokens([(TOKEN, User("ann", "view"))])),
        "function": lambda: known.hear(Identity(User("ann", "view"), "function")),
    }
    for way, lower in kinds.items():
        known, one = right(rules, Identity(ann, way))
        assert (None, None) == (one.barred(None), one.barred("q")), way
        lower()
        assert "task.archive needs the role operate on queue 'q'; ann has view there" == one.barred("q"), way
    passwords.become(None)
    for queue in (None, "q"):
        assert "ann is no user of this console any more" == right(rules, Identity(ann, "password"))[1].barred(queue)


def test_a_right_on_one_queue_is_none_on_all() -> None:
    """It goes on where it may, and is asked of each."""
    who = Identity(User("ann", None, {"q": "operate"}), "function")
    _, one = right(Rules.make(lambda _request: None), who)
    assert (None, None, False) == (one.barred(None), one.barred("q"), one.barred("other") is None)


def test_a_console_that_is_read_only_now_does_nothing_more() -> None:
    """Whoever it is."""
    _, one = right(Rules.make(), Identity(User("ann", "admin"), "open"), is_read_only=True)
    assert all("read-only" in str(one.barred(queue)) for queue in (None, "q"))


def test_who_is_remembered_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are."""
    monkeypatch.setattr(standing, "MOST", 3)
    known = Standing(Rules.make())
    for number in range(9):
        known.hear(Identity(User(f"user{number}"), "function"))
    assert [f"user{number}" for number in (6, 7, 8)] == [name for name, _ in known._heard]


@asynccontextmanager
async def browser(board: Console, name: str = "", **headers: str) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser in which somebody is signed in."""
    transport = httpx2.ASGITransport(board)
    given = {"Origin": ORIGIN, **headers}
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers=given) as http:
        if name:
            answer = await http.post("/login", data={"name": name, "password": PASSWORD})
            assert 303 == answer.status_code
        yield http


async def ended(store: Store, board: Console) -> Job:
    """Return the one job, once it has ended."""
    while board.background._running:
        await asyncio.wait(board.background._running)
    [job] = await Inspector(store).jobs()
    return job


async def begin(http: httpx2.AsyncClient, store: Store) -> None:
    """Begin a job that takes for ever."""
    for number in range(3):
        await put(store, f"t{number}")
    answer = await http.post(f"{PREFIX}/tasks/archive", json={"q": "state:pending", "rate": 0.01})
    assert 201 == answer.status_code, answer.text


@pytest.mark.slow
async def test_a_job_stops_whose_user_lost_the_role(store: Store, path: Path) -> None:
    """With a word, in the job and in the audit; what was done stays done."""
    board = console(store, auth=Access.read(path))
    async with browser(board, "ann") as http:
        await begin(http, store)
        write(path, ANN.replace("admin", "view"))
        job = await ended(store, board)
        why = "task.archive needs the role operate on queue 'q'; ann has view there"
        assert (JobState.STOPPED, why) == (job.state, job.error)
        assert why.replace("'", "&#39;") in (await http.get("/job", params={"id": job.id})).text
    [one] = [one for one in (await Inspector(store).audit(job=job.id)).records if one.via == "job"]
    assert (AuditOutcome.FAILED, why, job.changed) == (one.outcome, one.why, one.count)
    await board.aclose()


async def test_a_job_stops_whose_user_is_removed(store: Store, path: Path) -> None:
    """Also one that was begun with a token."""
    board = console(store, auth=Access.read(path))
    async with browser(board, Authorization=f"Bearer {TOKEN}") as http:
        await begin(http, store)
        write(path, ANN)
        job = await ended(store, board)
    assert (JobState.STOPPED, "deploy is no user of this console any more") == (job.state, job.error)
    await board.aclose()


async def test_a_job_stops_whose_user_is_said_to_be_less(store: Store) -> None:
    """By the application, at the next request: nobody can ask it without one."""
    roles = ["operate"]

    def authenticate(_request: Request) -> User:
        return User("ann", roles[-1])

    board = console(store, auth=authenticate)
    async with browser(board) as http:
        await begin(http, store)
        roles.append("view")
        await http.get("/settings")
        job = await ended(store, board)
    assert (JobState.STOPPED, True) == (job.state, "ann has view there" in job.error)
    await board.aclose()


@pytest.mark.slow
async def test_a_job_stops_whose_users_sessions_are_ended(store: Store, path: Path) -> None:
    """It may be the work of who stole one; it says who stopped it, and can be gone on with."""
    board, other = (console(store, auth=Access.read(path)) for _ in range(2))
    async with browser(board, "ann") as http, browser(other, Authorization=f"Bearer {TOKEN}") as admin:
        await begin(http, store)
        assert 200 == (await admin.post(f"{PREFIX}/sessions/end", json={"user": "ann"})).status_code
        job = await ended(store, board)
    assert (JobState.STOPPED, "deploy", True) == (job.state, job.stopped_by, job.may_go_on)
    await board.aclose()


async def test_a_console_that_was_made_read_only_stops_its_jobs(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the next step."""
    board: Any = console(store)
    async with browser(board) as http:
        await begin(http, store)
        object.__setattr__(board.settings, "read_only", True)
        job = await ended(store, board)
    assert (JobState.STOPPED, True) == (job.state, "This console is read-only" in job.error)
    await board.aclose()
