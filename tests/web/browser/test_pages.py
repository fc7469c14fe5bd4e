"""Every page as people see it: by day and by night, on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.web.browser.visitor import NARROW, NARROWEST, WIDE, visiting

PAGES = {"overview": "/"}
"""Name of the picture, and address."""

LOOKS = {
    "light": (WIDE, "light"), "dark": (WIDE, "dark"), "phone-light": (NARROW, "light"), "phone-dark": (NARROW, "dark"),
}  # fmt: skip


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_readable_for_everybody(chromium: Browser, origin: str, name: str, look: str) -> None:
    """axe finds nothing, the policy reports nothing, nothing leaves the origin; a picture is taken."""
    size, theme = LOOKS[look]
    with visiting(chromium, origin, size=size, theme=theme) as visitor:
        visitor.see(PAGES[name])
        visitor.picture(f"{name}-{look}")
        assert [] == visitor.axe()


@pytest.mark.parametrize("width", [NARROWEST[0], NARROW[0], 760, WIDE[0], 2560])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(chromium: Browser, origin: str, name: str, width: int) -> None:
    """What is too wide scrolls by itself, inside the page."""
    with visiting(chromium, origin, size=(width, 800)) as visitor:
        page = visitor.see(PAGES[name])
        assert page.evaluate("document.documentElement.scrollWidth") <= width
