"""What is done by buttons, in a browser with scripts: one, some, all that fit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from onebeat import SyncClient, SyncInspector, Task
from tests.web.browser.stage import Stage
from tests.web.browser.visitor import Visitor, visiting

QUEUES = (f"acted-{number}" for number in count(1))
"""One for each test: what a test before it saw of a queue, the console shows for a second more."""


@pytest.fixture
def clerk(chromium: Browser, front: str) -> Iterator[Visitor]:
    """Return somebody at the desk."""
    with visiting(chromium, front) as opened:
        yield opened


@pytest.fixture
def queue() -> str:
    """Return the name of a queue that nobody serves."""
    return next(QUEUES)


@pytest.fixture
def tasks(desk: Stage, queue: str) -> list[str]:
    """Return the ids of the twelve archived tasks of the queue."""

    def make(inspector: SyncInspector) -> list[str]:
        with SyncClient(desk.url) as client:
            made = [client.enqueue(Task("mail:send", {"n": n}), queue=queue).id for n in range(12)]
        inspector.archive_all(queue, "pending")
        return made

    return desk.look(make)


def counts(stage: Stage, queue: str) -> tuple[int, int]:
    """Return how many tasks are archived, and how many pending."""
    stats = stage.look(lambda inspector: inspector.stats(queue))
    return stats.archived, stats.pending


def is_look(answer: Response) -> bool:
    """Whether a page has asked by itself, or by a key, for what it shows."""
    return answer.request.headers.get("hx-request") == "true"


def boxes(page: Page) -> list[bool]:
    """Return which rows are ticked."""
    return [box.is_checked() for box in page.locator("[data-pick]").all()]


def test_rows_are_ticked_one_by_one_in_ranges_and_all(clerk: Visitor, queue: str, tasks: list[str]) -> None:
    """The bar says how many; buttons for them wait for the first."""
    page = clerk.see(f"/tasks?q=queue:{queue}")
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_disabled()
    page.locator("[data-pick]").nth(1).click()
    expect(run).to_be_enabled()
    expect(page.locator("[data-picked-count]")).to_have_text("1 selected")
    page.locator("[data-pick]").nth(4).click(modifiers=["Shift"])
    assert [False, True, True, True, True] + [False] * 7 == boxes(page)
    expect(page.locator("[data-picked-count]")).to_have_text("4 selected")
    expect(page.locator("[data-live]")).to_have_text("held: tasks selected")
    page.locator("[data-pick-all]").click()
    assert [True] * 12 == boxes(page)
    page.keyboard.press("Escape")
    assert [False] * 12 == boxes(page)


def test_some_are_run_by_keyboard_alone(clerk: Visitor, desk: Stage, queue: str, tasks: list[str]) -> None:
    """j, x, j, x, and R."""
    page = clerk.see(f"/tasks?q=queue:{queue}")
    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.locator("[data-picked-count]")).to_have_text("2 selected")
    page.keyboard.press("R")
    expect(page.locator(".notice[role=status]")).to_contain_text("2 tasks")
    assert (10, 2) == counts(desk, queue)


def test_deleting_asks_in_a_dialog_and_no_is_no(clerk: Visitor, desk: Stage, queue: str, tasks: list[str]) -> None:
    """It says how many; leaving changes nothing, and what was ticked still is."""
    page = clerk.see(f"/tasks?q=queue:{queue}")
    for number in range(3):
        page.locator("[data-pick]").nth(number).click()
    page.get_by_role("button", name="Delete…", exact=True).click()
    box = page.locator("#dialog")
    expect(box).to_contain_text("3 selected tasks")
    clerk.picture("dialog-delete")
    assert [] == clerk.axe()
    box.get_by_text("Leave them").click()
    expect(box).to_be_hidden()
    assert 3 == sum(boxes(page))
    assert (12, 0) == counts(desk, queue)


def test_deleting_in_a_dialog_deletes(clerk: Visitor, desk: Stage, queue: str, tasks: list[str]) -> None:
    """The three that were ticked, and no other."""
    page = clerk.see(f"/tasks?q=queue:{queue}")
    for number in range(3):
        page.locator("[data-pick]").nth(number).click()
    page.keyboard.press("D")
    page.locator("#dialog").get_by_role("button", name="Delete 3 tasks").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("3 tasks deleted")
    assert (9, 0) == counts(desk, queue)


def test_all_that_fit_are_previewed_and_done(clerk: Visitor, desk: Stage, queue: str, tasks: list[str]) -> None:
    """With their number on the button."""
    page = clerk.see(f"/tasks?q=queue:{queue}%20state:archived")
    page.get_by_role("link", name="Run 12…").click()
    box = page.locator("#dialog")
    expect(box).to_contain_text("12 archived")
    box.get_by_role("button", name="Run 12 tasks").click()
    expect(page.locator(".notice[role=status]")).to_contain_text("12 tasks")
    assert (0, 12) == counts(desk, queue)


def test_one_task_is_run_from_its_page(clerk: Visitor, desk: Stage, queue: str, tasks: list[str]) -> None:
    """And its page says so."""
    page = clerk.see(f"/task?queue={queue}&id={tasks[0]}")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator(".notice[role=status]")).to_be_visible()
    assert (11, 1) == counts(desk, queue)


def test_an_id_is_copied(clerk: Visitor, queue: str, tasks: list[str]) -> None:
    """The button says that it was, for a while, though the page looks again."""
    clerk.page.clock.install()
    clerk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = clerk.see(f"/task?queue={queue}&id={tasks[0]}")
    clerk.stop_time()
    button = page.get_by_role("button", name="Copy the id").first
    button.click()
    expect(button).to_have_text("Copied")
    assert tasks[0] == page.evaluate("navigator.clipboard.readText()")
    with page.expect_response(is_look):
        page.keyboard.press("r")
    clerk.rest()
    expect(button).to_have_text("Copied")
    page.clock.run_for(1500)
    expect(button).to_have_text("Copy")


def test_where_there_is_no_clipboard_an_id_is_copied_too(clerk: Visitor, queue: str, tasks: list[str]) -> None:
    """As on http:// hosts, where browsers give none."""
    clerk.page.clock.install()
    clerk.context.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    clerk.context.add_init_script("addEventListener('copy', () => { window.copied = String(getSelection()); })")
    page = clerk.see(f"/task?queue={queue}&id={tasks[0]}")
    clerk.stop_time()
    button = page.get_by_role("button", name="Copy the id").first
    button.click()
    expect(button).to_have_text("Copied")
    assert tasks[0] == page.evaluate("copied")


def test_a_query_is_completed(visitor: Visitor) -> None:
    """Names first, then what there is of them; by arrows and Enter. axe finds nothing in the list."""
    page = visitor.see("/tasks")
    page.keyboard.press("/")
    options = page.locator(".query [role=option]")
    expect(options.first).to_be_visible()
    assert [] == visitor.axe()
    visitor.picture("completion")
    page.keyboard.type("sta")
    expect(options).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("arch")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    box = page.locator("main input[type=search]")
    expect(box).to_have_value("state:archived ")
    page.keyboard.type("type:inv")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("state:archived type:invoice:render ")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks?q=state*")
    expect(page.locator("tbody tr")).to_have_count(6)


def test_a_query_that_is_typed_stays_over_looks(visitor: Visitor) -> None:
    """Nobody loses a word because the page has looked again."""
    page = visitor.see("/tasks")
    page.keyboard.press("/")
    page.keyboard.type("error:bank")
    with page.expect_response(is_look):
        pass
    visitor.rest()
    expect(page.locator("main input[type=search]")).to_have_value("error:bank")
    expect(page.locator("main input[type=search]")).to_be_focused()


def test_details_stay_open_over_looks(visitor: Visitor, names: dict[str, str]) -> None:
    """As the raw record of a task."""
    page = visitor.see(f"/task?queue=default&id={names['archived']}")
    page.get_by_text("Raw record").click()
    with page.expect_response(is_look):
        page.keyboard.press("r")
    visitor.rest()
    assert page.locator("details", has_text="Raw record").evaluate("(one) => one.open")


def test_a_schedule_is_asked_about_in_a_dialog(visitor: Visitor) -> None:
    """And the way back closes it."""
    page = visitor.see("/schedules")
    page.get_by_role("link", name="Run…").first.click()
    box = page.locator("#dialog")
    expect(box.get_by_role("button", name="Run it now")).to_be_visible()
    visitor.picture("dialog-schedule")
    assert [] == visitor.axe()
    box.get_by_text("Back").click()
    expect(box).to_be_hidden()
    assert page.url.endswith("/schedules")
