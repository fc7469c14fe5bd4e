"""Somebody who looks at the console in Chromium, and lets nothing pass that a console must not do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
PICTURES = Path(os.environ.get("ONEBEAT_PICTURES") or Path(__file__).parents[3] / "build" / "console")
WIDE, NARROW = (1360, 900), (390, 844)
PATIENCE_MS = 60_000
"""How long anything may take to come about, on a machine with other work; nothing takes so long."""

REPORTS = """
window.reports = [];
addEventListener("securitypolicyviolation", (event) =>
  reports.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


class Visitor:
    """
    One browser with one tab or several, and what went wrong in them.

    Attributes:
        context: Playwright's, with the strict policy that the console sends.

        has_scripts: Whether pages may run scripts.

        troubles: What pages said that they must not have to say: script errors, reports of the policy, complaints on
            the console, requests that leave the origin, answers of 500 and more.

        requests: What was asked for, in order.
    """

    def __init__(self, context: BrowserContext, origin: str, *, has_scripts: bool = True) -> None:
        self.context = context
        self.has_scripts = has_scripts
        self.origin = origin.rstrip("/")
        self.troubles: list[str] = []
        self.requests: list[Request] = []
        self.may_fail = False
        context.add_init_script(REPORTS)
        context.on("page", self._watch)
        context.on("request", self._asked)
        context.on("response", self._answered)
        self.page = context.new_page()

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.troubles.append(f"{page.url}: {error}"))
        page.on("console", self._said)

    def _said(self, message: ConsoleMessage) -> None:
        is_answer = message.text.startswith("Failed to load resource")  # judged in `_answered`
        if message.type in ("error", "warning") and not is_answer and not self.may_fail:
            self.troubles.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        self.requests.append(request)
        if not self._is_own(request.url):
            self.troubles.append(f"left the origin: {request.url}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500 and not self.may_fail:
            self.troubles.append(f"{response.status} {response.url}")

    def _is_own(self, url: str) -> bool:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" == "{0.scheme}://{0.netloc}".format(urlsplit(self.origin))

    def see(self, path: str, *, status: int = 200) -> Page:
        """Open a page in the first tab, and wait until it is at rest."""
        answer = self.page.goto(f"{self.origin}{path}")
        assert answer is not None
        assert status == answer.status, f"{path} answered {answer.status}:\n{self.page.inner_text('body')[:500]}"
        policy = answer.headers.get("content-security-policy", "")
        assert "default-src 'none'" in policy, f"{path} has no policy: {policy!r}"
        assert "unsafe" not in policy
        self.rest()
        return self.page

    def rest(self) -> None:
        """
        Wait until the page that is seen has all that it is made of, and listens, and no look is under way.

        There is one as soon as the viewer's zone is known.
        """
        self.page.wait_for_load_state("load")
        if self.has_scripts and self.page.locator("#live").count():
            self.page.locator("#live[data-htmx-powered]:not(.htmx-request)").wait_for(state="attached")

    def until(self, words: str) -> None:
        """Wait until this is so on the page; `wait_for_function` would have its policy broken to ask again."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(words):
            assert time.monotonic() < end, f"it did not come about: {words}"
            self.page.wait_for_timeout(20)

    def until_shown(self, words: str) -> None:
        """
        Load the page anew until its live part has some words.

        What was read of a task is shown for a second more, and a page without scripts does not look again.
        """
        end = time.monotonic() + PATIENCE_MS / 1000
        while words not in (said := self.page.locator("#live").inner_text()):
            assert time.monotonic() < end, f"it was not shown: {words}, but\n{said[:1000]}"
            self.page.wait_for_timeout(100)
            self.page.reload()

    def stop_time(self) -> None:
        """
        Let no timer of the page fire until its clock is told to run; `page.clock.install()` must come before.

        The clock goes forward to where it stops, past the next look, but by less than the minute after which a page
        gives up a look that is under way.
        """
        self.page.clock.pause_at(datetime.now(UTC) + timedelta(seconds=30))
        self.rest()

    def polls(self, page: Page | None = None) -> list[Request]:
        """Return the looks that pages took by themselves."""
        own = [request for request in self.requests if request.headers.get("hx-request") == "true"]
        return own if page is None else [request for request in own if request.frame.page == page]

    def check(self) -> None:
        """Fail if there was trouble."""
        for page in self.context.pages:
            self.troubles += page.evaluate("window.reports ?? []")
        assert [] == self.troubles

    def axe(self) -> list[str]:
        """Return what axe finds on the page that is seen: rule, help and place."""
        self.rest()
        self.page.evaluate(AXE)
        found: dict[str, Any] = self.page.evaluate("axe.run()")
        return [
            f"{one['id']}: {one['help']}: {' '.join(map(str, node['target']))} {_why(node)}"
            for one in found["violations"]
            for node in one["nodes"]
        ]

    def picture(self, name: str) -> None:
        """Take a picture of the whole page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True, animations="disabled")


def _why(node: dict[str, Any]) -> str:
    return " ".join(str(node.get("failureSummary", "")).split())[:300]


@contextmanager
def visiting(
    browser: Browser, origin: str, *, size: tuple[int, int] = WIDE, theme: str = "light", **options: Any
) -> Iterator[Visitor]:
    """Open a browser of one's own, without a cookie, and fail at its end if there was trouble."""
    options.setdefault("timezone_id", "Europe/Berlin")
    with browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=theme,  # type: ignore[arg-type] # one of its words
        locale="en-GB",
        reduced_motion="reduce",
        **options,
    ) as context:
        context.set_default_timeout(PATIENCE_MS)
        visitor = Visitor(context, origin, has_scripts=options.get("java_script_enabled", True))
        yield visitor
        visitor.check()
