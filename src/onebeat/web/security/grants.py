"""What a group of a company's directory may do, and what somebody may do who is in several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from onebeat.errors import ConfigurationError
from onebeat.web.security.roles import Role, User


@dataclass(frozen=True, slots=True)
class Grant:
    """
    What whoever is in a group may do.

    Attributes:
        role: On every queue that `queues` does not name and on what belongs to no queue; None: nothing there.

        queues: Roles on queues, by name or by a pattern with `*`, as those of a `User`.

    Raises:
        ConfigurationError: A role is none, or nothing is granted.
    """

    role: Role | str | None = None
    queues: Mapping[str, Role | str | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        told = User("grant", self.role, self.queues)
        if told.role is None and not any(told.queues.values()):
            raise ConfigurationError('a grant allows nothing: give role = "view", or queues')
        object.__setattr__(self, "role", told.role)
        object.__setattr__(self, "queues", told.queues)

    @classmethod
    def of(cls, value: Grant | Role | str) -> Grant:
        """
        Return a grant, given itself or a role.

        Raises:
            ConfigurationError: It is neither.
        """
        return value if isinstance(value, cls) else cls(Role.of(value))

    def to(self, name: str) -> User:
        """Return a user who has this grant alone."""
        return User(name, self.role, self.queues)


@dataclass(frozen=True, slots=True)
class Member(User):
    """
    A user who may do whatever one of several grants allows.

    A role in `role` and in `queues` is the highest of all grants, for what shows them; what counts is `parts`, since
    patterns of two grants may overlap in part.

    Attributes:
        parts: The user as each grant alone would have it.
    """

    parts: tuple[User, ...] = ()

    def __hash__(self) -> int:
        return hash((self.name, self.parts))

    def role_on(self, queue: str | None) -> Role | None:
        """Return the highest role on a queue; None as the queue is what belongs to none."""
        return highest(part.role_on(queue) for part in self.parts)

    @property
    def sees_all(self) -> bool:
        """Whether one grant alone hides no queue from the user."""
        return any(part.sees_all for part in self.parts)


def highest(roles: Iterable[Role | None]) -> Role | None:
    """Return the role that allows most; None: there is none."""
    return max((role for role in roles if role is not None), default=None)


def united(name: str, grants: Sequence[Grant]) -> User:
    """
    Return the user who has some grants.

    Raises:
        ConfigurationError: The name cannot be one.
    """
    parts = tuple(grant.to(name) for grant in grants)
    if len(parts) == 1:
        return parts[0]
    queues = sorted({queue for part in parts for queue in part.queues})
    return Member(
        name,
        highest(part.role_on(None) for part in parts),
        {queue: highest(part.role_on(queue) for part in parts) for queue in queues},
        parts,
    )
