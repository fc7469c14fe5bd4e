"""Searching by a filter: it finds what a look at every task finds, in bounded steps, and says how far it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from onebeat import codecs
from onebeat.broker import seek
from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.errors import InvalidFilter, InvalidTask, QueueNotFound
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from onebeat.wire.message import TaskMessage, encode
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, everything, grab, put, put_in, put_in_group
from tests.inspector.test_fleet import list_server, server, worker

ROOT = "asynq:{q}:"


def ids(parts: list[Any]) -> list[str]:
    return [info.id for part in parts for info in part.tasks]


async def write(store: Store, count: int, state: str, *, queue: str = "q", every: int = 100) -> None:
    """Write many tasks as they stand in a state; every so many-th has the error "Connection refused"."""
    root = f"asynq:{{{queue}}}:"
    await store.command("SADD", "asynq:queues", queue)
    commands: list[list[Any]] = []
    for number in range(count):
        id_ = f"{number:06}"
        message = TaskMessage(id=id_, type="mail" if number % 2 else "sms", queue=queue, payload=b'{"n":%d}' % number)
        message.error_msg = "dial: Connection refused" if number % every == 0 else "deadline exceeded"
        commands.append(["HSET", f"{root}t:{id_}", "msg", encode(message), "state", state])
        if state in ("pending", "active"):
            commands.append(["LPUSH", root + state, id_])
        else:
            commands.append(["ZADD", root + state, NOON - number // 50, id_])
    await store.commands(commands)


async def test_it_finds_tasks_of_all_queues_and_states(inspector: Face, store: Store) -> None:
    """By what they have in common; of each state in its order."""
    for state in STATES:
        await put_in(store, state, state, {"state": state, "n": 2**53 + 1})
    await put(store, "other", {"n": 2**53}, queue="low")
    found = await inspector.search("payload.n=9007199254740993")
    assert list(STATES) == ids(found)
    assert (8, 8, "") == (found[-1].scanned, found[-1].total, found[-1].cursor)
    assert ["other"] == ids(await inspector.search("queue:l*"))
    assert ["archived", "completed"] == ids(await inspector.search('state:archived,completed payload:"STATE"'))
    assert ["other", *STATES] == ids(await inspector.search())
    assert [] == await inspector.search("queue:nothing*")


@pytest.mark.parametrize("state", ["pending", "retry", "archived"])
async def test_it_finds_the_few_among_many_in_bounded_steps(
    inspector: Face, store: Store, scripts: list[Call[Any]], state: str
) -> None:
    """Only what may fit crosses the wire, and each step says how far it is."""
    await write(store, 3000, state, every=1000)
    found = await inspector.search('error:"connection refused"')
    assert {"000000", "001000", "002000"} == set(ids(found))
    assert [500, 1000, 1500, 2000, 2500, 3000] == [part.scanned for part in found][:6]
    assert {3000} == {part.total for part in found}
    assert 7 == [call.script for call in scripts].count("search")


async def test_what_a_step_reads_and_gives_is_bounded(inspector: Face, store: Store) -> None:
    """In bytes as in tasks; one larger task goes alone."""
    for number in range(5):
        await put_in(store, "scheduled", f"{number}", b"x" * 700_000)
    found = await inspector.search("size>1")
    assert [1, 1, 1, 1, 1] == [len(part.tasks) for part in found][:5]
    assert [2, 4, 5] == [part.scanned for part in await inspector.search("type:no")][:3]
    assert 200 == (await inspector_step(store, 1000)).seen


async def inspector_step(store: Store, count: int) -> seek.Step:
    await write(store, count, "archived")
    place = seek.Place()
    return await store.run(seek.search("q", TaskState.ARCHIVED, "", place, needles=[], scores=None, limit=10_000))


@pytest.mark.parametrize("state", ["pending", "archived"])
async def test_a_limit_ends_it_and_its_cursor_goes_on(inspector: Face, store: Store, state: str) -> None:
    """Behind the last task found: nothing comes twice, nothing is left out, and what was looked at adds up."""
    await write(store, 1200, state, every=10)
    everything_found = ids(await inspector.search("error:refused"))
    assert 120 == len(everything_found)
    got: list[str] = []
    cursor, scanned = "", 0
    while True:
        parts = await inspector.search("error:refused", limit=7, cursor=cursor)
        got += ids(parts)
        if not parts:
            break
        assert parts[-1].scanned >= scanned
        cursor, scanned = parts[-1].cursor, parts[-1].scanned
        if not cursor:
            break
    assert everything_found == got
    assert 1200 == scanned


async def test_a_scan_ends_it_as_well(inspector: Face, store: Store) -> None:
    """Having looked at so many; the next goes on there, in whichever state."""
    await write(store, 300, "pending")
    await write(store, 300, "archived", queue="low")
    first = await inspector.search("id:no", scan=350)
    assert (350, 600) == (first[-1].scanned, first[-1].total)
    second = await inspector.search("id:no", cursor=first[-1].cursor)
    assert (600, 600, "") == (second[-1].scanned, second[-1].total, second[-1].cursor)


async def test_a_walk_through_a_set_misses_nothing_that_stays(store: Store) -> None:
    """Though those before it go, and others come between, of one score and many."""
    await write(store, 2000, "archived", every=1)
    found: list[str] = []
    gone = 0
    async for part in Inspector(store).search("error:refused"):
        found += ids([part])
        if gone < 400:
            await store.command("ZREM", f"{ROOT}archived", *found[-100:])
            await store.command("ZADD", f"{ROOT}archived", NOON - 50, f"new{gone}")
            gone += 100
    assert 2000 == len(found) == len(set(found))


@pytest.mark.slow
async def test_a_walk_through_a_list_follows_those_who_take(store: Store) -> None:
    """Tasks are taken at its front and come at its end meanwhile; what stays is found, once."""
    await write(store, 3000, "pending", every=1)
    found: list[str] = []
    async for part in Inspector(store).search("error:refused"):
        found += ids([part])
        await store.command("RPOP", f"{ROOT}pending", 70)
        await store.command("LPUSH", f"{ROOT}pending", *[f"new{len(found)}-{i}" for i in range(10)])
    stayed = {id_.decode() for id_ in await store.command("LRANGE", f"{ROOT}pending", 0, -1)}
    assert len(found) == len(set(found))
    assert {id_ for id_ in stayed if not id_.startswith("new")} <= set(found)


async def test_a_walk_whose_place_was_taken_begins_again(store: Store) -> None:
    """All up to it were taken with it; nothing that is left was seen before."""
    await write(store, 1200, "pending", every=1)
    found: list[str] = []
    async for part in Inspector(store).search("error:refused"):
        found += ids([part])
        if len(found) == 500:
            await store.command("RPOP", f"{ROOT}pending", 600)
    assert 500 + 600 == len(found) == len(set(found))


@pytest.mark.slow
async def test_age_reads_only_a_range_of_the_archive(inspector: Face, store: Store, clock: Clock) -> None:
    """By the score, to the second; the filter itself is exact."""
    await write(store, 5000, "archived")  # 50 a second
    found = await inspector.search("state:archived age>90s")
    assert 9 * 50 == len(ids(found))
    assert 12 * 50 >= found[-1].scanned
    assert found[-1].total == found[-1].scanned
    assert 2 * 50 == len(ids(await inspector.search("state:archived age<2s")))
    middle = datetime.fromtimestamp(NOON - 50, UTC).isoformat()
    assert 49 * 50 == len(ids(await inspector.search(f"state:archived since<{middle}")))


async def test_ages_of_all_states(inspector: Face, store: Store, clock: Clock) -> None:
    """Since a task was pending, failed, was archived, completed, or joined its group; due of those that wait."""
    for state in STATES:
        if state != "active":
            await put_in(store, state, state)
    await clock.advance(100)
    expected = [state for state in STATES if state not in ("active", "scheduled")]
    assert expected == ids(await inspector.search("age>99s"))
    assert [] == ids(await inspector.search("age>101s"))
    assert ["scheduled"] == ids(await inspector.search("due>8m"))
    assert ["retry"] == ids(await inspector.search("due<0s"))


async def test_how_long_a_task_runs_is_known_by_its_server(inspector: Face, store: Store, clock: Clock) -> None:
    """Which says so in asynq's records; a task whose server is silent has no age."""
    await put(store, "late")
    await put(store, "silent")
    for task_id in ("late", "silent"):
        await grab(store, task_id)
    await list_server(store, 1, server(1).encode(), {"late": worker(1, "late", -7200).encode()})
    assert ["late"] == ids(await inspector.search("age>1h"))
    assert [] == ids(await inspector.search("-age>3h id:silent"))
    assert {"late", "silent"} == set(ids(await inspector.search("state:active")))


async def test_what_is_no_message_harms_nobody(inspector: Face, store: Store) -> None:
    """Nor do entries without a record; and it is found by what is known of it."""
    await put_in(store, "archived", "good", {"a": 1})
    await store.command("HSET", f"{ROOT}t:bad", "msg", b"\xff\xff", "state", "archived")
    await store.command("ZADD", f"{ROOT}archived", NOON, "bad", NOON, "none")
    assert ["good"] == ids(await inspector.search("payload.a=1"))
    assert ["good"] == ids(await inspector.search("-payload.a=2"))
    assert ["bad"] == ids(await inspector.search("is:undecodable"))
    assert ["bad"] == ids(await inspector.search("id:b*"))


async def test_entries_without_a_record_are_told(inspector: Face, store: Store) -> None:
    """With how many, the first, and what helps: a list that is shorter than its count says why (SE-13)."""
    await put_in(store, "archived", "good")
    await store.command("ZADD", f"{ROOT}archived", NOON + 1, "gone", NOON + 2, "odd")
    await store.command("SET", f"{ROOT}t:odd", "another program's")
    await store.command("RPUSH", f"{ROOT}pending", "next")
    steps = await inspector.search("")
    assert (["good"], 4) == (ids(steps), steps[-1].scanned)
    rest = "no record that can be read; onebeat doctor says why, and what helps"
    assert (
        f"queue 'q': task 'next' in pending has {rest}",
        f"queue 'q': 2 tasks in archived, the first 'gone', have {rest}",
    ) == steps[-1].unread
    await store.command("ZREM", f"{ROOT}archived", "gone", "odd")
    assert () == (await inspector.search("state:archived"))[-1].unread


@pytest.mark.parametrize("filter", ["state:archived", "error:refused"])
async def test_an_entry_without_a_record_is_told_once_by_searches_that_a_cursor_joins(
    inspector: Face, store: Store, filter: str
) -> None:
    """By that which came past it, not by one whose limit ended it before."""
    await write(store, 2, "archived", every=1)
    await store.command("ZADD", f"{ROOT}archived", NOON, "000000-gone")
    found = await inspector.search(filter, limit=1)
    assert (["000000"], (), 1) == (ids(found), found[-1].unread, found[-1].scanned)
    rest = await inspector.search(filter, limit=1, cursor=found[-1].cursor)
    assert (["000001"], 1, 3) == (ids(rest), len(rest[-1].unread), rest[-1].scanned)
    assert "task '000000-gone' in archived" in rest[-1].unread[0]


async def test_a_search_tells_of_what_it_looked_at(inspector: Face, store: Store) -> None:
    """Over all its steps, from its cursor on."""
    await store.command("RPUSH", f"{ROOT}pending", *[f"none{number}" for number in range(600)])
    await store.command("SADD", "asynq:queues", "q")
    found = await inspector.search("state:pending", scan=500)
    assert "500 tasks in pending" in found[-1].unread[0]
    rest = await inspector.search("state:pending", cursor=found[-1].cursor)
    assert "100 tasks in pending, the first 'none99'" in rest[-1].unread[0]


async def test_groups_are_searched_one_by_one(inspector: Face, store: Store) -> None:
    """And those that a filter leaves out are not."""
    for group in ("a", "b"):
        for number in range(3):
            await put_in_group(store, group, f"{group}{number}")
    assert ["b0", "b1", "b2"] == ids(found := await inspector.search("group:b"))
    assert 3 == found[-1].scanned
    parts = await inspector.search("state:aggregating", limit=4)
    assert ["a0", "a1", "a2", "b0"] == ids(parts)
    assert ["b1", "b2"] == ids(await inspector.search("state:aggregating", cursor=parts[-1].cursor))


async def test_nothing_is_written(inspector: Face, store: Store) -> None:
    """A search may be made by an account that only reads."""
    for state in STATES:
        await put_in(store, state, state)
    before = await everything(store)
    await inspector.search('error:"x" payload.a=1')
    await inspector.select("run", "")
    assert before == await everything(store)


async def test_what_cannot_be_is_refused(inspector: Face, store: Store) -> None:
    """A filter, a number, a cursor of another search, a queue that is not known."""
    await write(store, 10, "archived")
    [part] = await inspector.search("type:mail", limit=1)
    with pytest.raises(InvalidFilter, match=r"column 1\): 'stat' is none"):
        await inspector.search("stat:x")
    with pytest.raises(InvalidTask, match="limit is 0"):
        await inspector.search(limit=0)
    with pytest.raises(InvalidTask, match="of another filter"):
        await inspector.search("type:sms", cursor=part.cursor)
    for cursor in ("x", "AAAA", "ü", part.cursor[:-4]):
        with pytest.raises(InvalidTask, match="that a search returned"):
            await inspector.search("type:mail", cursor=cursor)
    with pytest.raises(QueueNotFound, match="'nowhere' is not known"):
        await inspector.search("queue:nowhere")


async def test_a_cursor_into_what_is_empty_by_now_goes_on_behind_it(inspector: Face, store: Store) -> None:
    """With the next state."""
    await write(store, 10, "retry")
    await put_in(store, "archived", "last")
    parts = await inspector.search("", limit=2)
    await store.command("DEL", f"{ROOT}retry")
    assert ["last"] == ids(await inspector.search(Filter(), cursor=parts[-1].cursor))


PAYLOADS = [
    {"n": 1}, {"n": 2**53 + 1}, {"n": 2**53}, {"n": 1.0}, {"n": 0.1}, {"n": "1"}, {"n": True}, {"n": None},
    {"n": [1, 2]},
    {"user": {"id": 42, "name": "Ada <a@b>"}}, {"user": {"id": 420, "name": "É"}}, {"user": {"id": "42"}}, [{"n": 1}],
    "text", b"\xff\x00", b'{"n":1e0}', b'{"\\u006e":1}', b'{"user":{"name":"\\u0041da"}}', b"{", b"", b'{"n":1}{',
]  # fmt: skip
FILTERS = [
    "payload.n=1", "payload.n=9007199254740993", "payload.n>=1", "payload.n:1", 'payload.n="1"', "payload.n=true",
    "payload.n=null", "payload.n:*", "payload.n.0=1", "-payload.n=1", "payload.0.n=1", "payload.user.id=42",
    "payload.user.id:42*", "payload.user.name:Ada*", 'payload.user.name="Ada <a@b>"', "payload.user.name=É",
    "payload.user.id=420,42", "payload:ADA", "payload:text", "payload:*", "-payload:n", "id:1*", "id:*1*", "-id:*1*",
    "type:t", "type:T", "state:retry,archived", "-state:retry", "error:x", "size>10", "retried>=1", "retried:0",
    "is:undecodable", "-is:undecodable", "header.h:v*", "-header.h:v1", "due>0s", "failed<1s", "age<1d", "age>=0s",
]  # fmt: skip


@pytest.mark.slow
async def test_it_finds_what_a_look_at_every_task_finds(store: Store, clock: Clock) -> None:
    """Whatever the store looks for by itself, and whatever it need not even read."""
    number = 0
    for state in ("pending", "scheduled", "retry", "archived", "completed"):
        for payload in PAYLOADS:
            headers = {"h": f"v{number % 3}"} if number % 2 else {}
            await put_in(store, state, f"{number}", payload, headers=headers)
            number += 1
    packed = msgspec.msgpack.encode({"n": 1, "user": {"id": 42, "name": "Ada"}})
    await put_in(store, "archived", "packed", packed, headers={codecs.HEADER: "msgpack"})
    await store.command("HSET", f"{ROOT}t:bad", "msg", b"\xff", "state", "archived")
    await store.command("ZADD", f"{ROOT}archived", NOON, "bad")
    await clock.advance(2)
    inspector, now = Inspector(store), datetime.fromtimestamp(NOON + 2, UTC)
    everything_there = [
        (info, datetime.fromtimestamp(NOON, UTC) if state == "archived" else None)
        for state in ("pending", "scheduled", "retry", "archived", "completed")
        async for info in inspector.tasks("q", state=state)
    ]
    assert number + 2 == len(everything_there)
    some = 0
    for text in FILTERS:
        wanted = Filter(text)
        expected = [info.id for info, since in everything_there if wanted.matches(info, now=now, since=since)]
        assert expected == ids([part async for part in inspector.search(wanted)]), text
        some += bool(expected)
    assert some > len(FILTERS) - 5


async def test_the_latest_come_first_where_asked(inspector: Face, store: Store) -> None:
    """By a cursor too, whether or not many have one score; a bound of age is kept."""
    await write(store, 1200, "archived", every=10)
    up = ids(await inspector.search("error:refused"))
    assert up[::-1] == ids(await inspector.search("error:refused", latest=True))
    got: list[str] = []
    cursor, scanned = "", 0
    while True:
        parts = await inspector.search("error:refused", limit=7, cursor=cursor, latest=True)
        got += ids(parts)
        cursor, scanned = parts[-1].cursor if parts else "", parts[-1].scanned if parts else scanned
        if not cursor:
            break
    assert (up[::-1], 1200) == (got, scanned)
    [first] = await inspector.search(limit=1)
    with pytest.raises(InvalidTask, match="is of another filter"):
        await inspector.search(cursor=first.cursor, latest=True)
    aged = "age>10s age<15s"
    assert ids(await inspector.search(aged))[::-1] == ids(await inspector.search(aged, latest=True)) != []
    await write(store, 30, "pending", queue="p")
    assert ids(await inspector.search("queue:p")) == ids(await inspector.search("queue:p", latest=True))
