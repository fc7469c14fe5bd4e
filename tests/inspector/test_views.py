"""Saved views: listed, saved, renamed, moved, replaced, deleted, and bounded in every way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat import SavedView
from onebeat.broker import views
from onebeat.broker.call import Call
from onebeat.broker.spoiled import Spoiled
from onebeat.broker.store import Store
from onebeat.errors import InvalidFilter, InvalidTask, WrongState
from onebeat.wire import keys
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face

DAY = 86_400_000


async def names(inspector: Face, user: str = "") -> list[tuple[str, str]]:
    """Return whose each view is, and its name."""
    return [(one.user, one.name) for one in await inspector.views(user)]


async def test_a_view_is_found_again_by_whom_it_belongs_to(inspector: Face, clock: Clock) -> None:
    """As it was written, with who saved it and when; and those that all share behind one's own."""
    own = await inspector.save_view(" Failed  mails ", " type:mail:*  age<1d ", user="ann", by="ann")
    noon = datetime.fromtimestamp(NOON, UTC)
    expected = SavedView(
        name="Failed mails", query="type:mail:*  age<1d", user="ann", saved_by="ann", saved_at=noon, stamp=own.stamp
    )
    assert expected == own
    shared = await inspector.save_view("all", "state:retry", by="bob")
    assert (False, True) == (own.is_shared, shared.is_shared)
    assert [own, shared] == await inspector.views("ann")
    assert [shared] == await inspector.views("bob") == await inspector.views()


async def test_views_stand_by_their_names(inspector: Face, clock: Clock) -> None:
    """Whatever the case; in two places there may be the same."""
    for name in ("beta", "Alpha", "alpha", "gamma"):
        await inspector.save_view(name, "state:retry", by="ann")
    await inspector.save_view("beta", "state:retry", by="ann", user="ann")
    assert [("ann", "beta"), ("", "Alpha"), ("", "alpha"), ("", "beta"), ("", "gamma")] == await names(inspector, "ann")


async def test_all_are_read_in_one_round_trip(inspector: Face, scripts: list[Call[Any]], clock: Clock) -> None:
    """However many there are."""
    for number in range(3):
        await inspector.save_view(f"v{number}", "state:retry", by="ann", user="ann" if number else "")
    scripts.clear()
    await inspector.views("ann")
    assert ["views"] == [call.script for call in scripts]


async def test_a_name_that_is_taken_is_not_replaced_by_mistake(inspector: Face, clock: Clock) -> None:
    """Only by who has seen what it replaces, or wants to whatever it is."""
    first = await inspector.save_view("v", "state:retry", by="ann")
    with pytest.raises(WrongState, match="name 'v' is taken by another view"):
        await inspector.save_view("v", "state:active", by="bob")
    second = await inspector.save_view("v", "state:active", by="bob", over=first.stamp)
    with pytest.raises(WrongState, match="is taken"):
        await inspector.save_view("v", "state:archived", by="ann", over=first.stamp)
    assert [second] == await inspector.views()
    third = await inspector.save_view("v", "state:archived", by="ann", over="*")
    assert [third] == await inspector.views()
    with pytest.raises(WrongState, match="'w' that was to be replaced is gone"):
        await inspector.save_view("w", "state:retry", by="ann", over=first.stamp)


async def test_a_view_is_changed_and_renamed(inspector: Face, clock: Clock) -> None:
    """In one step; who has seen what it was before that is refused."""
    one = await inspector.save_view("v", "state:retry", by="ann", user="ann")
    two = await inspector.save_view("v", "state:active", by="ann", user="ann", over=one.stamp, was=one)
    assert [two] == await inspector.views("ann")
    three = await inspector.save_view("w", "state:active", by="ann", user="ann", was=two)
    assert [three] == await inspector.views("ann")
    for gone in (one, two):
        with pytest.raises(WrongState, match="'v' was changed or deleted meanwhile"):
            await inspector.save_view("x", "state:retry", by="ann", user="ann", was=gone)
    assert [three] == await inspector.views("ann")


async def test_a_renamed_view_takes_nobodys_place(inspector: Face, clock: Clock) -> None:
    """Both stay as they were."""
    one = await inspector.save_view("v", "state:retry", by="ann")
    other = await inspector.save_view("w", "state:active", by="ann")
    with pytest.raises(WrongState, match="'w' is taken"):
        await inspector.save_view("w", "state:retry", by="ann", was=one)
    assert [one, other] == await inspector.views()


async def test_a_view_of_ones_own_is_shared_and_taken_back(inspector: Face, clock: Clock) -> None:
    """It is in one place at a time."""
    own = await inspector.save_view("v", "state:retry", by="ann", user="ann")
    shared = await inspector.save_view("v", "state:retry", by="ann", was=own)
    assert [("", "v")] == await names(inspector, "ann")
    await inspector.save_view("v", "state:retry", by="ann", user="ann", was=shared)
    assert [("ann", "v")] == await names(inspector, "ann")


async def test_a_view_is_deleted_once(inspector: Face, clock: Clock) -> None:
    """Of whom it belongs to; by who has looked at what it is now."""
    one = await inspector.save_view("v", "state:retry", by="ann", user="ann")
    await inspector.save_view("v", "state:retry", by="ann")
    with pytest.raises(WrongState, match="'v' was changed meanwhile"):
        await inspector.delete_view("v", user="ann", stamp="0" * 16)
    assert await inspector.delete_view("v", user="ann", stamp=one.stamp)
    assert not await inspector.delete_view("v", user="ann")
    assert [("", "v")] == await names(inspector, "ann")
    assert await inspector.delete_view("v")
    assert [] == await inspector.views("ann")


async def test_there_are_so_many_and_no_more(inspector: Face, clock: Clock) -> None:
    """Of one user, and of all together; what is there can still be changed and renamed."""
    for number in range(views.MOST):
        last = await inspector.save_view(f"v{number}", "state:retry", by="ann", user="ann")
    with pytest.raises(WrongState, match="there are 50 views, as many as are kept"):
        await inspector.save_view("more", "state:retry", by="ann", user="ann")
    last = await inspector.save_view(last.name, "state:active", by="ann", user="ann", over=last.stamp)
    last = await inspector.save_view("renamed", "state:active", by="ann", user="ann", was=last)
    assert views.MOST == len(await inspector.views("ann"))
    shared = await inspector.save_view("v1", "state:retry", by="ann")
    with pytest.raises(WrongState, match="there are 50"):
        await inspector.save_view("other", "state:retry", by="ann", user="ann", was=shared)
    assert [shared] == await inspector.views()


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\x00b", "a\u202eb", "a\u200bb", "\ud800", 3, None])
async def test_a_name_that_nobody_could_read_is_refused(inspector: Face, store: Store, name: object) -> None:
    """Before anything is written."""
    with pytest.raises(InvalidTask, match="name of a view is"):
        await inspector.save_view(name, "state:retry", by="ann")
    assert 0 == await store.command("EXISTS", keys.VIEWS)


@pytest.mark.parametrize(
    ("query", "kind", "why"),
    [
        ("", InvalidTask, "has 0 characters"),
        ("state:retry " * 200, InvalidTask, "has 2,399 characters"),
        ("state:asleep", InvalidFilter, "'asleep' is none"),
        ("welcome", InvalidFilter, "has no name and value"),
        ('error:"timed', InvalidFilter, "not closed"),
        ("error:\ud800", InvalidFilter, "UTF-8"),
    ],
)
async def test_a_query_that_is_none_is_refused(
    inspector: Face, store: Store, query: str, kind: type[Exception], why: str
) -> None:
    """By the language of filters, before anything is written."""
    with pytest.raises(kind, match=why):
        await inspector.save_view("v", query, by="ann")
    assert 0 == await store.command("EXISTS", keys.VIEWS)


async def test_what_is_not_understood_says_so(inspector: Face, store: Store, clock: Clock) -> None:
    """A filter of another release, and a record that somebody has spoiled; the others are as they were, and both can
    be replaced or deleted."""
    await inspector.save_view("fine", "state:retry", by="ann")
    await store.command("HSET", keys.VIEWS, "later", f"{NOON}000\nann\ncolour:red")
    spoiling: list[str | bytes] = ["", "x", "1\n2", "x\ny\nz", b"1\nann\n\xff", "9" * 400 + "\na\nb"]
    for number, value in enumerate(spoiling):
        await store.command("HSET", keys.VIEWS, f"spoiled {number}", value)
    await store.command("HSET", keys.VIEWS, b"\xff", f"{NOON}000\nann\nstate:retry")
    fine, later, *spoiled = await inspector.views()
    assert ("fine", "") == (fine.name, fine.problem)
    assert ("colour:red", "ann") == (later.query, later.saved_by)
    assert "'colour' is none" in later.problem
    assert {("", None, "its record is damaged")} == {(one.query, one.saved_at, one.problem) for one in spoiled}
    assert 6 == len(spoiled)
    for one in spoiled:
        assert await inspector.delete_view(one.name, stamp=one.stamp)
    mended = await inspector.save_view("later", "state:active", by="ann", over=later.stamp, was=later)
    assert [fine, mended] == await inspector.views()


async def test_one_key_of_a_foreign_type_leaves_the_other(inspector: Face, store: Store, clock: Clock) -> None:
    """The error names it, with the remedy, and has what could be read."""
    shared = await inspector.save_view("v", "state:retry", by="ann")
    await store.command("SET", keys.views("ann"), "x")
    with pytest.raises(Spoiled, match=r"onebeat:views:\{all\}:of:ann is a string, where a hash belongs") as caught:
        await inspector.views("ann")
    assert [shared] == caught.value.rest
    with pytest.raises(Spoiled, match="RENAMENX"):
        await inspector.save_view("w", "state:retry", by="ann", user="ann")
    assert [shared] == await inspector.views()


async def test_what_nobody_looks_at_ends_after_long(inspector: Face, store: Store, clock: Clock) -> None:
    """A user's views, 400 days after they were looked at last; those that all share stay."""
    await inspector.save_view("v", "state:retry", by="ann", user="ann")
    await inspector.save_view("v", "state:retry", by="ann")
    key = keys.views("ann")
    assert (True, -1) == (399 * DAY < await store.command("PTTL", key), await store.command("PTTL", keys.VIEWS))
    await store.command("PEXPIRE", key, 300 * DAY)
    await inspector.views("ann")
    assert 399 * DAY < await store.command("PTTL", key) <= 400 * DAY


async def test_all_views_are_in_one_slot(inspector: Face, clock: Clock) -> None:
    """Whatever a user is called, so that a script may read or move them together."""
    found = {keys.slot(keys.views(user)) for user in ("", "ann", "a{b}c", "ümlaut {}")}
    assert {keys.slot(keys.VIEWS)} == found
    for user in ("a{b}c", "ümlaut {}"):
        await inspector.save_view("v", "state:retry", by=user, user=user)
        assert [(user, "v")] == await names(inspector, user)
