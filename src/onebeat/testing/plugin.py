"""
The pytest plugin: fixtures around `app.testing()`. It loads nothing of Onebeat until a test uses one.

`onebeat_app` is yours to define; the others are made of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.testing.facade import SyncTesting
    from onebeat.testing.kit import Kit


@pytest.fixture
def onebeat_app() -> Onebeat[Any]:
    """Return the application under test: define this fixture in your conftest.py."""
    raise pytest.UsageError(
        "fixture onebeat_app is not defined: write one in conftest.py that returns your application, "
        "`@pytest.fixture` above `def onebeat_app(): return app`"
    )


@pytest.fixture
def onebeat_settings() -> dict[str, Any]:
    """Return the arguments of `app.testing()`: override this fixture to give some, such as `state`."""
    return {}


@pytest.fixture
def onebeat_kit(onebeat_app: Onebeat[Any], onebeat_settings: dict[str, Any]) -> Kit[Any]:
    """Return the application's test kit, to be entered: `async with onebeat_kit as t:`."""
    return onebeat_app.testing(**onebeat_settings)


@pytest.fixture
def onebeat_testing(onebeat_kit: Kit[Any]) -> Iterator[SyncTesting[Any]]:
    """Return the application under test, for tests that block."""
    with onebeat_kit as t:
        yield t


@pytest.fixture
def onebeat_url() -> Iterator[str]:
    """Return the URL of a private, empty store on real time, for `Client`, `Server` and the rest of the plain form."""
    from onebeat.testing.kit import private_store

    with private_store() as url:
        yield url
