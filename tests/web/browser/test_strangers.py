"""Signing in, and what those see who may not do everything."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from onebeat.web.security.credentials import PasswordHash
from tests.web.browser.stage import Stage
from tests.web.browser.visitor import Visitor, visiting

PASSWORD = "correct horse battery staple"  # noqa: S105 - of a console that lives as long as these tests


@pytest.fixture(scope="module")
def guarded(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a console with two users: ann may do all, bob looks and sees no queue called reports."""
    access = tmp_path_factory.mktemp("access") / "access.toml"
    known = PasswordHash.make(PASSWORD).text
    access.write_text(
        f'[users.ann]\npassword = "{known}"\nrole = "admin"\n'
        f'[users.bob]\npassword = "{known}"\nrole = "view"\nqueues = {{ reports = "none" }}\n'
    )
    return stage.console("--access", str(access))


@pytest.fixture
def stranger(chromium: Browser, guarded: str) -> Iterator[Visitor]:
    """Return somebody who is not signed in."""
    with visiting(chromium, guarded) as opened:
        yield opened


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill the form and send it."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():
        page.get_by_role("button", name="Sign in").click()


def test_a_stranger_is_asked_and_comes_to_the_page_that_was_wanted(stranger: Visitor) -> None:
    """By keyboard too: what has to be typed first has the focus. axe finds nothing on the form."""
    page = stranger.see("/tasks?q=state:archived")
    expect(page.get_by_label("Name")).to_be_focused()
    assert [] == stranger.axe()
    stranger.picture("login")
    sign_in(page, "ann")
    page.wait_for_url("**/tasks?q=state*")
    expect(page.locator("tbody tr").first).to_be_visible()


def test_a_wrong_password_is_told(stranger: Visitor) -> None:
    """And the name stays."""
    page = stranger.see("/")
    sign_in(page, "ann", "wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Name")).to_have_value("ann")
    assert [] == stranger.axe()
    stranger.picture("login-wrong")


def test_who_looks_is_shown_no_button_and_no_hidden_queue(stranger: Visitor) -> None:
    """Nor by the palette, nor in a verdict."""
    page = stranger.see("/")
    sign_in(page, "bob")
    expect(page.locator("#queue-critical")).to_be_visible()
    stranger.rest()
    expect(page.locator("#queue-reports")).to_have_count(0)
    assert "reports" not in page.locator("main").inner_text()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    page.keyboard.press("Control+k")
    page.keyboard.type("repor")
    expect(page.locator("#palette [role=option]", has_text="Tasks: repor")).to_be_visible()
    expect(page.locator("#palette [role=option] .kind", has_text="queue")).to_have_count(0)


def test_a_page_whose_session_is_over_goes_to_the_form(stranger: Visitor) -> None:
    """At its next look, and not into the middle of the page."""
    page = stranger.see("/")
    sign_in(page, "ann")
    expect(page.locator("#queue-critical")).to_be_visible()
    stranger.context.clear_cookies()
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator(".rail")).to_have_count(0)


def test_a_console_that_is_read_only_has_no_buttons(chromium: Browser, stage: Stage) -> None:
    """And says that it is."""
    with visiting(chromium, stage.console("--read-only")) as visitor:
        page = visitor.see("/")
        expect(page.locator(".rail")).to_contain_text("read-only")
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        page = visitor.see("/tasks")
        expect(page.locator("[data-pick]")).to_have_count(0)
