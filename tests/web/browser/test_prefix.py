"""A console that does not stand at the root of its origin."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browser.stage import Stage
from tests.web.browser.visitor import Visitor, visiting


@pytest.fixture(scope="module")
def below(stage: Stage) -> str:
    """Return the address of a console that an application has mounted."""
    return stage.mounted("/ops/a b")


@pytest.fixture
def guest(chromium: Browser, below: str) -> Iterator[Visitor]:
    """Return somebody who looks at it."""
    with visiting(chromium, below) as opened:
        yield opened


def test_everything_is_asked_for_below_the_prefix(guest: Visitor) -> None:
    """Files, looks, links, and what the palette finds."""
    page = guest.see("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("reports")
    option = page.locator("#palette [role=option]", has_text="12 tasks")
    expect(option).to_be_visible()
    with page.expect_request(lambda request: request.headers.get("hx-request") == "true"):
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
    assert [] == [one.url for one in guest.requests if "/ops/a%20b" not in one.url]
    links = page.evaluate("[...document.querySelectorAll('a[href]')].map((one) => new URL(one.href).pathname)")
    assert [] == [link for link in links if not link.startswith("/ops/a%20b/")]


def test_forms_act_and_come_back(guest: Visitor, stage: Stage) -> None:
    """The page after a form is the console's, with its notice."""
    page = guest.see("/")
    page.locator("#queue-critical").get_by_role("button", name="Pause").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("Queue “critical” is paused")
    page.locator("#queue-critical").get_by_role("button", name="Resume").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("Queue “critical” is resumed")
    assert not stage.look(lambda inspector: inspector.stats("critical").paused)


def test_what_is_remembered_is_the_console_s_alone(guest: Visitor) -> None:
    """Cookies do not go to what else stands at the origin."""
    guest.see("/").keyboard.press("t")
    guest.until("document.cookie.includes('onebeat_zone')")
    cookies = {cookie["name"]: cookie["path"] for cookie in guest.context.cookies()}
    assert {"onebeat_theme": "/ops/a%20b/", "onebeat_zone": "/ops/a%20b/"} == cookies
