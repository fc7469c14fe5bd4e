"""Users, roles, and which action needs which role."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Final, Self

from onebeat.errors import ConfigurationError, shown
from onebeat.inspector.terms import fits

MAX_NAME = 200
"""Characters of a user's name."""


class Role(IntEnum):
    """
    What a user may do; each may do what those before it may.

    `VIEW` looks. `OPERATE` does what can be undone, or repeats work: pause, run, archive, cancel, edit. `ADMIN` does
    what loses something or reaches beyond a queue: delete, remove, repair, drain and stop servers.
    """

    VIEW = 1
    OPERATE = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()

    @classmethod
    def of(cls, value: object) -> Self:
        """
        Return a role, given itself or its name.

        Raises:
            ConfigurationError: There is no such role.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value.upper() in cls.__members__:
            return cls[value.upper()]
        raise ConfigurationError(f"role is {shown(value)}: give view, operate or admin")


ACTIONS: Final[Mapping[str, Role]] = MappingProxyType(
    {
        "task.enqueue": Role.OPERATE,
        "task.run": Role.OPERATE,
        "task.archive": Role.OPERATE,
        "task.cancel": Role.OPERATE,
        "task.update": Role.OPERATE,
        "task.clone": Role.OPERATE,
        "task.replace_hidden": Role.ADMIN,
        "task.delete": Role.ADMIN,
        "lock.free": Role.ADMIN,
        "group.run": Role.OPERATE,
        "group.archive": Role.OPERATE,
        "group.delete": Role.ADMIN,
        "queue.pause": Role.OPERATE,
        "queue.resume": Role.OPERATE,
        "queue.remove": Role.ADMIN,
        "schedule.run": Role.OPERATE,
        "schedule.pause": Role.OPERATE,
        "schedule.resume": Role.OPERATE,
        "schedule.update": Role.OPERATE,
        "schedule.delete": Role.ADMIN,
        "server.drain": Role.ADMIN,
        "server.resume": Role.ADMIN,
        "server.stop": Role.ADMIN,
        "health.repair": Role.ADMIN,
        "session.end": Role.ADMIN,
        "view.save": Role.VIEW,
        "view.delete": Role.VIEW,
        "view.share": Role.OPERATE,
        "view.unshare": Role.OPERATE,
    }
)
"""
Every change that the console can make, and the role it needs: on the queue that it is about, or on each of them. Where
it is about no queue, such as draining a server, on everything. Who stops or slows a job needs what began it.
"""


LOSING: Final = frozenset(
    {"task.cancel", "task.delete", "group.delete", "queue.remove", "schedule.delete", "server.stop"}
)
"""What cannot be undone from here: a console that requires reasons asks for one."""

OWN: Final = frozenset({"view.save", "view.delete"})
"""What concerns nobody but who does it, such as one's own views: whoever is let in may, whatever the role."""

ALWAYS: Final = frozenset({"session.end"})
"""What a console that is read-only does as well: it changes nothing but who may look."""


@dataclass(frozen=True, slots=True)
class User:
    """
    Somebody who uses the console.

    Attributes:
        name: Stands in the audit record, and in the corner of every page.

        role: What the user may do, on every queue that `queues` does not name and on what belongs to no queue, such as
            servers; None: nothing, not even look.

        queues: Roles on queues, by name or by a pattern with `*`; None as a role hides the queue. A name comes before
            patterns; of several patterns the longest counts.

    Raises:
        ConfigurationError: The name is empty or too long, or a role is none.
    """

    name: str
    role: Role | str | None = Role.VIEW
    queues: Mapping[str, Role | str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given: object = self.name
        if not isinstance(given, str) or not given.isprintable() or not 1 <= len(given.strip()) <= MAX_NAME:
            raise ConfigurationError(f"name of a user is {shown(given)}: give 1 to {MAX_NAME} characters")
        object.__setattr__(self, "role", _role(self.role))
        queues: object = self.queues
        if not isinstance(queues, Mapping) or not all(isinstance(name, str) for name in queues):
            raise ConfigurationError(
                f'queues of user {shown(given)} is {shown(queues)}: give roles by queue, such as {{"mail": "view"}}'
            )
        roles = MappingProxyType({name: _role(role) for name, role in self.queues.items()})
        object.__setattr__(self, "queues", roles)

    def __hash__(self) -> int:
        return hash((self.name, self.role, tuple(sorted(self.queues.items(), key=str))))

    def role_on(self, queue: str | None) -> Role | None:
        """Return the role on a queue; None as the queue is what belongs to none."""
        if queue is None:
            return _role(self.role)
        if queue in self.queues:
            return _role(self.queues[queue])
        patterns = [name for name in self.queues if "*" in name and fits(tuple(name.split("*")), queue)]
        return _role(self.queues[max(patterns, key=len)] if patterns else self.role)

    def sees(self, queue: str | None) -> bool:
        """Whether the user may look at a queue; None: at what belongs to no queue."""
        return self.role_on(queue) is not None

    @property
    def sees_all(self) -> bool:
        """Whether no queue is hidden from the user."""
        return self.role is not None and None not in self.queues.values()

    def may(self, action: str, queue: str | None = None) -> bool:
        """Whether the user has the role that an action of `ACTIONS` needs on a queue."""
        return allowed(self, action, queue)


def _role(value: object) -> Role | None:
    return None if value is None else Role.of(value)


def allowed(user: User, action: str, queue: str | None = None) -> bool:
    """
    Whether a user may do something; a console that is read-only is not asked here, but by `refusal`.

    Args:
        action: One of `ACTIONS`.

        queue: What it is about; None: what belongs to no queue.

    Raises:
        KeyError: There is no such action.
    """
    needed, role = ACTIONS[action], user.role_on(queue)
    return action in OWN or (role is not None and role >= needed)


def refusal(
    user: User, action: str, queues: Collection[str | None] = (None,), *, read_only: bool = False
) -> str | None:
    """
    Say why a user may not do something, in a sentence for the user; None: it is allowed.

    Args:
        action: One of `ACTIONS`.

        queues: All that it is about: the role is needed on each. None stands for what belongs to no queue; none at all
            counts as that, since a change about nothing in particular may reach everything.

        read_only: Whether the console is, so that nothing is allowed to anybody.
    """
    if read_only and action not in ALWAYS:
        return "This console is read-only: nothing can be changed here. It was started with read-only set."
    for queue in sorted(queues or (None,), key=str):
        if not allowed(user, action, queue):
            needs = f"{action} needs the role {ACTIONS[action]}"
            where = "" if queue is None else f" on queue {shown(queue)}"
            role = user.role_on(queue)
            return f"{needs}{where}; {user.name} has {'none' if role is None else role} there."
    return None
