"""One thing that the API can be asked for: routes, the OpenAPI document and the matrix of rights are made of these."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_type_hints

import msgspec

from onebeat.web.security.roles import ACTIONS, Role

PREFIX = "/api/v1"
"""Where the API is, below the console's root."""

BODY = 64_000
"""Bytes of a body that carries no payload."""

BODY_WITH_PAYLOAD = 16_000_000
"""Bytes of a body that carries a payload: 8,000,000 are the most that a task takes, and JSON writes them longer."""

MANY = 10
"""As how many requests one counts that looks at many tasks or keys."""

VIEW = "view"
"""The action of all that only reads."""

Handler = Callable[..., Awaitable[Any]]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@dataclass(frozen=True)
class Operation:
    """
    One thing that the API can be asked for. What it takes and answers are the annotations of its handler: `query`,
    `body`, and what it returns; what it does is the handler's docstring.

    Attributes:
        method, path: By which it is asked for, below `PREFIX`.

        handler: Called with an `Asked`, and with `query` and `body` if it names them.

        action: `VIEW`, or the name of a change in `ACTIONS`.

        refusals: Statuses that it may answer beside those of all.

        status: Of its success.

        most: Bytes of its body.

        queue: The parameter or field that names the queue it is about; "": it is about none, or finds out which.

        cost: As how many requests it counts: `MANY`, where it looks at many tasks or keys.
    """

    method: Literal["GET", "POST"]
    path: str
    handler: Handler
    action: str = VIEW
    refusals: tuple[int, ...] = ()
    status: int = 200
    most: int = BODY
    queue: str = ""
    cost: int = 1

    @property
    def name(self) -> str:
        """The name of its handler, by which it is known in the OpenAPI document."""
        return self.handler.__name__

    @property
    def role(self) -> Role:
        """The role that it needs, on the queue that it is about."""
        return Role.VIEW if self.action == VIEW else ACTIONS[self.action]

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        return self.action != VIEW

    @cached_property
    def query(self) -> type[msgspec.Struct]:
        """What its parameters are read as."""
        found: type[msgspec.Struct] = self._types.get("query", Nothing)
        return found

    @cached_property
    def body(self) -> type[msgspec.Struct] | None:
        """What its body is read as; None: it has none."""
        return self._types.get("body")

    @cached_property
    def answer(self) -> Any:
        """What it answers."""
        return self._types["return"]

    @cached_property
    def _types(self) -> dict[str, Any]:
        return get_type_hints(self.handler, include_extras=True)

    @property
    def summary(self) -> str:
        """The first sentence of what it does."""
        return self.text.partition("\n\n")[0].replace("\n", " ")

    @property
    def text(self) -> str:
        """All of what it does."""
        return inspect.getdoc(self.handler) or ""
