"""Every page as people see it: by day and by night, on a desk and on a phone."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Page

from tests.web.browser.visitor import NARROW, WIDE, Visitor

PAGES = {
    "overview": "/",
    "schedules": "/schedules",
    "schedule": "/schedule?id=digest.weekdays",
    "schedule-of-go": "/schedule?id=9b2e6c1e-0d55-4d0a-8f37-7a5f7f5b9d11",
    "schedule-run": "/schedule/run?id=digest.weekdays",
    "schedule-pause": "/schedule/pause?id=digest.weekdays",
    "queue-pause": "/queue/pause?queue=default",
    "schedule-resume": "/schedule/resume?id=digest.weekdays",
    "servers": "/servers",
    "server": "/server?id={web-1}",
    "server-of-go": "/server?id={mailer-go-1}",
    "server-stop": "/server/stop?id={web-1}",
    "groups": "/groups",
    "tasks": "/tasks",
    "tasks-archived": "/tasks?q=state:archived",
    "tasks-active": "/tasks?q=state:active",
    "tasks-found": "/tasks?q=type:invoice:*%20error:country",
    "tasks-none": "/tasks?q=id:nothing",
    "tasks-of-a-view": "/tasks?q=state:retry%20retried>=3",
    "views": "/views",
    "view-save": "/views/save?q=state:retry",
    "queue": "/queue?name=default",
    "queue-paused": "/queue?name=imports",
    "errors": "/errors",
    "act-run": "/act?action=run&q=state:archived",
    "act-delete": "/act?action=delete&q=state:completed",
    "jobs": "/jobs",
    "audit": "/audit",
    "settings": "/settings",
    "task-archived": "/task?queue=default&id={archived}",
    "task-retry": "/task?queue=default&id={retry}",
    "task-running": "/task?queue=low&id={running}",
    "task-completed": "/task?queue=critical&id={completed}",
    "task-scheduled": "/task?queue=critical&id={scheduled}",
    "task-waiting": "/task?queue=mail&id={waiting}",
    "task-aggregating": "/task?queue=default&id={aggregating}",
    "task-edit": "/task/edit?queue=default&id={retry}",
    "task-clone": "/task/clone?queue=critical&id={completed}",
    "task-new": "/task/new",
    "metrics": "/metrics",
    "health": "/health",
    "redis": "/redis",
}
"""Name of the picture, and address; for what stands in braces see `names`."""

WRONG = {
    "tasks-wrong": ("/tasks?q=stat:retry", 400),
    "tasks-gone": ("/task?queue=default&id=nothing", 404),
    "page-gone": ("/nothing", 404),
    "queue-gone": ("/queue?name=nothing", 404),
    "schedule-gone": ("/schedule?id=nothing", 404),
    "server-gone": ("/server?id=nothing", 404),
    "job-gone": ("/job?id=nothing", 404),
}
"""Pages about what is not there, or was asked for wrongly, and their status."""

LOOKS: dict[str, tuple[tuple[int, int], Literal["light", "dark"]]] = {
    "light": (WIDE, "light"), "dark": (WIDE, "dark"), "phone-light": (NARROW, "light"), "phone-dark": (NARROW, "dark"),
}  # fmt: skip
WIDTHS = (320, 390, 760, 1024, 1360, 2560)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_readable_for_everybody(visitor: Visitor, names: dict[str, str], name: str) -> None:
    """
    In every light and on every screen axe finds nothing, and nothing scrolls sideways but what does so by itself.

    That the policy reports nothing and nothing leaves the origin is the visitor's. Pictures are taken.
    """
    page = visitor.see(PAGES[name].format_map(names))
    check(visitor, page, name)


@pytest.mark.parametrize("name", WRONG)
def test_a_page_about_what_is_not_there_is_readable_too(visitor: Visitor, name: str) -> None:
    """Its status is that of the failure."""
    address, status = WRONG[name]
    check(visitor, visitor.see(address, status=status), name)


def check(visitor: Visitor, page: Page, name: str) -> None:
    """Look at a page in every light and on every screen."""
    found: dict[str, list[str]] = {}
    for look, ((width, height), theme) in LOOKS.items():
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        visitor.picture(f"{name}-{look}")
        found[look] = visitor.axe()
    assert [] == [f"{look}: {one}" for look, ones in found.items() for one in ones]
    assert {width: width for width in WIDTHS} == {width: wide_of(page, width) for width in WIDTHS}


def wide_of(page: Page, width: int) -> int:
    """Return how wide a page is where the screen has so many pixels."""
    page.set_viewport_size({"width": width, "height": 800})
    return max(width, int(page.evaluate("document.documentElement.scrollWidth")))
