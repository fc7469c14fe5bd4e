"""Payloads as trees: what is not changed stays byte for byte."""

from __future__ import annotations

import msgspec
import pytest

from onebeat import codecs
from onebeat.errors import PayloadError
from onebeat.web.editing.leaves import leaves, read_tree
from onebeat.web.editing.paths import change
from onebeat.web.editing.trees import Edits, Uneditable
from onebeat.web.editing.typed import encoded
from onebeat.web.showing.redaction import OFF, Redaction

BODY = (
    b'{ "id":9007199254740993, "rate" : 1e400,\n "user": {"email":"a\\u0041@b.c","password":"hunter2","ok":true},'
    b' "tags":[ 1, 2.50 ],"items":[{"sku":"x"},{"sku":"y"}],"none":null, "empty":{} }'
)
PACKED = {"id": 2**64 - 1, "rate": 0.1, "raw": b"\x00\xff", "user": {"password": "hunter2"}, "tags": ["a", 1]}


def told(data: bytes, codec: str = "json", rules: Redaction | None = None) -> list[tuple[str, str, str]]:
    """Return name, kind and text of each field."""
    tree = read_tree(data, codec)
    return [(leaf.label, leaf.kind, leaf.text) for leaf in leaves(tree, rules or Redaction())]


def test_each_value_is_a_field() -> None:
    """Numbers by their digits, lists of plain values in one, and nothing of what is hidden."""
    assert [
        ("id", "integer", "9007199254740993"),
        ("rate", "number", "1e400"),
        ("user.email", "string", "aA@b.c"),
        ("user.password", "hidden", "[hidden]"),
        ("user.ok", "boolean", "true"),
        ("tags", "json", "[1, 2.50]"),
        ("items.0.sku", "string", "x"),
        ("items.1.sku", "string", "y"),
        ("none", "null", "null"),
        ("empty", "json", "{}"),
    ] == told(BODY)


def test_a_tree_without_edits_is_what_it_was() -> None:
    """Each space and escape."""
    assert BODY == read_tree(BODY, "json").changed(Edits())
    packed = msgspec.msgpack.encode(PACKED)
    assert packed == read_tree(packed, "msgpack").changed(Edits())


def test_one_field_changes_and_no_other() -> None:
    """The bytes around it are those that were there."""
    found = change(BODY, "json", Redaction(), {"user.email": b'"<b>"'}, ())
    assert BODY.replace(b'"a\\u0041@b.c"', b'"\\u003cb\\u003e"') == found.payload
    assert (("user.email",), False) == (found.fields, found.is_over_hidden)


@pytest.mark.parametrize(
    ("sets", "unsets", "before", "after"),
    [
        ({"n": b"9007199254740995"}, [], b'{"n":1}', b'{"n":9007199254740995}'),
        ({"n": b"1e401"}, [], b'{ "n" : 1e400 }', b'{ "n" : 1e401 }'),
        ({}, ["a"], b'{"a":1,"b":2}', b'{"b":2}'),
        ({}, ["b"], b'{"a":1,"b":2}', b'{"a":1}'),
        ({}, ["a"], b'{"a":1}', b"{}"),
        ({}, ["l.1"], b'{"l":[1,2,3]}', b'{"l":[1,3]}'),
        ({"c": b"[1, 2]"}, ["a"], b'{"a":1,"b":2}', b'{"b":2,"c":[1,2]}'),
        ({"u.v.w": b"1"}, [], b"{}", b'{"u":{"v":{"w":1}}}'),
        ({"/a.b/c~1d": b"2"}, [], b'{"a.b":{"c/d":1}}', b'{"a.b":{"c/d":2}}'),
        ({"l.0.x": b"2"}, [], b'{"l":[{"x":1}]}', b'{"l":[{"x":2}]}'),
        ({"a": b"1"}, [], b"", b'{"a":1}'),
    ],
)
def test_fields_are_set_added_and_taken_away(
    sets: dict[str, bytes], unsets: list[str], before: bytes, after: bytes
) -> None:
    """By the ways to them."""
    assert after == change(before, "json", OFF, sets, unsets).payload


def test_messagepack_changes_one_value_and_keeps_the_width_of_all_others() -> None:
    """A fraction of 32 bits stays one where it can."""
    data = b"\x84\xa1a\xd3\x00\x00\x00\x00\x00\x00\x00\x01\xa1f\xca\x3f\x00\x00\x00\xa1s\xd9\x02hi\xa1b\xc4\x01\xff"
    assert [("a", "integer", "1"), ("f", "number", "0.5"), ("s", "string", "hi"), ("b", "bytes", "0xff")] == told(
        data, "msgpack", OFF
    )
    found = change(data, "msgpack", OFF, {"f": b"0.25"}, ()).payload
    assert data.replace(b"\x3f\x00\x00\x00", b"\x3e\x80\x00\x00") == found
    assert {"a": 1, "f": 0.1, "s": "hi", "b": b"\xff"} == msgspec.msgpack.decode(
        change(data, "msgpack", OFF, {"f": b"0.1"}, ()).payload or b""
    )


def test_a_field_of_messagepack_comes_and_goes() -> None:
    """And the count of its object says so."""
    data = msgspec.msgpack.encode({str(number): number for number in range(15)})
    more = change(data, "msgpack", OFF, {"x": b'{"y":[1.5]}'}, ()).payload or b""
    assert (0xDE, {"y": [1.5]}) == (more[0], msgspec.msgpack.decode(more)["x"])
    less = change(more, "msgpack", OFF, {}, ["x", "3"]).payload or b""
    assert (0x8E, 14) == (less[0], len(msgspec.msgpack.decode(less)))


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1" * 5000])
def test_messagepack_refuses_what_it_cannot_hold(number: str) -> None:
    """With the bounds."""
    with pytest.raises(PayloadError, match=r"field n: a whole number of MessagePack lies between"):
        change(msgspec.msgpack.encode({"n": 1}), "msgpack", OFF, {"n": number.encode()}, ())


@pytest.mark.parametrize(
    ("data", "codec", "why"),
    [
        (b'{"a":1,"b":{"c":1,"c":2}}', "json", "Field 'c' stands twice in it"),
        (b"\x82\xa1a\x01\xa1a\x02", "msgpack", "Field 'a' stands twice in it"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "json", "It nests deeper than 30 levels"),
        (b"{", "json", "It is no JSON"),
        (b"\xff\xfe", "json", "It is no JSON"),
        (b"\x81\xa1a", "msgpack", "It is no MessagePack"),
        (b"{}", "zip", "It is in codec zip"),
        (b'"text"', "json", "It is a single value"),
        (b"{" + b",".join(b'"%d":1' % n for n in range(201)) + b"}", "json", "It has more than 200 fields"),
    ],
)
def test_what_cannot_be_edited_says_why(data: bytes, codec: str, why: str) -> None:
    """In a sentence."""
    with pytest.raises(Uneditable, match=why):
        leaves(read_tree(data, codec), OFF)


@pytest.mark.parametrize(
    ("sets", "is_over"),
    [
        ({"user.password": b'"x"'}, True),
        ({"user": b"{}"}, True),
        ({"url": b'"x"'}, True),
        ({"n": b"2"}, False),
        ({"user.token": b'"new"'}, False),
    ],
)
def test_a_change_over_a_hidden_value_is_one(sets: dict[str, bytes], is_over: bool) -> None:
    """Of it, or of what it is in; a new one hides nothing that was there."""
    body = b'{"n":1,"user":{"password":"hunter2"},"url":"redis://u:hunter2@h"}'
    assert is_over == change(body, "json", Redaction(), sets, ()).is_over_hidden


@pytest.mark.parametrize(
    ("sets", "unsets", "why"),
    [
        ({"a.b": b"1"}, [], "nothing to set at 'a.b'"),
        ({}, ["z"], "nothing to take away at 'z'"),
        ({"a": b"1", "/a": b"2"}, [], "field 'a' is changed twice"),
        ({"u": b"1", "u.v": b"2"}, [], "field 'u.v' is changed twice"),
        ({"": b"1"}, [], "leads to no field"),
        ({"a": b'"[hidden]"'}, [], "stands for a hidden value"),
        ({"x.y": b"1", "x.z": b"2"}, [], "has no 'x' yet: set all of it at once"),
    ],
)
def test_what_cannot_be_set_names_the_field(sets: dict[str, bytes], unsets: list[str], why: str) -> None:
    """And nothing is changed."""
    with pytest.raises(PayloadError, match=why):
        change(b'{"a":1,"u":{}}', "json", Redaction(), sets, unsets)


def test_the_name_of_a_field_that_is_a_secret_is_not_told() -> None:
    """Nor where it stands twice."""
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"  # noqa: S105 - of a test
    [(name, _, _)] = told(f'{{"{token}":1}}'.encode())
    assert "eyJ" not in name
    with pytest.raises(PayloadError) as caught:
        change(f'{{"{token}":1,"{token}":2}}'.encode(), "json", Redaction(), {"a": b"1"}, ())
    assert "eyJ" not in str(caught.value)


def test_signs_that_nobody_sees_are_written_out() -> None:
    """So that a form keeps them, and an edit of what is beside them, too."""
    assert [("a", "json", '"x\\u202e\\u0000y\\r"')] == told(b'{"a":"x\\u202e\\u0000y\\r"}')


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("integer", "1.5", "it is a whole number"),
        ("integer", "01", "it is a whole number"),
        ("number", "NaN", "it is a number"),
        ("boolean", "yes", "write true or false"),
        ("json", "{", "it is no JSON"),
        ("json", "[NaN]", "NaN and Infinity are no JSON"),
        ("string", "[hidden]", "stands for a hidden value"),
    ],
)
def test_what_is_typed_must_be_what_the_field_is(kind: str, text: str, why: str) -> None:
    """And the sentence says what that is."""
    tree = read_tree(b"{}", codecs.JSON.name)
    with pytest.raises(ValueError, match=why.replace("[", r"\[")):
        encoded(tree, kind, text, None, Redaction())


def test_what_is_added_to_a_hidden_object_is_over_it() -> None:
    """A field that is hidden itself, but new, is over nothing."""
    data = b'{"secrets":{"pin":1}}'
    assert change(data, "json", Redaction(), {"secrets.new": b"1"}, []).is_over_hidden
    assert not change(data, "json", Redaction(), {"password": b'"x"'}, []).is_over_hidden
