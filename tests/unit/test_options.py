"""Options are checked before anything is written, and put into the wire's units without losing anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.errors import InvalidTask
from onebeat.options import Resolved, merge, resolve

MOMENT = datetime(2030, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)


def test_defaults_are_asynqs() -> None:
    """Queue default, 25 retries, 30 minutes, nothing retained."""
    assert Resolved(queue="default", task_id="", max_retry=25, timeout_s=1800, retention_s=0, headers={}) == resolve({})


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"timeout": 30}, ("timeout_s", "timeout_ms"), (30, "")),
        ({"timeout": 0.2}, ("timeout_s", "timeout_ms"), (1, "200")),
        ({"timeout": timedelta(seconds=1.5)}, ("timeout_s", "timeout_ms"), (2, "1500")),
        ({"timeout": 0}, ("timeout_s", "timeout_ms"), (1800, "")),
        ({"deadline": MOMENT}, ("timeout_s", "deadline_s"), (0, 1893553445)),
        ({"deadline": MOMENT, "timeout": 5}, ("timeout_s", "deadline_s"), (5, 1893553445)),
        ({"unique": 1.5}, ("unique_ms",), (1500,)),
        ({"unique": 0.001}, ("unique_ms",), (1,)),
        ({"process_in": 2}, ("due",), ("+2000.000",)),
        ({"process_in": 0}, ("due",), ("",)),
        ({"process_at": MOMENT}, ("due",), ("1893553445679",)),
        ({"retention": 0.1}, ("retention_s",), (1,)),
        ({"retention": timedelta(days=1)}, ("retention_s",), (86_400,)),
        ({"headers": {"a": ""}}, ("headers",), ({"a": ""},)),
    ],
)
def test_values_become_the_wires_units(
    given: dict[str, Any], field: tuple[str, ...], expected: tuple[Any, ...]
) -> None:
    """Fractions are rounded up on the wire and kept exactly beside it; instants never come early."""
    found = resolve(given)
    assert expected == tuple(getattr(found, name) for name in field)


BAD = [
    ("queue", ""), ("queue", "  "), ("queue", "}x"), ("queue", "a{b"), ("queue", 5), ("queue", "\ud800"),
    ("task_id", ""), ("task_id", 7), ("max_retry", -1), ("max_retry", 2**31), ("max_retry", 1.5), ("max_retry", True),
    ("timeout", -1), ("timeout", "5"), ("timeout", float("nan")), ("timeout", 1e20), ("timeout", True),
    ("deadline", 5), ("deadline", datetime(2030, 1, 1)), ("unique", 0), ("unique", 0.0005), ("unique", -3),  # noqa: DTZ001
    ("process_in", -1), ("process_at", "2030"), ("process_at", datetime(2030, 1, 1)), ("retention", -1),  # noqa: DTZ001
    ("headers", {"a": 1}), ("headers", {1: "a"}), ("headers", "a=b"), ("headers", {"a": "\ud800"}), ("colour", "red"),
]  # fmt: skip


@pytest.mark.parametrize(("option", "value"), BAD)
def test_bad_values_are_refused_by_name(option: str, value: object) -> None:
    """One sentence names the option or object, shows the value, and says what to give."""
    with pytest.raises(InvalidTask) as refused:
        resolve({option: value})
    text = str(refused.value)
    assert option.replace("_", " ").rstrip("s") in text.replace("_", " ")
    assert ": " in text


def test_the_later_layer_wins() -> None:
    """Call options override the task's; the two kinds of delay count as one; headers are merged."""
    found = merge(
        {"queue": "a", "process_in": 5, "headers": {"x": "1", "y": "1"}}, {"process_at": MOMENT, "headers": {"y": "2"}}
    )
    assert {"queue": "a", "process_at": MOMENT, "headers": {"x": "1", "y": "2"}} == found


def test_both_delays_at_once_are_refused() -> None:
    """Given in one place, they contradict each other."""
    with pytest.raises(InvalidTask, match="exclude each other"):
        resolve({"process_in": 1, "process_at": MOMENT})
