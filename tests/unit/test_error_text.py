"""What kind of failure a text tells: what differs from task to task gives way to a placeholder, what tells stays."""

from __future__ import annotations

import pytest

from onebeat.inspector.error_text import MAX_MESSAGE, MAX_PATTERN, kind_of, pattern_of
from onebeat.inspector.filters import Filter
from onebeat.inspector.terms import contains

OF_PYTHON = [
    ("ValueError: invalid literal for int() with base 10: 'abc12'", "ValueError",
     "invalid literal for int() with base <n>: <text>"),
    ("KeyError: 'user_id'", "KeyError", "<text>"),
    ("TimeoutError", "TimeoutError", ""),
    ("Exception: no", "Exception", "no"),
    ("DoesNotExist: User matching query does not exist.", "DoesNotExist", "User matching query does not exist."),
    ("Http404: page 7 is gone", "Http404", "page <n> is gone"),
    ("SMTPResponseError: 421 service not available, try again later", "SMTPResponseError",
     "421 service not available, try again later"),
    ("requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://x.y/z?n=1",
     "requests.exceptions.HTTPError", "404 Client Error: Not Found for url: <url>"),
    ("ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 6379)", "ConnectionRefusedError",
     "[Errno 111] Connect call failed (<text>, <n>)"),
    ('FileNotFoundError: [Errno 2] No such file or directory: "/var/u 77/a.csv"', "FileNotFoundError",
     "[Errno 2] No such file or directory: <text>"),
    ("ExceptionGroup: many (3 sub-exceptions)", "ExceptionGroup", "many (<n> sub-exceptions)"),
    ('Traceback (most recent call last):\n  File "a.py", line 3, in f\n    x\nshop.BadOrder2Error: order 42\n',
     "shop.BadOrder2Error", "order <n>"),
    ("task order:8812 is late by 0:03:05.221", "", "task order:<n> is late by <n>:<n>:<n>"),
]  # fmt: skip

OF_GO = [
    ("dial tcp 10.0.0.12:5432: connect: connection refused", "", "dial tcp <address>: connect: connection refused"),
    ("dial tcp [fe80::1%eth0]:443: i/o timeout", "", "dial tcp <address>: i/o timeout"),
    ('Get "https://api.example.com/v1/users/42": context deadline exceeded', "",
     "Get <text>: context deadline exceeded"),
    ("read tcp 10.1.1.1:33->10.2.2.2:80: i/o timeout", "", "read tcp <address>-><address>: i/o timeout"),
    ("lookup db.internal:5432 failed", "", "lookup <address> failed"),
    ("*net.OpError: broken pipe", "net.OpError", "broken pipe"),
    ("panic [/go/src/app/main.go:42]: runtime error: index out of range [5] with length 3", "panic",
     "[<path>]: runtime error: index out of range [<n>] with length <n>"),
    ("rpc error: code = Unavailable desc = try 3", "", "rpc error: code = Unavailable desc = try <n>"),
    ("failed to send email: user_id=42: skip retry for the task", "",
     "failed to send email: user_id=<n>: skip retry for the task"),
    ('duplicate key value violates unique constraint "users_email_key" (SQLSTATE 23505)', "",
     "duplicate key value violates unique constraint <text> (SQLSTATE 23505)"),
    ("asynq: task lease expired", "", "asynq: task lease expired"),
    ("gave up after 1m30.5s", "", "gave up after <duration>"),
    ("unexpected status code 503", "", "unexpected status code 503"),
    ("HTTP 404 Not Found", "", "HTTP 404 Not Found"),
    ("exit status 1", "", "exit status 1"),
    ("EOF", "", "EOF"),
]  # fmt: skip

OF_ANY = [
    ("", "", ""),
    ("  \n ", "", ""),
    ("order 8f14e45f-ceea-4672-9a6e-1c2d3e4f5a6b not found", "", "order <uuid> not found"),
    ("customer cus_9s8dAjk23Lz has no card", "", "customer <id> has no card"),
    ("ada.l+1@example.co.uk bounced", "", "<email> bounced"),
    ("sha256 d41d8cd98f00b204e9800998ecf8427e differs at 0x7FFF", "", "sha256 <hex> differs at <hex>"),
    ("2026-01-01T08:00:00.5+01:00 is past", "", "<time> is past"),
    ("could not open ./data/u-77/file.txt: denied", "", "could not open <path>: denied"),
    ("can't connect to `db` and won't retry 'x'", "", "can't connect to <text> and won't retry <text>"),
    ("worker3 lost user_42 in utf-8", "", "worker3 lost user_<n> in utf-<n>"),
    ("two\n   lines\tof 5", "", "two lines of <n>"),
    ("note: careful", "", "note: careful"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "message"), OF_PYTHON + OF_GO + OF_ANY)
def test_a_text_is_of_a_kind(text: str, name: str, message: str) -> None:
    """By its class, if it begins with one, and what it says."""
    kind = kind_of(text)
    assert (name, message) == (kind.error_class, kind.message)


@pytest.mark.parametrize("text", [text for text, *_ in OF_PYTHON + OF_GO + OF_ANY])
def test_its_pattern_finds_it(text: str) -> None:
    """As `error:` of a filter would, also when the filter was written and read again."""
    pattern = pattern_of(text)
    assert contains(tuple(piece.encode() for piece in pattern.split("*")), text.encode())
    made = Filter().narrowed("error", pattern, pattern=True) if pattern else Filter()
    assert made == Filter(str(made))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("HTTP 404 Not Found", "HTTP 503 Not Found"),
        ("ValueError: x", "TypeError: x"),
        ("[Errno 111] no", "[Errno 104] no"),
        ("421 service not available", "550 service not available"),
        ("dial tcp 1.2.3.4:5: connection refused", "dial tcp 1.2.3.4:5: i/o timeout"),
    ],
)
def test_what_tells_kinds_apart_stays(one: str, other: str) -> None:
    """Statuses, classes and words."""
    assert kind_of(one) != kind_of(other)


@pytest.mark.parametrize(
    "text",
    ["'" * 9000, '"\\' * 4000, "a.a" * 3000, "0.0" * 4000, "/" * 9000, "_1" * 4000, "a-" * 4000, "a1-" * 3000,
     "1:" * 4000, "a@a." * 2000, "aA" * 4000, "Aa" * 4000 + ".", "\x00\u202e" * 2000, "a1" * 5000],
)  # fmt: skip
def test_a_long_text_has_a_short_kind(text: str) -> None:
    """However it is made; it may end in the midst of things."""
    kind = kind_of(text)
    assert len(kind.message) <= MAX_MESSAGE
    assert len(kind.error_class) <= 600
    assert len(pattern_of(text)) <= 2 * MAX_PATTERN


def test_where_a_long_text_is_cut_makes_no_difference() -> None:
    """A number that is cut in two is no other number."""
    texts = [f"{'word ' * 118}{'9' * length} and more" for length in (1, 5, 12, 40)]
    assert 1 == len({kind_of(text) for text in texts})
