"""The pictures that the documentation shows: `make screenshots` writes them, other runs leave them in build/."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.web.browser.stage import Stage
from tests.web.browser.visitor import NARROW, WIDE, visiting

FOLDER = Path(os.environ.get("ONEBEAT_SCREENSHOTS") or Path(__file__).parents[3] / "build" / "screenshots")
Theme = Literal["light", "dark"]

SHOWN: dict[str, tuple[str, Theme, tuple[int, int]]] = {
    "overview-light.png": ("/", "light", WIDE),
    "overview-phone.webp": ("/", "dark", NARROW),
    "dialog.webp": ("/tasks?q=state:archived", "light", (1360, 720)),
    "tasks.webp": ("/tasks?q=state:archived", "light", (1360, 620)),
    "task-dark.webp": ("/task?queue=default&id={archived}", "dark", WIDE),
    "enqueue.webp": ("/task/new?type=payment:charge", "light", WIDE),
    "errors.webp": ("/errors", "light", (1360, 620)),
    "schedules.webp": ("/schedules", "light", (1360, 640)),
    "servers.webp": ("/servers", "light", (1360, 720)),
    "metrics-dark.webp": ("/metrics", "dark", WIDE),
    "palette.webp": ("/", "light", (1360, 620)),
}
"""Name of the file: page, theme and size."""

MOST_BYTES = 150_000


@pytest.mark.parametrize("name", SHOWN)
def test_a_picture_is_taken(chromium: Browser, stage: Stage, origin: str, names: dict[str, str], name: str) -> None:
    """Small enough to be kept with the source."""
    address, theme, size = SHOWN[name]
    if name.startswith("enqueue"):
        origin = stage.console("--app", "tests.web.browser.shop:app")
    with visiting(chromium, origin, size=size, theme=theme) as visitor:
        visitor.see(address.format_map(names))
        visitor.until("document.cookie.includes('onebeat_zone')")
        visitor.page.wait_for_load_state("networkidle")
        if name.startswith("palette"):
            open_palette(visitor.page)
        if name.startswith("dialog"):
            visitor.page.get_by_role("link", name="Run 8…").click()
            visitor.page.locator("#dialog table").wait_for()
        FOLDER.mkdir(parents=True, exist_ok=True)
        path = FOLDER / name
        path.write_bytes(take(visitor.page, path.suffix[1:]))
        assert MOST_BYTES > path.stat().st_size


def take(page: Page, kind: str) -> bytes:
    """Return what is seen, as a PNG or a WebP."""
    wire = page.context.new_cdp_session(page)
    quality = {"quality": 90} if kind == "webp" else {}
    return base64.b64decode(wire.send("Page.captureScreenshot", {"format": kind, **quality})["data"])


def open_palette(page: Page) -> None:
    """Ask the palette for something."""
    page.keyboard.press("Control+k")
    page.keyboard.type("re")
    page.locator("#palette [role=option]", has_text="12 tasks").wait_for()
