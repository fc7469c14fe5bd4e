"""Failed tasks in groups: of one kind each, counted right, with a filter and a key that find them again."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat.broker import failures
from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.errors import InvalidTask, QueueNotFound
from onebeat.inspector.error_groups import key_of
from onebeat.states import TaskState
from onebeat.wire.message import TaskMessage, encode
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, everything, put_in

HOUR = 3600


async def fail(
    store: Store,
    task_id: str,
    error: str,
    *,
    queue: str = "q",
    state: str = "archived",
    kind: str = "mail",
    at: int = NOON,
    payload: bytes = b"{}",
    score: int | None = None,
) -> None:
    """Write a failed task as asynq does: a message, a state, a place in its sorted set."""
    message = TaskMessage(type=kind, payload=payload, id=task_id, queue=queue, retry=25, error_msg=error)
    message.last_failed_at = at
    root = f"asynq:{{{queue}}}:"
    await store.command("SADD", "asynq:queues", queue)
    await store.command("HSET", f"{root}t:{task_id}", "msg", encode(message), "state", state)
    await store.command("ZADD", root + state, at if score is None else score, task_id)


def counts(found: Any) -> dict[str, int]:
    return {f"{group.type} {group.error_class} {group.message}": group.count for group in found.groups}


async def test_tasks_of_one_kind_are_a_group(inspector: Face, store: Store, clock: Clock) -> None:
    """Of one type, class and message but for what differs; the largest first."""
    for number in range(3):
        await fail(store, f"a{number}", f"dial tcp 10.0.0.{number}:5432: connect: connection refused")
    await fail(store, "b", "ValueError: no user 7", state="retry")
    await fail(store, "c", "ValueError: no user 8", queue="low")
    await fail(store, "d", "ValueError: no user 9", kind="sms")
    found = await inspector.errors()
    assert {
        "mail  dial tcp <address>: connect: connection refused": 3,
        "mail ValueError no user <n>": 2,
        "sms ValueError no user <n>": 1,
    } == counts(found)
    assert (6, 6, 6, 0, 0, True) == (
        found.tasks, found.scanned, found.total, found.left_out, found.without_error, found.is_whole
    )  # fmt: skip
    group = found.groups[1]
    assert {"q": 1, "low": 1} == group.queues
    assert {TaskState.RETRY: 1, TaskState.ARCHIVED: 1} == group.states
    assert {("q", "b"), ("low", "c")} == set(group.samples)
    assert group.sample in ("ValueError: no user 7", "ValueError: no user 8")


async def test_what_all_of_a_group_say_is_kept_as_it_is(inspector: Face, store: Store, clock: Clock) -> None:
    """The one word that tells what to do; of those that differ there is none, and the key is the same either way."""
    trace = "Traceback (most recent call last):\n  File \"a.py\", line {}, in f\nKeyError: 'customer_id'"
    for number, error in enumerate(("KeyError: 'customer_id'", trace.format(7), trace.format(9))):
        await fail(store, f"a{number}", error)
    [same] = (await inspector.errors()).groups
    assert ("KeyError", "<text>", "'customer_id'", 3) == (same.error_class, same.message, same.words, same.count)
    await fail(store, "b", "KeyError: 'order_id'")
    [differing] = (await inspector.errors()).groups
    assert (same.key, "<text>", "", 4) == (differing.key, differing.message, differing.words, differing.count)


async def test_it_says_when(inspector: Face, store: Store, clock: Clock) -> None:
    """The first and last failure, and how many of each hour of a day; where no time is noted, the archive's."""
    for number, ago in enumerate((0, 60, HOUR, 5 * HOUR, 23 * HOUR, 24 * HOUR, 90 * HOUR)):
        await fail(store, f"{number}", "no", at=NOON - ago)
    await fail(store, "undated", "no", at=0, score=NOON - 5 * HOUR)
    [group] = (await inspector.errors()).groups
    assert (NOON - 90 * HOUR, NOON) == (int(group.first.timestamp()), int(group.last.timestamp()))
    assert 24 == len(group.hours)
    assert {23: 2, 22: 1, 18: 2, 0: 1} == {hour: count for hour, count in enumerate(group.hours) if count}


async def test_what_was_archived_by_hand_is_no_error(inspector: Face, store: Store, clock: Clock) -> None:
    """It is counted apart."""
    await put_in(store, "scheduled", "a")
    await inspector.archive("q", "a")
    await fail(store, "b", "", at=NOON)
    found = await inspector.errors()
    assert (1, 1) == (found.tasks, found.without_error)
    assert ["mail  "] == list(counts(found))


@pytest.mark.parametrize(
    "error",
    [
        "no user 7", 'say "x", \'y\' * z\\', "a:b,c  d\n\te", "-queue:q error:x", "\u202eevil</script>\x00\x01",
        "*" * 50, "ключ 12 \ud83d".encode("utf-8", "replace").decode(), "x" * 250,
        "Traceback (most recent call last):\n  f\nE2Error: 5",
    ],
)  # fmt: skip
async def test_the_filter_of_a_group_finds_it(inspector: Face, store: Store, clock: Clock, error: str) -> None:
    """Whatever its text; and its key tells it from what else the filter finds."""
    hostile = "mail:\"*, '\\<b>"
    await fail(store, "one", error, kind=hostile)
    await fail(store, "other", f"{error} but otherwise", kind=hostile)
    await fail(store, "elsewhere", error, kind="mail")
    groups = {group.samples[0][1]: group for group in (await inspector.errors()).groups}
    found = [info for part in await inspector.search(groups["one"].filter) for info in part.tasks]
    assert "one" in {info.id for info in found} <= {"one", "other"}
    assert {"one"} <= {info.id for info in found if key_of(info) == groups["one"].key}


async def test_a_filter_says_which(inspector: Face, store: Store, clock: Clock) -> None:
    """Also by what stands in the payload, which is not read otherwise."""
    await fail(store, "a", "no 1", payload=b'{"n":1}')
    await fail(store, "b", "no 2", payload=b'{"n":2}', queue="low")
    for text, sample in (("payload.n=2", "b"), ("queue:q", "a"), ("size>5 id:a", "a"), ("failed>-1s id:b", "b")):
        [group] = (await inspector.errors(text)).groups
        assert [sample] == [id_ for _, id_ in group.samples]
        assert text in group.filter
    assert () == (await inspector.errors("state:pending")).groups
    with pytest.raises(QueueNotFound):
        await inspector.errors("queue:nowhere")


async def test_payloads_do_not_cross_the_wire(inspector: Face, store: Store, clock: Clock) -> None:
    """Unless the filter looks at them; all else of the message does, and damage is given as it is."""
    await fail(store, "a", "no", payload=b"x" * 300_000)
    await store.command("HSET", "asynq:{q}:t:b", "msg", b"\x0a\x02no\x12\xff\xff\xff\xff\x0f", "state", "archived")
    await store.command("ZADD", "asynq:{q}:archived", NOON, "b")

    async def look(*, whole: bool) -> dict[str, bytes]:
        step = failures.look("q", TaskState.ARCHIVED, score="", task_id=b"", limit=10, whole=whole)
        return {id_: raw.message for id_, _, raw in (await store.run(step)).tasks}

    some, all_ = await look(whole=False), await look(whole=True)
    assert b"x" * 300_000 in all_["a"]
    assert TaskMessage(type="mail", id="a", queue="q", retry=25, error_msg="no", last_failed_at=NOON) == (
        TaskMessage.FromString(some["a"])
    )
    assert all_["b"] == some["b"] == b"\x0a\x02no\x12\xff\xff\xff\xff\x0f"


@pytest.mark.parametrize("score", [NOON, None])
async def test_every_task_is_looked_at_once(inspector: Face, store: Store, clock: Clock, score: int | None) -> None:
    """In steps, whether or not many have one score, and whatever their ids are."""
    await store.command("SADD", "asynq:queues", "q")
    commands: list[list[Any]] = []
    for number in range(1100):
        id_ = b"%d\xff\x80" % number
        message = TaskMessage(type="t", id="x", queue="q", error_msg=f"kind {'abcde'[number % 5]}")
        commands.append(["HSET", b"asynq:{q}:t:" + id_, "msg", encode(message), "state", "archived"])
        commands.append(["ZADD", "asynq:{q}:archived", score or NOON - number, id_])
    await store.commands(commands)
    found = await inspector.errors(scan=5000)
    assert (1100, 1100, True) == (found.scanned, found.total, found.is_whole)
    assert {f"t  kind {letter}": 220 for letter in "abcde"} == counts(found)


async def test_of_many_each_queue_is_seen_in_part(
    inspector: Face, store: Store, clock: Clock, scripts: list[Call[Any]]
) -> None:
    """The latest of each, within the bound, and it says how far it came."""
    for queue in ("a", "b", "c"):
        for number in range(60):
            await fail(store, f"{number}", f"{queue} no", queue=queue, at=NOON - number)
    found = await inspector.errors(scan=60)
    assert {"mail  a no": 20, "mail  b no": 20, "mail  c no": 20} == counts(found)
    assert (60, 180, False) == (found.scanned, found.total, found.is_whole)
    assert {NOON - 19} == {int(group.first.timestamp()) for group in found.groups}
    everything_found = await inspector.errors(limit=2)
    assert (2, 1, 180) == (len(everything_found.groups), everything_found.left_out, everything_found.tasks)


async def test_queues_that_may_not_be_seen_are_not_looked_in(inspector: Face, store: Store, clock: Clock) -> None:
    """Nor named, nor counted."""
    await fail(store, "a", "no", queue="open")
    await fail(store, "b", "no", queue="secret")
    found = await inspector.errors(queues=lambda queue: queue == "open")
    assert (1, {"open": 1}) == (found.total, found.groups[0].queues)
    with pytest.raises(QueueNotFound, match=r"'secret' is not known here: there are open$"):
        await inspector.errors("queue:secret", queues=lambda queue: queue == "open")


async def test_a_queue_that_cannot_be_read_fails_alone(inspector: Face, store: Store, clock: Clock) -> None:
    """It is named, with why."""
    await fail(store, "a", "no")
    await store.command("SADD", "asynq:queues", "bad")
    await store.command("SET", "asynq:{bad}:retry", "x")
    found = await inspector.errors()
    assert {"mail  no": 1} == counts(found)
    assert ["bad"] == list(found.refused)
    assert "WRONGTYPE" in found.refused["bad"]


async def test_nothing_is_written(inspector: Face, store: Store, clock: Clock) -> None:
    """It only looks."""
    await fail(store, "a", "no")
    before = await everything(store)
    await inspector.errors()
    assert before == await everything(store)


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 2001}, {"scan": 0}, {"scan": True}, {"scan": 1_000_001}])
async def test_a_bad_number_is_refused(inspector: Face, asked: dict[str, Any]) -> None:
    """With what it may be."""
    with pytest.raises(InvalidTask, match=r"is \S+: give a whole number from 1 to"):
        await inspector.errors(**asked)
