"""Tasks, their options and their payloads: what cannot be used is refused before anything is written."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from onebeat import codecs
from onebeat.app.app import Onebeat
from onebeat.client import Client
from onebeat.errors import ConfigurationError, InvalidTask, OnebeatError, PayloadError, Retry
from onebeat.inspector.inspector import Inspector
from onebeat.options import Unique, resolve
from onebeat.task import Task
from onebeat.wire.message import decode
from tests.badinput.conftest import refused

VISIBLE = "give a string with at least one visible character"
UTF8 = "which UTF-8 cannot hold"
NUMBER = "give seconds as a number, or a timedelta"
RANGE = "give a value from 0 to 9223372035"
WHOLE = "give a whole number from 0 to 2147483647"
AWARE = "give an aware datetime"
NAIVE = datetime(2030, 1, 2)  # noqa: DTZ001 - that is what is wrong with it
NAN, INF = math.nan, math.inf
HUGE = 10**5000
"""A number that Python itself refuses to write."""


class Unshowable:
    """An object that cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


QUEUES: list[tuple[object, str, str]] = [
    ("", "''", VISIBLE),
    (" \t", "' \\t'", VISIBLE),
    ("}", "'}'", "leave out braces"),
    ("}x", "'}x'", "leave out braces"),
    ("{a}", "'{a}'", "leave out braces"),
    ("a{b", "'a{b'", "leave out braces"),
    ("a\0b", "'a\\x00b'", "leave out the NUL"),
    ("a\ud800", "'a\\ud800'", UTF8),
    (5, "5", VISIBLE),
    (True, "True", VISIBLE),
    (b"q", "b'q'", VISIBLE),
    (["q"], "['q']", VISIBLE),
]

DURATIONS: list[tuple[object, str, str]] = [
    (-1, "-1", "give a value from"),
    (-0.001, "-0.001", "give a value from"),
    (timedelta(seconds=-1), "-1.0", "give a value from"),
    (timedelta.min, "-86399999913600.0", "give a value from"),
    (timedelta.max, "86400000000000.0", "give a value from"),
    (NAN, "nan", "give a value from"),
    (INF, "inf", "give a value from"),
    (-INF, "-inf", "give a value from"),
    (9_223_372_036, "9223372036", "to 9223372035"),
    (1e300, "1e+300", "to 9223372035"),
    (10**400, "1000", "to 9223372035"),
    (HUGE, "<int>", "to 9223372035"),
    (True, "True", NUMBER),
    (False, "False", NUMBER),
    ("5", "'5'", NUMBER),
    (1j, "1j", NUMBER),
    (Decimal(1), "Decimal('1')", NUMBER),
    (Fraction(1, 2), "Fraction(1, 2)", NUMBER),
    (Unshowable(), "<Unshowable>", NUMBER),
]

OTHERS: list[tuple[str, object, str, str, str]] = [
    ("task_id", "", "task id", "''", VISIBLE),
    ("task_id", " ", "task id", "' '", VISIBLE),
    ("task_id", 7, "task id", "7", VISIBLE),
    ("task_id", "\udfff", "task id", "'\\udfff'", UTF8),
    ("max_retry", -1, "option max_retry", "-1", "give 0 for no retry"),
    ("max_retry", 1.0, "option max_retry", "1.0", WHOLE),
    ("max_retry", NAN, "option max_retry", "nan", WHOLE),
    ("max_retry", True, "option max_retry", "True", WHOLE),
    ("max_retry", "3", "option max_retry", "'3'", WHOLE),
    ("max_retry", 2**31, "option max_retry", "2147483648", WHOLE),
    ("max_retry", HUGE, "option max_retry", "<int>", WHOLE),
    ("expires", 0, "option expires", "0 seconds", "give a value from 0.001"),
    ("expires", NAIVE, "option expires", "has no time zone", "write datetime.now(UTC)"),
    ("unique", 0, "option unique", "0 seconds", "give a value from 0.001"),
    ("unique", 0.0009, "option unique", "0.0009", "give a value from 0.001"),
    ("unique", timedelta(microseconds=999), "option unique", "0.000999", "give a value from 0.001"),
    ("process_at", 5, "option process_at", "5", AWARE),
    ("process_at", "2030", "option process_at", "'2030'", AWARE),
    ("process_at", date(2030, 1, 1), "option process_at", "datetime.date(2030, 1, 1)", AWARE),
    ("process_at", NAIVE, "option process_at", "datetime.datetime(2030, 1, 2", "datetime.now(UTC) or .astimezone()"),
    ("deadline", 1e9, "option deadline", "1000000000.0", AWARE),
    ("deadline", NAIVE, "option deadline", "datetime.datetime(2030, 1, 2", "datetime.now(UTC) or .astimezone()"),
    ("deadline", datetime(1970, 1, 1, tzinfo=UTC), "option deadline", "datetime.datetime(1970", "after 1970"),
    ("deadline", datetime.min.replace(tzinfo=UTC), "option deadline", "datetime.datetime(1, 1, 1", "after 1970"),
    ("headers", "a=b", "option headers", "'a=b'", "give a mapping of strings to strings"),
    ("headers", "", "option headers", "''", "give a mapping of strings to strings"),
    ("headers", 5, "option headers", "5", "give a mapping of strings to strings"),
    ("headers", [("a", "b")], "option headers", "[('a', 'b')]", "give a mapping of strings to strings"),
    ("headers", {"": "a"}, "header name", "''", VISIBLE),
    ("headers", {1: "a"}, "header name", "1", VISIBLE),
    ("headers", {"\ud800": "a"}, "header name", "'\\ud800'", UTF8),
    ("headers", {"a": 1}, "header 'a'", "1", "give a string"),
    ("headers", {"a": None}, "header 'a'", "None", "give a string"),
    ("headers", {"a": b"x"}, "header 'a'", "b'x'", "give a string"),
    ("headers", {"a": "\ud800"}, "header 'a'", "'\\ud800'", UTF8),
    ("colour", "red", "option colour", "is unknown", "choose from"),
    ("countdown", 5, "option countdown", "is unknown", "did you mean process_in?"),
    ("max_retrys", 5, "option max_retrys", "is unknown", "did you mean max_retry?"),
    ("Queue", "q", "option Queue", "is unknown", "did you mean queue? Choose from"),
]

BAD: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    *(({"queue": value}, ("queue name is", shown, remedy)) for value, shown, remedy in QUEUES),
    *(
        ({option: value}, (f"option {option} is {shown}", remedy))
        for option in ("timeout", "unique", "expires", "process_in", "retention")
        for value, shown, remedy in DURATIONS
    ),
    *(({option: value}, (name, shown, remedy)) for option, value, name, shown, remedy in OTHERS),
    (
        {"process_in": 1, "process_at": datetime(2030, 1, 1, tzinfo=UTC)},
        ("options process_at and process_in", "exclude each other", "give one"),
    ),
]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ttl": 0}, "option unique is 0 seconds: give a value from 0.001"),
        ({"ttl": "60"}, "option unique is '60': give seconds"),
        ({"ttl": 60, "until": "end"}, 'until is \'end\'; give "done", "start" or "ttl"'),
        ({"ttl": 60, "key": " "}, "option unique: key is ' ': give a string"),
        ({"ttl": 60, "key": 5}, "option unique: key is 5: give a string"),
    ],
)
def test_a_bad_lifetime_is_refused_where_it_is_made(given: dict[str, Any], words: str) -> None:
    """Before it meets a task."""
    with refused(InvalidTask, words):
        Unique(**given)


@pytest.mark.parametrize(("options", "words"), BAD, ids=[" ".join(words[:2]) for _, words in BAD])
def test_a_bad_option_is_refused_by_its_name(options: dict[str, Any], words: tuple[str, ...]) -> None:
    """One sentence names the option, shows the value and says what to give."""
    with refused(InvalidTask, *words):
        resolve(options)


ENTRANCES: dict[str, Callable[[Client, dict[str, Any]], Any]] = {
    "the call": lambda client, options: client.enqueue(Task("t"), **options),
    "the task": lambda client, options: client.enqueue(Task("t", **options)),
    "the call over the task": lambda client, options: client.enqueue(Task("t", headers={"x": "y"}), **options),
}


@pytest.mark.parametrize("entrance", ENTRANCES)
async def test_nothing_is_written_whichever_way_it_came(client: Client, entrance: str) -> None:
    """Options of the call, of the task, or of one laid over the other: all are refused, and no key exists."""
    for options, words in BAD:
        with refused(InvalidTask, *words):
            await ENTRANCES[entrance](client, options)


async def test_a_declared_task_refuses_them_at_its_declaration() -> None:
    """Where they are written, not when the first task is enqueued; nothing is declared by it."""
    app: Onebeat[Any] = Onebeat("shop", url="redis://127.0.0.1:1")

    @app.task("good", headers={"x": "y"})
    def good() -> None: ...

    for options, words in BAD:
        with refused(InvalidTask, *words):
            app.task("bad", **options)(lambda: None)
        with refused(InvalidTask, *words):
            good.options(**options)
    assert ["good"] == list(app.tasks)


async def test_good_headers_do_not_hide_bad_ones(client: Client) -> None:
    """A task with bad headers is refused also when the call has good ones."""
    bad: Any = "a=b"
    with refused(InvalidTask, "option headers is 'a=b'", "give a mapping"):
        await client.enqueue(Task("t", headers=bad), headers={"x": "y"})


@pytest.mark.parametrize("value", [0.2, timedelta(milliseconds=200)])
async def test_a_timeout_under_a_second_is_kept_exactly(url: str, value: Any) -> None:
    """Go reads one second in field 8, Onebeat 200 ms beside it: nothing is cut to "off"."""
    async with Client(url) as client:
        await client.enqueue(Task("t"), task_id="a", timeout=value)
        raw, exact = await (await client.store()).command("HMGET", "asynq:{default}:t:a", "msg", "ob_timeout_ms")
    assert 1 == decode(raw).timeout
    assert b"\x40\x01" in raw  # field 8, a varint
    assert b"200" == exact


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e-9, 0.0001, timedelta(microseconds=1)])
def test_no_timeout_is_so_short_that_it_is_none(value: Any) -> None:
    """The shortest is a millisecond; only 0 means none."""
    found = resolve({"timeout": value})
    assert (1, "1") == (found.timeout_s, found.timeout_ms)


LAST = datetime.max.replace(tzinfo=UTC)
BEYOND = datetime.max.replace(tzinfo=timezone(timedelta(hours=-12)))
"""Half a day after the last instant that UTC has a `datetime` for."""


@pytest.mark.parametrize("moment", [LAST, BEYOND])
async def test_the_end_of_the_calendar_can_be_written_and_read(url: str, moment: datetime) -> None:
    """The year 9999 in any zone is accepted, waits, and is shown as the last instant there is."""
    async with Client(url) as client, Inspector(await client.store()) as inspector:
        enqueued = await client.enqueue(Task("t"), task_id="a", process_at=moment, deadline=moment)
        info = await inspector.task("default", "a")
    assert enqueued.process_at is not None
    assert 9999 == enqueued.process_at.year
    assert info.deadline is not None
    assert info.next_process_at is not None
    assert (9999, 9999) == (info.deadline.year, info.next_process_at.year)


@pytest.mark.parametrize("moment", [datetime.min.replace(tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC)])
async def test_an_instant_long_past_is_now(url: str, moment: datetime) -> None:
    """The year 1 is late, not wrong: the task is pending."""
    async with Client(url) as client:
        enqueued = await client.enqueue(Task("t"), process_at=moment)
    assert ("pending", None) == (enqueued.state, enqueued.due_ms)


@pytest.mark.parametrize(
    ("value", "shown", "remedy"),
    [
        ("", "''", VISIBLE), (" \n", "' \\n'", VISIBLE), (None, "None", VISIBLE), (5, "5", VISIBLE),
        (b"t", "b't'", VISIBLE), ("t\ud800", "'t\\ud800'", UTF8), (["x"] * 1000, "['x', 'x'", VISIBLE),
    ],
)  # fmt: skip
def test_a_task_needs_a_type_that_the_wire_can_hold(value: Any, shown: str, remedy: str) -> None:
    """Blank, no text, or not UTF-8: refused when the task is made, and never shown at length."""
    with refused(InvalidTask, "task type is", shown, remedy):
        Task(value)


TOO_DEEP = "recursion" if sys.version_info < (3, 14) else "Stack overflow"


def circle() -> list[Any]:
    items: list[Any] = []
    items.append({"again": items})
    return items


def deep() -> list[Any]:
    items: list[Any] = []
    for _ in range(1_000_000):
        items = [items]
    return items


PAYLOADS: dict[str, tuple[Any, str]] = {
    "an object": (object(), "objects of type object"),
    "a set of objects": ({object()}, "objects of type object"),
    "an object that cannot be shown": ({"a": Unshowable()}, "objects of type Unshowable"),
    "a function": (lambda: 1, "objects of type function"),
    "a generator": ((item for item in "ab"), "objects of type generator"),
    "a task": (Task("t"), "objects of type Task"),
    "a complex number": ([1j], "objects of type complex"),
    "a circle": (circle(), TOO_DEEP),
    "a well": (deep, TOO_DEEP),
    "a lone surrogate": ({"name": "\ud800"}, "surrogates not allowed"),
    "a key with one": ({"\ud800": 1}, "surrogates not allowed"),
    "a tuple as key": ({(1, 2): 3}, "str-like or number-like keys"),
    "NaN": (NAN, "nan is no number"),
    "an infinity": ([{"a": (1.5, -INF)}], "-inf is no number"),
    "NaN beside a null": ({"a": None, "b": {NAN}}, "nan is no number"),
}


@pytest.mark.parametrize("kind", PAYLOADS)
async def test_a_payload_without_a_json_form_is_refused(client: Client, kind: str) -> None:
    """The sentence names its type, what in it is wrong, and the way out; NaN is not made a null in silence."""
    payload, why = PAYLOADS[kind]
    payload = payload() if payload is deep else payload  # a million lists, which only this test need dig
    with refused(
        PayloadError, f"payload of type {type(payload).__name__} has no JSON form", why, "pass bytes, or values"
    ):
        await client.enqueue(Task("t", payload))


@pytest.mark.parametrize(
    "value", [None, [None, "null"], {"null": None, "x": 1.5}, "null", [[None], {"a": {"b": None}}]]
)
def test_a_null_that_was_meant_is_none_of_these(value: Any) -> None:
    """Only a number that is none is refused."""
    assert [value] == codecs.decode(codecs.encode([value]))


def test_a_declared_task_is_named_by_what_it_cannot_send() -> None:
    """The sentence names the task whose arguments they are."""
    app: Onebeat[Any] = Onebeat("shop")

    @app.task("sum")
    def total(numbers: list[float]) -> None: ...

    @app.task("whole")
    def whole(number: float, /) -> None: ...

    with refused(PayloadError, "payload of task sum has no JSON form", "inf is no number", "pass bytes, or values"):
        total.bind([1, INF])
    with refused(PayloadError, "payload of task whole has no JSON form", "nan is no number", "pass bytes, or values"):
        whole.bind(NAN)


async def test_a_payload_over_the_limit_is_refused(client: Client) -> None:
    """The sentence names the task, both sizes and two ways out."""
    words = ("task big", "8000001 bytes", "the limit is 8000000", "enqueue its address, or raise max_payload")
    with refused(PayloadError, *words):
        await client.enqueue(Task("big", b"x" * 8_000_001))
    with refused(PayloadError, "task big", "8000002 bytes", "the limit is 8000000"):
        await client.enqueue(Task("big", "x" * 8_000_000))


@pytest.mark.parametrize("given", [None, "t", 5, Task, {"type": "t"}, ["x"] * 10_000, Unshowable()], ids=type)
async def test_only_a_task_is_enqueued(client: Client, given: Any) -> None:
    """Anything else is refused, and shown in a few words however long it is."""
    with refused(InvalidTask, "task is ", "give a Task, or what bind() returns"):
        await client.enqueue(given)


@pytest.mark.parametrize("given", [None, 5, "abc", b"abc", Task("t"), object()], ids=type)
async def test_many_tasks_come_from_an_iterable(client: Client, given: Any) -> None:
    """What is no iterable, or one of letters, is refused at the call."""
    with refused(InvalidTask, "tasks is ", "give an iterable of tasks"):
        client.enqueue_many(given)
    with refused(InvalidTask, "tasks is ", "give an iterable of tasks"):
        Onebeat("shop").enqueue_many(given)


async def test_what_is_no_task_among_many_fails_alone(client: Client) -> None:
    """Each is a failure with its own sentence; a dictionary is one of its keys."""
    for given in ([1, None], {"a": 1, "b": 2}):
        result = await client.enqueue_many(given)  # type: ignore[arg-type] # that is what is tested
        assert (0, 2) == (result.enqueued, len(result.failures))
        for failure in result.failures:
            with refused(InvalidTask, f"task is {failure.task!r}", "give a Task"):
                raise failure.error


async def test_options_of_many_are_refused_once(client: Client) -> None:
    """Not as a failure of each task, and not only when there is one."""
    for options, words in BAD:
        with refused(InvalidTask, *words):
            client.enqueue_many([], **options)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        *(
            ({"give_up_after": value}, ("setting give_up_after is", shown, "give seconds from 0"))
            for value, shown in [(-1, "-1"), (NAN, "nan"), ("5", "'5'"), (True, "True"), (None, "None")]
        ),
        *(
            ({"max_payload": value}, ("setting max_payload is", shown, "give a whole number of bytes from 1"))
            for value, shown in [(0, "0"), (-1, "-1"), (1.5, "1.5"), (NAN, "nan"), ("1", "'1'"), (True, "True")]
        ),
    ],
    ids=str,
)
def test_a_clients_settings_are_checked(settings: dict[str, Any], words: tuple[str, ...]) -> None:
    """At once: a client that gave up after NaN seconds would never give up."""
    with refused(ConfigurationError, *words):
        Client("redis://127.0.0.1:1", **settings)


async def test_bad_input_is_told_even_if_the_store_is_away() -> None:
    """It is refused before a store is looked for."""
    cases: list[tuple[Task[Any], Any, type]] = [
        (Task("t"), {"timeout": -1}, InvalidTask),
        (Task("t", b"xx"), {}, PayloadError),
    ]
    for task, options, kind in cases:
        with pytest.raises(OnebeatError) as refusal:
            await Client("redis://127.0.0.1:1", max_payload=1).enqueue(task, **options)
        assert kind is type(refusal.value)


@pytest.mark.parametrize(("delay", "shown"), [(NAN, "nan"), ("5", "'5'"), (True, "True"), ([], "[]")])
def test_a_retry_is_delayed_by_a_duration(delay: Any, shown: str) -> None:
    """Anything else is said where it is raised, not when the outcome is written."""
    with refused(InvalidTask, "delay of Retry is", shown, NUMBER):
        Retry(delay=delay)


@pytest.mark.parametrize(("delay", "seconds"), [(None, None), (-1, -1), (2.5, 2.5), (timedelta(minutes=1), 60)])
def test_a_retry_that_is_due_already_is_no_mistake(delay: Any, seconds: float | None) -> None:
    """A delay that came out negative is none."""
    assert seconds == Retry(delay=delay).delay
