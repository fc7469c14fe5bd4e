"""Declared aggregators: what their signature may say, what they are given of payloads, and that routers have them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pytest

from onebeat import ConfigurationError, InvalidTask, Onebeat, Router, Task, TaskState
from onebeat.app.surroundings import Surroundings


@dataclass
class Event:
    user: int
    what: str = "visit"


class Loose(TypedDict):
    user: int


class Struct(msgspec.Struct):
    user: int


@pytest.fixture
def app() -> Onebeat[Any]:
    return Onebeat("shop")


async def aggregated(app: Onebeat[Any], *tasks: Task[Any]) -> None:
    """Have tasks join group "g" and be aggregated."""
    async with app.testing(group_grace=1) as t:
        result = await app.enqueue_many(tasks, group="g")
        assert [] == result.failures
        await t.advance(1)
        assert [] == t.tasks(TaskState.AGGREGATING)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Event, [Event(1, "buy"), Event(2)]),
        (Loose, [{"user": 1}, {"user": 2}]),
        (Struct, [Struct(1), Struct(2)]),
        (dict[str, Any], [{"user": 1, "what": "buy"}, {"user": 2, "what": "visit"}]),
        (bytes, [b'{"user":1,"what":"buy"}', b'{"user":2,"what":"visit"}']),
        (Task, [Task("event", {"user": 1, "what": "buy"}), Task("event", {"user": 2, "what": "visit"})]),
        (Task[Any], [Task("event", {"user": 1, "what": "buy"}), Task("event", {"user": 2, "what": "visit"})]),
    ],
)
@pytest.mark.parametrize("container", [list, Sequence])
async def test_payloads_are_decoded_into_what_the_list_holds(
    app: Onebeat[Any], kind: Any, expected: list[Any], container: Any
) -> None:
    """Dataclasses, typed dicts, structs, plain values, bytes, and the tasks themselves."""
    seen: list[Any] = []

    @app.task("event")
    async def event(user: int, what: str = "visit") -> None: ...

    @app.task("done")
    async def done() -> None: ...

    async def digest(group: str, events: Any) -> Task[None]:
        seen.extend(sorted(events, key=lambda item: str(getattr(item, "payload", item))))
        return done.bind()

    digest.__annotations__["events"] = container[kind]
    app.aggregate()(digest)
    await aggregated(app, event.bind(1, "buy"), event.bind(2))
    assert expected == seen


async def test_payloads_of_other_codecs_are_read(app: Onebeat[Any]) -> None:
    """By the header of each."""
    seen: list[Event] = []

    @app.task("json")
    async def plain(user: int) -> None: ...

    @app.task("packed", codec="msgpack")
    async def packed(user: int) -> None: ...

    @app.aggregate()
    async def digest(group: str, events: list[Event]) -> Task[None]:
        seen.extend(events)
        return plain.bind(0)

    await aggregated(app, plain.bind(1), packed.bind(2))
    assert [Event(1), Event(2)] == sorted(seen, key=lambda event: event.user)


async def test_a_payload_that_does_not_fit_is_archived_and_the_others_go_on(app: Onebeat[Any]) -> None:
    """With a sentence that names the task and the aggregator; one of an unknown codec, too."""
    seen: list[Event] = []

    @app.task("done")
    async def done() -> None: ...

    @app.aggregate()
    async def digest(group: str, events: list[Event]) -> Task[None]:
        seen.extend(events)
        return done.bind()

    async with app.testing(group_grace=1) as t:
        others = {"onebeat-codec": "zip"}
        tasks = [Task("a", {"user": "x"}), Task("b", {"user": 1}), Task("c", {"user": 2}, headers=others)]
        await app.enqueue_many(tasks, group="g")
        await t.advance(1)
        errors = sorted(info.last_error for info in t.archived)
    assert [Event(1)] == seen
    assert "codec 'zip', which is not known here: give that codec to Onebeat(codecs=[…])" in errors[1]
    assert 'payload b\'{"user":"x"}\' of task a does not fit aggregator digest: Expected `int`, got `str`' in errors[0]


async def test_what_an_aggregator_binds_keeps_its_options(app: Onebeat[Any]) -> None:
    """Queue, retries, headers and delay; without a queue of its own it goes where the group is."""

    @app.task("event", queue="low")
    async def event() -> None: ...

    @app.task("here")
    async def here() -> None: ...

    @app.aggregate("a")
    async def a(group: str, tasks: list[Task[Any]]) -> Task[None]:
        return here.options(max_retry=1, headers={"n": str(len(tasks))}, process_in=60).bind()

    @app.aggregate("b")
    async def b(group: str, tasks: list[Task[Any]]) -> Task[None]:
        return here.options(queue="default").bind()

    async with app.testing(group_grace=1) as t:
        await event.options(group="a").enqueue()
        await event.options(group="b").enqueue()
        await t.advance(1)
        [waiting] = t.waiting(here)
        assert ("low", 1, {"n": "1"}) == (waiting.queue, waiting.options["max_retry"], waiting.headers)
        assert {"low", "default"} == {task.queue for task in t.enqueued(here)}


async def test_a_router_has_aggregators(app: Onebeat[Any]) -> None:
    """Those declared before and after it is included; a pattern is nobody's twice."""
    router, seen = Router[Any]("billing:"), list[str]()

    @router.task("event")
    async def event() -> None: ...

    @router.aggregate("a")
    async def first(group: str, tasks: list[Task[Any]]) -> Task[None]:
        seen.append(group)
        return event.bind()

    app.include(router)

    @router.aggregate("b")
    async def second(group: str, tasks: list[Task[Any]]) -> Task[None]:
        seen.append(group)
        return event.bind()

    with pytest.raises(ConfigurationError, match="groups 'b' have an aggregator already"):
        app.aggregate("b")(first)
    async with app.testing(group_grace=1) as t:
        await event.options(group="a1").enqueue()
        await event.options(group="b1").enqueue()
        await t.advance(1)
    assert ["a1", "b1"] == sorted(seen)


async def test_aggregators_run_in_what_surrounds_handlers(app: Onebeat[Any]) -> None:
    """A framework's context, say."""
    entered: list[str] = []

    @contextmanager
    def context() -> Iterator[None]:
        entered.append("in")
        yield
        entered.append("out")

    @app.task("done")
    async def done() -> None: ...

    @app.aggregate("a")
    async def on_loop(group: str, tasks: list[Task[Any]]) -> Task[None]:
        entered.append(group)
        return Task("nothing", process_in=60)

    @app.aggregate("b")
    def in_thread(group: str, tasks: list[Task[Any]]) -> Task[None]:
        entered.append(group)
        return Task("nothing", process_in=60)

    @asynccontextmanager
    async def around() -> AsyncIterator[None]:
        with context():
            yield

    app.surround(Surroundings(context, around))
    async with app.testing(group_grace=1) as t:
        for group in "ab":
            await app.enqueue_many([Task("done")], group=group)
            await t.advance(1)
    assert ["in", "a", "out", "in", "b", "out"] == entered


def no_hint(group: str, events) -> Task[None]: ...  # type: ignore[no-untyped-def, empty-body]
def bare(group: str, events: list) -> Task[None]: ...  # type: ignore[type-arg, empty-body]
def not_list(group: str, events: dict[str, int]) -> Task[None]: ...  # type: ignore[empty-body]
def one(events: list[Event]) -> Task[None]: ...  # type: ignore[empty-body]
def nothing(group: str, events: list[Event]) -> None: ...
def not_str(group: int, events: list[Event]) -> Task[None]: ...  # type: ignore[empty-body]
def named(group: str, *, events: list[Event]) -> Task[None]: ...  # type: ignore[empty-body]
def formless(group: str, events: list[Callable[[], int]]) -> Task[None]: ...  # type: ignore[empty-body]
def generator(group: str, events: list[Event]) -> Iterator[Task[None]]:
    yield Task("t")


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (
            no_hint,
            "aggregator no_hint: parameter 'events' does not say what it is a list of; write `def name(group: str",
        ),
        (bare, "aggregator bare: parameter 'events' does not say what it is a list of"),
        (not_list, "aggregator not_list: parameter 'events' does not say what it is a list of"),
        (one, "aggregator one: it takes 1 parameters; write `def name(group: str, tasks: list[Event]) -> Task`"),
        (nothing, "aggregator nothing: it returns None; return the task that takes their place"),
        (not_str, "aggregator not_str: parameter 'group' is the group's name, a str"),
        (named, "aggregator named: it takes 2 parameters; write"),
        (formless, "aggregator formless: parameter 'events': "),
        (generator, "aggregator generator: it yields, so calling it does nothing; let it return"),
        (Event, "aggregator Event: it is no function; put @app.aggregate() above one"),
    ],
)
def test_a_signature_is_checked_at_declaration(app: Onebeat[Any], function: Any, sentence: str) -> None:
    """By a sentence that says what to write."""
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        app.aggregate()(function)


@pytest.mark.parametrize("group", ["", " ", 5, "\ud800"])
def test_a_group_must_have_a_name(app: Onebeat[Any], group: Any) -> None:
    """In options and declarations; refused before anything is written."""

    @app.task("event")
    async def event() -> None: ...

    with pytest.raises(InvalidTask, match=r"^group is "):
        event.options(group=group)
