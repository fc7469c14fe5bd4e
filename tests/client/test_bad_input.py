"""
Wrong values in every public call: one sentence with the object, the value and the remedy, and nothing written.

What options do with wrong values is also in tests/unit/test_options.py, addresses in test_client.py, the embedded
store's places in tests/broker/test_embedded.py, times in tests/unit/test_values.py and test_cron.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat import (
    BrokerUnavailable,
    BrokerUnsupported,
    Client,
    ConfigurationError,
    Context,
    Cron,
    Every,
    Inspector,
    InvalidTask,
    Mux,
    Onebeat,
    PayloadError,
    QueueNotFound,
    Retry,
    Scheduler,
    Server,
    Task,
    current,
)
from onebeat.broker.store import Store

NAN, INF = float("nan"), float("inf")
URL = "redis://localhost:6379/0"
Made = Callable[[], Any]


def app() -> Onebeat[None]:
    return Onebeat("bad", url=URL)


def declared() -> Any:
    @app().task("double", retention=60)
    async def double(number: int = 0) -> int:
        return number * 2

    return double


CIRCULAR: dict[str, Any] = {}
CIRCULAR["self"] = CIRCULAR


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    async with Client(url) as client:
        yield client


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"queue": ""}, "queue name is ''"),
        ({"queue": "}x"}, "queue name is '}x'"),
        ({"queue": b"q"}, "queue name is b'q'"),
        ({"queue": "a\nb"}, "control characters"),
        ({"queue": "a\0b"}, "control characters"),
        ({"task_id": " "}, "task id is ' '"),
        ({"task_id": 7}, "task id is 7"),
        ({"max_retry": -1}, "max_retry is -1"),
        ({"max_retry": True}, "max_retry is True"),
        ({"max_retry": 1.5}, "max_retry is 1.5"),
        ({"timeout": -0.1}, "timeout is -0.1"),
        ({"timeout": NAN}, "timeout is nan"),
        ({"timeout": INF}, "timeout is inf"),
        ({"unique": 0.0005}, "unique is 0.0005"),
        ({"unique": 0}, "unique is 0"),
        ({"process_in": -1}, "process_in is -1"),
        ({"process_in": NAN}, "process_in is nan"),
        ({"process_at": datetime(2030, 1, 1)}, "no time zone"),  # noqa: DTZ001 - that is the point
        ({"process_at": 5}, "process_at is 5"),
        ({"deadline": datetime(2030, 1, 1)}, "no time zone"),  # noqa: DTZ001 - that is the point
        ({"retention": -1}, "retention is -1"),
        ({"headers": 5}, "headers is 5"),
        ({"headers": [("a", "b")]}, "headers is"),
        ({"headers": {"a": 5}}, "header 'a' is 5"),
        ({"headers": {"": "a"}}, "header name is ''"),
        ({"bogus": 1}, "option bogus is unknown"),
        ({"process_in": 1, "process_at": datetime(2030, 1, 1, tzinfo=UTC)}, "exclude each other"),
    ],
)
async def test_an_option_that_cannot_be(client: Client, options: dict[str, Any], named: str) -> None:
    """Refused by name, before anything is written, not even the name of the queue."""
    with pytest.raises(InvalidTask, match=named) as caught:
        await client.enqueue(Task("t"), **options)
    assert ": " in str(caught.value)
    assert 0 == await (await client.store()).command("DBSIZE")


@pytest.mark.parametrize(
    "payload", [object(), CIRCULAR, NAN, {"a": [1.0, INF]}, "\ud800", {object(): 1}], ids=lambda p: type(p).__name__
)
def test_a_payload_without_a_json_form(payload: Any) -> None:
    """Refused when the task is made; a number that is none is not turned into null behind one's back."""
    with pytest.raises(PayloadError, match="has no JSON form"):
        Task("t", payload)


def test_null_and_numbers_beside_it_are_fine() -> None:
    """Only what would be lost is refused."""
    assert b'{"a":null,"b":1.5,"c":["null"]}' == Task("t", {"a": None, "b": 1.5, "c": ["null"]}).payload


async def test_a_payload_that_is_too_large(client: Client) -> None:
    """The sentence names its size, the limit and both ways out."""
    with pytest.raises(PayloadError, match=r"9000000 bytes, the limit is 8000000: store it elsewhere .* or raise"):
        await client.enqueue(Task("t", b"x" * 9_000_000))
    assert 0 == await (await client.store()).command("DBSIZE")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Server(5), "store 5: give a URL"),
        (lambda: Server("http://x"), "store 'http://x'"),
        (lambda: Server(URL, concurrency=0), "concurrency is 0"),
        (lambda: Server(URL, concurrency="4"), "concurrency is '4'"),  # type: ignore[arg-type]
        (lambda: Server(URL, queues={}), "queues is {}"),
        (lambda: Server(URL, queues={"a": 0}), "weight of queue 'a' is 0"),
        (lambda: Server(URL, queues={"}a": 1}), "queue name is '}a'"),
        (lambda: Server(URL, lease=14), "lease is 14 s: give 15"),
        (lambda: Server(URL, lease=NAN), "lease is nan"),
        (lambda: Server(URL, grace=-1), "grace is -1"),
        (lambda: Server(URL, stall_limit=INF), "stall_limit is inf"),
        (lambda: Server(URL, max_crashes=0), "max_crashes is 0"),
        (lambda: Server(URL, strict="yes"), "strict is 'yes': give True or False"),  # type: ignore[arg-type]
        (lambda: Server(URL, bogus=1), "setting bogus is unknown: choose from concurrency"),  # type: ignore[call-arg]
        (lambda: Server(URL, retry_delay=5), "retry_delay is 5: give a function"),  # type: ignore[arg-type]
        (lambda: Server(URL).serving(None), "mux is None"),  # type: ignore[arg-type]
        (lambda: Mux().handle(" ")(declared().function), "pattern is ' '"),
        (lambda: Mux().handle("x")(5), "handler of 'x' is 5"),  # type: ignore[type-var]
        (lambda: Client(5), "store 5"),
        (lambda: Client(URL, give_up_after=-1), "give_up_after is -1"),
        (lambda: Client(URL, give_up_after=NAN), "give_up_after is nan"),
        (lambda: Client(URL, max_payload=0), "max_payload is 0"),
        (lambda: Inspector(5), "store 5"),
        (lambda: Scheduler(5), "store 5"),
        (lambda: Client("redis://localhost:x/0"), "Port could not .* 'x'; write it as in redis://"),
        (lambda: Onebeat(""), "application name is ''"),
        (lambda: Onebeat("x", url="http://x"), "store 'http://x'"),
        (lambda: Onebeat("x", lifespan=5), "lifespan is 5: give an"),  # type: ignore[arg-type]
        (lambda: Onebeat("x").serving(), "has no tasks"),
        (lambda: served(concurrency=0), "concurrency is 0"),
        (lambda: served(bogus=1), "setting bogus is unknown"),
        (lambda: app().task(declared().function), "lacks its parentheses: write @app.task()"),
        (lambda: app().task()(lambda: None), "a lambda has no name"),
        (lambda: app().task("c")(dict), "is no function"),
        (lambda: app().task("d")(5), "task 5 is no function"),  # type: ignore[call-overload]
        (lambda: app().task("e", retry_on=5)(declared().function), "retry_on is 5: give a tuple"),  # type: ignore[arg-type]
        (lambda: app().task("e", archive_on=("x",))(declared().function), "archive_on is"),  # type: ignore[arg-type]
        (lambda: app().task("f", backoff=5)(declared().function), "backoff is 5: give a function"),  # type: ignore[arg-type]
        (lambda: app().task("g")(lambda *numbers: None), r"parameter \*numbers has no place"),
        (lambda: app().every(0), "interval is 0"),
        (lambda: app().every(NAN), "interval is nan"),
        (lambda: app().cron("60 * * * *"), "'60' in the minute field is out of range; write 0 to 59"),
        (lambda: app().cron("* * * * * *"), "it has 6 fields; write five"),
        (lambda: app().cron("* * * * *", tz=""), "time zone '' is unknown"),
        (lambda: app().cron("* * * * *", tz="europe/berlin"), "did you mean 'Europe/Berlin'"),
        (lambda: app().schedule("a b", Every(1), declared().bind()), "schedule id is 'a b'"),
        (lambda: app().schedule("a", Every(1), declared()), "task is <task 'double'.*; give a Task, or what bind"),
        (lambda: app().schedule("a", "@hourly", declared().bind()), "trigger is '@hourly'; give Every"),  # type: ignore[arg-type]
        (lambda: app().schedule("a", Cron("@hourly"), declared().bind(), task_id="x"), "option task_id is the same"),
        (lambda: Scheduler(URL).register("bogus", declared().bind()), "it has 1 fields"),
        (lambda: Scheduler(URL).register(5, declared().bind()), "trigger is 5"),  # type: ignore[arg-type]
        (lambda: Scheduler(URL).register("@hourly", None), "task of a schedule is None"),  # type: ignore[arg-type]
        (lambda: Retry(delay=-5), "delay of Retry is -5"),
        (lambda: Retry(delay=NAN), "delay of Retry is nan"),
        (lambda: Retry(delay="soon"), "delay of Retry is 'soon'"),  # type: ignore[arg-type]
    ],
)
def test_a_declaration_or_setting_that_cannot_be(make: Made, named: str) -> None:
    """Refused where it is written, in one sentence, before anything is opened."""
    with pytest.raises(ConfigurationError, match=named) as caught:
        make()
    assert "\n" not in str(caught.value)


def served(**settings: Any) -> Any:
    application = app()
    application.task("t")(declared().function)
    return application.serving(**settings)


def test_one_error_class_alone_will_do() -> None:
    """A class, or a list of them, is taken for the tuple that it stands for."""
    assert (ValueError,) == app().task("a", retry_on=ValueError)(declared().function).route.retry_on  # type: ignore[arg-type]
    assert (KeyError,) == app().task("b", archive_on=[KeyError])(declared().function).route.archive_on  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [-1, NAN, "soon"])
async def test_a_wait_that_cannot_be(timeout: Any) -> None:
    """`result()` names its own argument."""
    with pytest.raises(ConfigurationError, match=r"timeout of result\(\) is"):
        await declared().handle("x").result(timeout)


@pytest.mark.parametrize(("task_id", "queue"), [("", None), (5, None), ("x", "}")])
def test_a_handle_of_nothing(task_id: Any, queue: Any) -> None:
    """An id and a queue are checked when the handle is made."""
    with pytest.raises(InvalidTask, match=r"task id is|queue name is"):
        declared().handle(task_id, queue=queue)


def test_no_task_runs_here() -> None:
    """`current()` outside of a handler says where it works."""
    with pytest.raises(LookupError, match=r"current\(\) works inside a handler"):
        current()


async def test_what_the_inspector_is_asked_for(url: str) -> None:
    """Unknown queues, states and blank ids are told apart from empty ones."""
    async with Inspector(url) as inspector:
        with pytest.raises(QueueNotFound, match="'nope' is not known here"):
            await inspector.stats("nope")
        with pytest.raises(InvalidTask, match="queue name is 5"):
            await inspector.stats(5)  # type: ignore[arg-type]
        with pytest.raises(ConfigurationError, match="state is 'bogus': choose from pending, active"):
            await inspector.run_all("default", "bogus")
        with pytest.raises(ConfigurationError, match="state is 'aggregating'"):
            await anext(inspector.tasks("default", state="aggregating"))
        await inspector.store.command("SADD", "asynq:queues", "default")
        with pytest.raises(ConfigurationError, match="state is 'pending': only waiting or ended tasks"):
            await inspector.run_all("default", "pending")
        for call in (inspector.task, inspector.run, inspector.cancel):
            with pytest.raises(InvalidTask, match="task id is ''"):
                await call("default", "")
            with pytest.raises(InvalidTask, match="queue name is '}'"):
                await call("}", "x")


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("redis://localhost:1", "see that it runs there"),
        ("redis://no-such-host.invalid", "see that it runs there"),
        ("unix:///no/such/socket", "see that it runs there"),
    ],
)
async def test_a_store_that_cannot_be_reached(url: str, remedy: str) -> None:
    """The address, what the system says, and what to do."""
    with pytest.raises(BrokerUnavailable, match=rf"store {url} cannot be used: .*; {remedy}"):
        await Store.open(url)


async def test_a_wrong_password(url: str) -> None:
    """None, a wrong one and an unknown user: the sentence says where the right one belongs, and shows none."""
    async with await Store.open(url) as store:
        await store.command("CONFIG", "SET", "requirepass", "secret")
        try:
            path = store.endpoint.settings["path"]
            for attempt in (url, f"unix://:wrong@{path}", f"unix://nobody:wrong@{path}"):
                with pytest.raises(BrokerUnavailable, match="give a user and password that it knows") as caught:
                    await Store.open(attempt)
                assert "wrong@" not in str(caught.value)
        finally:
            await store.command("CONFIG", "SET", "requirepass", "")


class OldRedis(asyncio.Protocol):
    """A stub that answers INFO as Redis 5 does, and anything else with OK."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        for command in data.split(b"*")[1:]:
            text = b"redis_version:5.0.7\r\n"
            answer = b"$%d\r\n%s\r\n" % (len(text), text) if b"INFO\r\n" in command else b"+OK\r\n"
            self._transport.write(answer)


async def test_a_store_that_is_too_old() -> None:
    """Said at the start, with what is needed, rather than by a script error at the first task."""
    server = await asyncio.get_running_loop().create_server(OldRedis, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with pytest.raises(BrokerUnsupported, match=r"is version 5\.0\.7: Onebeat needs Redis 6\.2, Valkey 7\.2 or"):
            await Store.open(f"redis://127.0.0.1:{port}")
    finally:
        server.close()
        await server.wait_closed()


async def test_a_timeout_of_a_fifth_of_a_second_is_kept_exactly(client: Client) -> None:
    """Not cut to none (SE-37): a whole second for Go, and the exact time beside it for us."""
    from onebeat.wire.message import decode

    enqueued = await client.enqueue(Task("t"), timeout=0.2)
    store = await client.store()
    message, exact = await store.command("HMGET", f"asynq:{{default}}:t:{enqueued.id}", "msg", "ob_timeout_ms")
    assert (1, b"200") == (decode(message).timeout, exact)


async def test_a_handler_that_gives_a_wrong_delay_fails_by_name(url: str) -> None:
    """The mistake is its task's error, like any other that a handler makes."""
    mux, told = Mux(), asyncio.Event()

    @mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        raise Retry(delay=-1)

    async with (
        Client(url) as client,
        Server(await client.store()).serving(mux, settled=lambda _attempt, _answer: told.set()),
    ):
        enqueued = await client.enqueue(Task("t"))
        async with asyncio.timeout(10):
            await told.wait()
        info = await Inspector(await client.store()).task("default", enqueued.id)
    assert "ConfigurationError: delay of Retry is -1: give seconds, 0 or more, or a timedelta" == info.last_error
