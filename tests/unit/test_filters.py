"""The filter language: what is written is read, what it means is what a plain model says, and errors point at words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebeat import codecs
from onebeat.errors import InvalidFilter
from onebeat.inspector.filters import Filter
from onebeat.inspector.words import Value, Word, span
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.wire.message import TaskMessage, encode

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PLAIN = TaskInfo(
    id="a", queue="q", type="mail:welcome", payload=b'{"user":{"id":42,"name":"Ada"},"tags":["x","y"]}',
    state=TaskState.RETRY, max_retry=5, retried=3, last_error="dial: Connection refused",
    last_failed_at=NOW - timedelta(hours=1), timeout=timedelta(minutes=30), deadline=None,
    next_process_at=NOW + timedelta(minutes=5), retention=timedelta(), completed_at=None, result=None,
    headers={"tenant": "acme"}, group="", crashes=0, progress=None,
)  # fmt: skip


def fits(text: str, *, since: datetime | None = None, **changes: Any) -> bool:
    return Filter(text).matches(replace(PLAIN, **changes), now=NOW, since=since)


@pytest.mark.parametrize(
    "text",
    [
        "", "type:mail:*", "type=mail:welcome", "-type:sms:*", "type:sms:*,mail:*", "queue:q", "id:a", "state:retry",
        "state:retry,archived", 'error:"connection REFUSED"', "error:refus", "error:'dial*refused'",
        "payload.user.id=42", "payload.user.id:42", "payload.user.id=42.0", "payload.user.id>=42", "payload.tags.1=y",
        "payload.user.name:A*", "-payload.user.name=ada", "payload.user:*", "payload:ADA", "header.tenant:acme",
        "-header.other:*", "retried>=3", "retried:1,3", "retried<4", "age>30m", "age<2h", "-age>2h", "failed>-2h",
        "failed<2030-01-01T00:00:00Z", "failed>2029-12-31", "since>2029-12-31T22:59:59+00:00", "due<10m",
        "due>2030-01-01",
        "timeout>29m", "size<100", "-is:orphaned", "-is:undecodable", "type:mail:* -state:archived age>1s retried>0",
    ],
)  # fmt: skip
def test_words_that_fit(text: str) -> None:
    """Each says something that is so of the task."""
    assert fits(text)


@pytest.mark.parametrize(
    "text",
    [
        "type:mail", "type=mail:*", "-type:mail:*", "queue:default", "id:A", "state:archived", "error=refused",
        "payload.user.id=43", 'payload.user.id="42"', "payload.user.id>42", "payload.tags.2:*", "payload.nothing:*",
        "payload.user.name=ada", "payload.user=Ada", "header.tenant:b*", "retried>3", "age>1h", "due>10m", "due<-1s",
        "completed>2000-01-01", "-completed>2000-01-01", "deadline<9w", "is:orphaned", "is:undecodable", "size>1000",
    ],
)  # fmt: skip
def test_words_that_do_not_fit(text: str) -> None:
    """Nor does the negation of what cannot be said of a task, such as when it was completed."""
    assert not fits(text)


@pytest.mark.parametrize(
    ("state", "known", "fitting"),
    [
        ("pending", {"pending_since": NOW - timedelta(hours=3)}, True),
        ("retry", {"last_failed_at": NOW - timedelta(hours=3)}, True),
        ("completed", {"completed_at": NOW - timedelta(hours=3)}, True),
        ("archived", {"last_failed_at": NOW - timedelta(hours=3)}, True),
        ("pending", {"pending_since": None}, False),
        ("scheduled", {"next_process_at": NOW - timedelta(hours=3)}, False),
    ],
)
def test_age_is_how_long_a_task_is_in_its_state(state: str, known: dict[str, Any], fitting: bool) -> None:
    """Since it became pending, failed, or was completed; a scheduled task has none, nor what nobody noted."""
    assert fitting is fits("age>2h", state=TaskState(state), **known)
    assert not fits("-age>2h", state=TaskState(state), **known)


@pytest.mark.parametrize("state", ["archived", "aggregating", "active"])
def test_age_by_what_the_store_says(state: str) -> None:
    """When it was archived, joined its group, or began to run stands outside of its record."""
    assert fits("age>2h", state=TaskState(state), since=NOW - timedelta(hours=3))
    assert not fits("age>2h", state=TaskState(state), since=NOW - timedelta(hours=1))


@pytest.mark.parametrize(
    ("payload", "text", "fitting"),
    [
        (b'{"n":9007199254740993}', "payload.n=9007199254740993", True),
        (b'{"n":9007199254740992}', "payload.n=9007199254740993", False),
        (b'{"n":9007199254740992}', "payload.n<9007199254740993", True),
        (b'{"n":0.1}', "payload.n=0.10", True),
        (b'{"n":0.30000000000000004}', "payload.n>0.3", True),
        (b'{"n":1e2}', "payload.n=100", True),
        (b'{"n":true}', "payload.n=1", False),
        (b'{"n":true}', "payload.n=true", True),
        (b'{"n":"true"}', "payload.n=true", False),
        (b'{"n":null}', "payload.n=null", True),
        (b'{"n":1e999999999999999999999}', "payload.n>1", False),
        (b'{"n":NaN}', "-payload.n=1", False),
        (b"[" * 100_000, "payload.0:*", False),
        (b"\xff\xfe", "-payload.a=1", False),
        (b"", "-payload.a=1", False),
        (b"\x80\x04\x8c\x02os\x94.", "-payload.a=1", False),
        (b'{"a.b":{"c d":1}}', 'payload."a.b"."c d"=1', True),
    ],
)
def test_payloads_are_read_exactly_or_not_at_all(payload: bytes, text: str, fitting: bool) -> None:
    """Numbers to the last digit; what is no JSON fits no word about a field, negated or not, and harms nobody."""
    assert fitting is fits(text, payload=payload)


def test_message_pack_is_read_by_its_header() -> None:
    """Other codecs are not: their bytes are never handed to anything."""
    packed = msgspec.msgpack.encode({"n": 2**53 + 1, "x": 0.1, "nan": float("nan")})
    headers = {codecs.HEADER: "msgpack"}
    assert fits("payload.n=9007199254740993 payload.x=0.1", payload=packed, headers=headers)
    assert not fits("payload.nan>0", payload=packed, headers=headers)
    assert not fits("payload.n:*", payload=b'{"n":1}', headers={codecs.HEADER: "pickle"})


def test_what_is_no_message_is_found_by_its_place_alone() -> None:
    """No word about what stands in a message fits it, negated or not."""
    assert fits("is:undecodable id:a queue:q state:retry", type="")
    for text in ("type:*", "-type:x", "error:x", "-error:x", "payload:x", "-payload:x", "retried:0", "-retried:0"):
        assert not fits(text, type="", retried=0)


@pytest.mark.parametrize(
    ("text", "column", "part"),
    [
        ("type:a stat:retry", 8, "did you mean state?"),
        ("connection refused", 1, "write name:value"),
        ("state:failed", 7, "tasks that failed are in retry or archived, state:retry,archived"),
        ('type:a error:"x', 14, "is not closed"),
        ("state:retry,archve", 13, "did you mean archive"),
        ("age>soon", 5, "write 90s, 1h30m"),
        ("age:2h", 1, "age goes with > < >= <="),
        ("failed>2030-01-01T00:00:00", 8, "no time zone"),
        ("retried>many", 9, "no whole number"),
        ("retried>1,2", 11, "two words for a range"),
        ("payload.a>x", 11, "is no number"),
        ("header:x", 1, "needs a field"),
        ("type.a:x", 1, "has no fields"),
        ("is:old", 4, "orphaned, undecodable"),
        ("type:", 6, "a value is missing"),
        ("type:a\\", 7, "backslash"),
        ('type:"a"b', 9, "missing behind the quote"),
        ("type:\ud800", 6, "UTF-8"),
        ("x" * 10_001, 1, "at most 10000 characters"),
    ],
)
def test_errors_point_at_the_bad_word(text: str, column: int, part: str) -> None:
    """By its column, and say what may stand there."""
    with pytest.raises(InvalidFilter, match=re.escape(part)) as caught:
        Filter(text)
    assert column == caught.value.column


TEXTS = st.text(st.sampled_from("ab*\\\"' ,:=<>.-é\n"), max_size=6)
VALUES = st.builds(
    lambda pieces, quoted: Value(tuple(pieces), quoted or (not any(pieces) and len(pieces) == 1)),
    st.lists(TEXTS, min_size=1, max_size=3),
    st.booleans(),
)
WORDS = st.builds(
    lambda name, path, values, negated: Word(
        name, tuple(path) if name in ("header", "payload") else (), ":", tuple(values), negated
    ),
    st.sampled_from(["type", "id", "queue", "group", "error", "header", "payload"]),
    st.lists(TEXTS.filter(bool), min_size=1, max_size=3),
    st.lists(VALUES, min_size=1, max_size=3),
    st.booleans(),
)


@pytest.mark.slow
@given(st.lists(WORDS, max_size=4))
def test_what_is_written_is_read_again(words: list[Word]) -> None:
    """Whatever signs, spaces, stars and quotes are in it."""
    text = " ".join(map(str, words))
    assert tuple(words) == Filter(text).words
    assert text == str(Filter(text))


MODEL: dict[str, Callable[[TaskInfo], str | None]] = {
    "type": lambda info: info.type or None,
    "id": lambda info: info.id,
    "header.h": lambda info: info.headers.get("h"),
}
SHORT = st.text(st.sampled_from("aB.*"), max_size=4)


@given(st.sampled_from(sorted(MODEL)), SHORT, SHORT.filter(bool), st.booleans())
def test_patterns_agree_with_regular_expressions(name: str, text: str, pattern: str, negated: bool) -> None:
    """A star stands for anything, everything else for itself."""
    info = replace(PLAIN, type=text or "t", id=text or "t", headers={"h": text or "t"})
    expected = re.fullmatch(pattern.replace(".", "\\.").replace("*", ".*"), text or "t", re.DOTALL) is not None
    assert (expected != negated) is Filter(f"{'-' * negated}{name}:{pattern}").matches(info, now=NOW)


PARTS = st.text(st.sampled_from("aBé"), max_size=5)


@given(PARTS, st.lists(PARTS, min_size=1, max_size=3))
def test_errors_are_looked_for_anywhere(text: str, pieces: list[str]) -> None:
    """In whatever case of the letters A to Z."""
    pattern = "*".join(pieces)
    expected = re.search(
        b".*".join(re.escape(piece.encode()) for piece in pieces), text.encode(), re.IGNORECASE | re.DOTALL
    )
    fitting = Filter(f'error:"{pattern}"').matches(replace(PLAIN, last_error=text), now=NOW)
    assert (expected is not None) is fitting


JSONS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-1100, 1100) | st.floats(-100, 100) | st.text(max_size=6) | SHORT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b c", "é"]), inner, max_size=2),
    max_leaves=6,
)
FIELDS = st.sampled_from(["a", '"b c"', "é", "a.a", "a.0", "0", 'a."b c"'])
WANTED = st.one_of(
    st.integers(-1100, 1100).map(str), st.floats(-100, 100).map(repr), st.sampled_from(["true", "null", "a*", "*", "B"])
)


@pytest.mark.slow
@given(JSONS, FIELDS, st.sampled_from([":", "="]), WANTED, st.sampled_from(["json", "ascii", "msgpack"]))
def test_nothing_that_fits_lacks_what_the_store_looks_for(
    value: Any, field: str, operator: str, wanted: str, form: str
) -> None:
    """Needles are a necessary condition, however a payload was written."""
    if form == "msgpack":
        payload, headers = msgspec.msgpack.encode(value), {codecs.HEADER: "msgpack"}
    else:
        payload, headers = json.dumps(value, ensure_ascii=form == "ascii").encode(), {}
    made = Filter(f'payload.{field}{operator}"{wanted}"' if "*" in wanted else f"payload.{field}{operator}{wanted}")
    if made.matches(replace(PLAIN, payload=payload, headers=headers), now=NOW):
        message = encode(TaskMessage(type="t", id="a", queue="q", payload=payload, headers=headers))
        for alternatives in made.needles:
            assert any(looked_for(kind, text, message) for kind, text in alternatives)


def looked_for(kind: str, text: str, message: bytes) -> bool:
    """Do what scripts/search.lua does."""
    if kind == "%":
        return re.search(rb"\d[eE][+-]?\d", message) is not None
    return text.encode() in message


@given(st.timedeltas(timedelta(), timedelta(days=900)))
def test_durations_are_exact(length: timedelta) -> None:
    """To the microsecond, by any unit."""
    us = round(length / timedelta(microseconds=1))
    assert length == span(f"{us}us") == span(f"{length.days}d{length.seconds}s{length.microseconds}us")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1h30m", 5400), ("1.5h", 5400), ("2d", 172_800), ("1w", 604_800), ("90", 90), ("0", 0), ("-10m", -600),
        ("+5s", 5), ("250ms", 0.25), ("5min", 300), (".5s", 0.5),
    ],
)  # fmt: skip
def test_durations_are_gos_and_ours(text: str, expected: float) -> None:
    """With days and weeks, and seconds without a unit."""
    assert timedelta(seconds=expected) == span(text)


@pytest.mark.parametrize("text", ["", "h", "1x", "1 h", "1h-5m", "--1h", "٣s", "9" * 400 + "w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(ValueError, match=r"write (90s|at most)"):
        span(text)


def test_states_and_ranges_that_need_not_be_read() -> None:
    """By what the words leave."""
    assert ("retry", "archived") == Filter("state:archived,retry").states
    assert "scheduled" not in Filter("age>1h").states
    assert ("scheduled", "retry") == Filter("due<1h").states
    assert () == Filter("state:retry -state:retry").states
    stamp = int(NOW.timestamp())
    assert (int(datetime.min.replace(tzinfo=UTC).timestamp()) - 1, stamp - 3598) == Filter("age>1h").range(
        TaskState.ARCHIVED, NOW
    )
    assert None is Filter("age>1h").range(TaskState.RETRY, NOW)
    assert None is Filter("-age>1h").range(TaskState.ARCHIVED, NOW)
    low, high = Filter("due>1m due<2m").range(TaskState.SCHEDULED, NOW) or (0, 0)
    assert (stamp + 59, stamp + 122) == (low, high)
    assert Filter("age<999999999d").range(TaskState.ARCHIVED, NOW) is None


def test_a_filter_is_a_value() -> None:
    """Compared, printed, and narrowed by words that need no quoting by hand."""
    made = Filter("type:a").narrowed("error", 'he said "*"').narrowed("queue", "low*", pattern=True)
    assert 'type:a error:"he said \\"\\*\\"" queue:low*' == str(made)
    assert made == Filter(str(made))
    assert 1 == len({made, Filter(str(made))})
    assert made.matches(replace(PLAIN, type="a", queue="lower", last_error='he said "*"!'), now=NOW)
