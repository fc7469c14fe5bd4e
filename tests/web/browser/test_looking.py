"""How pages look again by themselves."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Request, Route, expect

from onebeat import SyncClient, Task
from onebeat.web import assets
from onebeat.web.showing import instants
from tests.web.browser.stage import Stage, apart
from tests.web.browser.visitor import Visitor, visiting

INTERVALS_MS = 20_000
"""Ten times as long as a page waits before it looks again; passes at once, where a test tells the page's clock."""


def look_of(page: Page, clicks: str = "r") -> int:
    """Press a key, and return the status of the look that follows."""
    with page.expect_response(lambda answer: is_look(answer.request)) as answer:
        page.keyboard.press(clicks)
    return answer.value.status


def is_look(request: Request) -> bool:
    return request.headers.get("hx-request") == "true"


def test_a_page_looks_again_and_shows_what_has_changed(visitor: Visitor, stage: Stage) -> None:
    """Without anybody doing anything."""
    page = visitor.see("/")
    row = page.locator("#queue-critical")
    expect(row.locator("button")).to_have_text("Pause")
    stage.look(lambda inspector: inspector.pause("critical"))
    try:
        expect(row.locator("button")).to_have_text("Resume")
    finally:
        stage.look(lambda inspector: inspector.resume("critical"))
    expect(row.locator("button")).to_have_text("Pause")


def test_what_is_hours_away_is_told_to_the_nearest(visitor: Visitor) -> None:
    """A session of twelve hours ends in twelve when it has just begun; what is past, or sooner, is told in whole."""
    hours = 3600
    aways = (12 * hours - 60, 11.4 * hours, 23.9 * 24 * hours, 50.5 * 60, 90, -1.9 * hours)
    told = visitor.see("/").evaluate(
        """async ([address, aways]) => {
          const { tellTimes } = await import(address);
          const box = document.createElement("p");
          for (const away of aways) {
            const time = document.createElement("time");
            time.dateTime = new Date(Date.now() + away * 1000).toISOString();
            time.dataset.words = "";
            box.append(time);
          }
          tellTimes(box);
          return [...box.children].map((time) => time.textContent);
        }""",
        [f"{visitor.origin}{assets.address('times.js')}", aways],
    )
    assert ["in 12 hr.", "in 11 hr.", "in 24 days", "in 50 min.", "in 1 min.", "1 hr. ago"] == told


def test_times_are_told_by_the_clock_of_the_server(visitor: Visitor) -> None:
    """Who looks from a machine whose clock is an hour behind reads how long tasks wait all the same."""
    page = visitor.page

    def later(route: Route) -> None:
        if is_look(route.request):
            route.continue_()
            return
        answer = route.fetch()
        text = answer.text()
        told = re.search(r'data-now="([^"]+)"', text)
        assert told is not None
        there = datetime.fromisoformat(told[1]) + timedelta(hours=1)
        route.fulfill(response=answer, body=text.replace(told[0], f'data-now="{instants.exact(there)}"'))

    page.route("**/tasks?q=state:pending", later)
    visitor.see("/tasks?q=state:pending")
    expect(page.locator("td time[data-span]").first).to_have_text(re.compile(r"^1h"))


def test_the_rail_counts_what_other_pages_show(visitor: Visitor, stage: Stage) -> None:
    """Beside a name, on a page that itself shows nothing of it and does not change."""
    page = visitor.see("/groups")
    place = page.locator('.rail [data-page="errors"]')
    expect(place).to_have_attribute("data-tally", "14")
    task_id = apart(lambda: enqueue_later(stage.url))
    stage.look(lambda inspector: inspector.archive("critical", task_id))
    try:
        expect(place).to_have_attribute("data-tally", "15")
        expect(place).to_have_attribute("title", "15 tasks in retry or archived")
    finally:
        stage.look(lambda inspector: inspector.delete("critical", task_id))


def enqueue_later(url: str) -> str:
    with SyncClient(url) as client:
        return client.enqueue(Task("email:welcome", {"user_id": 1}), queue="critical", process_in=3600).id


def test_what_is_unchanged_is_answered_304(chromium: Browser, bare: str) -> None:
    """Of a store where nothing goes on, from the second look on."""
    with visiting(chromium, bare) as visitor:
        page = visitor.see("/")
        page.locator("[data-live]").click()
        assert [304, 304] == [look_of(page) for _ in range(3)][1:]


def test_one_look_at_a_time(chromium: Browser, origin: str) -> None:
    """While an answer is out no other is asked for, however often one presses; then one more, since one pressed."""
    with visiting(chromium, origin) as visitor:
        held: list[Route] = []
        page = visitor.page

        def hold_the_first(route: Route) -> None:
            if held or not is_look(route.request):
                route.continue_()
            else:
                held.append(route)

        page.route("**/*", hold_the_first)
        with page.expect_request(is_look):  # by itself, to have its times in the zone of who looks
            page.goto(f"{visitor.origin}/")
        for _ in range(5):
            page.keyboard.press("r")
        page.wait_for_timeout(4500)  # two intervals: time is what this is about
        assert 1 == len(visitor.polls())
        page.locator("[data-live]").click()  # from here on only what was pressed is asked for
        first = held[0].request
        with page.expect_response(lambda answer: is_look(answer.request) and answer.request != first):
            held[0].continue_()
        assert 2 == len(visitor.polls())


def test_who_asks_by_hand_asks_for_what_is_new(visitor: Visitor) -> None:
    """By a key, or as browsers reload; what a page does by itself may be shared with others who look."""
    page = visitor.see("/errors")
    page.locator("[data-live]").click()  # from here on it asks for nothing by itself
    visitor.rest()
    for ask, said in (
        (lambda: page.keyboard.press("r"), "no-cache"),
        (lambda: page.evaluate("document.getElementById('live').dispatchEvent(new CustomEvent('look'))"), None),
        (page.reload, "max-age=0"),
    ):
        with page.expect_response(lambda answer: urlsplit(answer.url).path == "/errors") as answer:
            ask()
        assert said == answer.value.request.all_headers().get("cache-control")
        visitor.rest()


def test_a_hidden_tab_asks_for_nothing(visitor: Visitor) -> None:
    """And looks at once when it is seen again."""
    visitor.page.clock.install()
    page = visitor.see("/")
    hide(page, is_hidden=True)
    before = len(visitor.polls())
    page.clock.run_for(INTERVALS_MS)
    assert before == len(visitor.polls())
    with page.expect_request(is_look):
        hide(page, is_hidden=False)


def hide(page: Page, *, is_hidden: bool) -> None:
    """Have a page believe that it cannot be seen: headless Chromium shows every tab."""
    state = "hidden" if is_hidden else "visible"
    page.evaluate(
        f"Object.defineProperty(document, 'hidden', {{value: {str(is_hidden).lower()}, configurable: true}});"
        f"Object.defineProperty(document, 'visibilityState', {{value: '{state}', configurable: true}});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_looking_can_be_stopped(visitor: Visitor) -> None:
    """By the button that says how it stands."""
    visitor.page.clock.install()
    page = visitor.see("/")
    button = page.locator("[data-live]")
    expect(button).to_have_text("live · 2 s")
    button.click()
    expect(button).to_have_text("paused")
    before = len(visitor.polls())
    page.clock.run_for(INTERVALS_MS)
    assert before == len(visitor.polls())
    with page.expect_request(is_look):
        button.click()
    expect(button).to_have_text("live · 2 s")


def test_selected_text_is_not_taken_away(visitor: Visitor) -> None:
    """Nobody looks while text is selected, and the page says so."""
    visitor.page.clock.install()
    page = visitor.see("/")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#live h1'))")
    expect(page.locator("[data-live]")).to_have_text("held: text selected")
    before = len(visitor.polls())
    page.clock.run_for(INTERVALS_MS)
    assert before == len(visitor.polls())
    with page.expect_request(is_look):
        page.evaluate("getSelection().removeAllRanges()")


def test_what_is_open_stays_open(visitor: Visitor) -> None:
    """A look closes no details, and moves no page that was scrolled."""
    page = visitor.see("/")
    page.evaluate(
        "const one = document.createElement('p'); one.id = 'long'; one.dataset.keep = '';"
        "document.querySelector('main').append(one); one.style.height = '3000px'"
    )
    page.mouse.wheel(0, 400)
    visitor.until("scrollY === 400")
    look_of(page)
    assert 400 == page.evaluate("scrollY")


def test_ten_tabs_live_beside_one_another(chromium: Browser, origin: str) -> None:
    """Browsers open six connections to a place: none of the tabs keeps one for itself."""
    with visiting(chromium, origin) as visitor:
        pages = [visitor.page, *(visitor.context.new_page() for _ in range(9))]
        for page in pages:
            page.goto(origin)
        for page in pages:
            with page.expect_response(lambda answer: is_look(answer.request)) as answer:
                pass
            assert answer.value.ok or answer.value.status == 304


def test_a_store_that_dies_is_told_of_and_its_return_is_shown(chromium: Browser, tmp_path: Path) -> None:
    """What was seen last stays on the page; once the store is back the page lives again, untouched."""
    with Stage(tmp_path, appendonly="yes", appendfsync="always") as stage:
        apart(lambda: put(stage.url, "mail"))
        with visiting(chromium, stage.console()) as visitor:
            page = visitor.see("/")
            visitor.may_fail = True
            stage.store.kill()
            button = page.locator("[data-live]")
            expect(button).to_have_text("no answer")
            expect(page.locator("#queue-mail")).to_be_visible()
            expect(page.locator("#away")).to_contain_text("The store gives no answer since")
            visitor.picture("store-away")
            visitor.see("/", status=503)
            expect(page.locator(".verdict")).to_contain_text("cannot be used")
            visitor.picture("store-away-page")
            stage.store.start()
            expect(page.locator("#queue-mail")).to_be_visible()
            expect(page.locator("#away")).to_be_hidden()
            expect(button).to_have_text("live · 2 s")


def put(url: str, queue: str) -> None:
    """Enqueue a task that nobody runs."""
    with SyncClient(url) as client:
        client.enqueue(Task("mail:send"), queue=queue)


def test_back_and_forward_show_pages_that_live(visitor: Visitor) -> None:
    """A page that one comes back to looks again."""
    page = visitor.see("/")
    visitor.see("/nothing", status=404)
    page.go_back()
    with page.expect_request(is_look):
        pass
    assert visitor.origin + "/" == page.url
    page.go_forward()
    expect(page.locator("h1")).to_have_text("Not found")


def test_numbers_in_the_rail_say_what_they_count(visitor: Visitor) -> None:
    """To who hovers, and to who listens."""
    page = visitor.see("/")
    for name in ("overview", "errors", "servers", "groups"):  # what is late at one look is there at the next
        expect(page.locator(f'.rail [data-page="{name}"]')).to_have_attribute("data-tally", re.compile(r"\d"))
    page.locator("[data-live]").click()  # what is heard and what is seen is of one look
    visitor.rest()
    session = visitor.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    heard = [node["name"]["value"] for node in nodes if node.get("role", {}).get("value") == "link"]
    links = visitor.page.locator(".rail [data-tally]").all()
    assert {"Overview", "Errors", "Servers", "Groups"} <= {link.inner_text() for link in links}
    for link in links:
        words = link.get_attribute("title") or ""
        assert re.search(r"\d (queue|task|server|schedule|group)s?\b", words), words
        assert any(one.split() == f"{link.inner_text()} {words}".split() for one in heard), (words, heard)
