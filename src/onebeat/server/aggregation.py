"""Which function aggregates a group: routing by the group's name, and how each is told its members."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from onebeat.broker.groups import MAX_SET, Rule
from onebeat.errors import ConfigurationError, InvalidTask, shown
from onebeat.options import Duration, seconds, text
from onebeat.server.config import ServerConfig
from onebeat.task import Task

Aggregate = Callable[[str, list[Any]], Task[Any] | Awaitable[Task[Any]]]
"""Makes one task of a group's name and its members."""

MIN_GRACE_S = 0.001


@dataclass(frozen=True, slots=True)
class Aggregation:
    """
    A function that aggregates groups, and when.

    Attributes:
        pattern: What their names begin with; "" is all.

        function: Called with the group's name and the list of its members.

        is_async: Whether it runs on the event loop; otherwise in a thread.

        decode: Makes of a member what the function is given; raises PayloadError for one that does not fit.

        grace, max_delay, timeout: Seconds, in place of the server's settings.

        max_size: The same, in members.
    """

    pattern: str
    function: Aggregate
    is_async: bool
    decode: Callable[[Task[Any]], Any] = lambda task: task
    grace: float | None = None
    max_delay: float | None = None
    max_size: int | None = None
    timeout: float | None = None


class Aggregations:
    """The aggregators of a server, one for each pattern, and those of the muxes that are mounted in its own."""

    def __init__(self) -> None:
        self._own: dict[str, Aggregation] = {}
        self._mounted: list[Aggregations] = []

    @property
    def _known(self) -> dict[str, Aggregation]:
        known = {}
        for one in self._mounted:
            known.update(one._known)
        return {**known, **self._own}

    def __iter__(self) -> Iterator[Aggregation]:
        """Yield all, the longest pattern first: the order in which they are asked."""
        return iter(sorted(self._known.values(), key=lambda one: len(one.pattern), reverse=True))

    def __bool__(self) -> bool:
        return bool(self._own) or any(self._mounted)

    def add(self, added: Aggregation) -> None:
        """
        Register one.

        Raises:
            ConfigurationError: Its pattern is taken.
        """
        if added.pattern in self._known:
            raise ConfigurationError(f"groups {shown(added.pattern)} have an aggregator already: give each pattern one")
        self._own[added.pattern] = added

    def mount(self, mounted: Aggregations) -> None:
        """
        Have those of another mux be asked as well, also what is registered there later.

        Raises:
            ConfigurationError: A pattern of theirs is taken.
        """
        for pattern in mounted._known:
            if pattern in self._known:
                raise ConfigurationError(f"groups {shown(pattern)} have an aggregator already: give each pattern one")
        self._mounted.append(mounted)

    def find(self, group: str) -> Aggregation | None:
        """Return the one with the longest pattern that a group's name begins with."""
        return next((one for one in self if group.startswith(one.pattern)), None)


def rule(one: Aggregation, config: ServerConfig) -> Rule:
    """Return when the groups of an aggregation are due: as it says itself, else as the server's settings say."""
    grace = config.group_grace if one.grace is None else one.grace
    delay = config.group_max_delay if one.max_delay is None else one.max_delay
    size = config.group_max_size if one.max_size is None else one.max_size
    return Rule(one.pattern, max(1, round(grace * 1000)), math.ceil(delay * 1000), size)


def check_pattern(pattern: object) -> str:
    """Return what the names of groups begin with, or say why it is none."""
    if callable(pattern):
        raise ConfigurationError(
            f"pattern of groups is {shown(pattern)}: write aggregate() with its brackets, or a string in them"
        )
    if not isinstance(pattern, str) or (pattern and not pattern.strip()):
        raise ConfigurationError(f'pattern of groups is {shown(pattern)}: give the start of their names, "" for all')
    return pattern and text("pattern of groups", pattern, refusal=ConfigurationError)


def limits(
    grace: Duration | None, max_delay: Duration | None, max_size: object, timeout: Duration | None
) -> dict[str, Any]:
    """
    Check when groups are due, as an `Aggregation` takes it.

    Raises:
        ConfigurationError: One of these cannot be used.
    """
    lowest = {"grace": MIN_GRACE_S, "max_delay": 0.0, "timeout": MIN_GRACE_S}
    found: dict[str, Any] = {}
    for name, value in (("grace", grace), ("max_delay", max_delay), ("timeout", timeout)):
        try:
            found[name] = None if value is None else seconds(name, value, minimum=lowest[name])
        except InvalidTask as error:
            raise ConfigurationError(str(error)) from None
    if max_size is not None and (
        isinstance(max_size, bool) or not isinstance(max_size, int) or not 0 <= max_size <= MAX_SET
    ):
        raise ConfigurationError(
            f"option max_size is {shown(max_size)}: give a whole number of tasks up to {MAX_SET}, 0 for no limit"
        )
    return {**found, "max_size": max_size}
