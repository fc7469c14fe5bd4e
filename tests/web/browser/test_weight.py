"""What the first page weighs, as the network sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Browser

from tests.web.browser.visitor import visiting

MOST_BYTES, MOST_REQUESTS = 40 * 1024, 12


def test_the_first_page_is_light(
    chromium: Browser, origin: str, record_property: Callable[[str, object], None]
) -> None:
    """At most 40 KB on the wire, headers included, and 12 requests, with an empty cache."""
    with visiting(chromium, origin) as visitor:
        wire = visitor.context.new_cdp_session(visitor.page)
        ended: list[Any] = []
        wire.on("Network.loadingFinished", lambda event: ended.append(event))
        looks: set[str] = set()  # the first, too, which follows when the page has learned the viewer's zone

        def note(event: dict[str, Any]) -> None:
            if is_look(event):
                looks.add(event["requestId"])

        wire.on("Network.requestWillBeSent", note)
        wire.send("Network.enable")
        visitor.see("/")
        visitor.page.wait_for_load_state("networkidle")
        first = [request for request in visitor.requests if request.headers.get("hx-request") != "true"]
        weight = sum(int(one["encodedDataLength"]) for one in ended if one["requestId"] not in looks)
        record_property("bytes of the first page", weight)
        record_property("requests of the first page", len(first))
        assert MOST_REQUESTS >= len(first), [request.url for request in first]
        assert MOST_BYTES >= weight


def is_look(event: Any) -> bool:
    """Whether a request is that of a page that is there and looks again."""
    return "HX-Request" in event["request"]["headers"]


def test_a_second_page_loads_no_file_again(chromium: Browser, origin: str) -> None:
    """Files are kept for ever, modules that others import included."""
    with visiting(chromium, origin) as visitor:
        visitor.see("/")
        visitor.page.wait_for_load_state("networkidle")
        wire = visitor.context.new_cdp_session(visitor.page)
        answered: dict[str, str] = {}
        sent: dict[str, float] = {}
        wire.on(
            "Network.responseReceived", lambda event: answered.update({event["requestId"]: event["response"]["url"]})
        )
        wire.on("Network.loadingFinished", lambda event: sent.update({event["requestId"]: event["encodedDataLength"]}))
        wire.send("Network.enable")
        visitor.see("/")
        visitor.page.wait_for_load_state("networkidle")
        files = {url: sent[request] for request, url in answered.items() if "/assets/" in url and request in sent}
        assert any("times.js" in url for url in files)
        assert {} == {url: weight for url, weight in files.items() if weight}
