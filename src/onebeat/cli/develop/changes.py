"""Which files are watched, and what changed in them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onebeat.errors import ConfigurationError, MissingExtra

if TYPE_CHECKING:
    from watchfiles import Change

IGNORED = {
    ".venv", "venv", ".git", ".hg", "node_modules", "__pycache__", ".onebeat", ".tox", ".nox", ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".hypothesis", ".idea", "site-packages",
}  # fmt: skip


def check_watchfiles() -> None:
    """Say how to get the `dev` extra if it is not there."""
    try:
        import watchfiles  # noqa: F401 - looked for, so that the sentence comes first
    except ImportError:
        raise MissingExtra('onebeat dev needs watchfiles: pip install "onebeat[dev]"') from None


class Changes:
    """
    Waits for changes of Python files, and of those that are named.

    Args:
        folder: The project's.

        watch: Further folders, of which Python files count, or files, whatever they are.

        ignore: Folders and files that do not count.

    Raises:
        ConfigurationError: One that is to be watched does not exist.
    """

    def __init__(self, folder: Path, watch: Sequence[Path] = (), ignore: Sequence[Path] = ()) -> None:
        self.folder = folder
        self._watch = [path.resolve() for path in watch]
        self._ignore = [path.resolve() for path in ignore]
        for given, path in zip(watch, self._watch, strict=True):
            if not path.exists():
                raise ConfigurationError(f"path {given} is to be watched and does not exist: name a file or a folder")
        self._seen: set[str] = set()
        self._new = asyncio.Event()

    @property
    def places(self) -> list[Path]:
        """What is watched: the project's folder first."""
        return [self.folder, *(path for path in self._watch if not path.is_relative_to(self.folder))]

    async def run(self) -> None:
        """
        Watch until cancelled. A folder that may not be read, such as that of a database, is left out.

        Raises:
            ConfigurationError: The system does not let so much be watched.
        """
        from watchfiles import awatch

        watching = awatch(*self.places, watch_filter=self.counts, recursive=True, ignore_permission_denied=True)
        try:
            async for changes in watching:
                self._seen |= {name for _, name in changes}
                self._new.set()
        except OSError as error:
            raise ConfigurationError(
                f"folder {self.folder} cannot be watched: {error}; allow more (sysctl fs.inotify.max_user_watches), "
                "or set WATCHFILES_FORCE_POLLING=1"
            ) from None

    def counts(self, _change: Change | None, name: str) -> bool:
        """Whether a change of this file counts."""
        path = Path(name)
        if any(path.is_relative_to(ignored) for ignored in self._ignore):
            return False
        if path in self._watch:
            return True
        place = next((place for place in self.places if path.is_relative_to(place)), None)
        if place is None or path.suffix != ".py" or path.name.startswith("."):  # such as Emacs's lock, .#shop.py
            return False
        return IGNORED.isdisjoint(path.relative_to(place).parts)

    def forget(self) -> None:
        """Forget what changed: whoever starts now reads the files as they are."""
        self._seen.clear()
        self._new.clear()

    async def next(self) -> list[str]:
        """Wait for a change; return the files, those of the project relative to it."""
        await self._new.wait()
        names = sorted(self._seen)
        self.forget()
        return [
            str(Path(name).relative_to(self.folder)) if Path(name).is_relative_to(self.folder) else name
            for name in names
        ]
