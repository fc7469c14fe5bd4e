"""Who is signed in to consoles: listed, seen again, ended, and bounded in every way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from onebeat.broker import sessions
from onebeat.broker.store import Store
from onebeat.errors import InvalidTask
from onebeat.inspector import signing
from onebeat.inspector.signing import ConsoleSession
from onebeat.inspector.steps import follow
from onebeat.wire import keys
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face

HOUR = 3_600_000
BEGUN = NOON * 1000


def id_of(number: int) -> str:
    return f"{number:032x}"


async def see(store: Store, number: int, user: str = "ann", begun: int = BEGUN, address: str = "10.0.0.1") -> bool:
    """Have a session seen; returns whether it is on."""
    is_on, _ = await follow(store, signing.see(user, id_of(number), begun, begun + 12 * HOUR, "password", address))
    return is_on


async def test_a_session_is_listed_once_it_was_seen(inspector: Face, store: Store, clock: Clock) -> None:
    """With since when, from where, and when it was seen last, to the minute."""
    assert await see(store, 1)
    await clock.advance(59)
    assert await see(store, 1, address="10.0.0.2")
    noon = datetime.fromtimestamp(NOON, UTC)
    one = ConsoleSession(
        user="ann", id=id_of(1), way="password", address="10.0.0.1", begun_at=noon, seen_at=noon,
        until=noon + timedelta(hours=12),
    )  # fmt: skip
    assert [one] == await inspector.console_sessions("ann") == await inspector.console_sessions()
    await clock.advance(1)
    assert await see(store, 1, address="10.0.0.2")
    [seen] = await inspector.console_sessions("ann")
    assert ("10.0.0.2", noon + timedelta(minutes=1), noon) == (seen.address, seen.seen_at, seen.begun_at)


async def test_sessions_of_all_are_listed_the_latest_seen_first(inspector: Face, store: Store, clock: Clock) -> None:
    """A user's own, if one is named."""
    for number, user in enumerate(("ann", "bob", "ann")):
        await clock.advance(1)
        await see(store, number, user)
    assert ["ann", "bob", "ann"] == [one.user for one in await inspector.console_sessions()]
    assert [id_of(2), id_of(0)] == [one.id for one in await inspector.console_sessions("ann")]
    assert [] == await inspector.console_sessions("carl")


async def test_one_session_is_ended(inspector: Face, store: Store, clock: Clock) -> None:
    """The others of the user stay on; it does not come back, however often it is seen or ended."""
    assert (True, True) == (await see(store, 1), await see(store, 2))
    assert 1 == await inspector.end_console_sessions("ann", session=id_of(1))
    assert 0 == await inspector.end_console_sessions("ann", session=id_of(1))
    assert 0 == await inspector.end_console_sessions("ann", session=id_of(9))
    assert (False, True) == (await see(store, 1), await see(store, 2))
    assert [id_of(2)] == [one.id for one in await inspector.console_sessions()]


async def test_all_sessions_of_a_user_are_ended(inspector: Face, store: Store, clock: Clock) -> None:
    """Also those in no list, and those of a process whose clock is ahead; nobody else's."""
    await see(store, 1)
    await see(store, 2, begun=BEGUN + 5000)
    await see(store, 3, "bob")
    assert 2 == await inspector.end_console_sessions("ann")
    found = [await see(store, number, begun=begun) for number, begun in ((1, BEGUN), (2, BEGUN + 5000), (4, BEGUN))]
    assert [False, False, False] == found
    assert await see(store, 3, "bob")
    assert await see(store, 5, begun=BEGUN + 5001)
    assert {id_of(3), id_of(5)} == {one.id for one in await inspector.console_sessions()}


async def test_what_is_over_is_forgotten(inspector: Face, store: Store, clock: Clock) -> None:
    """By the list at once, by the hash as the next session begins, and by the store a while after the last."""
    await see(store, 1)
    await see(store, 2)
    await inspector.end_console_sessions("ann", session=id_of(2))
    await clock.advance(12 * 3600 + 1)
    assert [] == await inspector.console_sessions("ann")
    assert await see(store, 3, begun=BEGUN + 13 * HOUR)
    assert 1 == await store.command("HLEN", keys.sessions("ann"))
    for key in (keys.SESSIONS, keys.sessions("ann")):
        assert 12 * HOUR < await store.command("PTTL", key) <= sessions.KEPT_MS


async def test_of_too_many_the_oldest_are_ended(inspector: Face, store: Store, clock: Clock) -> None:
    """So that one who signs in again and again neither fills the store nor brings an ended session back."""
    await see(store, 0)
    await inspector.end_console_sessions("ann", session=id_of(0))
    for number in range(1, sessions.MOST + 2):
        assert await see(store, number, begun=BEGUN + number)
    assert [False, False, True] == [await see(store, number, begun=BEGUN + number) for number in (0, 1, 2)]
    assert sessions.MOST + 1 == await store.command("HLEN", keys.sessions("ann"))  # with the instant


async def test_what_is_damaged_is_no_session(inspector: Face, store: Store, clock: Clock) -> None:
    """And harms none."""
    await see(store, 1)
    for number, value in enumerate(("", "x", "1 2", "-", "1 2 3", "a b c d e", "9" * 40 + " 1 2 w a", "\xff"), 10):
        await store.command("HSET", keys.sessions("ann"), id_of(number), value)
    assert [id_of(1)] == [one.id for one in await inspector.console_sessions()]
    assert 1 == await inspector.end_console_sessions("ann")


@pytest.mark.parametrize(("user", "session"), [("", ""), ("ann", "before"), ("ann", "x"), (3, "")])
async def test_what_names_no_session_is_refused(inspector: Face, user: str, session: str) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidTask):
        await inspector.end_console_sessions(user, session=session)
