"""
A program's main file that is run once more, where only its tasks are wanted.

The process of an isolated task imports the file that the server was started with. If that file starts something
whenever it is run, it would start it there, too, and so on for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from onebeat.errors import ConfigurationError

_files: list[str] = []


@contextmanager
def run_again(file: str) -> Iterator[None]:
    """Refuse to open stores while the block imports a main file."""
    _files.append(file)
    try:
        yield
    finally:
        _files.pop()


def refuse_again() -> None:
    """
    Refuse to open a store for a main file that is run once more.

    Raises:
        ConfigurationError: One is; the sentence says what to write.
    """
    if _files:
        raise ConfigurationError(
            f"{_files[-1]} is run once more to find an isolated task in it, and starts what it starts again: "
            'put that under `if __name__ == "__main__":`'
        )
