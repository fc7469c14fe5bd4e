"""Redaction holds for searching: no word of a filter tells what it hides."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from onebeat import codecs
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import InvalidFilter
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web.security.searching import as_seen, look_of
from onebeat.web.showing.redaction import OFF, Redaction
from tests.unit.test_filters import NOW, PLAIN

RULES = Redaction(keys=["password", "x-secret"], patterns=[r"\b4\d{15}\b"])
SECRET = {"user": "ann", "password": "hunter2", "note": "card 4111111111111111", "n": 4222222222222222}
OPEN = {"user": "bob"}
HIDDEN = replace(PLAIN, payload=msgspec.json.encode(SECRET))


@pytest.fixture
async def filled(store: Store, client: Client) -> Store:
    """Return a store with two tasks in JSON and two in MessagePack: one of each has secrets."""
    for codec in ("json", "msgpack"):
        for name, payload in (("secret", SECRET), ("open", OPEN)):
            data = msgspec.json.encode(payload) if codec == "json" else msgspec.msgpack.encode(payload)
            headers = {"x-secret": "s3cret"} if name == "secret" else {}
            headers |= {codecs.HEADER: "msgpack"} if codec == "msgpack" else {}
            await client.enqueue(Task("t", data, headers=headers), task_id=f"{name}-{codec}")
    return store


async def found(store: Store, text: str, rules: Redaction) -> set[str]:
    """Return the ids of what a filter finds for who sees what rules leave."""
    return {task.id async for step in Inspector(store).search(as_seen(text, rules)) for task in step.tasks}


@pytest.mark.parametrize("secret", ["hunter2", "4111111111111111", "4222222222222222", "hunter*"])
async def test_a_text_that_is_hidden_finds_nothing(filled: Store, secret: str) -> None:
    """Nor does its negation leave anything out; without rules it does both."""
    every = {"secret-json", "open-json", "secret-msgpack", "open-msgpack"}
    assert set() == await found(filled, f"payload:{secret}", RULES)
    assert every == await found(filled, f"-payload:{secret}", RULES)
    assert "secret-json" in await found(filled, f"payload:{secret}", OFF)
    assert "secret-json" not in await found(filled, f"-payload:{secret}", OFF)


async def test_what_is_not_hidden_is_found(filled: Store) -> None:
    """In the same tasks, by text and by field."""
    both = {"secret-json", "secret-msgpack"}
    assert both == await found(filled, "payload:ann", RULES)
    assert both == await found(filled, "payload.user=ann", RULES)
    assert {"open-json", "open-msgpack"} == await found(filled, "payload.user:b*", RULES)


@pytest.mark.parametrize("word", ["payload.note:*4111*", "payload.n=4222222222222222", "payload.n>1", "payload.n:4*"])
async def test_a_part_that_is_hidden_decides_nothing(filled: Store, word: str) -> None:
    """A pattern hides parts of fields that may be searched."""
    assert set() == await found(filled, word, RULES)
    assert await found(filled, word, OFF)


@pytest.mark.parametrize(
    "text",
    [
        "payload.password=hunter2",
        "payload.Password:*",
        "payload.a.password.b:x",
        'payload."pass-word"=x',
        "header.x-secret=s3cret",
        "-header.X_Secret:s*",
        "type:t -payload.password:h*",
    ],
)
def test_a_field_that_is_hidden_cannot_be_searched(text: str) -> None:
    """With a sentence, and the column."""
    with pytest.raises(InvalidFilter, match="this field is hidden") as caught:
        as_seen(text, RULES)
    assert (8 if " " in text else 1) == caught.value.column


def test_a_filter_that_is_narrowed_still_looks_as_before() -> None:
    """And is the same as one that does not: its cursors fit."""
    seen = as_seen("payload:hunter2", RULES)
    assert Filter("payload:hunter2") == seen
    assert not seen.narrowed("type", "mail:welcome").matches(HIDDEN, now=NOW)
    assert Filter("payload:hunter2").narrowed("type", "mail:welcome").matches(HIDDEN, now=NOW)


def test_errors_and_headers_are_seen_without_what_is_hidden() -> None:
    """As on the page of the task."""
    one = replace(HIDDEN, last_error="login failed: password=hunter2", headers={"x-secret": "s3cret", "a": "b"})
    assert not as_seen("error:hunter2", RULES).matches(one, now=NOW)
    assert as_seen("error:login header.a=b", RULES).matches(one, now=NOW)


@pytest.mark.parametrize(
    "payload", [b"", b"\xff\xfe", b"\xff password \xff", b"[" * 5000, b'{"password":', b"\x91" * 500]
)
@pytest.mark.parametrize("headers", [{}, {codecs.HEADER: "msgpack"}, {codecs.HEADER: "other"}])
def test_whatever_a_payload_is_it_is_seen(payload: bytes, headers: dict[str, str]) -> None:
    """Damaged, deep, of another codec: what nobody can look into is hidden if a word of a rule stands in it."""
    look = look_of(RULES)
    assert look is not None
    seen = look(replace(HIDDEN, payload=payload, headers=headers))
    assert b"password" not in seen.payload or payload.startswith(b"{")


def test_nothing_is_looked_at_that_no_word_is_about() -> None:
    """Redaction costs what is asked for alone."""
    assert look_of(RULES, "type", "state") is None
    assert look_of(OFF) is None
    look = look_of(RULES, "error")
    assert look is not None
    assert HIDDEN.payload == look(HIDDEN).payload


async def test_a_job_decides_by_what_who_began_it_sees(filled: Store) -> None:
    """Else its count would tell."""
    inspector = Inspector(filled)
    for look, done in ((look_of(RULES), 0), (None, 2)):
        begun = await inspector.begin_job("archive", "payload:hunter2", user="bob")
        assert done == (await inspector.run_job(begun.id, look=look)).changed
