"""A query that is saved under a name, found again, changed and deleted."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from onebeat.wire import keys
from tests.web.browser.scene import VIEWS
from tests.web.browser.stage import Stage
from tests.web.browser.test_pages import check
from tests.web.browser.visitor import Visitor, visiting

NAME, QUERY = "Mails to come", "type:email:* state:scheduled"


def test_a_view_is_kept_found_again_changed_and_deleted_without_scripts(
    chromium: Browser, origin: str, stage: Stage
) -> None:
    """By plain links and forms; what is wrong is said in the form, and nothing of it is lost."""
    with visiting(chromium, origin, java_script_enabled=False) as plain:
        page = plain.see("/tasks")
        page.get_by_role("searchbox").fill(QUERY)
        page.get_by_role("button", name="Find", exact=True).click()
        page.get_by_role("link", name="Save this view").click()
        page.get_by_role("textbox", name="Name").fill("Nearly given up")
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".verdict")).to_contain_text("The name 'Nearly given up' is taken")
        expect(page.get_by_role("checkbox")).not_to_be_checked()
        page.get_by_role("textbox", name="Name").fill(NAME)
        page.get_by_role("button", name="Save").click()
        expect(page.locator(".notice[role=status]")).to_have_text(f"View “{NAME}” is saved.")
        views = page.get_by_role("navigation", name="Saved views")
        expect(views.get_by_role("link", name=NAME)).to_have_attribute("aria-current", "page")
        page.get_by_role("link", name="Edit this view").click()
        page.get_by_role("textbox", name="Name").fill("Mails to go")
        page.get_by_role("button", name="Save").click()
        expect(views.get_by_role("link")).to_have_text(
            ["Failed invoices of today", "Mails to go", *list(VIEWS)[1:], "All views"]
        )
        views.get_by_role("link", name="All views").click()
        page.get_by_role("link", name="Edit Mails to go").click()
        page.get_by_role("button", name="Delete this view").click()
        expect(page.locator(".notice[role=status]")).to_have_text("View “Mails to go” is deleted.")
    assert list(VIEWS) == stage.look(lambda inspector: [one.name for one in inspector.views()])


def test_the_palette_goes_to_a_view(visitor: Visitor) -> None:
    """From any page, by a part of its name."""
    page = visitor.see("/servers")
    page.keyboard.press("Control+k")
    page.keyboard.type("nearly")
    page.locator("#palette [role=option]", has_text="Nearly given up").click()
    expect(page.get_by_role("searchbox")).to_have_value(VIEWS["Nearly given up"])
    expect(page.locator(".views [aria-current]")).to_have_text("Nearly given up")


def test_views_that_cannot_be_used_are_readable(visitor: Visitor, stage: Stage) -> None:
    """In every light and on every screen, in the list, above the query, and where one is mended."""
    stage.store.client.hset(keys.VIEWS, mapping={"Newer": "1764000000000\nada\ncolour:red", "Spoiled": "x"})
    try:
        stamp = stage.look(lambda inspector: next(one.stamp for one in inspector.views() if one.name == "Newer"))
        page = visitor.see("/tasks")
        expect(page.locator(".views .all")).to_have_text("All 5 views, 2 cannot be used")
        check(visitor, page, "tasks-views-wrong")
        check(visitor, visitor.see("/views"), "views-wrong")
        check(visitor, visitor.see(f"/views/save?id={stamp}"), "view-wrong")
    finally:
        stage.store.client.hdel(keys.VIEWS, "Newer", "Spoiled")
