"""The doctor in a system of asynq's: what asynq alone wrote is well, and what it leaves behind is found and mended."""

from __future__ import annotations

import pytest

from onebeat.inspector.checks.finding import Diagnosis, Finding
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from tests.interop.populated import shows_servers
from tests.interop.sides import Go
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
ROOT = "asynq:{mail}:"


async def damage(bench: Bench) -> Diagnosis:
    async with Inspector(bench.store) as inspector:
        return await inspector.diagnose()


async def test_what_asynq_wrote_is_no_damage(go: Go, bench: Bench) -> None:
    """Tasks in every state, of its client and its server: nothing is to be repaired, and every check is made."""
    await go.enqueue("t", b"x", queue="mail", task_id="pending")
    await go.enqueue("t", b"x", queue="mail", task_id="scheduled", process_in=3600)
    await go.enqueue("t", b"x", queue="mail", task_id="unique", unique=3600)
    await go.enqueue("t", b"x", queue="mail", task_id="member", group="g")
    await go.enqueue("later", b"x", queue="low", task_id="retry", max_retry=3)
    await go.enqueue("skip", b"x", queue="low", task_id="archived")
    await go.enqueue("ok", b"x", queue="low", task_id="completed", retention=3600)
    async with go.serving(queues={"low": 1}):
        await bench.reaches("low", retry=1, archived=1, completed=1)
        await until(lambda: shows_servers(bench, 1))  # which a server of Go's says beside its work
        found = await damage(bench)
    assert () == found.not_checked
    assert [] == [one for one in found.findings if one.repair]
    assert {"queue mail"} == {one.subject for one in found.findings if one.check == "queue-without-server"}
    assert [] == [one for one in found.findings if one.check in ("type-without-handler", "clock-skew")]
    async with Inspector(bench.store) as inspector:
        assert [] == await inspector.repair()


async def test_what_asynq_cannot_see_is_lost_no_more(go: Go, bench: Bench) -> None:
    """Records without an entry, ids without a record, a task without a lease: after a repair a Go server runs them."""
    for name in ("lost", "leaseless", "plain"):
        await go.enqueue("t", b"x", queue="mail", task_id=name)
    await bench.store.command("LREM", ROOT + "pending", 0, "lost")
    await bench.store.command("RPUSH", ROOT + "pending", "ghost")
    await bench.store.command("SREM", "asynq:queues", "mail")
    async with Inspector(bench.store) as inspector:
        mended = {one.name: one.deed for one in await inspector.repair()}
    assert {"lost": "pending", "ghost": "dropped", "mail": "listed"} == mended
    async with go.serving(queues={"mail": 1}) as run:
        assert {"lost", "leaseless", "plain"} == {(await run.ran()).id for _ in range(3)}
    assert {"mail"} == await go.inspector.queues()


async def test_two_schedulers_of_go_fire_twice(go: Go, bench: Bench) -> None:
    """Each knows nothing of the other; it is an error, until one of them is stopped."""
    found: list[Finding] = []

    async def are_found() -> bool:
        """Both at once: each is listed for two seconds, and says anew every second that it is there."""
        nonlocal found
        found = [one for one in (await damage(bench)).findings if one.check == "schedule-twice"]
        return bool(found)

    async with go.scheduling("@every 30s", "tick", b"x", queue="beat"):
        async with go.scheduling("@every 30s", "tick", b"x", queue="beat"):
            await until(are_found, 100)
            assert 1 == len(found)
            assert "each tick fires 2 times: 2 schedulers keep it" in found[0].text
        found_later = await damage(bench)
    assert [] == [one for one in found_later.findings if one.check == "schedule-twice"]


async def test_what_asynq_leaves_when_it_trims_its_archive_is_deleted(go: Go, bench: Bench) -> None:
    """Its inspector archives all, keeps 9,999, and leaves the records of the others, whose ids stay taken."""
    await bench.client.enqueue_many([Task("t", task_id=f"t{number}") for number in range(10_020)])
    assert 10_020 == await go.inspector.do_all("archive", "pending")
    async with Inspector(bench.store) as inspector:
        [finding] = (await inspector.diagnose(["lost-record"])).findings
        assert finding.text.startswith("21 tasks have a record and are in no list: ")
        assert finding.repair.startswith("21: it is deleted")
        assert {"deleted"} == {one.deed for one in await inspector.repair(["lost-record"])}
        assert (9_999, 9_999) == ((await inspector.stats("default")).archived, await records(bench))
        [full] = (await inspector.diagnose(["archive-nearly-full"])).findings
    assert "9,999 of the 9,999 tasks that it keeps: each that is archived now deletes the oldest" in full.text


async def records(bench: Bench) -> int:
    return len(await bench.store.command("KEYS", "asynq:{default}:t:*"))
