"""A mailer that only notes what it would send."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Mailer:
    """Sends letters while it is open."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, str]] = []
        self.is_open = False

    async def __aenter__(self) -> Self:
        self.is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.is_open = False

    async def send(self, user_id: int, locale: str) -> str:
        """Send one letter, and give its receipt."""
        self.sent.append((user_id, locale))
        return "sent"
