"""A task enqueued by hand, in a browser: with and without scripts, until it ran, or waits; and how its form looks."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.browser.stage import Stage, apart
from tests.web.browser.visitor import NARROW, WIDE, Visitor, visiting

NEW = "/task/new?type={}"


@pytest.fixture(scope="module")
def shop() -> Iterator[Stage]:
    """Return a store with a server that takes tasks of one queue."""
    with tempfile.TemporaryDirectory(prefix="onebeat-shop-") as folder, Stage(Path(folder)) as opened:
        opened.shop("shop", 2, "critical")
        yield opened


@pytest.fixture(scope="module")
def counter(shop: Stage) -> str:
    """Return the address of a console that knows its application."""
    return shop.console("--app", "tests.web.browser.shop:app")


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def seller(chromium: Browser, counter: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Return somebody behind the counter, whose browser runs scripts or none."""
    with visiting(chromium, counter, java_script_enabled=request.param) as opened:
        yield opened


def send(page: Page) -> None:
    page.get_by_role("button", name="Enqueue", exact=True).click()


def test_a_declared_task_is_filled_in_by_field_and_runs(seller: Visitor, shop: Stage) -> None:
    """Found from the page of tasks; a server that meets it runs it as any other, and its result is seen."""
    page = seller.see("/tasks")
    page.get_by_role("link", name="Enqueue a task").click()
    page.get_by_label("Task", exact=True).select_option("email:welcome")
    page.get_by_role("button", name="Choose").click()
    expect(page.get_by_label("Queue", exact=True)).to_have_value("critical")
    task_id = f"by-hand-{seller.has_scripts}"
    page.get_by_role("textbox", name="user_id").fill("9007199254740993")
    page.get_by_label("Id", exact=True).fill(task_id)
    send(page)
    expect(page.locator(".notice[role=status]")).to_contain_text("It is enqueued")
    apart(lambda: shop.wait(pending=0, active=0))
    seller.until_shown("welcome, user 9007199254740993, in en")


def test_any_other_is_written_as_a_text_and_waits(seller: Visitor, shop: Stage) -> None:
    """In a queue of its own, until it is due; what is typed wrongly stays, and says what is wrong."""
    queue = f"of-{seller.has_scripts}".lower()
    page = seller.see(NEW.format(""))
    page.get_by_label("Type", exact=True).fill("mail:send")
    page.get_by_label("Payload", exact=True).fill('{"to": "ada@example.com",}')
    page.get_by_label("Queue", exact=True).fill(queue)
    page.get_by_label("Due", exact=True).fill("2h")
    send(page)
    expect(page.get_by_label("Payload", exact=True)).to_have_accessible_description(
        "It begins as JSON, and is none: look at its commas, quotes and brackets."
    )
    page.get_by_label("Payload", exact=True).fill('{"to": "ada@example.com"}')
    send(page)
    expect(page.locator(".notice[role=status]")).to_contain_text("It is enqueued")
    [info] = shop.look(lambda inspector: list(inspector.tasks(queue, state="scheduled")))
    assert ("mail:send", b'{"to":"ada@example.com"}') == (info.type, info.payload)


def test_headers_and_bytes_go_along_into_a_clone(seller: Visitor, shop: Stage) -> None:
    """Byte for byte, with the secret among them that nobody sees; and why stands in the audit."""
    queue = f"bytes-{seller.has_scripts}".lower()
    page = seller.see(NEW.format("mail:raw"))
    page.get_by_label("Type", exact=True).fill("mail:raw")
    page.get_by_label("Payload", exact=True).fill("AAECA/8=")
    page.get_by_label("It is", exact=True).select_option("bytes, in base64")
    page.get_by_label("Queue", exact=True).fill(queue)
    page.get_by_label("Headers", exact=True).fill("tenant: acme\nauthorization: Bearer hunter2")
    page.get_by_label("Why", exact=True).fill("ticket 4711")
    send(page)
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Its bytes, in base64")).to_have_value("AAECA/8=")
    expect(page.get_by_label("Headers", exact=True)).to_have_value("tenant: acme")
    expect(page.locator("#live")).not_to_contain_text("hunter2")
    page.get_by_role("button", name="Enqueue the clone").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("as a copy of")
    infos = shop.look(lambda inspector: list(inspector.tasks(queue, state="pending")))
    whole = (b"\x00\x01\x02\x03\xff", {"tenant": "acme", "authorization": "Bearer hunter2"})
    assert [whole, whole] == [(info.payload, dict(info.headers)) for info in infos]
    reasons = shop.look(lambda inspector: [one.reason for one in inspector.audit(queue=queue).records])
    assert ["", "ticket 4711"] == reasons


def test_the_palette_leads_to_the_form(chromium: Browser, counter: str) -> None:
    """Of the task that is named."""
    with visiting(chromium, counter) as opened:
        page = opened.see("/")
        page.keyboard.press("Control+K")
        page.keyboard.type("enq welcome")
        page.get_by_role("option", name="Enqueue email:welcome…").click()
        expect(page.get_by_label("Task", exact=True)).to_have_value("email:welcome")


def test_the_palette_names_what_the_page_offers_once(chromium: Browser, counter: str) -> None:
    """On the page of tasks the form stands as what can be done there, and not once more as what is found."""
    with visiting(chromium, counter) as opened:
        page = opened.see("/tasks")
        with page.expect_response(lambda answer: "/palette?" in answer.url and "what=errors" in answer.url):
            page.keyboard.press("Control+K")
            page.keyboard.type("enqueue a task")
        expect(page.get_by_role("option").filter(has_text="Enqueue a task")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.get_by_label("Type", exact=True)).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("size", "width"), [(WIDE, "wide"), (NARROW, "narrow")], ids=["wide", "narrow"])
def test_the_form_is_clean(chromium: Browser, counter: str, theme: str, size: tuple[int, int], width: str) -> None:
    """In each look, declared and not, with something wrong: nothing for axe, nothing wider than the page."""
    with visiting(chromium, counter, size=size, theme=theme) as seller:
        for name, task in (("text", ""), ("fields", "email:welcome")):
            page = seller.see(NEW.format(task))
            seller.picture(f"enqueue-{name}-{width}-{theme}")
            assert [] == seller.axe()
            assert size[0] >= page.evaluate("document.documentElement.scrollWidth")
        page = seller.page
        page.locator("form summary").click()
        page.get_by_role("textbox", name="user_id").fill("many")
        page.get_by_label("Timeout", exact=True).fill("soon")
        page.get_by_label("Headers", exact=True).fill("tenant: acme\nregion")
        send(page)
        expect(page.locator("[aria-invalid=true]")).to_have_count(3)
        seller.picture(f"enqueue-wrong-{width}-{theme}")
        assert [] == seller.axe()
        assert size[0] >= page.evaluate("document.documentElement.scrollWidth")
