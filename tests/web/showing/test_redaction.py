"""Redaction: what rules hide is nowhere to be seen, and all else is as it was."""

from __future__ import annotations

import gzip
import json
import pickle
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebeat.errors import ConfigurationError
from onebeat.web.showing.payloads import allowed, block, line, show, summary
from onebeat.web.showing.redaction import KEYS, OFF, PATTERNS, PLACEHOLDER, Redaction
from tests.web import hostile
from tests.web.showing.reading import text_of

RULES = Redaction()
SECRET = "hunter2-correct-horse"  # noqa: S105 - of a test

ways = st.sampled_from(
    [
        "password",
        "PASSWORD",
        "userPassword",
        "client_secret",
        "csrf-token",
        "X-Api-Key",
        "Authorization",
        "Set-Cookie",
        "pwd",
    ]
)


def everywhere(data: bytes, codec: str = "json", rules: Redaction = RULES) -> str:
    """Return all that is shown of a payload anywhere."""
    may = allowed(data, codec=codec, rules=rules)
    parts = [
        text_of(show(data, codec=codec, rules=rules).markup),
        text_of(summary(data, codec=codec, rules=rules, most=10_000)),
        (may.data or b"").decode("latin-1"),
    ]
    return "\n".join(parts)


@pytest.mark.slow
@given(ways, st.integers(0, 3), st.booleans())
def test_a_field_is_hidden_wherever_it_is(key: str, depth: int, is_ascii: bool) -> None:
    """However deep, with all that is in it; what is beside it stays."""
    inner: object = {"before": 1.50, key: {"x": [SECRET, {"y": SECRET}]}, "after": "kept"}
    for _ in range(depth):
        inner = {"outer": [inner]}
    shown = everywhere(json.dumps(inner, ensure_ascii=is_ascii).encode())
    assert SECRET not in shown
    assert 3 == shown.count('"kept"')


@given(ways)
def test_a_field_of_json_within_a_string_is_hidden(key: str) -> None:
    """And of JSON within a string within that."""
    inner = json.dumps({"kept": json.dumps([{key: SECRET}])})
    shown = everywhere(json.dumps({"body": inner, "text": inner}).encode())
    assert SECRET not in shown
    assert "kept" in shown


@given(ways)
def test_a_field_of_messagepack_is_hidden(key: str) -> None:
    """And the whole cannot be downloaded, since it cannot be written again."""
    data = msgspec.msgpack.encode({"a": 1, key: [SECRET], "z": 2})
    assert SECRET not in everywhere(data, "msgpack")
    assert (None, True) == (
        allowed(data, codec="msgpack", rules=RULES).data,
        allowed(data, codec="msgpack", rules=RULES).is_changed,
    )
    assert "hide values in this MessagePack" in allowed(data, codec="msgpack", rules=RULES).why


@pytest.mark.parametrize(
    "text",
    [
        f"login failed: password={SECRET}",
        f"password: {SECRET}",
        f"{{'token': '{SECRET}', 'a': 1}}",
        f'{{"user": "a", "password": "x\\"{SECRET}"}} trailing',
        f"KeyError: secrets = ['{SECRET}', 'b']",
        f"Authorization: Bearer {SECRET}",
        f"authorization=Basic {SECRET}",
        f"curl -H 'X-Api-Key: {SECRET}'",
        f"connect to redis://default:{SECRET}@cache:6379/0 failed",
        f"see https://{SECRET}:x@host/",
        f"bearer {SECRET}",
        f"settings.DB_PASSWORD => {SECRET}",
        f'escaped {{\\"password\\": \\"{SECRET}\\"}}',
        f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----",
        f"jwt eyJhbGciOiJIUzI1NiJ9.eyJ{SECRET}.c2lnbmF0dXJl",
        f"x-eyJhbGciOiJIUzI1NiJ9.eyJ{SECRET}.c2lnbmF0dXJl",
    ],
)
def test_secrets_of_texts_are_hidden(text: str) -> None:
    """In errors, tracebacks and payloads that are no JSON."""
    assert SECRET not in RULES.text(text)
    assert SECRET not in text_of(block(text, rules=RULES)) + text_of(line(text, rules=RULES)) + everywhere(
        text.encode()
    )


@pytest.mark.parametrize(
    "text",
    [
        "basic authentication failed",
        "the token expired",
        "max_tokens=512",
        "https://host:8080/path@x",
        "passwords do not match",
        "10:45:12 retry = 3",
        "password=",
        '{"user_id": 9007199254740993, "max_tokens": 1e400, "a": 1, "a": 2}',
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Letter by letter."""
    assert text == RULES.text(text)


def test_what_is_not_hidden_is_byte_by_byte_what_it_was() -> None:
    """Spaces, numbers and keys that come twice too."""
    data = b'{ "n": 9007199254740993,\t"password" : {"a": [1, 2]} , "n": 1e400, "e": "\\u003c" }'
    kept = b'{ "n": 9007199254740993,\t"password" : "[hidden]" , "n": 1e400, "e": "\\u003c" }'
    assert (kept, True) == (allowed(data, rules=RULES).data, allowed(data, rules=RULES).is_changed)


def test_a_payload_without_secrets_may_leave_as_it_is() -> None:
    """And so may be edited."""
    assert (b'{"a": 1}', False) == (
        allowed(b'{"a": 1}', rules=RULES).data,
        allowed(b'{"a": 1}', rules=RULES).is_changed,
    )


def test_patterns_reach_strings_and_numbers() -> None:
    """Each by itself, so that a pattern may say where it begins and ends."""
    rules = Redaction(keys=(), patterns=[r"^\d{16}$"])
    assert '{"card": "[hidden]", "n": "[hidden]", "x": "4111111111111111 kept"}' == rules.text(
        '{"card": "4111111111111111", "n": 4111111111111111, "x": "4111111111111111 kept"}'
    )


def test_an_escaped_secret_is_hidden() -> None:
    """What a string means is looked at, not how it is written."""
    assert '{"\\u0070assword": "[hidden]", "a": "[hidden]"}' == RULES.text(
        '{"\\u0070assword": "x", "a": "\\u0042earer abcdefghijklmnop"}'
    )


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"password": SECRET}),
        pickle.dumps({"password": SECRET}, 0),
        b'{"password": "' + SECRET.encode() + b'\xff"}',
        '{"password": "hunter2"}'.encode("utf-16"),
        gzip.compress(json.dumps({"a": SECRET}).encode(), mtime=0),
        b"\x0a\x08password\x12" + bytes([len(SECRET)]) + SECRET.encode() + b"\x1a\x01\xff",
    ],
)
def test_bytes_that_nothing_looks_into_are_hidden_if_they_may_hold_secrets(data: bytes) -> None:
    """As a whole, and it is said why."""
    shown = everywhere(data)
    assert SECRET not in shown
    assert "68 75 6e 74 65 72" not in shown
    assert allowed(data, rules=RULES).data is None


def test_other_bytes_are_shown() -> None:
    """Rules have nothing to say of them."""
    assert "00000000  ff fe 68 69" in everywhere(b"\xff\xfehi")


def test_rules_are_of_names_however_they_are_spelled() -> None:
    """Capitals, underscores and dashes do not count."""
    rules = Redaction(keys=["iban", "*_card_*"], patterns=())
    assert [True, True, True, False] == [
        rules.hides_key(key) for key in ("IBAN", "my-card-no", "theCardNumber", "ibans")
    ]


def test_nobody_may_search_a_hidden_field() -> None:
    """Nor one inside of it."""
    assert [True, True, False] == [
        RULES.hides_field("user.password"), RULES.hides_field(["secret", "0", "x"]), RULES.hides_field("user.name")
    ]  # fmt: skip


def test_a_header_is_hidden_by_its_name() -> None:
    """Or by what is in it."""
    assert [PLACEHOLDER, "a=1", f"x {PLACEHOLDER}"] == [
        RULES.header("Authorization", "abc"), RULES.header("q", "a=1"), RULES.header("q", "x Bearer abcdefghijklmnop")
    ]  # fmt: skip


def test_rules_can_be_switched_off() -> None:
    """Both lists empty: everything is shown."""
    data = json.dumps({"password": SECRET}).encode()
    assert OFF == Redaction(keys=(), patterns=())
    assert 3 == everywhere(data, rules=OFF).count(SECRET)


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ("redaction: pattern '(' is no regular expression", {"patterns": ["("]}),
        ("redaction: pattern 'x*' fits the empty text", {"patterns": ["x*"]}),
        ("redaction: key '*' is no name of a field", {"keys": ["*"]}),
        ("redaction: key 7 is no name of a field", {"keys": [7]}),
        ("redaction: keys is 'password': give a list of texts", {"keys": "password"}),
    ],
)
def test_a_wrong_rule_is_refused(told: str, given: dict[str, list[str]]) -> None:
    """By name, with what to do."""
    with pytest.raises(ConfigurationError, match=f"^{re.escape(told)}"):
        Redaction(**given)


@given(st.text() | st.sampled_from(hostile.TEXTS))
def test_any_text_can_be_redacted_and_once_is_enough(text: str) -> None:
    """Doing it again changes nothing."""
    once = RULES.text(text)
    assert once == RULES.text(once)


@pytest.mark.slow
@given(st.dictionaries(st.sampled_from(["a", "token", "b"]), st.text() | st.lists(st.integers()), max_size=3))
def test_a_redacted_document_is_still_one(value: dict[str, object]) -> None:
    """With the same fields."""
    kept = json.loads(RULES.text(json.dumps(value)))
    assert value.keys() == kept.keys()
    assert all(kept[key] == (PLACEHOLDER if key == "token" else value[key]) for key in value)


def test_the_defaults_are_written_down() -> None:
    """So that a list of one's own can begin with them."""
    assert (KEYS, PATTERNS) == (RULES.keys, RULES.patterns)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["eyJ-", "eyJ-eyJaaaaaaaa.", "bearer ", "://a:", "password = ", "password='\\\\", "a.b-"]
)
def test_no_text_is_made_to_take_long(piece: str) -> None:
    """A rule goes through it once, not once for each of its pieces: this would take an hour."""
    text = piece * 250_000
    assert len(RULES.text(text)) <= 2 * len(text)
