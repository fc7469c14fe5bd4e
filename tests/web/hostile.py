"""Payloads from hell, shared by the tests of what is rendered and those in a browser."""

from __future__ import annotations

import gzip
import json
import pickle
import zlib
from collections.abc import Sequence

import msgspec

TRAP = "document.title='PWNED'"
"""What each of those that try to run would do: a page's title tells whether it did."""

SCRIPTS = (
    f"<script>{TRAP}</script>",
    f'<img src=x onerror="{TRAP}">',
    f'"><svg onload={TRAP}>',
    f"'-{TRAP}-'",
    f"javascript:{TRAP}",
    "</code></pre></main><h1>out of it</h1>",
    "<!--", "]]>", "</textarea><input autofocus onfocus=" + TRAP + ">",
    f'<div hx-get="/settings" hx-trigger="load" hx-on:load="{TRAP}"></div>',
    "{{ 7 * 7 }}", "{% raise %}", "${7*7}", "#{7*7}", "&lt;script&gt;", "&#60;b&#62;", "%3Cscript%3E",
    "<a href='javascript:1'>x</a>", "<style>*{display:none}</style>", "<base href=//evil>", "\\u003cscript\\u003e",
)  # fmt: skip
"""Texts that would be markup, script or a template somewhere."""

SIGNS = (
    "\u202egnp.exe", "\u2066a\u2069\u200f", "a\u200bb\u200d\ufeff", "nul\0esc\x1b[31mred\x07", "line\u2028para\u2029",
    "a\u00a0b\u3000c", "\r\n\t", "Z\u0351\u036b\u0343\u036a\u0302", "\U000e0041\U000e007f", "שלום עולם", "مرحبا",
    "e\u0301 \u00e9", "👩\u200d👩\u200d👧", "\x85\x9b", "\ufffd\uffff",
)  # fmt: skip
"""Texts whose signs hide, reorder, or end others."""

DOCUMENTS = (
    '{"n": 9007199254740993, "m": -9007199254740993}',
    "[1e400, -0, -0.0, 1E+5, 0.1000000000000000055511151231257827, 123456789012345678901234567890]",
    '{"a": 1, "a": 2, "": 3, "__proto__": {"x": 1}}',
    "[" * 3_000 + "]" * 3_000,
    "[NaN, Infinity, -Infinity]",
    '"\\ud83d"', '{"\\u0000": "\\u202e"}', " {} ", "[]", "null", '""', "0",
    '{"a":{"b":[{"c":{}},[],[[]]]},"d":"\\"\\\\\\/\\b\\f\\n\\r\\t"}',
)  # fmt: skip
"""JSON that goes wrong where it becomes floats, dicts or recursion."""

BROKEN = ('{"a":', '{"a" 1}', "[1,]", "{'a': 1}", '{"a": 01}', '"\\x"', "[1 2]", "nul", "-", "{]", '{"a":1}}', "[1],")
"""Texts that only begin like JSON."""

BYTES = (
    b"\xff\xfe\x00<script>", b'{"name": "caf\xe9"}', bytes(range(256)), b"\x80\x04", b"\xc3\x28", b"\0" * 40,
    b"\xed\xa0\x80",
    gzip.compress(b'{"password": "x"}', mtime=0), zlib.compress(b"abc" * 100), pickle.dumps({"a": [1, 2]}),
    msgspec.msgpack.encode({"html": SCRIPTS[0], "n": 2**63, "b": b"\x00\xff"}),
    b"\x0a\x0bemail:hello\x10\x96\x01\x1a\x02\xff\xfe",
)  # fmt: skip
"""Bytes that are no UTF-8, or no text."""


class Bomb:
    """Whose pickle opens a file when it is loaded."""

    def __reduce__(self) -> tuple[object, ...]:
        return (open, ("/proc/self/onebeat-was-here", "w"))


BOMB = pickle.dumps(Bomb())
"""A pickle that fails loudly if it is ever loaded."""

LARGE = json.dumps({"items": [{"id": i, "html": SCRIPTS[i % len(SCRIPTS)]} for i in range(60_000)]}).encode()
"""About 5 MB."""

TEXTS = (*SCRIPTS, *SIGNS)

PAYLOADS: tuple[bytes, ...] = (
    *(text.encode() for text in TEXTS),
    *(json.dumps({text: [text, {"v": text}]}).encode() for text in TEXTS),
    *(json.dumps({text: text}, ensure_ascii=False).encode() for text in TEXTS),
    *(text.encode() for text in (*DOCUMENTS, *BROKEN)),
    *BYTES,
    BOMB,
)
"""All of them but `LARGE`."""


def names(payloads: Sequence[bytes]) -> list[str]:
    """Name payloads for a list of tests, which would break on some of them."""
    return [f"{at}: {ascii(data[:24])[2:-1]}".replace("\\", "/") for at, data in enumerate(payloads)]
