"""What every test of the shop takes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from shop.mailer import Mailer
from shop.tasks import State, app

from onebeat.testing import Testing


@pytest.fixture
def mailer() -> Mailer:
    """Return a mailer to look into."""
    return Mailer()


@pytest.fixture
async def t(mailer: Mailer) -> AsyncIterator[Testing[State]]:
    """Return the shop under test: a private store, and time that moves when told to."""
    async with app.testing(state=State(mailer)) as t:
        yield t
