"""The shop, on the real engine, with no sleeping."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from shop.billing import charge, closed_accounts
from shop.mailer import Mailer
from shop.signup import greet_all, signup, view
from shop.tasks import State, app, encode, send_welcome, thumbnail

from onebeat import ResultNotKept, TaskState
from onebeat.testing import Testing


async def test_a_signup_greets_twice(t: Testing[State], mailer: Mailer) -> None:
    """Now, and in two seconds."""
    await signup(42)
    assert send_welcome.bind(42, locale="uk") in t.enqueued(send_welcome)
    await t.drain()
    assert [(42, "uk")] == mailer.sent
    await t.advance(2)
    assert [(42, "uk"), (42, "en")] == mailer.sent
    assert 0 == (await t.drain()).archived


async def test_the_function_stays_callable_as_written(t: Testing[State]) -> None:
    """With a context of the kit's."""
    assert "sent" == await send_welcome(t.context(), 42)


async def test_the_second_greeting_is_known_by_its_id(t: Testing[State]) -> None:
    """Its handle waits for the receipt: time moves meanwhile."""
    handle = send_welcome.handle(await signup(7), queue="critical")
    assert "hi:7" == handle.id
    assert TaskState.SCHEDULED is (await handle.info()).state
    assert "sent" == await handle.result(timeout=5)


async def test_user_zero_is_archived_at_once(t: Testing[State]) -> None:
    """No retry is spent on him."""
    await send_welcome.enqueue(0)
    assert 1 == (await t.drain()).archived


async def test_many_users_are_greeted(t: Testing[State], mailer: Mailer) -> None:
    """In one go."""
    assert 1_000 == await greet_all(1_000)
    assert 1_000 == (await t.drain()).completed
    assert 1_000 == len(mailer.sent)


async def test_a_closed_account_is_asked_again(t: Testing[State]) -> None:
    """Every half minute, without counting it as a failure."""
    closed_accounts.add(7)
    handle = await charge.enqueue(7, cents=250)
    await t.drain()
    info = await handle.info()
    assert (TaskState.RETRY, 0) == (info.state, info.retried)
    closed_accounts.clear()
    await t.advance(30)
    assert 250 == await handle.result(timeout=0)


async def test_bytes_stay_bytes() -> None:
    """The whole payload is the image, and so is the result."""
    async with app.testing():
        handle = await thumbnail.enqueue(b"\x89PNG\r\n\x1a\n and more")
        assert b"\x89PNG\r\n\x1a\n" == await handle.result(timeout=5)


async def test_a_video_waits_for_a_go_server(t: Testing[State]) -> None:
    """Its fields are named as Go names them; nobody here runs it, and no result is kept."""
    handle = await encode.enqueue("https://a.b/c.mp4", max_width=720)
    assert b'{"Url":"https://a.b/c.mp4","MaxWidth":720}' == (await handle.info()).payload
    with pytest.raises(ResultNotKept):
        await handle.result()


async def test_reports_tick() -> None:
    """Four ticks in six seconds, and one of each calendar at its time."""
    start = datetime(2026, 11, 23, 1, 59, 55, tzinfo=UTC)  # five seconds before 3:00 on a Monday in Berlin
    async with app.testing(start=start) as t:
        done = await t.advance(6)
        assert 4 + 1 + 1 == done.completed
        assert {"tick in Kyiv", "tick in Lviv"} == {attempt.result for attempt in done.attempts}


def test_a_view_waits_for_its_receipt() -> None:
    """From code that blocks."""
    with app.testing(state=State(Mailer())):
        assert "sent" == view(42)
