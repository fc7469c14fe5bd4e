"""Hands that stay on the keyboard."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from playwright.sync_api import Page, Response, expect

from onebeat import SyncInspector
from tests.web.browser.stage import Stage
from tests.web.browser.visitor import Visitor


def focused(page: Page) -> str:
    """Return what has the focus."""
    return str(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.tagName"))


def test_g_and_a_letter_go_to_a_page(visitor: Visitor) -> None:
    """As `g o` to the overview; the second key has a second and a half, which here does not pass."""
    page = visitor.page
    page.clock.set_fixed_time(datetime.now(UTC))
    visitor.see("/nothing", status=404)
    page.keyboard.press("g")
    page.keyboard.press("o")
    page.wait_for_url(visitor.origin + "/")


def test_j_and_k_move_from_row_to_row_and_enter_opens(visitor: Visitor) -> None:
    """The focus stands on the first link of the row."""
    page = visitor.see("/")
    seen = []
    for key in "jjk":
        page.keyboard.press(key)
        seen.append(focused(page))
    assert ["reports", "imports", "reports"] == seen
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue?name=reports")


def test_enter_opens_a_row_whose_box_has_the_focus(visitor: Visitor) -> None:
    """Where rows can be picked, j stands on the box."""
    page = visitor.see("/tasks?q=state:archived")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/task?**")


def test_the_focus_stays_over_looks(visitor: Visitor) -> None:
    """Whoever stands on a row does so after the page was looked at again."""
    page = visitor.see("/")
    page.keyboard.press("j")
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.keyboard.press("r")
    visitor.rest()
    assert "reports" == focused(page)


def test_t_turns_the_theme_and_the_next_page_has_it_from_the_start(visitor: Visitor) -> None:
    """The server writes it into the page, so nothing flashes."""
    page = visitor.see("/")
    assert "system" == page.evaluate("document.documentElement.dataset.theme")
    page.keyboard.press("t")
    assert "dark" == page.evaluate("document.documentElement.dataset.theme")
    answer = page.reload()
    assert answer is not None
    assert 'data-theme="dark"' in answer.text()


def test_a_question_mark_shows_the_keys(visitor: Visitor) -> None:
    """In a dialog that axe finds nothing in, and that Escape closes."""
    page = visitor.see("/")
    page.keyboard.press("?")
    box = page.locator("#dialog")
    expect(box).to_contain_text("Light or dark")
    assert [] == visitor.axe()
    visitor.picture("keys")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()


def test_keys_that_are_typed_do_nothing_else(visitor: Visitor) -> None:
    """A letter in a field is a letter."""
    page = visitor.see("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("t?")
    expect(page.locator("#palette input")).to_have_value("t?")
    assert "system" == page.evaluate("document.documentElement.dataset.theme")
    expect(page.locator("#dialog")).to_be_hidden()


def test_the_palette_goes_to_a_page(visitor: Visitor) -> None:
    """By a part of its name; the first is marked, so Enter is enough. axe finds nothing in it."""
    page = visitor.see("/nothing", status=404)
    page.keyboard.press("Control+k")
    expect(page.locator("#palette [role=option]").first).to_be_visible()
    assert [] == visitor.axe()
    visitor.picture("palette")
    page.keyboard.type("overv")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Overview")
    page.keyboard.press("Enter")
    page.wait_for_url(visitor.origin + "/")


def test_the_palette_finds_a_queue(visitor: Visitor) -> None:
    """With the number of its tasks."""
    page = visitor.see("/")
    page.keyboard.press("Control+k")
    page.keyboard.type("report")
    option = page.locator("#palette [role=option]", has_text=re.compile("^queuereports"))
    expect(option).to_contain_text("12 tasks")
    option.click()
    page.wait_for_url("**/queue?name=reports")


def test_the_palette_finds_a_task_by_its_id(visitor: Visitor, stage: Stage) -> None:
    """In whichever queue it is."""

    def first(inspector: SyncInspector) -> str:
        return next(inspector.tasks("default", state="archived")).id

    task = stage.look(first)
    page = visitor.see("/")
    page.keyboard.press("Control+k")
    page.keyboard.type(task)
    option = page.locator("#palette [role=option]", has_text="invoice:render")
    expect(option).to_contain_text("archived · default")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/task?queue=default&id={task}")


def test_the_palette_asks_before_it_pauses_a_queue(visitor: Visitor, stage: Stage) -> None:
    """From any page, in a dialog whose way back has the focus: Enter goes back, and nothing is done."""
    page = visitor.see("/tasks")
    page.keyboard.press("Control+k")
    page.keyboard.type("pause mail")
    expect(page.locator("#palette [aria-selected=true]")).to_contain_text("Pause queue mail…")
    page.keyboard.press("Enter")
    expect(page.locator("#dialog h1")).to_have_text("Pause queue “mail”?")
    assert "Back" == focused(page)
    assert [] == visitor.axe()
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()
    assert not stage.look(lambda inspector: inspector.stats("mail")).paused


def test_a_dialog_has_the_focus_where_one_goes_on(visitor: Visitor) -> None:
    """On the way back where one word is enough; on the field where a word must be typed."""
    page = visitor.see("/tasks?q=state:completed")
    page.get_by_role("link", name=re.compile("^Run ")).click()
    expect(page.locator("#dialog")).to_be_visible()
    assert "Leave them" == focused(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name=re.compile("^Delete ")).click()
    expect(page.locator("#dialog #typed")).to_be_focused()


def test_how_long_a_task_has_waited_is_told_without_asking_the_server(visitor: Visitor) -> None:
    """The verdict ticks as a duration, while looks are answered that nothing changed."""
    page = visitor.see("/tasks?q=state:pending")
    waited = page.locator("td time[data-span]").first
    expect(waited).to_have_text(re.compile(r"^\d+( s|m \d+s|m)$"))
    expect(waited).to_have_attribute("title", re.compile("^since 20"))
    with page.expect_response(is_unchanged):  # not the first perhaps: what was shown may be as it was a moment ago
        page.keyboard.press("r")
    page.locator("[data-live]").click()  # from here on nothing is asked for
    visitor.rest()
    before = waited.text_content()
    expect(waited).not_to_have_text(before or "")


def is_unchanged(answer: Response) -> bool:
    """Whether a page has looked again, and nothing was different."""
    return answer.request.headers.get("hx-request") == "true" and answer.status == 304


OUTLINED = (
    "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'"
)


def test_a_page_can_be_walked_with_tab_alone(visitor: Visitor) -> None:
    """Everything that can be pressed is come to, first of all a link past the rail; what has the focus is outlined."""
    page = visitor.see("/")
    page.keyboard.press("Tab")
    assert "Skip to the page" == focused(page)
    seen = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.add(focused(page))
        assert page.evaluate(OUTLINED)
    assert {"Overview", "Settings", "imports", "Pause", "Resume"} <= seen
