"""A payload edited by field, in a browser: with a mouse, by keys, on a phone, and where no scripts run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from onebeat import SyncClient, Task
from tests.web.browser.stage import Stage, apart
from tests.web.browser.visitor import NARROW, WIDE, Visitor, visiting

ORDER = (
    b'{"order":{"id":9007199254740993,"total":149.90,"currency":"EUR","express":true},'
    b'"customer":{"email":"ada@example.com","password":"hunter2","card_token":"tok_live_5544"},'
    b'"items":[{"sku":"TX-1","count":2},{"sku":"TX-7","count":1}],"tags":["gift","fragile"],"coupon":null,'
    b'"message":"Happy birthday!\\nPlease ring twice, the bell is old and the dog is deaf."}'
)
EDIT = "/task/edit?queue=orders&id={}"


@pytest.fixture
def order(desk: Stage, request: pytest.FixtureRequest) -> str:
    """Return the id of a task of the test's own that holds a secret, and one of the same without."""
    name: str = request.node.name.translate({ord("["): "-", ord("]"): None})

    def put() -> None:
        with SyncClient(desk.url) as client:
            later: dict[str, Any] = {"queue": "orders", "process_in": 86_400}
            client.enqueue(Task("order:ship", ORDER), task_id=name, **later)
            client.enqueue(Task("order:ship", {"n": 1, "open": True}), task_id=f"{name}-open", **later)

    apart(put)
    return name


def payload(desk: Stage, task_id: str) -> bytes:
    return desk.look(lambda inspector: inspector.task("orders", task_id)).payload


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def clerk(chromium: Browser, front: str, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Return somebody at the desk, whose browser runs scripts or none."""
    with visiting(chromium, front, java_script_enabled=request.param) as opened:
        yield opened


def send(page: Page) -> None:
    page.get_by_role("button", name="Save").click()


def save(page: Page) -> None:
    """Send the form, and wait for the page that says what has become of it: before that it may be on its way."""
    send(page)
    expect(page.locator(".notice[role=status]")).to_contain_text("It is changed")


def test_a_field_is_edited_and_secrets_stay(clerk: Visitor, desk: Stage, order: str) -> None:
    """Found by their labels; all else stays byte for byte."""
    page = clerk.see(EDIT.format(order))
    expect(page.locator("body")).not_to_contain_text("hunter2")
    page.get_by_label("customer.email", exact=True).fill("grace@example.com")
    page.get_by_label("order.express", exact=True).select_option("false")
    page.get_by_label("order.id", exact=True).fill("9007199254740995")
    page.get_by_label("tags", exact=True).fill('["gift"]')
    save(page)
    after = ORDER
    for old, new in (
        (b"ada@", b"grace@"),
        (b"true", b"false"),
        (b"0993", b"0995"),
        (b'["gift","fragile"]', b'["gift"]'),
    ):
        after = after.replace(old, new)
    assert after == payload(desk, order)


def test_a_secret_is_replaced(clerk: Visitor, desk: Stage, order: str) -> None:
    """Where one opens its box, ticks it and types."""
    page = clerk.see(EDIT.format(order))
    box = page.locator(".leaf").filter(has_text="customer.password")
    box.locator("summary").click()
    box.get_by_label("Replace it by").check()
    box.locator("input[type=password]").fill("swordfish")
    save(page)
    assert ORDER.replace(b"hunter2", b"swordfish") == payload(desk, order)


def test_what_is_wrong_is_marked(clerk: Visitor, desk: Stage, order: str) -> None:
    """At its field, which keeps what was typed."""
    page = clerk.see(EDIT.format(order))
    page.get_by_label("items.0.count", exact=True).fill("many")
    send(page)
    wrong = page.get_by_label("items.0.count", exact=True)
    expect(wrong).to_have_value("many")
    expect(wrong).to_have_accessible_description(
        "It is a whole number: write one such as 42, or make it something else."
    )
    assert ORDER == payload(desk, order)
    wrong.fill("3")
    save(page)
    assert ORDER.replace(b'"count":2', b'"count":3') == payload(desk, order)


def test_a_field_is_added_and_one_taken_away(clerk: Visitor, desk: Stage, order: str) -> None:
    """Of a payload without secrets, which can be edited as one text as well."""
    page = clerk.see(EDIT.format(f"{order}-open"))
    page.get_by_label("What n is").select_option(label="remove")
    page.get_by_text("Add a field…").click()
    page.get_by_label("Name of the new field").fill("by.whom")
    page.get_by_label("Value of the new field").fill("Ada")
    save(page)
    assert b'{"open":true,"by":{"whom":"Ada"}}' == payload(desk, f"{order}-open")
    page = clerk.see(EDIT.format(f"{order}-open"))
    page.get_by_text("All of it, as one text").click()
    page.locator("#f-payload").fill('{"text": 1}')
    save(page)
    assert b'{"text":1}' == payload(desk, f"{order}-open")


def test_a_clone_takes_the_secret_along(clerk: Visitor, desk: Stage, order: str) -> None:
    """With what is changed in its form."""
    page = clerk.see(f"/task/clone?queue=orders&id={order}")
    page.get_by_label("customer.email", exact=True).fill("grace@example.com")
    page.get_by_label("Queue", exact=True).fill(f"of-{order}")
    page.get_by_label("Due", exact=True).fill("2h")
    page.get_by_role("button", name="Enqueue the clone").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("It is enqueued")
    [info] = desk.look(lambda inspector: list(inspector.tasks(f"of-{order}", state="scheduled")))
    assert ORDER.replace(b"ada@", b"grace@") == info.payload


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("size", "width"), [(WIDE, "wide"), (NARROW, "narrow")], ids=["wide", "narrow"])
def test_the_form_is_clean(
    chromium: Browser, front: str, order: str, theme: str, size: tuple[int, int], width: str
) -> None:
    """In each look, with its boxes open and with something wrong: nothing for axe, nothing wider than the page."""
    with visiting(chromium, front, size=size, theme=theme) as clerk:
        page = clerk.see(EDIT.format(order))
        clerk.picture(f"task-fields-{width}-{theme}")
        assert [] == clerk.axe()
        for summary in page.locator("form summary").all():
            summary.click()
        page.get_by_label("items.0.count", exact=True).fill("many")
        page.get_by_label("Replace it by").first.check()
        send(page)
        expect(page.locator("[aria-invalid=true]").first).to_be_visible()
        clerk.picture(f"task-fields-wrong-{width}-{theme}")
        assert [] == clerk.axe()
        assert size[0] >= page.evaluate("document.documentElement.scrollWidth")
