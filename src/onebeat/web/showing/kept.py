"""What was rendered of large payloads, kept for the next look: pages look again every other second."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock

from onebeat.web.showing.payloads import Shown
from onebeat.web.showing.redaction import Redaction

MOST = 16
"""Payloads that are kept; each is at most about a megabyte of markup."""

SMALL = 2_000
"""Bytes of a payload that is rendered faster than looked up."""


class Kept:
    """
    Renders payloads, and remembers the last large ones.

    Args:
        show: Renders one: `payloads.show`.
    """

    def __init__(self, show: Callable[..., Shown]) -> None:
        self._show = show
        self._known: OrderedDict[object, Shown] = OrderedDict()
        self._lock = Lock()  # large ones are rendered in threads

    def __call__(self, data: bytes, codec: str, rules: Redaction) -> Shown:
        if len(data) < SMALL:
            return self._show(data, codec=codec, rules=rules)
        key = (blake2b(data, digest_size=16).digest(), len(data), codec, rules)
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found
        made = self._show(data, codec=codec, rules=rules)
        with self._lock:
            self._known[key] = made
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return made
