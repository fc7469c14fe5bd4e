"""Hands that stay on the keyboard."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from onebeat import SyncInspector
from tests.web.browser.stage import Stage
from tests.web.browser.visitor import Visitor


def focused(page: Page) -> str:
    """Return what has the focus."""
    return str(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.tagName"))


def test_g_and_a_letter_go_to_a_page(visitor: Visitor) -> None:
    """As `g o` to the overview."""
    page = visitor.see("/nothing", status=404)
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
    assert ["imports", "reports", "imports"] == seen
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue?name=imports")


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
    assert "imports" == focused(page)


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
    option = page.locator("#palette [role=option]", has_text="reports")
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
