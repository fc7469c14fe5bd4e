"""Where scripts do not run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browser.stage import Stage
from tests.web.browser.visitor import Visitor, visiting


@pytest.fixture
def plain(chromium: Browser, origin: str) -> Iterator[Visitor]:
    """Return somebody whose browser runs no scripts."""
    with visiting(chromium, origin, java_script_enabled=False) as opened:
        yield opened


def test_a_form_acts_and_the_next_page_says_what_has_become_of_it(plain: Visitor, stage: Stage) -> None:
    """A queue is paused and resumed by buttons that are plain forms."""
    page = plain.see("/")
    row = page.locator("#queue-low")
    row.get_by_role("button", name="Pause").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("Queue “low” is paused")
    assert stage.look(lambda inspector: inspector.stats("low").paused)
    row.get_by_role("button", name="Resume").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("Queue “low” is resumed")


def test_nothing_is_shown_that_needs_scripts(plain: Visitor) -> None:
    """Buttons that would do nothing are not there."""
    page = plain.see("/")
    expect(page.locator("[data-live]")).to_be_hidden()
    expect(page.locator(".seek")).to_be_hidden()
