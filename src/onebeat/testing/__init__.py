"""
The test kit: applications on a private store, in a time that the test moves.

Importing this package loads next to nothing: a name is loaded when it is first used, so that the pytest plugin
costs a run that does not use it nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onebeat.testing.context import KitContext
    from onebeat.testing.driving import HandlerStuck
    from onebeat.testing.facade import SyncTesting, Testing
    from onebeat.testing.kit import Kit, private_store
    from onebeat.testing.records import Attempt, AttemptState, Drained, EnqueuedTask

_HOMES = {
    "driving": ["HandlerStuck"],
    "context": ["KitContext"],
    "facade": ["SyncTesting", "Testing"],
    "kit": ["Kit", "private_store"],
    "records": ["Attempt", "AttemptState", "Drained", "EnqueuedTask"],
}

_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}


if not TYPE_CHECKING:  # checkers would take any name for one of ours

    def __getattr__(name: str) -> Any:
        module = _HOME_OF.get(name)
        if module is None:
            raise AttributeError(f"module 'onebeat.testing' has no attribute {name!r}")
        value = getattr(import_module(f"onebeat.testing.{module}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF])


__all__ = [
    "Attempt", "AttemptState", "Drained", "EnqueuedTask", "HandlerStuck", "Kit", "KitContext", "SyncTesting", "Testing",
    "private_store",
]  # fmt: skip
