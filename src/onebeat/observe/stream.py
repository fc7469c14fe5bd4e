"""
Events in the store: one capped stream that any program can read.

The key is `onebeat:events`, of no queue. Each entry has the fields of its event by their names, as text: instants as
RFC 3339 writes them, "true" and "false"; what is None is left out. To them come `name`, the event's kind, and `host`
and `pid`, which process tells it. An entry named "dropped" says how many that process could not write before it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime
from enum import Enum
from functools import cache

import msgspec

from onebeat.broker.call import Argument
from onebeat.broker.store import BlockingStore, Store, check_source
from onebeat.errors import OnebeatError
from onebeat.events import Event
from onebeat.observe.apart import SIZE, Apart, whole
from onebeat.observe.told import Told
from onebeat.upkeep.service import Backoff

KEY = "onebeat:events"
MAXLEN = 10_000
MAX_ERROR = 500
"""Characters of an error that go into the stream."""

PAGE = 256
WAIT_MS = 1000


class EventStream(Apart):
    """
    Writes all events of a process to one capped stream of the store, in batches, from where `onebeat events` reads.

    Nothing waits for it. While the store is away, events are dropped, counted, and the gap is said in the stream
    afterwards; no event is written twice.

    Args:
        maxlen: About how many events the stream keeps; the oldest go first.

        url: Another store to write to than that of those who are observed.

        size: How many events may wait to be written.

    Attributes:
        dropped: How many events were not written.

    Raises:
        ConfigurationError: One of these is no such number, or the URL names no store.
    """

    what = "event stream"

    def __init__(self, maxlen: int = MAXLEN, *, url: str | None = None, size: int = SIZE) -> None:
        self._maxlen = whole("maxlen", maxlen)
        self._url = check_source(url)
        self._source: object = url
        self._store: Store | None = None
        self._inherited: list[Store | None] = []
        super().__init__(size)

    def _begin_anew(self) -> None:
        super()._begin_anew()
        self._inherited.append(self._store)  # not closed: that would take the parent's connections from its event loop
        self._store = None
        self._gap = 0
        self._backoff = Backoff(0.1, 2.0)

    def attached(self, source: object) -> None:
        if self._url is None:
            self._source = source.endpoint if isinstance(source, (Store, BlockingStore)) else source

    def wants(self, event: Event) -> bool:  # noqa: ARG002 - all are written
        return True

    def drop(self, number: int, why: object) -> None:
        self._gap += number
        super().drop(number, why)

    async def deal(self, events: list[Event]) -> None:
        gap, words = self._gap, [self._entry(words_of(event)) for event in events]
        if gap:
            words.insert(0, self._entry(["name", "dropped", "at", _text(datetime.now(UTC)), "count", gap]))
        try:
            if self._store is None:
                self._store = await Store.open(self._source)
            await self._store.commands(words)
        except OnebeatError as error:
            self.drop(len(events), error)
            await asyncio.sleep(self._backoff.pause())
        else:
            self._gap -= gap
            self._backoff.reset()

    async def end(self) -> None:
        if self._store is not None:
            store, self._store = self._store, None
            await store.aclose()

    def _entry(self, words: Sequence[Argument]) -> list[Argument]:
        return ["XADD", KEY, "MAXLEN", "~", self._maxlen, "*", *words, "host", _host(), "pid", os.getpid()]


@cache
def _host() -> str:
    return socket.gethostname()


def words_of(event: Event) -> list[Argument]:
    """Return the fields of an event as the stream has them, name by value."""
    words: list[Argument] = ["name", event.name]
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if value is not None:
            words += (field, _text(value))
    return words


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".")
    text = str(value)
    return (text if len(text) <= MAX_ERROR else f"{text[: MAX_ERROR - 1]}…").encode("utf-8", "replace").decode()


def _told(entry: tuple[bytes, dict[bytes, bytes]]) -> Told | None:
    """Read an entry, as redis-py gives it; one that is not ours is passed over."""
    entry_id, words = entry
    texts = {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in words.items()}
    try:
        return msgspec.convert({**texts, "id": entry_id.decode()}, Told, strict=False)
    except msgspec.ValidationError:
        return None


def _fits(told: Told | None, names: Collection[str], queue: str | None) -> bool:
    return told is not None and (not names or told.name in names) and queue in (None, told.queue)


async def last_events(
    store: Store, limit: int, *, names: Collection[str] = (), queue: str | None = None
) -> tuple[list[Told], str]:
    """
    Read the last events of some kinds, of one queue or all.

    Returns:
        These, the oldest first; and the id of the last entry of the stream, "0" if there is none.
    """
    found: list[Told] = []
    newest, end = "0", "+"
    while page := await store.command("XREVRANGE", KEY, end, "-", "COUNT", PAGE):
        newest = page[0][0].decode() if newest == "0" else newest
        found += [told for told in map(_told, page) if told is not None and _fits(told, names, queue)]
        end = f"({page[-1][0].decode()}"
        if len(found) >= limit:
            break
    return found[:limit][::-1], newest


async def next_events(
    store: Store, after: str, *, names: Collection[str] = (), queue: str | None = None
) -> AsyncIterator[Told]:
    """Yield the events that come after an entry, for ever."""
    while True:
        answer = await store.command("XREAD", "COUNT", PAGE, "BLOCK", WAIT_MS, "STREAMS", KEY, after)
        for entry in answer[0][1] if answer else ():
            after = entry[0].decode()
            told = _told(entry)
            if told is not None and _fits(told, names, queue):
                yield told
