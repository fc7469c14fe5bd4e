"""Small values: payload bytes, ids, tasks, errors, shares."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import onebeat
from onebeat import codecs, errors
from onebeat.errors import InvalidTask, PayloadError
from onebeat.ids import IdSource, new_id
from onebeat.server.shares import Shares
from onebeat.task import Task


@dataclass
class Point:
    x: int
    y: float


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, b""),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        ({"user_id": 42}, b'{"user_id":42}'),
        ("<a>&é\u2028\u2029", '"\\u003ca\\u003e\\u0026é\\u2028\\u2029"'.encode()),
        (Point(1, 2.5), b'{"x":1,"y":2.5}'),
        ([datetime(2030, 1, 1, tzinfo=UTC), Decimal("1.10")], b'["2030-01-01T00:00:00Z","1.10"]'),
    ],
)
def test_a_payload_is_the_bytes_that_go_would_write(value: object, expected: bytes) -> None:
    """Bytes pass, nothing is nothing, all else is compact JSON with Go's escapes, so locks agree."""
    assert expected == codecs.encode(value)


@pytest.mark.parametrize("value", [object(), {"a": {1, object()}}, 2**80 + 0.5j])
def test_what_has_no_json_form_is_refused(value: object) -> None:
    """The sentence names the type and the remedy."""
    with pytest.raises(PayloadError, match="has no JSON form"):
        codecs.encode(value)


@pytest.mark.slow
@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), lambda of: st.lists(of)))
def test_json_survives_its_escapes(value: Any) -> None:
    """Escaping changes how a text is written, never what it is."""
    assert value == codecs.decode(codecs.encode([value]))[0]


def test_ids_are_uuids_of_version_four() -> None:
    """As Go writes them, all different."""
    ids = [new_id() for _ in range(1000)]
    assert 1000 == len(set(ids))
    assert all(str(uuid.UUID(id_)) == id_ and uuid.UUID(id_).version == 4 for id_ in ids)
    assert {"8", "9", "a", "b"} == {id_[19] for id_ in ids}


def test_a_forked_child_makes_other_ids() -> None:
    """The stock of random ids is thrown away in the child."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() not in {new_id() for _ in range(200)}
    os.close(reading)
    os.close(writing)


def test_ids_come_from_the_randomness_they_are_given() -> None:
    """So that a test may know them."""
    source = IdSource(lambda size: bytes(size))
    assert "00000000-0000-4000-8000-000000000000" == source()


def test_a_task_is_a_plain_value() -> None:
    """Equal type, payload and options make equal tasks; it shows itself shortly."""
    assert Task("t", {"a": 1}, queue="low") == Task("t", b'{"a":1}', queue="low")
    assert Task("t", {"a": 1}) != Task("t", {"a": 2})
    assert "Task('t', b'" == repr(Task("t", "x" * 500))[:12]
    assert len(repr(Task("t", "x" * 500))) < 100


@pytest.mark.parametrize("bad", ["", " ", None, 3, "\ud800"])
def test_a_task_needs_a_type(bad: Any) -> None:
    """A blank type is refused when the task is made."""
    with pytest.raises(InvalidTask, match="task type is"):
        Task(bad)


def test_slots_are_shared_by_weight() -> None:
    """Ten slots go 6 : 3 : 1; single slots add up to the same."""
    shares = Shares({"low": 1, "critical": 6, "default": 3}, strict=False)
    everywhere = {"low", "critical", "default"}
    assert {"critical": 6, "default": 3, "low": 1} == dict(shares.divide(10, everywhere))
    singly = [shares.divide(1, everywhere)[0][0] for _ in range(1000)]
    assert {"critical": 600, "default": 300, "low": 100} == {queue: singly.count(queue) for queue in everywhere}


def test_queues_without_work_cost_the_others_nothing() -> None:
    """Their slots go to the rest, by weight."""
    shares = Shares({"a": 2, "b": 1, "c": 7}, strict=False)
    assert {"a": 6, "b": 3} == dict(shares.divide(9, {"a", "b"}))
    assert [] == shares.divide(9, set())
    assert [] == shares.divide(0, {"a"})


@pytest.mark.slow
@given(st.integers(1, 500), st.sets(st.sampled_from("abcde"), min_size=1))
def test_no_slot_is_lost_or_given_twice(slots: int, working: set[str]) -> None:
    """What is divided is exactly what is free."""
    shares = Shares({"a": 1, "b": 2, "c": 3, "d": 50, "e": 7}, strict=False)
    for _ in range(3):
        plan = shares.divide(slots, working)
        assert slots == sum(number for _, number in plan)
        assert {queue for queue, _ in plan} <= working


def test_strict_gives_all_to_the_heaviest_that_works() -> None:
    """A lighter queue is asked only while the heavier ones are believed empty."""
    shares = Shares({"high": 2, "low": 1}, strict=True)
    assert [("high", 5)] == shares.divide(5, {"high", "low"})
    assert [("low", 5)] == shares.divide(5, {"low"})


def test_importing_loads_neither_asyncio_nor_redis() -> None:
    """`import onebeat` is cheap; a name is loaded when it is first used."""
    heavy = "('asyncio', 'redis', 'msgspec', 'google.protobuf')"
    code = f"import sys, onebeat; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_a_client_loads_neither_redis_nor_the_server() -> None:
    """Declaring tasks and enqueueing them needs no server; redis-py comes with the first store."""
    code = """
import sys
from onebeat import Onebeat
app = Onebeat()
@app.every(1)
@app.task()
async def tick() -> None: ...
tick.bind()
heavy = ("redis", "onebeat.server.server", "onebeat.server.executor", "onebeat.upkeep.maintainer", "onebeat.testing")
print([module for module in heavy if module in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_every_public_name_is_there() -> None:
    """`__all__` names what can be imported, and nothing else."""
    for name in onebeat.__all__:
        assert getattr(onebeat, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        onebeat.nonsense  # type: ignore[attr-defined] # noqa: B018 - that it raises is what is tested


def test_the_tree_of_errors_is_the_one_that_is_drawn() -> None:
    """The module's docstring names every error once, and every name in it exists."""
    drawn = set(re.findall(r"\b([A-Z]\w*[a-z]\w*)", (errors.__doc__ or "").split("A message names")[0])) - {
        "Every",
        "Onebeat",
    }
    builtin = {"ValueError", "ConnectionError", "TimeoutError", "ImportError", "LookupError"}
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert defined == drawn - builtin
