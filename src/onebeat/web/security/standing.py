"""
What users may now, for what goes on behind the request that began it.

A job outlives its request by hours. Who began it may be removed meanwhile, or lose a role: so it asks here again
before each step. Whom the console knows by itself it looks up; of whom a proxy or the application names, it remembers
what was said last.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from onebeat.web.security.roles import User, refusal
from onebeat.web.security.rules import Rules
from onebeat.web.security.ways import Identity

MOST: Final = 10_000
"""Users whose roles are remembered; beyond them those go that were heard of least lately."""


class Standing:
    """
    Knows what users may now.

    Args:
        rules: How users are known.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._heard: OrderedDict[tuple[str, str], User] = OrderedDict()

    def hear(self, found: Identity) -> None:
        """Note what a request has said of its user."""
        key = found.user.name, found.way
        self._heard[key] = found.user
        self._heard.move_to_end(key)
        while len(self._heard) > MOST:
            self._heard.popitem(last=False)

    def user(self, found: Identity) -> User | None:
        """Return a user as they are now; None: there is none such any more."""
        rules, name = self._rules, found.user.name
        if found.way == "password" and rules.passwords is not None:
            return rules.passwords.user(name)
        if found.way == "token" and rules.tokens is not None:
            return found.user if rules.tokens.has(found.user) else rules.tokens.named(name)
        return self._heard.get((name, found.way), found.user)


class Right:
    """
    Whether a job may still do what it does.

    Args:
        standing: Knows what users may now.

        who: For whom it runs.

        action: What it does, such as "task.run".

        is_read_only: Whether the console is.
    """

    def __init__(self, standing: Standing, who: Identity, action: str, is_read_only: Callable[[], bool]) -> None:
        self._standing, self._who, self._action, self._is_read_only = standing, who, action, is_read_only

    def barred(self, queue: str | None) -> str | None:
        """Say why it may not act in a queue; with None as the queue, why it may in none. None: it may."""
        user = self._standing.user(self._who)
        if user is None:
            return f"{self._who.user.name} is no user of this console any more"
        if queue is None and not self._is_read_only():
            return None
        why = refusal(user, self._action, (queue,), read_only=self._is_read_only())
        return None if why is None else why.rstrip(".")
