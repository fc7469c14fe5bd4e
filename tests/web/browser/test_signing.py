"""Signing in, in Chromium: what a browser does with sessions, links of other sites, and parts of pages."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.browser.stage import Stage
from tests.web.browser.visitor import NARROW, Visitor, visiting
from tests.web.conftest import cheap_hash

PASSWORD = "correct horse battery"  # noqa: S105 - of a test
HASH = cheap_hash(PASSWORD)


@pytest.fixture(scope="module")
def locked() -> Iterator[str]:
    """Return the address of a console that asks who one is, over an empty store."""
    with tempfile.TemporaryDirectory(prefix="onebeat-locked-") as folder, Stage(Path(folder)) as opened:
        access = Path(folder, "access.toml")
        access.write_text(
            f'[users.ann]\npassword = "{HASH.text}"\nrole = "admin"\n'
            f'[users.bob]\npassword = "{HASH.text}"\nrole = "view"\n'
            'queues = { mail = "operate", payroll = "none" }\n'
        )
        yield opened.console("--access", str(access), title="staging").rstrip("/")


def sign_in(visitor: Visitor, name: str, password: str = PASSWORD) -> None:
    """Fill in the form."""
    visitor.page.get_by_label("Name").fill(name)
    visitor.page.get_by_label("Password").fill(password)
    visitor.page.get_by_role("button", name="Sign in").click()


def go_in(visitor: Visitor, name: str) -> None:
    """Sign in, and go to a page."""
    visitor.see("/settings")
    sign_in(visitor, name)
    expect(visitor.page.get_by_role("heading", name="Settings")).to_be_visible()
    visitor.rest()


def test_one_signs_in_and_goes_where_one_wanted_to(chromium: Browser, locked: str) -> None:
    """After a wrong password, too; and out again."""
    with visiting(chromium, locked) as visitor:
        page = visitor.see("/settings")
        assert page.url.endswith("/login?next=%2Fsettings")
        expect(page.get_by_label("Name")).to_be_focused()
        sign_in(visitor, "bob", "wrong horse")
        expect(page.get_by_role("alert")).to_contain_text("This name and password do not fit.")
        expect(page.get_by_label("Password")).to_be_focused()
        visitor.picture("login-refused-light")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        expect(page.locator("main")).to_contain_text("bob")
        assert "payroll" not in page.content()
        page.locator("main").get_by_role("button", name="Sign out here").click()
        expect(page.locator(".notice[role=status]")).to_contain_text("You are signed out.")
        assert [] == [cookie for cookie in visitor.context.cookies() if "session" in str(cookie["name"])]


def test_a_link_of_another_site_finds_the_session(chromium: Browser, locked: str) -> None:
    """The cookie is not sent across sites; the console has the browser ask once more."""
    with visiting(chromium, locked) as visitor:
        go_in(visitor, "ann")
        elsewhere = locked.replace("127.0.0.1", "localhost")
        visitor.page.route(
            f"{elsewhere}/chat",
            lambda route: route.fulfill(body=f'<a href="{locked}/settings">look</a>', content_type="text/html"),
        )
        visitor.origin = elsewhere
        visitor.page.goto(f"{elsewhere}/chat")
        visitor.origin = locked
        visitor.page.get_by_text("look").click()
        expect(visitor.page.get_by_role("heading", name="Settings")).to_be_visible()


def test_a_page_whose_session_has_ended_goes_to_the_login_by_itself(chromium: Browser, locked: str) -> None:
    """As a whole, not as a part in its own middle."""
    with visiting(chromium, locked) as visitor:
        go_in(visitor, "ann")
        page = visitor.page
        kept = [cookie for cookie in visitor.context.cookies() if "session" not in str(cookie["name"])]
        visitor.context.clear_cookies()
        visitor.context.add_cookies(kept)  # type: ignore[arg-type] # as they came
        page.evaluate("document.getElementById('live').dispatchEvent(new CustomEvent('look'))")
        page.wait_for_url("**/login?next=%2Fsettings")
        expect(page.get_by_label("Name")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1360, 900), NARROW], ids=["wide", "narrow"])
def test_login_and_settings_are_whole(chromium: Browser, locked: str, theme: str, size: tuple[int, int]) -> None:
    """Axe finds nothing, and nothing goes beyond the screen."""
    name = f"{theme}-{size[0]}"
    with visiting(chromium, locked, theme=theme, size=size) as visitor:
        page = visitor.see("/login")
        assert [] == visitor.axe()
        visitor.picture(f"login-{name}")
        go_in(visitor, "bob")
        assert [] == visitor.axe()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        visitor.picture(f"settings-{name}")


def test_settings_work_without_script(chromium: Browser, locked: str) -> None:
    """They are kept in cookies by the answer to a form."""
    with visiting(chromium, locked, java_script_enabled=False) as visitor:
        page = visitor.page
        page.goto(f"{locked}/settings")
        sign_in(visitor, "ann")
        page.get_by_label("Colours").select_option("dark")
        page.get_by_label("Time zone").fill("Europe/Kyiv")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".notice[role=status]")).to_contain_text("Kept in this browser.")
        assert ("dark", "Europe/Kyiv") == (
            page.locator("html").get_attribute("data-theme"),
            page.get_by_label("Time zone").input_value(),
        )
