"""Applications, handlers, schedules and servers: what cannot work is refused where it is written."""

from __future__ import annotations

import functools
import math
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.errors import ConfigurationError, InvalidTask, PayloadError
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Cron, Every
from onebeat.server.config import ServerConfig
from onebeat.server.context import current
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task
from tests.badinput.conftest import refused

NAN, INF = math.nan, math.inf
VISIBLE = "give a string with at least one visible character"
NOWHERE = "redis://127.0.0.1:1"
FUNCTION = "put @app.task() above one that does the work"


@pytest.fixture
def app() -> Onebeat[Any]:
    """Return an application whose store is never looked for."""
    return Onebeat("shop", url=NOWHERE)


def plain() -> None: ...
def needs(a: int) -> None: ...
def star(*args: int) -> None: ...
def stars(**kwargs: int) -> None: ...
def method(self, a: int) -> None: ...  # type: ignore[no-untyped-def] # that is what is tested


def generator(a: int) -> Iterator[int]:
    yield a


async def async_generator(a: int) -> AsyncIterator[int]:
    yield a


class Thing:
    def __init__(self, a: int = 0) -> None: ...
    def __call__(self, a: int) -> None: ...


class TestApplication:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [("", "''"), (" ", "' '"), (None, "None"), (5, "5"), (b"shop", "b'shop'"), ("\ud800", "'\\ud")],
    )
    def test_a_name_is_visible(self, name: Any, shown: str) -> None:
        """Of an application, and of a scheduler's."""
        with refused(ConfigurationError, "application name is", shown):
            Onebeat(name)
        with refused(ConfigurationError, "application name is", shown):
            Scheduler(app=name)

    @pytest.mark.parametrize("lifespan", [5, "lifespan", generator, async_generator], ids=type)
    def test_a_lifespan_can_be_entered(self, lifespan: Any) -> None:
        """A generator without its decorator is the mistake that is made."""
        with refused(ConfigurationError, "lifespan is", "with @asynccontextmanager above it"):
            Onebeat("shop", lifespan=lifespan)

    @pytest.mark.parametrize(
        ("function", "words"),
        [
            (None, ("task t", "None is no function", FUNCTION)),
            (5, ("task t", "5 is no function", FUNCTION)),
            (Thing, ("task t", "Thing'> is no function", FUNCTION)),
            (Thing(), ("task t", "Thing object", "is no function", FUNCTION)),
            (functools.partial(needs, 1), ("task t", "functools.partial(", "is no function", FUNCTION)),
            (Task("x"), ("task t", "Task('x', b'') is no function", FUNCTION)),
            (property(needs), ("task t", "is no function", FUNCTION)),
            (star, ("task t", "parameter *args", "take a list or a dict")),
            (stars, ("task t", "parameter *kwargs", "take a list or a dict")),
            (method, ("task t", "parameter 'self'", "declare a function outside of classes")),
            (generator, ("task t", "<function generator", "it yields", "let it return")),
            (async_generator, ("task t", "<function async_generator", "it yields", "let it return")),
            (max, ("task t", "no signature found", "wrap it in a function")),
        ],
        ids=lambda value: value[1] if isinstance(value, tuple) else type(value).__name__,
    )
    def test_a_task_is_a_function_that_a_server_can_call(
        self, app: Onebeat[Any], function: Any, words: tuple[str, ...]
    ) -> None:
        """Classes, generators and what has no signature to put on the wire are refused by name."""
        with refused(ConfigurationError, *words):
            app.task("t")(function)
        assert {} == app.tasks

    def test_a_lambda_has_no_name_to_be_found_by(self, app: Onebeat[Any]) -> None:
        """It may be a task if it is given a type."""
        with refused(ConfigurationError, "<lambda>", "has no name", "give its type"):
            app.task()(lambda: None)
        app.task("t")(lambda: None)
        assert ["t"] == list(app.tasks)

    def test_a_task_is_not_declared_as_another(self, app: Onebeat[Any]) -> None:
        """A declared task is no function any more."""
        declared = app.task("t")(plain)
        with refused(ConfigurationError, "task u", "<task 't'", "is no function", FUNCTION):
            app.task("u")(declared)

    def test_decorators_need_their_brackets(self, app: Onebeat[Any]) -> None:
        """Without them nothing would be declared, in silence."""
        bare: Any = plain
        with refused(InvalidTask, "task type is <function plain", "write @app.task() with its brackets"):
            app.task(bare)
        with refused(ConfigurationError, "pattern is <function plain", "give a task type"):
            Mux().handle(bare)
        with refused(ConfigurationError, "interval is <function plain", "give seconds as a number"):
            app.every(bare)
        with refused(ConfigurationError, "cron expression is <function plain", "give a string"):
            app.cron(bare)

    @pytest.mark.parametrize(
        ("type", "shown"), [("", "''"), (" ", "' '"), (5, "5"), (b"t", "b't'"), ("\ud800", "'\\ud")]
    )
    def test_a_type_is_visible(self, app: Onebeat[Any], type: Any, shown: str) -> None:
        """It is refused at once, before there is a function."""
        with refused(InvalidTask, "task type is", shown):
            app.task(type)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"isolation": "thread"}, ("option isolation is 'thread'", 'give "process", or leave it out')),
            ({"isolation": True}, ("option isolation is True", 'give "process", or leave it out')),
            ({"backoff": 5}, ("option backoff is 5", "give a function of the failures so far")),
            ({"backoff": lambda: 1.0}, ("option backoff is <function", "give a function of the failures so far")),
            (
                {"backoff": lambda a, b, c: 1.0},
                ("option backoff is <function", "give a function of the failures so far"),
            ),
            ({"retry_on": 5}, ("option retry_on is 5", "give a tuple of exception classes")),
            ({"retry_on": [OSError]}, ("option retry_on is [<class 'OSError'>]", "give a tuple of exception classes")),
            ({"retry_on": ("x",)}, ("option retry_on is ('x',)", "give a tuple of exception classes")),
            ({"archive_on": None}, ("option archive_on is None", "give a tuple of exception classes")),
            ({"archive_on": (OSError, 5)}, ("option archive_on is", "5)", "give a tuple of exception classes")),
            ({"archive_on": (OSError(),)}, ("option archive_on is (OSError(),)", "give a tuple of exception classes")),
        ],
        ids=lambda value: value[0] if isinstance(value, tuple) else "",
    )
    def test_what_is_for_servers_is_checked_too(
        self, app: Onebeat[Any], options: dict[str, Any], words: tuple[str, ...]
    ) -> None:
        """Otherwise the first failure of the task would find out."""
        with refused(ConfigurationError, *words):
            app.task("t", **options)

    def test_a_call_that_does_not_fit_is_the_functions_own_error(self, app: Onebeat[Any]) -> None:
        """A TypeError that names the task, as calling the function would give."""
        declared: Any = app.task("t")(needs)
        for args, kwargs, word in [((), {}, "'a'"), ((1, 2), {}, "2 were given"), ((1,), {"b": 1}, "'b'")]:
            with refused(TypeError, "task t", word):
                declared.bind(*args, **kwargs)

    @pytest.mark.parametrize(("id", "shown"), [("", "''"), (" ", "' '"), (None, "None"), (5, "5"), ("\ud800", "'\\ud")])
    def test_a_handle_is_of_a_task_that_can_be(self, app: Onebeat[Any], id: Any, shown: str) -> None:
        """A blank id, or none, is refused before the store is asked for it."""
        with refused(InvalidTask, "task id is", shown):
            app.task("t")(plain).handle(id)

    @pytest.mark.parametrize(("queue", "shown"), [("", "''"), (" ", "' '"), (5, "5"), ("}", "'}'"), ("a{b", "'a{b'")])
    def test_a_handle_is_of_a_queue_that_can_be(self, app: Onebeat[Any], queue: Any, shown: str) -> None:
        """A blank name is not the default queue."""
        with refused(InvalidTask, "queue name is", shown):
            app.task("t")(plain).handle("a", queue=queue)

    @pytest.mark.parametrize(
        ("timeout", "shown", "remedy"),
        [
            (-1, "-1", "give a value from 0"),
            (NAN, "nan", "give a value from 0"),
            (INF, "inf", "give a value from 0"),
            (timedelta(-1), "-86400", "give a value from 0"),
            (True, "True", "give seconds"),
            ("5", "'5'", "give seconds"),
        ],
    )
    async def test_a_result_is_waited_for_during_a_duration(
        self, app: Onebeat[Any], timeout: Any, shown: str, remedy: str
    ) -> None:
        """NaN would wait for ever, and disturb every timer of the loop."""
        with refused(InvalidTask, "option timeout is", shown, remedy):
            await app.task("t")(plain).handle("a").result(timeout)

    def test_outside_of_a_handler_there_is_no_context(self) -> None:
        """The sentence says where there is one."""
        with refused(LookupError, "current() finds no task here", "call it in a handler"):
            current()


class TestMux:
    @pytest.mark.parametrize(("pattern", "shown"), [("", "''"), (" ", "' '"), (None, "None"), (5, "5"), (b"t", "b't'")])
    def test_a_pattern_is_visible(self, pattern: Any, shown: str) -> None:
        """It is refused before there is a handler."""
        with refused(ConfigurationError, "pattern is", shown, "give a task type, or the start of one"):
            Mux().handle(pattern)

    def test_a_pattern_can_be_written(self) -> None:
        """Of types as of groups: a server tells the store its patterns."""
        with refused(ConfigurationError, "pattern is", "'t\\udcff'", "which UTF-8 cannot hold"):
            Mux().handle("t\udcff")
        with refused(ConfigurationError, "pattern of groups is", "'g\\udcff'", "which UTF-8 cannot hold"):
            Mux().aggregate("g\udcff")

    @pytest.mark.parametrize(
        ("handler", "shown", "remedy"),
        [
            (None, "None", "give a function of two"),
            (5, "5", "give a function of two"),
            ("f", "'f'", "give a function of two"),
            (lambda: None, "<function", "give a function of two"),
            (needs, "<function needs", "give a function of two"),
            (lambda ctx, task, *, more: None, "<function", "give a function of two"),
            (lambda ctx, task: (yield), "<function", "it yields"),
        ],
        ids=["none", "number", "text", "no parameter", "one parameter", "three parameters", "generator"],
    )
    def test_a_handler_can_be_called_with_context_and_task(self, handler: Any, shown: str, remedy: str) -> None:
        """Otherwise each of its tasks would fail, 25 times."""
        with refused(ConfigurationError, "handler of 't' is", shown, remedy):
            Mux().handle("t")(handler)

    def test_a_route_is_made_by_the_decorator(self) -> None:
        """A function alone is not yet one."""
        route: Any = needs
        with refused(ConfigurationError, "route of 't' is <function needs", "use @mux.handle('t')"):
            Mux().add("t", route)

    def test_a_type_has_one_handler(self) -> None:
        """The second is refused."""
        mux = Mux()
        mux.handle("t")(lambda ctx, task: None)
        with refused(ConfigurationError, "pattern 't' has a handler already", "give each task type one"):
            mux.handle("t")(lambda ctx, task: None)


def wrong(names: list[str], values: list[tuple[object, str]], remedy: str) -> list[tuple[str, object, str, str]]:
    return [(name, value, shown, remedy) for name in names for value, shown in values]


NO_NUMBERS: list[tuple[object, str]] = [
    (-1, "-1"), (NAN, "nan"), (INF, "inf"), (-INF, "-inf"), (True, "True"), ("5", "'5'"), (None, "None"),
    ([5], "[5]"), (timedelta(seconds=20), "datetime.timedelta(seconds=20)"), (10**9, "1000000000"),
]  # fmt: skip

SETTINGS = [
    *wrong(["concurrency"], [*NO_NUMBERS, (0, "0"), (1.5, "1.5")], "give a whole number from 1 to 10000"),
    *wrong(["max_crashes"], [*NO_NUMBERS[:-1], (0, "0"), (1.5, "1.5")], "give a whole number from 1"),
    *wrong(["lease"], [*NO_NUMBERS, (0, "0"), (14.99, "14.99")], "give 15 to 86400"),
    *wrong(["shutdown_timeout", "grace", "stall_limit"], NO_NUMBERS, "give 0 to 86400"),
    *wrong(
        ["strict", "release_unique_on_archive", "allow_short_lease"],
        [("no", "'no'"), (0, "0"), (1, "1"), (None, "None"), (NAN, "nan")],
        "give True or False",
    ),
    *wrong(
        ["queues"],
        [
            ({}, "{}"), ([], "[]"), (None, "None"), ("default", "'default'"), (["default"], "['default']"), (5, "5"),
            ({"default"}, "{'default'}"),
        ],
        "give a mapping of queue names to weights, such as {'default': 1}",
    ),
]  # fmt: skip

QUEUES: list[tuple[Any, tuple[str, ...]]] = [
    ({"": 1}, ("queue name is ''", VISIBLE)),
    ({5: 1}, ("queue name is 5", VISIBLE)),
    ({"}": 1}, ("queue name is '}'", "leave out braces")),
    ({"a\ud800": 1}, ("queue name is 'a\\ud800'", "clean the text")),
    *(
        ({"low": weight}, (f"weight of queue 'low' is {shown}", "give a whole number from 1"))
        for weight, shown in [
            (0, "0"),
            (-1, "-1"),
            (1.5, "1.5"),
            (NAN, "nan"),
            (True, "True"),
            ("3", "'3'"),
            (None, "None"),
        ]
    ),
]


class TestServer:
    @pytest.mark.parametrize(
        ("name", "value", "shown", "remedy"), SETTINGS, ids=[f"{name}={shown}" for name, _, shown, _ in SETTINGS]
    )
    def test_a_setting_that_cannot_work_is_named(
        self, app: Onebeat[Any], name: str, value: Any, shown: str, remedy: str
    ) -> None:
        """By the server, by its configuration, and by an application before it opens anything."""
        app.task("t")(plain)
        settings: Any = {name: value}
        for make in (ServerConfig, functools.partial(Server, NOWHERE), app.serving):
            with refused(ConfigurationError, f"{name} is {shown}", remedy):
                make(**settings)

    @pytest.mark.parametrize(("queues", "words"), QUEUES, ids=[words[0] for _, words in QUEUES])
    def test_queues_have_names_and_weights(self, queues: Any, words: tuple[str, ...]) -> None:
        """Each wrong one is said."""
        with refused(ConfigurationError, *words):
            Server(NOWHERE, queues=queues)

    def test_all_mistakes_are_told_at_once(self) -> None:
        """One message, so that nobody starts a server three times."""
        wrong: Any = {"concurrency": 0, "lease": NAN, "queues": {"}": 0}, "strict": "no"}
        with refused(
            ConfigurationError, "concurrency is 0", "lease is nan", "queue name is '}'", "weight of", "strict is"
        ):
            Server(NOWHERE, **wrong)

    def test_an_unknown_setting_is_named(self, app: Onebeat[Any]) -> None:
        """With those that there are."""
        app.task("t")(plain)
        settings: Any = {"concurency": 5}
        for make in (functools.partial(Server, NOWHERE), app.serving):
            with refused(ConfigurationError, "setting concurency is unknown", "choose from concurrency, queues"):
                make(**settings)

    @pytest.mark.parametrize("delay", [5, None, "x", lambda: 1.0, lambda failures: 1.0], ids=type)
    def test_a_retry_delay_is_a_function_of_two(self, delay: Any) -> None:
        """The failures and the error."""
        with refused(
            ConfigurationError, "setting retry_delay is", "give a function of the failures so far and the error"
        ):
            Server(NOWHERE, retry_delay=delay)

    @pytest.mark.parametrize("mux", [None, 5, Mux, {"t": plain}, plain], ids=type)
    def test_a_server_needs_a_mux(self, mux: Any) -> None:
        """Nothing else has handlers."""
        with refused(ConfigurationError, "mux is", "give a Mux with handlers"):
            Server(NOWHERE).serving(mux)

    def test_an_application_without_tasks_serves_nothing(self, app: Onebeat[Any]) -> None:
        """It is named."""
        with refused(ConfigurationError, "application 'shop' has no tasks", "declare one with @app.task()"):
            app.serving()


INTERVALS: list[tuple[Any, str, str]] = [
    (0, "0", "give at least 0.01 s"),
    (-1, "-1", "give at least 0.01 s"),
    (0.001, "0.001", "give at least 0.01 s"),
    (0.00999, "0.00999", "give at least 0.01 s"),
    (timedelta(0), "timedelta(0)", "give at least 0.01 s"),
    (timedelta(-1), "days=-1", "give at least 0.01 s"),
    (1e11, "100000000000.0", "at most 100 years"),
    (timedelta.max, "days=999999999", "at most 100 years"),
    (0.0105, "0.0105", "ticks are whole milliseconds; the nearest is 0.01 s"),
    (NAN, "nan", "give seconds as a number"),
    (INF, "inf", "give seconds as a number"),
    (-INF, "-inf", "give seconds as a number"),
    (1e300, "1e+300", "give seconds as a number"),
    (10**5000, "<int>", "give seconds as a number"),
    (True, "True", "give seconds as a number"),
    ("5", "'5'", "give seconds as a number"),
    (None, "None", "give seconds as a number"),
]

EXPRESSIONS: list[tuple[Any, str, str]] = [
    ("", "it has 0 fields", "write five"),
    ("* * * *", "it has 4 fields", "write five"),
    ("0 * * * * *", "it has 6 fields", "write five"),
    ("60 * * * *", "'60' in the minute field", "write 0 to 59"),
    ("* 24 * * *", "'24' in the hour field", "write 0 to 23"),
    ("* * 0 * *", "'0' in the day of month field", "write 1 to 31"),
    ("* * * 13 *", "'13' in the month field", "write 1 to 12"),
    ("* * * * 7", "'7' in the day of week field", "Sunday is 0 or SUN"),
    ("* * * FOO *", "'FOO' in the month field", "JAN, FEB"),
    ("* * * * L", "'L' in the day of week field", "SUN, MON"),
    ("5-1 * * * *", "'5-1' in the minute field", "write two ranges, 5-59,0-1"),
    ("*/0 * * * *", "'*/0' in the minute field", "write a step from 1"),
    ("1-2-3 * * * *", "'1-2-3' in the minute field", "write a-b/step at most"),
    ("1.5 * * * *", "'1.5' in the minute field", "write 0 to 59"),
    ("٣ * * * *", "in the minute field is no number", "write 0 to 59"),
    ("* * * * \ud800", "'\\ud800' in the day of week field", "write 0 to 6"),
    ("9" * 5000 + " * * * *", "999… in the minute field is no number", "write 0 to 59"),
    ("*/" + "9" * 20 + " * * * *", "in the minute field is no number", "write 0 to 59"),
    ("*" * 10_000 + " * * * *", "in the minute field is no number", "write 0 to 59"),
    (", * * * *", "a field matches nothing", "write a number or a star"),
    ("0 0 30 2 *", "no such day ever comes", "write a day that its months have"),
    ("@reboot", "@reboot is no descriptor", "write one of @yearly"),
    ("@every 5s", "@every is an interval and no calendar", "such as Every(90)"),
    (None, "cron expression is None", "give a string such as"),
    (b"* * * * *", "cron expression is b'* * * * *'", "give a string such as"),
]

ZONES: list[tuple[Any, str, str]] = [
    ("Mars/Base", "'Mars/Base'", "write an IANA name"),
    ("Europe/Kyyiv", "'Europe/Kyyiv'", "did you mean 'Europe/Kyiv'?"),
    ("utc", "'utc'", "is unknown"),
    ("", "''", "write an IANA name"),
    (" ", "' '", "write an IANA name"),
    ("../../etc/passwd", "'../../etc/passwd'", "write an IANA name"),
    ("Z" * 10_000, "'ZZZ", "write an IANA name"),
    (5, "5", "write an IANA name"),
    (0, "0", "write an IANA name"),
    (UTC, "datetime.timezone.utc", "did you mean 'UTC'?"),
    (["UTC"], "['UTC']", "did you mean 'UTC'?"),
    ({}, "{}", "write an IANA name"),
]

SPECS: list[tuple[str, str]] = [
    ("@every", "@every 90s"),
    ("@every x", "write numbers with units"),
    ("@every 5", "write numbers with units"),
    ("@every 5 s", "write numbers with units"),
    ("@every ٥s", "write numbers with units"),
    ("@every " + "9" * 5000 + "s", "write numbers with units"),
    ("@every -5s", "at least 10ms and at most 100 years"),
    ("@every 0", "at least 10ms and at most 100 years"),
    ("@every 9ms", "at least 10ms and at most 100 years"),
    ("@every 1ns", "at least 10ms and at most 100 years"),
    ("@every 876601000h", "at least 10ms and at most 100 years"),
    ("@every " + "9" * 400 + "s", "at least 10ms and at most 100 years"),
    ("@every 10.5ms", "the nearest is 0.01 s"),
    ("nonsense", "write five"),
]

IDS = ["", " ", "a b", "a:b", "a\n", "ü", "x" * 101, 5, True, b"a"]

SCHEDULED: list[tuple[dict[str, Any], type[Exception], tuple[str, ...]]] = [
    ({"task_id": "a"}, ConfigurationError, ("option task_id", "leave it out")),
    ({"process_at": datetime(2030, 1, 1, tzinfo=UTC)}, ConfigurationError, ("option process_at", "leave it out")),
    ({"deadline": datetime(2030, 1, 1, tzinfo=UTC)}, ConfigurationError, ("option deadline", "leave it out")),
    ({"headers": {"tick": "1"}}, ConfigurationError, ("header tick", "choose another name")),
    ({"headers": "tick"}, InvalidTask, ("option headers is 'tick'", "give a mapping")),
    ({"queue": "}"}, InvalidTask, ("queue name is '}'", "leave out braces")),
    ({"timeout": NAN}, InvalidTask, ("option timeout is nan", "give a value from 0")),
    ({"process_in": INF}, InvalidTask, ("option process_in is inf", "give a value from 0")),
    ({"unique": 0}, InvalidTask, ("option unique is 0", "give a value from 0.001")),
    ({"colour": "red"}, InvalidTask, ("option colour is unknown", "choose from")),
]


class TestSchedules:
    @pytest.mark.parametrize(("interval", "shown", "remedy"), INTERVALS, ids=[shown for _, shown, _ in INTERVALS])
    def test_an_interval_is_from_10_ms_to_100_years(
        self, app: Onebeat[Any], interval: Any, shown: str, remedy: str
    ) -> None:
        """In whole milliseconds."""
        for make in (Every, app.every):
            with refused(ConfigurationError, "interval is", shown, remedy):
                make(interval)

    @pytest.mark.parametrize(("expression", "what", "remedy"), EXPRESSIONS, ids=[what for _, what, _ in EXPRESSIONS])
    def test_a_cron_expression_names_the_field_that_is_wrong(
        self, app: Onebeat[Any], expression: Any, what: str, remedy: str
    ) -> None:
        """And the value in it, and what to write."""
        for make in (Cron, app.cron):
            with refused(ConfigurationError, "cron expression", what, remedy):
                make(expression)

    @pytest.mark.parametrize(("tz", "shown", "remedy"), ZONES, ids=[shown[:20] for _, shown, _ in ZONES])
    def test_a_zone_is_one_of_the_database(self, app: Onebeat[Any], tz: Any, shown: str, remedy: str) -> None:
        """None is UTC; nothing else is, however empty."""
        for make in (Cron, app.cron):
            with refused(ConfigurationError, "time zone", shown, remedy):
                make("0 3 * * *", tz=tz)

    @pytest.mark.parametrize("rule", ["gap", "overlap"])
    @pytest.mark.parametrize(("value", "shown"), [("x", "'x'"), (None, "None"), (5, "5"), (["skip"], "['skip']")])
    def test_a_rule_for_clock_changes_is_one_of_three(self, rule: str, value: Any, shown: str) -> None:
        """All of which are listed."""
        with refused(ConfigurationError, f"cron rule {rule} is {shown}", "give one of"):
            Cron("0 3 * * *", **{rule: value})

    @pytest.mark.parametrize(("spec", "remedy"), SPECS, ids=[spec[:30] for spec, _ in SPECS])
    def test_a_spec_is_shown_as_it_was_written(self, spec: str, remedy: str) -> None:
        """Not as what it was turned into."""
        with refused(ConfigurationError, repr(spec)[:150], remedy):
            Scheduler().register(spec, Task("t"))

    @pytest.mark.parametrize("trigger", [None, 5, b"@every 5s", timedelta(5), Every], ids=str)
    def test_a_trigger_is_one_of_two(self, app: Onebeat[Any], trigger: Any) -> None:
        """Both of which are shown; `register` takes a text, too."""
        words = ("trigger is", repr(trigger), "give Every(30) or Cron('0 3 * * *')")
        with refused(ConfigurationError, "schedule t", *words):
            Scheduler().register(trigger, Task("t"))
        text: Any = "@every 5s"
        for given in (trigger, text):
            with refused(ConfigurationError, "schedule s", "trigger is", repr(given), "give Every(30)"):
                app.schedule("s", given, Task("t"))

    @pytest.mark.parametrize("task", [None, 5, "t", Task, plain], ids=type)
    def test_what_is_scheduled_is_a_task(self, app: Onebeat[Any], task: Any) -> None:
        """Neither its type nor its function."""
        with refused(InvalidTask, "task is", "give a Task, or what bind() returns"):
            app.schedule("s", Every(5), task)
        with refused(InvalidTask, "task is", "give a Task, or what bind() returns"):
            Scheduler().register("@every 5s", task)

    def test_a_declared_task_is_bound_first(self, app: Onebeat[Any]) -> None:
        """Itself, it is none yet."""
        declared: Any = app.task("t")(plain)
        with refused(InvalidTask, "task is <task 't'", "what bind() returns"):
            app.schedule("s", Every(5), declared)

    @pytest.mark.parametrize("id", IDS, ids=repr)
    def test_an_id_is_letters_digits_and_three_signs(self, app: Onebeat[Any], id: Any) -> None:
        """One that is empty is not the default one."""
        words = ("schedule id is", repr(id), "give 1 to 100 letters, digits, dots, dashes or underscores")
        declared = app.task("t")(plain)
        for make in (
            lambda: app.schedule(id, Every(5), Task("t")),
            lambda: app.every(5, id=id)(declared),
            lambda: app.cron("@daily", id=id)(declared),
            lambda: Scheduler().register("@every 5s", Task("t"), id=id),
        ):
            with refused(ConfigurationError, *words):
                make()
        assert {} == app.entries

    @pytest.mark.parametrize(("options", "kind", "words"), SCHEDULED, ids=[words[0] for _, _, words in SCHEDULED])
    def test_options_have_to_fit_a_schedule(
        self, app: Onebeat[Any], options: dict[str, Any], kind: type[Exception], words: tuple[str, ...]
    ) -> None:
        """What would be the same at every tick is refused, and what is wrong anyway."""
        calls: list[Callable[[], object]] = [
            lambda: app.schedule("s", Every(5), Task("t"), **options),
            lambda: app.schedule("s", Every(5), Task("t", **options)),
            lambda: Scheduler().register("@every 5s", Task("t"), **options),
        ]
        for call in calls:
            with refused(kind, *words):
                call()
        assert {} == app.entries

    def test_zones_have_one_place(self) -> None:
        """An interval has none, a trigger has its own, an expression names one at most."""
        scheduler = Scheduler()
        with refused(ConfigurationError, "'@every 5s'", "tz is 'Europe/Kyiv'", "leave tz out"):
            scheduler.register("@every 5s", Task("t"), tz="Europe/Kyiv")
        with refused(ConfigurationError, "tz is 'Europe/Kyiv'", "Cron(", "give the zone to the trigger"):
            scheduler.register(Cron("@daily"), Task("t"), tz="Europe/Kyiv")
        with refused(ConfigurationError, "names zone 'UTC'", "'Europe/Kyiv'", "give one of them"):
            scheduler.register("CRON_TZ=UTC @daily", Task("t"), tz="Europe/Kyiv")

    def test_a_schedule_is_small(self, app: Onebeat[Any]) -> None:
        """What it enqueues at every tick is kept in every store."""
        with refused(ConfigurationError, "schedule s", "70021 bytes", "64000", "schedule its address"):
            app.schedule("s", Every(5), Task("t", b"x" * 70_000))
        with refused(PayloadError, "payload of task t", "9000000 bytes", "enqueue its address"):
            app.schedule("s", Every(5), Task("t", b"x" * 9_000_000))

    def test_an_id_is_taken_once(self, app: Onebeat[Any]) -> None:
        """The second is refused, in an application and in a scheduler."""
        app.schedule("s", Every(5), Task("t"))
        with refused(ConfigurationError, "schedule 's' is declared twice", "another id"):
            app.schedule("s", Every(5), Task("t"))
        scheduler = Scheduler()
        scheduler.register("@every 5s", Task("t"))
        with refused(ConfigurationError, "schedule 't' is registered twice", "another id"):
            scheduler.register("@every 5s", Task("t"))

    @pytest.mark.parametrize("given", [plain, None, 5, Thing], ids=type)
    def test_only_a_task_is_decorated(self, app: Onebeat[Any], given: Any) -> None:
        """The order of the decorators is the mistake that is made."""
        for decorator in (app.every(5), app.cron("@daily")):
            with refused(ConfigurationError, "is no task", "put @app.every and @app.cron above @app.task"):
                decorator(given)

    def test_a_task_that_needs_arguments_is_bound(self, app: Onebeat[Any]) -> None:
        """The sentence shows how."""
        declared: Any = app.task("t")(needs)
        with refused(ConfigurationError, "task t needs arguments", "needs.bind(…)"):
            app.every(5)(declared)
