"""A part of an application, for modules that must not import the application itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Generic

from onebeat.app.declaring import Declaring
from onebeat.app.handle import Replies
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import ConfigurationError
from onebeat.options import text
from onebeat.sync import SyncClient

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # checkers know it without its being installed

    S = TypeVar("S", default=object)
else:
    from typing import TypeVar

    S = TypeVar("S")


class Router(Declaring, Generic[S]):
    """
    Declares tasks and schedules for whichever application includes it: `app.include(router)`.

    Its tasks can be enqueued once it is included.

    Args:
        prefix: What the types of its tasks begin with, such as "billing:".
    """

    def __init__(self, prefix: str = "") -> None:
        super().__init__(text("prefix of a router", prefix, refusal=ConfigurationError) if prefix != "" else "")

    @property
    def lifespan(self) -> Callable[[], AbstractAsyncContextManager[Any]] | None:
        return self._included().lifespan

    async def client(self) -> Client:
        return await self._included().client()

    def sync_client(self) -> SyncClient:
        return self._included().sync_client()

    async def connection(self) -> tuple[Store, Replies]:
        return await self._included().connection()

    def _included(self) -> Declaring:
        if self.parent is None:
            known = ", ".join(list(self.tasks)[:3]) or "no tasks"
            raise ConfigurationError(f"router of {known} belongs to no application yet: call app.include(router)")
        return self.parent
