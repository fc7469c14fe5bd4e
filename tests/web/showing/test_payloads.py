"""Payloads as they are shown: exact, inert, bounded."""

from __future__ import annotations

import json
import re
import sys
import unicodedata

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onebeat.web.showing.binaries import hex_lines
from onebeat.web.showing.payloads import allowed, block, line, show, summary
from onebeat.web.showing.redaction import OFF, Redaction
from onebeat.web.showing.signs import HIDDEN_SIGNS, visible
from onebeat.web.showing.tokens import NotJson, json_tokens
from onebeat.words import size
from tests.web import hostile
from tests.web.showing.reading import read, text_of

RULES = Redaction()

texts = st.text() | st.sampled_from(hostile.TEXTS)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


def words(document: str) -> list[str]:
    """Return the words of a JSON document."""
    return [token.text for token in json_tokens(document)]


@pytest.mark.slow
@given(values, st.booleans(), st.sampled_from([None, 1]))
def test_the_words_of_a_document_are_those_that_were_written(value: object, is_ascii: bool, indent: int | None) -> None:
    """All of them, in their order, letter by letter; spaces between them are ours."""
    written = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    shown = show(written.encode())
    assert "JSON" == shown.kind
    assert words(written) == words(text_of(shown.markup))


@pytest.mark.parametrize("document", hostile.DOCUMENTS)
def test_numbers_keys_and_depth_stay_as_they_are(document: str) -> None:
    """What a float, a dict or a recursion would have lost."""
    shown = show(document.encode())
    assert ("JSON", False) == (shown.kind, shown.is_cut)
    assert words(document) == words(text_of(shown.markup))


def test_a_document_is_indented() -> None:
    """As one writes it by hand."""
    shown = show(b'{"a":1,"b":[true,{}],"c":[],"d":["x",2]}')
    assert '{\n  "a": 1,\n  "b": [\n    true,\n    {}\n  ],\n  "c": [],\n  "d": ["x", 2]\n}' == text_of(shown.markup)


@pytest.mark.parametrize("document", hostile.BROKEN)
def test_what_only_begins_like_json_is_text(document: str) -> None:
    """And shown whole, as it is."""
    shown = show(document.encode())
    assert ("text", document) == (shown.kind, text_of(shown.markup))


@given(st.text(alphabet='{}[]",:\\u0019.eE+-tfn \n') | st.text())
@example('{"a":1}x')
def test_what_is_json_is_what_the_standard_library_reads(text: str) -> None:
    """The same texts, none more and none less."""
    try:
        json.loads(text)
        is_json = True
    except (ValueError, RecursionError):
        is_json = False
    try:
        list(json_tokens(text))
    except NotJson:
        assert not is_json
    else:
        assert is_json


@given(texts)
def test_a_text_is_shown_exactly(text: str) -> None:
    """With its hidden signs, and whatever it tries to be."""
    assert text == text_of(visible(text))
    shown = show(text.encode())
    if shown.kind == "text":
        assert text == text_of(shown.markup)


@pytest.mark.parametrize("data", hostile.PAYLOADS, ids=hostile.names(hostile.PAYLOADS))
@pytest.mark.parametrize("codec", ["json", "msgpack", "own"])
def test_no_payload_becomes_markup(data: bytes, codec: str) -> None:
    """Whatever its task says that it is in."""
    for rules in (RULES, OFF):
        read(show(data, codec=codec, rules=rules).markup)
        read(summary(data, codec=codec, rules=rules))
    read(block(data.decode("latin-1")) + line(data.decode("latin-1")))


@given(st.binary(max_size=200))
def test_no_bytes_become_markup_or_fail(data: bytes) -> None:
    """Any at all."""
    for codec in ("json", "msgpack"):
        shown = show(data, codec=codec, rules=RULES)
        read(shown.markup + summary(data, codec=codec, rules=RULES))
        assert len(data) == shown.size
        allowed(data, codec=codec, rules=RULES)


@pytest.mark.slow
def test_every_sign_that_hides_is_named() -> None:
    """Controls, formats, separators, spaces that are none: of the database of this Python."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"}
    signs = (chr(code) for code in range(sys.maxunicode + 1))
    missing = [
        f"{ord(sign):04X}"
        for sign in signs
        if unicodedata.category(sign) in kinds and sign not in "\t\n " and not HIDDEN_SIGNS.match(sign)
    ]
    assert [] == missing


def test_a_sign_that_reorders_is_named() -> None:
    """By its number, and its name for who points at it."""
    assert '<span class="p-sign" title="right-to-left override">U+202E</span>gnp.exe' == visible("\u202egnp.exe")
    assert "escape" in visible("\x1b[31m")


def test_bytes_are_shown_by_their_digits_and_letters() -> None:
    """Sixteen to a line."""
    assert [
        "00000000  ff fe 3c 73 63 72 69 70  74 3e 00 0a 41 42 43 44  ..<script>..ABCD",
        "00000010  45                                                E",
    ] == list(hex_lines(b"\xff\xfe<script>\x00\nABCDE"))
    shown = show(b"\xff\xfe<script>\x00\nABCDE")
    assert ("binary", "\n".join(hex_lines(b"\xff\xfe<script>\x00\nABCDE"))) == (shown.kind, text_of(shown.markup))


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("empty", b""),
        ("JSON", b" 1 "),
        ("text", b"hello"),
        ("text", "caf\u00e9".encode()),
        ("gzip, not opened", b"\x1f\x8b\x08\x00" + b"\0" * 20),
        ("zlib, not opened", hostile.BYTES[8]),
        ("looks like pickle: not opened", hostile.BOMB),
        ("looks like pickle: not opened", hostile.BYTES[9]),
        ("looks like pickle: not opened", b"(dp0\nVa\np1\nI1\ns."),
        ("MessagePack, a guess", hostile.BYTES[10]),
        ("protobuf, a guess", hostile.BYTES[11]),
        ("binary", b"\xff\xfe\xfd"),
        ("binary", b"\0" * 40),
    ],
)
def test_a_payload_says_what_it_is(kind: str, data: bytes) -> None:
    """A guess says that it is one."""
    assert kind == show(data).kind


def test_a_codec_of_its_own_is_named() -> None:
    """Since nobody here can read it."""
    assert "binary, in codec sealed" == show(b"\xff\xfe", codec="sealed").kind


@pytest.mark.slow
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**64 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | texts,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    )
)
def test_messagepack_shows_each_value(value: object) -> None:
    """As JSON would have it, integers whole."""
    shown = show(msgspec.msgpack.encode(value), codec="msgpack")
    assert "MessagePack" == shown.kind
    assert value == json.loads(text_of(shown.markup))


def test_messagepack_shows_what_json_does_not_have() -> None:
    """Bytes, instants, keys that are no texts, and keys that come twice."""
    data = b"\x84\xc4\x02\x00\xff\x01\x01\xd6\xff\x69\x25\x76\x40\xa1a\xca\x3f\x00\x00\x00\xa1a\xc0"
    shown = show(data, codec="msgpack")
    assert '{\n  0x00ff: 1,\n  1: 2025-11-25T09:26:24Z,\n  "a": 0.5,\n  "a": null\n}' == text_of(shown.markup)


def test_protobuf_shows_fields_by_number() -> None:
    """And the bytes below, since it is a guess."""
    shown = show(hostile.BYTES[11])
    assert '{\n  1: "email:hello",\n  2: 150,\n  3: 0xfffe\n}' in text_of(shown.markup)
    assert "00000000  0a 0b 65 6d" in text_of(shown.markup)
    assert "which is a guess" in shown.notes[0]


@pytest.mark.slow
def test_a_large_payload_is_cut_and_says_so() -> None:
    """Its beginning is shown, in a bounded amount of markup, and the rest is for who downloads it."""
    shown = show(hostile.LARGE, rules=RULES)
    assert shown.is_cut
    assert len(shown.markup) < 2_000_000
    assert [f"Only its beginning is shown: download it to see all {size(len(hostile.LARGE))}."] == list(shown.notes)
    told = text_of(shown.markup).removesuffix("…")
    assert re.sub(r"\s", "", hostile.LARGE.decode()).startswith(re.sub(r"\s", "", told))


@pytest.mark.slow
@pytest.mark.parametrize(
    "data",
    [
        b"[" + b"1," * 300_000 + b"1]",
        b'{"a":"' + b"x" * 600_000 + b'"}',
        b"[" * 300_000 + b"]" * 300_000,
        b'"' + "\u202e".encode() * 200_000 + b'"',
        "\u202e".encode() * 200_000,
        b"\x91" * 600_000,
        bytes(range(256)) * 2_000,
    ],
)
def test_markup_is_bounded_whatever_it_is_of(data: bytes) -> None:
    """So that no browser chokes on it."""
    shown = show(data)
    assert shown.is_cut
    assert len(shown.markup) < 1_500_000
    read(shown.markup)


def test_a_summary_is_one_short_line() -> None:
    """With an ellipsis where it is cut."""
    assert '{"user_id": 42, "tags": ["a"]}' == text_of(summary(b'{"user_id":42,\n"tags":["a"]}'))
    assert '{"user_id": 900719…' == text_of(summary(b'{"user_id":9007199254740993}', most=19))
    assert "two lines" == text_of(summary(b"two\n\n  lines\n"))
    assert "binary, 3 B: ff fe fd" == text_of(summary(b"\xff\xfe\xfd"))
    assert "no bytes" == text_of(summary(b""))


@given(texts, st.integers(2, 60))
def test_a_summary_is_never_longer_than_it_may_be(text: str, most: int) -> None:
    """Whatever it is of."""
    for data in (text.encode(), json.dumps([text, {text: text}]).encode()):
        assert len(text_of(summary(data, most=most))) <= max(most, len("no bytes"))


def test_a_traceback_is_shown_whole() -> None:
    """A first new line too, which browsers swallow at the start of a <pre>."""
    text = '\nTraceback (most recent call last):\n  File "<stdin>", line 1\nValueError: <b>\n'
    assert text == text_of(block(text))
    assert '<pre class="payload" dir="ltr"><code>\n' in block(text)
