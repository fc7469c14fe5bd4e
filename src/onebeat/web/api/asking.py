"""What an operation is given beside its parameters: who asks, the store, and the way to change something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, TypeVar

from starlette.requests import Request

from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.searching import Visible
from onebeat.web.acting import perform
from onebeat.web.api import payloads
from onebeat.web.api.operation import Operation
from onebeat.web.api.payloads import IN_LISTS, Seen
from onebeat.web.api.problems import Refused
from onebeat.web.reading import kept
from onebeat.web.security import gate, proxies
from onebeat.web.security.roles import User
from onebeat.web.security.searching import as_seen
from onebeat.web.showing.redaction import Redaction

if TYPE_CHECKING:
    from onebeat.web.console import Console

T = TypeVar("T")


class Asked:
    """
    One request.

    Attributes:
        request: It.

        console: Which it is for.

        user: Who asks.

        resources: What can be asked for, by what it is about.
    """

    def __init__(self, request: Request, resources: Mapping[str, tuple[Operation, ...]]) -> None:
        self.request = request
        self.resources = resources
        self.console: Console = request.app.state.console
        self.user: User = gate.user(request)

    @property
    def is_open(self) -> bool:
        """Whether the console asks nobody who they are."""
        return not self.console.settings.rules.is_asked

    @property
    def who(self) -> str:
        """The name of who asks."""
        return self.user.name

    @property
    def counted_as(self) -> str:
        """Whose requests are counted together: a user's, or where nobody says who they are, an address's."""
        return self.address if self.is_open else self.who

    @property
    def role(self) -> str:
        """The role of who asks, on what no queue's own role is for; "" if there is none."""
        return "" if self.user.role is None else str(self.user.role)

    @property
    def address(self) -> str:
        """Where the request comes from; "" if that is not known."""
        return proxies.client(self.request.scope)

    async def inspector(self) -> Inspector:
        """Return what looks into the store."""
        return await self.console.inspector()

    async def read(self, *key: object, read: Callable[[Inspector], Awaitable[T]], seconds: float = 1.0) -> T:
        """
        Ask the store once for all who ask the same within a second.

        Args:
            key: The question.

            read: Asks it.

            seconds: For how long the answer is good; `Cache-Control: no-cache` makes it one.
        """
        inspector = await self.inspector()
        return await self.console.reads.get(("api", *key), lambda: read(inspector), seconds=kept(self.request, seconds))

    def sees(self, queue: str | None) -> bool:
        """Whether who asks may look at a queue; None: at what belongs to no queue."""
        return self.user.sees(queue)

    @property
    def sees_all(self) -> bool:
        """Whether no queue is hidden from who asks."""
        return self.user.sees_all

    def check_sees(self, queue: str | None) -> None:
        """
        Refuse what who asks may not look at, whether it exists or not.

        Raises:
            Refused: It is so.
        """
        if not self.sees(queue):
            what = "what belongs to no queue" if queue is None else f"queue {queue!r}"
            raise Refused("forbidden", f"{self.who} may not look at {what}: ask for the role view there")

    @property
    def visible(self) -> Visible | None:
        """Which queues who asks may look at; None: all."""
        return None if self.sees_all else self.sees

    def doable(self, action: str) -> Visible:
        """Return in which queues who asks may do something."""
        return lambda queue: self.may(action, queue)

    def may(self, action: str, queue: str | None) -> bool:
        """Whether who asks may do something."""
        return self.user.may(action, queue)

    @property
    def sight(self) -> User | None:
        """What tells apart who sees different queues, where answers are shared; None: who sees all of them."""
        return None if self.sees_all else self.user

    def filter(self, text: str) -> Filter:
        """
        Read a filter; it decides by what may be seen.

        Raises:
            InvalidFilter: It cannot be read, or asks for what is hidden.
        """
        return as_seen(text, self.rules)

    @property
    def rules(self) -> Redaction:
        """What is hidden, whoever asks."""
        return self.console.settings.redaction

    def seen(self, data: bytes, most: int = IN_LISTS) -> Seen:
        """Return a payload or a result as it may be seen: secrets hidden, then cut."""
        return payloads.seen(data, most, self.rules)

    def text(self, text: str, most: int = IN_LISTS) -> tuple[str, bool, bool]:
        """Return a text as it may be seen, and whether it was cut, and redacted."""
        return payloads.seen_text(text, most, self.rules)

    async def perform(
        self,
        action: str,
        deed: Callable[[Inspector], Awaitable[T]],
        *,
        queue: str | None = None,
        queues: Collection[str] | None = None,
        about: str = "",
        changes: str = "",
        reason: str | None = "",
        is_many: bool = False,
        job: Callable[[T], str] | None = None,
    ) -> T:
        """Make a change as pages do: the role is checked, the change is made and recorded. See `acting.perform`."""
        inspector = await self.inspector()
        return await perform(
            self.request,
            action,
            queue=queue,
            queues=queues,
            about=about,
            changes=changes,
            reason=reason,
            is_many=is_many,
            job=job,
            deed=lambda: deed(inspector),
        )
