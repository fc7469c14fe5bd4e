"""What annotations mean on the wire: every kind of value arrives as what the signature says, or is refused by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest

from onebeat.app.app import Onebeat
from onebeat.app.declared import Declared
from onebeat.errors import ConfigurationError, PayloadError
from onebeat.server.context import Context
from onebeat.task import Task

if TYPE_CHECKING:
    from nowhere import Absent  # type: ignore[import-not-found] # as users do for what only checkers need


@dataclass
class Address:
    city: str
    code: int


@dataclass
class Person:
    name: str
    homes: list[Address]


class Options(TypedDict):
    width: int
    height: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


@attrs.define
class Parcel:
    weight: float


class Order(msgspec.Struct):
    number: int
    lines: tuple[str, ...] = ()


class Cat(msgspec.Struct, tag=True):
    lives: int


class Dog(msgspec.Struct, tag=True):
    tricks: list[str]


class Colour(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Invoice(pydantic.BaseModel):
    total: Decimal
    sent_at: datetime = pydantic.Field(alias="sentAt")


class Card(pydantic.BaseModel):
    kind: Literal["card"] = "card"
    number: str


class Transfer(pydantic.BaseModel):
    kind: Literal["transfer"] = "transfer"
    iban: str


class Unknown:
    pass


MOMENT = datetime(2030, 1, 2, 3, 4, 5, 678_901, UTC)

VALUES: list[tuple[Any, Any, str]] = [
    (int, 2**53 + 1, "9007199254740993"),
    (float, 1.5, "1.5"),
    (str, "Київ <&>", '"Київ \\u003c\\u0026\\u003e"'),
    (bytes, b"\x00\xff", '"AP8="'),
    (bool, True, "true"),
    (None, None, "null"),
    (list[int], [1, 2], "[1,2]"),
    (tuple[int, str], (1, "a"), '[1,"a"]'),
    (set[int], {1}, "[1]"),
    (frozenset[str], frozenset({"a"}), '["a"]'),
    (dict[str, float], {"a": 0.5}, '{"a":0.5}'),
    (dict[int, str], {1: "a"}, '{"1":"a"}'),
    (Sequence[int], [1], "[1]"),
    (Mapping[str, int], {"a": 1}, '{"a":1}'),
    (int | str | None, "a", '"a"'),
    (int | str | None, None, "null"),
    (Literal["low", "high"], "low", '"low"'),
    (datetime, MOMENT, '"2030-01-02T03:04:05.678901Z"'),
    (date, date(2030, 1, 2), '"2030-01-02"'),
    (time, time(3, 4), '"03:04:00"'),
    (timedelta, timedelta(minutes=1.5), '"PT90S"'),
    (Decimal, Decimal("1.10"), '"1.10"'),
    (UUID, UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (Path, Path("a/b"), '"a/b"'),
    (PurePosixPath, PurePosixPath("/a"), '"/a"'),
    (Colour, Colour.RED, '"red"'),
    (Level, Level.HIGH, "3"),
    (Address, Address("Lviv", 79), '{"city":"Lviv","code":79}'),
    (Person, Person("Ada", [Address("Lviv", 1)]), '{"name":"Ada","homes":[{"city":"Lviv","code":1}]}'),
    (Address | None, None, "null"),
    (Options, {"width": 80}, '{"width":80}'),
    (Point, Point(1), "[1,0]"),
    (Parcel, Parcel(2.5), '{"weight":2.5}'),
    (Order, Order(7, ("a",)), '{"number":7,"lines":["a"]}'),
    (Cat | Dog, Dog(["sit"]), '{"type":"Dog","tricks":["sit"]}'),
    (
        Invoice,
        Invoice(total=Decimal("9.90"), sentAt=MOMENT),
        '{"total":"9.90","sentAt":"2030-01-02T03:04:05.678901Z"}',
    ),
    (list[Invoice] | None, [Invoice(total=Decimal(1), sentAt=MOMENT)], '[{"total":"1",'),
    (Card | Transfer, Transfer(iban="DE1"), '{"kind":"transfer","iban":"DE1"}'),
    (pydantic.AnyUrl, pydantic.AnyUrl("https://a.b/c"), '"https://a.b/c"'),
    (Annotated[int, msgspec.Meta(ge=0)], 0, "0"),
    (Any, {"a": [1, None]}, '{"a":[1,null]}'),
    (object, [1], "[1]"),
]


def task_of(hint: Any, **options: Any) -> Declared[Any, Any, Any, Any]:
    """Declare a task whose only argument is annotated so."""

    async def handler(value: Any) -> None: ...

    handler.__annotations__ = {"value": hint, "return": None}
    declared: Declared[Any, Any, Any, Any] = Onebeat(**options).task("t")(handler)
    return declared


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize(("hint", "value", "_on_the_wire"), VALUES, ids=lambda item: str(item)[:40])
def test_a_value_arrives_as_its_annotation_says(hint: Any, value: Any, _on_the_wire: str, codec: str) -> None:
    """Equal, and of the very same type, in both codecs."""
    task = task_of(hint, codec=codec)
    _, arguments = task._binder.decode(task.bind(value).payload, task.codec)
    assert value == arguments["value"]
    assert type(value) is type(arguments["value"])


@pytest.mark.parametrize(("hint", "value", "on_the_wire"), VALUES, ids=lambda item: str(item)[:40])
def test_what_other_languages_read(hint: Any, value: Any, on_the_wire: str) -> None:
    """The JSON is what a Go program would expect."""
    assert task_of(hint).bind(value).payload.startswith(f'{{"value":{on_the_wire}'.encode())


@pytest.mark.parametrize(
    ("hint", "value", "place"),
    [
        (int, "42", "Expected `int`, got `str` - at `$.value`"),
        (int, True, "Expected `int`, got `bool` - at `$.value`"),
        (int, None, "Expected `int`, got `null` - at `$.value`"),
        (Annotated[int, msgspec.Meta(ge=0)], -1, "Expected `int` >= 0 - at `$.value`"),
        (Literal["low", "high"], "mid", "Invalid enum value 'mid' - at `$.value`"),
        (Person, Person("Ada", [Address("Lviv", "79")]), "got `str` - at `$.value.homes[0].code`"),  # type: ignore[arg-type] # on purpose
        (Address, {"city": "Lviv"}, "missing required field `code` - at `$.value`"),
        (UUID, "7", "Invalid UUID - at `$.value`"),
        (datetime, "tomorrow", "Invalid RFC3339 encoded datetime - at `$.value`"),
        (Invoice, {"total": 1}, "sentAt: Field required - at `$.value`"),
        (Card | Transfer, {"kind": "card"}, "Card.number: Field required"),
    ],
)
def test_what_no_server_could_read_is_refused_when_it_is_bound(hint: Any, value: Any, place: str) -> None:
    """Before anything is written; the sentence names the task and the field."""
    with pytest.raises(PayloadError) as refused:
        task_of(hint).bind(value)
    assert str(refused.value).startswith("payload of task t does not fit its signature: ")
    assert place in str(refused.value)


@pytest.mark.parametrize("hint", [Unknown, complex, Callable[[], int], Iterable[int], list[Unknown], Unknown | None])
def test_an_annotation_without_a_form_is_refused_where_it_is_declared(hint: Any) -> None:
    """Not when the first task arrives."""
    with pytest.raises(ConfigurationError, match=r"task t: parameter 'value': .* has no form on the wire; take a list"):
        task_of(hint)


def test_a_result_without_a_form_is_refused_where_it_is_declared() -> None:
    """Unless no result is kept."""

    async def handler() -> Unknown:
        return Unknown()

    with pytest.raises(ConfigurationError, match="its result: Unknown has no form on the wire"):
        Onebeat().task()(handler)
    Onebeat().task(retention=0)(handler)


class Login(pydantic.BaseModel):
    name: str
    password: pydantic.SecretStr


class OpenLogin(Login):
    @pydantic.field_serializer("password")
    def _open(self, password: pydantic.SecretStr) -> str:
        return password.get_secret_value()


@pytest.mark.parametrize(
    "hint", [pydantic.SecretStr, pydantic.SecretBytes | None, Login, list[Login], dict[str, Login]]
)
def test_a_secret_that_would_be_written_as_stars_is_refused(hint: Any) -> None:
    """It would arrive as ten stars, and nobody would know."""
    with pytest.raises(ConfigurationError, match=r"parameter 'value': Secret\w+ writes stars in place of its value"):
        task_of(hint)


def test_a_model_that_says_how_its_secret_is_written_is_taken_at_its_word() -> None:
    """Whoever gives it a serializer wants it written."""
    given = OpenLogin(name="ada", password=pydantic.SecretStr("s3"))
    assert b'{"value":{"name":"ada","password":"s3"}}' == task_of(OpenLogin).bind(given).payload


def test_a_union_of_dataclasses_needs_pydantic_or_tags() -> None:
    """Without pydantic the sentence says both ways out; with it, it works."""
    program = """
from dataclasses import dataclass
from onebeat import Onebeat
@dataclass
class A: x: int
@dataclass
class B: y: int
def handler(value: A | B): ...
try:
    Onebeat().task()(handler)
except Exception as error:
    print(error)
import pydantic
print(Onebeat().task()(handler).bind(B(1)).payload)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    refused, payload = done.stdout.splitlines()
    assert "import pydantic, or give each a tag" in refused
    assert 'b\'{"value":{"y":1}}\'' == payload


def test_classes_declared_beside_the_task_are_found() -> None:
    """Also inside a function, where annotations are text."""

    @dataclass
    class Local:
        z: int

    @Onebeat().task()
    async def handler(value: Local) -> None: ...

    assert b'{"value":{"z":1}}' == handler.bind(Local(1)).payload


def test_an_annotation_that_cannot_be_read_is_refused() -> None:
    """A name that only type checkers know says nothing of the wire."""
    with pytest.raises(ConfigurationError, match=r"name 'Absent' is not defined.*outside of `if TYPE_CHECKING`"):

        @Onebeat().task()
        async def handler(value: Absent) -> None: ...


def test_the_state_of_a_context_may_be_known_to_checkers_only() -> None:
    """It never goes over the wire."""

    @Onebeat().task()
    async def handler(ctx: Context[Absent], value: int) -> None: ...

    assert b'{"value":1}' == handler.bind(1).payload


def test_a_default_that_can_change_is_not_shared() -> None:
    """Each call that leaves it out gets one of its own."""

    @Onebeat().task()
    async def handler(value: list[int] = [1]) -> None: ...  # noqa: B006 - on purpose

    first = handler._binder.decode(b"{}", handler.codec)[1]["value"]
    first.append(2)
    assert [1] == handler._binder.decode(b"{}", handler.codec)[1]["value"]


async def test_rich_values_reach_their_handler_and_come_back(url: str) -> None:
    """Over the store, as argument, as whole payload, and as result."""
    app = Onebeat(url=url)

    @app.task("pay")
    async def pay(by: Card | Transfer, invoice: Invoice) -> Invoice:
        assert isinstance(by, Card)
        return invoice.model_copy(update={"total": invoice.total * 2})

    @app.task("move")
    def move(person: Person, /) -> list[Address]:
        return person.homes

    async with app, app.serving():
        invoice = Invoice(total=Decimal("9.90"), sentAt=MOMENT)
        paid = await pay.enqueue(Card(number="4"), invoice)
        moved = await move.enqueue(Person("Ada", [Address("Lviv", 1)]))
        assert Invoice(total=Decimal("19.80"), sentAt=MOMENT) == await paid.result(60)
        assert [Address("Lviv", 1)] == await moved.result(60)


async def test_a_result_that_is_not_what_was_declared_is_named(url: str) -> None:
    """The task has ended well; who waits learns what came instead."""
    app = Onebeat(url=url)

    @app.task("count")
    async def count() -> int:
        return "many"  # type: ignore[return-value] # on purpose

    async with app, app.serving():
        handle = await count.enqueue()
        with pytest.raises(
            PayloadError, match=r"result b'\"many\"' of task count is not what it is declared to return"
        ):
            await handle.result(60)


async def test_what_other_programs_get_wrong_is_archived_with_the_place(url: str) -> None:
    """A Go producer's field of the wrong type, deep inside."""
    app = Onebeat(url=url)

    @app.task("move", max_retry=9)
    async def move(person: Person) -> None: ...

    async with app, app.serving():
        client = await app.client()
        wrong = {"person": {"name": "Ada", "homes": [{"city": "Lviv", "code": "x"}]}}
        enqueued = await client.enqueue(Task("move", wrong), retention=60)
        with pytest.raises(Exception, match=r"\$\.person\.homes\[0\]\.code"):
            await move.handle(enqueued.id).result(60)
        info = await move.handle(enqueued.id).info()
    assert (0, "archived") == (info.retried, info.state.value)


def test_names_for_checkers_are_no_trouble_on_any_python() -> None:
    """From Python 3.14 on annotations are no text unless asked for, and reading them may fail."""
    prelude = "from __future__ import annotations\n" if sys.version_info < (3, 14) else ""
    program = f"""{prelude}
from typing import TYPE_CHECKING
import onebeat
if TYPE_CHECKING:
    from nowhere import Absent
app = onebeat.Onebeat()
@app.task()
def handler(ctx: onebeat.Context[Absent], value: int): ...
print(handler.bind(1).payload)
try:
    @app.task()
    def other(value: Absent): ...
except onebeat.ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    payload, refused = done.stdout.splitlines()
    assert "b'{\"value\":1}'" == payload
    assert "name 'Absent' is not defined" in refused


class Event(pydantic.BaseModel):
    """Strict, and closed, with a field of its own making: what it writes it must be able to read."""

    model_config = pydantic.ConfigDict(strict=True, extra="forbid")

    at: datetime
    ident: UUID
    span: tuple[int, int]
    price: Decimal

    @pydantic.computed_field
    def length(self) -> int:
        return self.span[1] - self.span[0]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_a_strict_model_arrives_as_it_was(codec: str) -> None:
    """On the wire a date is a string, which a strict model takes from JSON alone; what is computed stays out."""
    app: Onebeat[Any] = Onebeat(codec=codec)

    @app.task("t")
    def handler(event: Event, others: list[Event]) -> None: ...

    given = Event(at=datetime(2030, 1, 1, tzinfo=UTC), ident=UUID(int=1), span=(1, 3), price=Decimal("1.10"))
    task = handler.bind(given, [given])
    assert ((), {"event": given, "others": [given]}) == handler._binder.decode(task.payload, app.codec)


def test_a_strict_model_still_refuses_what_is_wrong() -> None:
    """By the place, as pydantic says it first."""
    app: Onebeat[Any] = Onebeat()

    @app.task("t")
    def handler(event: Event) -> None: ...

    payload = b'{"event":{"at":"2030-01-01T00:00:00Z","ident":5,"span":[1,3],"price":"1"}}'
    with pytest.raises(PayloadError, match="ident: "):
        handler._binder.decode(payload, app.codec)


@dataclass
class Scan:
    image: bytes


@dataclass
class Sound:
    wave: bytes


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_bytes_inside_of_what_pydantic_reads_are_what_they_were(codec: str) -> None:
    """A union of dataclasses is pydantic's to tell apart, which takes base64 for bytes unless it is told."""
    app: Onebeat[Any] = Onebeat(codec=codec)

    @app.task("t")
    def handler(media: Scan | Sound) -> None: ...

    task = handler.bind(Sound(b"\xff\x00"))
    assert ((), {"media": Sound(b"\xff\x00")}) == handler._binder.decode(task.payload, app.codec)


ORDER = """
from onebeat import Onebeat
for codec in "json", "msgpack":
    app = Onebeat(codec=codec)
    @app.task()
    def whole(words: frozenset[str], /) -> None: ...
    @app.task()
    def within(words: dict[str, set[str]] | None) -> None: ...
    words = {"alpha", "beta", "gamma", "delta"}
    print(whole.bind(frozenset(words)).payload, within.bind({"all": words}).payload)
"""


@pytest.mark.slow
def test_a_set_is_written_the_same_way_by_every_process() -> None:
    """Or a unique lock, which is taken on the payload, would hold in one process only."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", ORDER], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert 1 == len(outputs)
    assert b'["alpha","beta","delta","gamma"]' in outputs.pop()
