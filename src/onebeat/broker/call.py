"""
One atomic operation on one queue: a script, its arguments, and what its answer means.

Operations are values, so that the asyncio store, the blocking store of the lease keeper and a test run
the very same ones. A script is a `.lua` file whose header is its contract; `-- uses:` names the files of
`scripts/lib` that stand before it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Argument = str | bytes | int

_SCRIPTS = files("onebeat.broker") / "scripts"
_USES = re.compile(r"^-- uses: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, whole, with the digest Redis knows it by."""

    name: str
    source: str
    sha: str


@cache
def load(name: str, *, injected_clock: bool = False) -> Script:
    """
    Read a script with the library files it uses.

    Args:
        name: The file's name without `.lua`.

        injected_clock: Take the instant from `onebeat:test:now` rather than from the store; the test room's.
    """
    body = _read(f"{name}.lua")
    uses = _USES.search(body)
    parts = [_read(f"lib/{part}.lua") for part in _library(uses.group(1) if uses else "", injected_clock)]
    source = "\n".join(_code(part) for part in [*parts, body])
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


def _library(uses: str, injected_clock: bool) -> list[str]:
    parts = [part.strip() for part in uses.split(",") if part.strip()]
    return ["clock_injected" if part == "clock" and injected_clock else part for part in parts]


def _read(path: str) -> str:
    return (_SCRIPTS / path).read_text(encoding="utf-8")


def _code(text: str) -> str:
    """Drop whole-line comments: they are for readers, not for every store's script cache."""
    return "\n".join(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("--"))


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One operation, ready to be run by any store.

    Every script gets two keys, the roots of the queue's keys in asynq's and in our own name space. They
    share the queue's hash tag, so one rule routes all scripts (docs/decisions/0002).

    Those few that touch a key of no queue say it in `keys`; `queue` only names what it is about then.

    Attributes:
        durable: It accepts what must not be lost: where `durability=` is set, replicas confirm it.
    """

    script: str
    queue: str
    arguments: Sequence[Argument]
    interpret: Callable[[Any], T]
    durable: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filed:
    """A task that was archived though no attempt of the caller's has ended; see lib/filed.lua."""

    id: str
    type: str
    retried: int
    error: str


def filed(answer: Sequence[bytes]) -> list[Filed]:
    """Interpret a flat list of what was archived."""
    rows = zip(*(texts(answer[place::4]) for place in range(4)), strict=True)
    return [Filed(id_, type_, int(retried), error) for id_, type_, retried, error in rows]


def texts(answer: Sequence[bytes]) -> list[str]:
    """Interpret a list of strings."""
    return [item.decode("utf-8", "replace") for item in answer]
