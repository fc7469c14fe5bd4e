"""A file that is read again when it is changed, and what was read from it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from onebeat.errors import ConfigurationError

T = TypeVar("T")

log: logging.Logger = logging.getLogger("onebeat.web")

LOOK_EVERY_S: Final = 2.0
"""How often the file is looked at; to ask when it was changed takes some microseconds."""

Stamp = tuple[int, int, int] | None


class Watch:
    """
    Looks whether a file was changed.

    Args:
        path: Of the file.

        take: Reads it; raises `ConfigurationError` if it says something that cannot work.
    """

    def __init__(self, path: Path, take: Callable[[], object]) -> None:
        self._path, self._take = path, take
        self._stamp, self._looked = _stamp(path), time.monotonic()

    def look(self) -> None:
        """Read the file again if it was changed; what cannot be read leaves all as it was."""
        if time.monotonic() - self._looked < LOOK_EVERY_S:
            return
        self._looked, stamp = time.monotonic(), _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._take()
        except ConfigurationError as error:
            log.error("what it said before holds: %s", error)
        else:
            log.info("access file %s was read again", self._path)


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


class Live(Mapping[str, T]):
    """
    What a file says, as it says it now.

    Args:
        kept: What it said.

        renew: Called before each look.
    """

    def __init__(self, kept: Mapping[str, T], renew: Callable[[], object]) -> None:
        self._kept, self._renew = kept, renew

    def __getitem__(self, name: str) -> T:
        self._renew()
        return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        self._renew()
        return iter(self._kept)

    def __len__(self) -> int:
        self._renew()
        return len(self._kept)
