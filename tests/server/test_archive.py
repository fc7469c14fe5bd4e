"""What archives keep is a setting of the servers, which every script that archives respects (SE-27)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.broker.consume import Outcome
from onebeat.broker.maintain import ArchiveLimits, maintain
from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.server.config import ServerConfig
from onebeat.upkeep.maintainer import Maintainer
from tests.anywhere import everywhere
from tests.broker.test_scripts_consume import end, grab, outcome, put
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench, until

Q = "q"
LIMITS = f"onebeat:{{{Q}}}:limits"
ARCHIVED = f"asynq:{{{Q}}}:archived"


async def fill(store: Store, count: int, *, age_s: int = 0) -> None:
    """Archive tasks, the first the oldest, and their records."""
    for number in range(count):
        await store.command("ZADD", ARCHIVED, NOON - age_s - count + number, f"old{number}")
        await store.command("HSET", f"asynq:{{{Q}}}:t:old{number}", "msg", "x", "state", "archived")


async def say(store: Store, **limits: int) -> int:
    """Have a server maintain the queue; returns how much it deleted."""
    return (await store.run(maintain(Q, max_crashes=5, archive=ArchiveLimits(**limits)))).expired


async def kept(store: Store) -> list[str]:
    """Return what is in the archive, having made sure that the records are the same."""
    ids = [id_.decode() for id_ in await store.command("ZRANGE", ARCHIVED, 0, -1)]
    records = await everywhere(store, "KEYS", f"asynq:{{{Q}}}:t:*")
    assert sorted(ids) == sorted(key.decode().rpartition(":")[2] for key in records)
    return ids


async def archive(store: Store) -> None:
    """Have a task fail for the last time."""
    await put(store, "new")
    await grab(store)
    assert ["applied"] == await end(store, outcome(Outcome.ARCHIVED, "new", head=b"x"))


async def test_an_archive_keeps_so_many(store: Store, clock: Clock) -> None:
    """The oldest go, with their records, as soon as one more comes."""
    await say(store, size=3)
    await fill(store, 3)
    await archive(store)
    assert ["old1", "old2", "new"] == await kept(store)


async def test_an_archive_keeps_for_so_long(store: Store, clock: Clock) -> None:
    """To the second, as asynq does."""
    await say(store, age_s=60)
    await fill(store, 2, age_s=58)
    await archive(store)
    assert ["old1", "new"] == await kept(store)


async def test_an_archive_without_limits_keeps_everything(store: Store, clock: Clock) -> None:
    """However many, however old."""
    await say(store, size=0, age_s=0)
    await store.command("ZADD", ARCHIVED, *[item for n in range(10_000) for item in (1 + n, f"x{n}")])
    await put(store, "new")
    await grab(store)
    await end(store, outcome(Outcome.ARCHIVED, "new", head=b"x"))
    assert 10_001 == await store.command("ZCARD", ARCHIVED)


async def test_expired_tasks_obey_the_limits(store: Store, clock: Clock) -> None:
    """They are archived by whoever meets them."""
    await say(store, size=2)
    await fill(store, 2)
    await put(store, "late", expires="+1000")
    await clock.advance(5)
    await grab(store)
    assert ["old1", "late"] == await kept(store)


async def test_crashed_tasks_obey_the_limits(store: Store, clock: Clock) -> None:
    """They are archived by whoever recovers them."""
    await say(store, size=2)
    await fill(store, 2)
    await put(store, "dead")
    await grab(store, lease_ms=1000)
    for _ in range(8):
        await clock.advance(1)
        await store.run(maintain(Q, max_crashes=1))
    assert ["old1", "dead"] == await kept(store)


async def test_a_lower_limit_is_reached_in_small_steps(store: Store, clock: Clock) -> None:
    """A hundred a call, so that no call is long; the maintainer goes on until it is done (SE-09, SE-10)."""
    await fill(store, 250)
    assert [100, 100, 45, 0] == [await say(store, size=5) for _ in range(4)]
    assert [f"old{n}" for n in range(245, 250)] == await kept(store)


async def test_age_and_size_share_the_steps(store: Store, clock: Clock) -> None:
    """Together no more than a hundred a call."""
    await fill(store, 60, age_s=1000)
    await store.command("ZADD", ARCHIVED, *[item for n in range(60) for item in (NOON + n, f"young{n}")])
    assert 100 == await say(store, size=5, age_s=500)
    assert 20 == await store.command("ZCARD", ARCHIVED)


async def test_the_limits_stand_where_scripts_find_them(store: Store, clock: Clock) -> None:
    """As the last server said; those of asynq need no key, and upkeep by who has no say changes nothing."""
    await say(store, size=3, age_s=60)
    assert [b"3", b"60"] == await store.command("HMGET", LIMITS, "size", "age")
    await store.run(maintain(Q, max_crashes=5))
    await say(store, size=4, age_s=60)
    assert [b"4", b"60"] == await store.command("HMGET", LIMITS, "size", "age")
    await say(store)
    assert 0 == await store.command("EXISTS", LIMITS)


async def test_a_server_says_its_limits_before_it_archives(bench: Bench) -> None:
    """A task that fails at once does not cost an archive that is to keep everything."""
    ids = [item for n in range(10_000) for item in (1 + n, f"x{n}")]
    await bench.store.command("ZADD", "asynq:{default}:archived", *ids)

    @bench.mux.handle("fails")
    async def fails(ctx: Any, task: Any) -> None:
        raise ValueError

    await bench.enqueue("fails", max_retry=0)
    async with bench.serving(archive_max_size=None, archive_max_age=0):
        await bench.reaches(archived=10_001)


async def test_a_server_trims_what_is_too_much_when_it_starts(bench: Bench) -> None:
    """Also in queues where nothing happens."""
    ids = [item for n in range(350) for item in (2_000_000_000 + n, f"x{n}")]
    await bench.store.command("ZADD", "asynq:{default}:archived", *ids)
    async with bench.serving(archive_max_size=10, archive_max_age=timedelta(days=36_500)):
        await bench.reaches(archived=10)


async def test_a_maintainer_without_limits_says_none(bench: Bench) -> None:
    """As that of a process that only has schedules."""
    await bench.store.command("HSET", "onebeat:{default}:limits", "size", 3, "age", 0)
    maintainer = Maintainer(bench.store, ["default"])
    await maintainer.say_limits()
    await maintainer.look("default")

    async def stands() -> bool:
        said: list[bytes] = await bench.store.command("HMGET", "onebeat:{default}:limits", "size", "age")
        return said == [b"3", b"0"]

    await until(stands)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ArchiveLimits(9_999, 7_776_000)),
        ({"archive_max_size": None, "archive_max_age": None}, ArchiveLimits(0, 0)),
        ({"archive_max_size": 0, "archive_max_age": 0}, ArchiveLimits(0, 0)),
        ({"archive_max_size": 5, "archive_max_age": timedelta(hours=1)}, ArchiveLimits(5, 3600)),
        ({"archive_max_age": 0.5}, ArchiveLimits(9_999, 1)),
    ],
)
def test_settings_are_limits(settings: dict[str, Any], expected: ArchiveLimits) -> None:
    """asynq's unless told otherwise; None and 0 are none, and no second is cut off."""
    assert expected == ServerConfig(**settings).archive


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"archive_max_size": -1}, "archive_max_size is -1: give a whole number from 1, or 0 for no limit"),
        ({"archive_max_size": True}, "archive_max_size is True"),
        ({"archive_max_age": "1h"}, "archive_max_age is '1h': give seconds or a timedelta, or 0 for no limit"),
        ({"archive_max_age": -5}, "archive_max_age is -5"),
        ({"max_soft_failures": None}, "max_soft_failures is None"),
        ({"hook_timeout": 0}, "hook_timeout is 0 s: give more than 0"),
        ({"health_interval": "15"}, "health_interval is '15' s"),
        ({"log_level": "loud"}, "log_level is 'loud': give one of debug, info"),
        ({"log_level": True}, "log_level is True"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    """With the value and the remedy."""
    with pytest.raises(ConfigurationError, match=words):
        ServerConfig(**settings)


async def test_an_application_has_settings_for_its_servers(url: str) -> None:
    """They hold wherever it is served, unless it is told otherwise there."""
    app = Onebeat("shop", url=url, server={"archive_max_size": 5, "concurrency": 3})

    @app.task()
    async def work() -> None: ...

    async with app.serving(concurrency=2) as serving:
        assert (5, 2) == (serving.config.archive_max_size, serving.config.concurrency)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"archive_max_size": -1}, "archive_max_size is -1"),
        ({"sise": 1}, "setting sise is unknown"),
        (5, "server is 5"),
    ],
)
def test_settings_of_an_application_are_looked_at_where_they_are_written(settings: Any, words: str) -> None:
    """Before anything is served."""
    with pytest.raises(ConfigurationError, match=words):
        Onebeat("shop", server=settings)
