"""Saved views: kept by a name, found above the query, changed by whom they are for, and telling nobody too much."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.inspector.auditing import AuditOutcome
from onebeat.inspector.inspector import Inspector
from onebeat.web import Redaction, User, views
from onebeat.web.api.operation import PREFIX
from onebeat.web.pages.views import ROW
from onebeat.wire import keys
from tests.conftest import NOON, Clock
from tests.inspector.conftest import everything, put
from tests.web.forms import fields_of
from tests.web.test_palette import found
from tests.web.test_seeing import CLERK, asking

ANN, BOB, EVE = User("ann", "view"), User("bob", "operate"), User("eve", "operate", {"pay*": None})


def links(page: str) -> list[str]:
    """Return the names above the query."""
    row = re.search(r'<nav class="tabs views".*?</nav>', page, re.DOTALL)
    return [] if row is None else [html.unescape(name) for name in re.findall(r"<bdi>(.*?)</bdi>", row[0])]


def here(page: str) -> list[str]:
    """Return the name that is marked among them."""
    return [html.unescape(name) for name in re.findall(r'aria-current="page" title="[^"]*"><bdi>(.*?)</bdi>', page)]


async def form(web: httpx2.AsyncClient, **asked: str) -> dict[str, str]:
    """Return what the form about a view would send as it is."""
    answer = await web.get("/views/save", params=asked)
    assert 200 == answer.status_code, answer.text
    return fields_of(answer.text, "/views/save")


async def save(web: httpx2.AsyncClient, name: str, q: str, **more: str) -> httpx2.Response:
    """Save a view by the form."""
    return await web.post("/views/save", data={"name": name, "q": q, **more})


async def names(store: Store, user: str = "") -> list[tuple[str, str]]:
    """Return whose each view is, and its name."""
    return [(one.user, one.name) for one in await Inspector(store).views(user)]


async def test_a_query_is_kept_by_a_name(store: Store) -> None:
    """By the form that its page leads to; from then on it stands above the query, and is marked where one looks."""
    async with asking(store, ANN) as web:
        page = (await web.get("/tasks", params={"q": "state:retry age<1d"})).text
        assert 'href="/views/save?q=state%3Aretry%20age%3C1d">Save this view</a>' in page
        assert [] == links(page)
        assert {"name": "", "q": "state:retry age<1d"} == await form(web, q="state:retry age<1d")
        answer = await save(web, "Failed  today", "state:retry age<1d")
        assert (303, "/tasks?q=state%3Aretry%20age%3C1d") == (answer.status_code, answer.headers["location"])
        page = (await web.get(answer.headers["location"])).text
        assert "View “Failed today” is saved." in page
        assert (["Failed today"], ["Failed today"]) == (links(page), here(page))
        assert "Edit this view" in page
        assert ["Failed today"] == here((await web.get("/tasks", params={"q": "  state:retry   age<1d"})).text)
        assert [] == here((await web.get("/tasks")).text)
    assert [("ann", "Failed today")] == await names(store, "ann")


async def test_what_is_ones_own_nobody_else_sees(store: Store) -> None:
    """Neither above the query, nor in the palette, nor in the list, nor by the API."""
    async with asking(store, ANN) as web:
        await save(web, "My own", "state:retry")
        assert ("view", "My own") in await found(web, "own")
    async with asking(store, BOB) as web:
        pages = [(await web.get(path)).text for path in ("/tasks", "/views", "/palette?q=own", f"{PREFIX}/views")]
        assert [False] * 4 == ["My own" in page for page in pages]


async def test_who_may_operate_shares_with_all(store: Store) -> None:
    """The others find it, with who shares it, and may keep a copy; they may not change it."""
    async with asking(store, BOB) as web:
        assert 303 == (await save(web, "For all", "state:retry", shared="yes")).status_code
    async with asking(store, ANN) as web:
        assert ["For all"] == links((await web.get("/tasks")).text)
        assert "by bob" in (page := (await web.get("/views")).text)
        assert "Edit</a>" not in page
        assert 403 == (await save(web, "Mine for all", "state:retry", shared="yes")).status_code
        assert 403 == (await web.post("/views/delete", data={"name": "For all", "shared": "yes"})).status_code
        [shared] = await Inspector(store).views()
        copied = await form(web, id=shared.stamp)
        assert {"name": "For all", "q": "state:retry"} == copied
        assert 303 == (await web.post("/views/save", data=copied)).status_code
    assert [("ann", "For all"), ("", "For all")] == await names(store, "ann")


async def test_who_may_only_look_cannot_take_a_shared_view_away(store: Store) -> None:
    """Not by moving it to oneself either."""
    shared = await Inspector(store).save_view("For all", "state:retry", by="bob")
    async with asking(store, ANN) as web:
        assert 403 == (await save(web, "For me", "state:retry", id=shared.stamp)).status_code
    assert [shared] == await Inspector(store).views("ann")


async def test_who_has_roles_on_some_queues_alone_keeps_views_of_their_own(store: Store) -> None:
    """As anybody who is let in."""
    async with asking(store, CLERK) as web:
        assert 303 == (await save(web, "Mine", "queue:open")).status_code
        assert "to share one takes the role operate" in (await web.get("/views/save?q=queue:open")).text
        assert 403 == (await save(web, "Ours", "queue:open", shared="yes")).status_code
        assert 303 == (await web.post("/views/delete", data={"name": "Mine"})).status_code


async def test_where_nobody_is_asked_all_views_are_shared(web: httpx2.AsyncClient, store: Store) -> None:
    """And pages say so, before anything is saved and behind it."""
    said = "asks nobody who they are, so"
    assert said in (await web.get("/views")).text
    page = (await web.get("/views/save?q=state:retry")).text
    assert "it asks nobody who they are, so all views are shared" in page
    assert 'type="radio"' not in page
    await save(web, "Ours", "state:retry")
    assert [("", "Ours")] == await names(store)
    assert said in (await web.get("/views")).text
    await web.post("/views/delete", data={"name": "Ours"})
    assert [] == await names(store)


async def test_a_view_is_renamed_changed_moved_and_deleted(store: Store) -> None:
    """By the form with what it is, and buttons."""
    async with asking(store, BOB) as web:
        await save(web, "One", "state:retry")
        [one] = await Inspector(store).views("bob")
        said = await form(web, id=one.stamp)
        assert (one.stamp, "One", "state:retry") == (said["id"], said["name"], said["q"])
        await web.post("/views/save", data={**said, "name": "Two", "q": "state:archived"})
        [two] = await Inspector(store).views("bob")
        assert ("bob", "Two", "state:archived") == (two.user, two.name, two.query)
        await web.post("/views/save", data={**await form(web, id=two.stamp), "q": "state:pending"})
        [two] = await Inspector(store).views("bob")
        assert ("Two", "state:pending") == (two.name, two.query)
        await web.post("/views/save", data={**await form(web, id=two.stamp), "shared": "yes"})
        [shared] = await Inspector(store).views("bob")
        assert ("", "Two", "state:pending") == (shared.user, shared.name, shared.query)
        page = (await web.get("/views/save", params={"id": shared.stamp})).text
        answer = await web.post("/views/delete", data=fields_of(page, "/views/delete"))
        assert "View “Two” is deleted." in (await web.get(answer.headers["location"])).text
    assert [] == await names(store, "bob")


async def test_views_that_ask_the_same_are_told_apart(store: Store, clock: Clock) -> None:
    """Also if they were saved in the same millisecond, by the same user: who edits or deletes one means that one."""
    for name in ("One", "Two"):
        await Inspector(store).save_view(name, "state:retry", by="bob")
    [one, two] = await Inspector(store).views()
    async with asking(store, BOB) as web:
        page = (await web.get("/views/save", params={"id": two.stamp})).text
        assert "Two" == fields_of(page, "/views/save")["name"]
        assert 303 == (await web.post("/views/delete", data=fields_of(page, "/views/delete"))).status_code
    assert [one] == await Inspector(store).views()


async def test_a_name_that_is_taken_is_replaced_only_by_who_says_so(store: Store) -> None:
    """The form comes back with what it would replace, and nothing of what was typed is lost."""
    async with asking(store, ANN) as web:
        await save(web, "One", "state:retry")
        answer = await save(web, "One", "state:archived")
        assert 409 == answer.status_code
        assert "The name &#39;One&#39; is taken by another view" in answer.text
        assert "which asks for</label> <code>state:retry</code>" in answer.text
        said = fields_of(answer.text, "/views/save")
        assert {"name": "One", "q": "state:archived"} == said
        [stamp] = re.findall(r'name="replace" value="(\w+)"', answer.text)
        assert 303 == (await web.post("/views/save", data={**said, "replace": stamp})).status_code
        assert 409 == (await web.post("/views/save", data={**said, "replace": stamp})).status_code
    [one] = await Inspector(store).views("ann")
    assert "state:archived" == one.query


async def test_what_somebody_else_has_changed_meanwhile_is_left_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who comes later is told, and changes nothing."""
    monkeypatch.setattr(views, "SECONDS", 3600.0)  # the console has not seen it yet, however long this takes
    one = await Inspector(store).save_view("One", "state:retry", by="eve")
    async with asking(store, BOB) as web:
        said = await form(web, id=one.stamp)
        deleting = fields_of((await web.get("/views/save", params={"id": one.stamp})).text, "/views/delete")
        two = await Inspector(store).save_view("One", "state:active", by="eve", over=one.stamp)
        for path, data in (("/views/save", said), ("/views/delete", deleting)):
            assert 409 == (await web.post(path, data=data)).status_code, path
        assert 404 == (await web.get("/views/save", params={"id": one.stamp})).status_code
    assert [two] == await Inspector(store).views()


@pytest.mark.parametrize(
    ("name", "q", "why"),
    [
        ("", "state:retry", "Name of a view is"),
        ("x" * 61, "state:retry", "give 1 to 60 characters"),
        ("a\u202eb", "state:retry", "characters that can be seen"),
        ("One", "", "Query of a view has 0 characters"),
        ("One", "state:asleep", "&#39;asleep&#39; is none"),
        ("One", "payload.password:x", "this field is hidden"),
        ("One", 'error:"Bearer abcdefghijklmnopqrstuvwxyz"', "save it without"),
        ("password=hunter2", "state:retry", "save it without"),
    ],
)
async def test_what_cannot_be_kept_is_said_in_the_form(store: Store, name: str, q: str, why: str) -> None:
    """With what was typed in it, and nothing is written, not even into the audit."""
    before = await everything(store)
    async with asking(store, BOB) as web:
        answer = await save(web, name, q, shared="yes")
    assert 400 == answer.status_code
    assert why in answer.text
    assert {"name": name, "q": q} == {key: fields_of(answer.text, "/views/save")[key] for key in ("name", "q")}
    assert before == await everything(store)


async def test_a_view_that_is_not_understood_says_so(store: Store, clock: Clock) -> None:
    """The page and the others stay as they are; it can be mended, or deleted."""
    inspector = Inspector(store)
    await inspector.save_view("Fine", "state:retry", by="bob")
    await store.command("HSET", keys.VIEWS, "Newer", f"{NOON}000\nbob\ncolour:red", "Spoiled", "x")
    async with asking(store, BOB) as web:
        page = (await web.get("/tasks")).text
        assert ["Fine"] == links(page)
        assert "All 3 views" in page
        assert "2 cannot be used" in page
        page = html.unescape((await web.get("/views")).text)
        assert "3 views that all share, 2 cannot be used" in page
        assert "Cannot be used: filter word 'colour:red'" in page
        assert "Cannot be used: its record is damaged" in page
        assert not [text for kind, text in await found(web, "newer") if kind == "view"]
        _, newer, spoiled = await inspector.views()
        said = await form(web, id=newer.stamp)
        assert 303 == (await web.post("/views/save", data={**said, "shared": "yes", "q": "state:active"})).status_code
        deleting = fields_of((await web.get("/views/save", params={"id": spoiled.stamp})).text, "/views/delete")
        assert 303 == (await web.post("/views/delete", data=deleting)).status_code
    assert [("Fine", ""), ("Newer", "")] == [(one.name, one.problem) for one in await inspector.views()]


async def test_a_key_of_a_foreign_type_fails_alone(store: Store, clock: Clock) -> None:
    """The page says which, and shows the tasks and the views that all share."""
    await put(store, "a", queue="mail")
    await Inspector(store).save_view("For all", "state:retry", by="bob")
    await store.command("SET", keys.views("ann"), "x")
    async with asking(store, ANN) as web:
        for path in ("/tasks", "/views"):
            answer = await web.get(path)
            assert 200 == answer.status_code
            assert "onebeat:views:{all}:of:ann is a string, where a hash belongs" in answer.text
            assert "For all" in answer.text
        assert "1 task" in (await web.get("/tasks")).text
        assert ("view", "For all") in await found(web, "for")
        assert "damaged" == (await web.get(f"{PREFIX}/views")).json()["code"]
        await store.command("SET", keys.VIEWS, "x")
        assert 200 == (await web.get("/tasks?q=state:pending")).status_code


async def test_what_rules_hide_is_not_shown(store: Store, clock: Clock) -> None:
    """Of a view that another console has let pass, under other rules: it can be deleted, whatever it is called."""
    await Inspector(store).save_view("AKIA4711", "payload.a:AKIA0815", by="bob")
    async with asking(store, BOB, redaction=Redaction(patterns=["AKIA[0-9]+"])) as web:
        pages = [await web.get(path) for path in ("/tasks", "/views", f"{PREFIX}/views", "/palette")]
        [view] = await Inspector(store).views()
        pages.append(await web.get("/views/save", params={"id": view.stamp}))
        assert [False] * 5 == ["AKIA" in page.text for page in pages]
        assert "it holds what rules of this console hide" in pages[1].text
        assert "so it can only be deleted" in pages[4].text
        answer = await save(web, "Other", "state:retry", id=view.stamp, shared="yes")
        assert 403 == answer.status_code
        assert 303 == (await web.post("/views/delete", data=fields_of(pages[4].text, "/views/delete"))).status_code
        assert "AKIA" not in (await web.get("/audit")).text
    assert [] == await names(store)


SHARED: Sequence[tuple[str, str, bool]] = (
    ("General", "state:retry age<1d", True),
    ("Of mails", "queue:mail type:mail:*", True),
    ("Of any", "queue:* state:retry", True),
    ("Not of mails", "-queue:mail state:retry", True),
    ("Of types", "type:salary:*", False),
    ("Of payloads", "payload.iban:*", False),
    ("Of all types", "queue:* type:salary:*", False),
    ("Of others", "-queue:mail type:salary:*", False),
    ("Exactly", "queue:payroll", False),
    ("By a pattern", "queue:pay*", False),
    ("By what it is not", "-queue:payroll", False),
    ("Two", "queue:mail,payroll", False),
    ("Gone", "queue:pay-2025", False),
    ("Payroll", "state:retry", False),
    ("In a text", 'queue:mail error:"see payroll"', False),
    ("Newer", "colour:red", False),
)
"""Views that all share, and whether one sees them from whom the queue "payroll" is hidden."""


async def test_a_shared_view_tells_nobody_of_what_is_hidden_from_them(store: Store, clock: Clock) -> None:
    """Neither of a queue, nor of what may stand in its tasks, nor of who else is there."""
    await put(store, "a", queue="payroll")
    await put(store, "b", queue="mail")
    for name, query, _ in SHARED:
        await store.command("HSET", keys.VIEWS, name, f"{NOON}000\nzoe\n{query}")
    expected = sorted(name for name, _, is_seen in SHARED if is_seen)
    async with asking(store, EVE) as web:
        said = (await web.get(f"{PREFIX}/views")).json()["views"]
        assert expected == [view["name"] for view in said]
        assert {""} == {view["saved_by"] for view in said}
        pages = [(await web.get(path)).text for path in ("/views", "/tasks", "/palette?q=", "/palette?q=pay")]
        for page in pages:
            assert [] == [name for name, _, is_seen in SHARED if not is_seen and f">{name}<" in page]
            assert [] == [told for told in ("zoe", "payroll", "salary") if told in page]
        assert 409 == (await save(web, "Exactly", "state:retry", shared="yes")).status_code
        assert "payroll" not in (await save(web, "Exactly", "state:retry", shared="yes")).text
    async with asking(store, BOB) as web:
        assert len(SHARED) == len((await web.get(f"{PREFIX}/views")).json()["views"])


async def test_many_patterns_are_not_tried_on_each_of_many_queues(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which would hold up all who use the console; those that may fit are tried, so many of a view."""
    tried: list[tuple[str, ...]] = []
    monkeypatch.setattr("onebeat.web.views.fits", lambda pieces, name: tried.append((*pieces, name)))
    await put(store, "1", queue="payroll")
    for name, patterns in {
        "Far": [f"q{number}*" for number in range(300)],
        "Near": ["pa*rol", "*roll*pay"],
        "Too near": [f"*roll*pay{'*' * number}" for number in range(1, 12)],
    }.items():
        await Inspector(store).save_view(name, f"queue:{','.join(patterns)}", by="bob")
    async with asking(store, EVE) as web:
        assert ["Far", "Near"] == links((await web.get("/tasks")).text)
    assert [("pa", "rol", "payroll"), ("", "roll", "pay", "payroll")] == tried


async def test_a_name_tells_nobody_which_queues_there_are(store: Store, clock: Clock) -> None:
    """Who shares views named after queues that are hidden sees all of them: those that are there, and those that are
    not."""
    await put(store, "a", queue="payroll")
    async with asking(store, EVE) as web:
        for name in ("payroll", "pay-none"):
            await save(web, name, "state:retry", shared="yes")
        assert ["pay-none", "payroll"] == links((await web.get("/tasks")).text)


async def test_ones_own_view_of_a_queue_that_was_hidden_since_finds_nothing(store: Store, clock: Clock) -> None:
    """It is one's own words; it asks as who looks."""
    await put(store, "secret-task", queue="payroll")
    await Inspector(store).save_view("Mine", "queue:payroll", user="eve", by="eve")
    async with asking(store, EVE) as web:
        assert ["Mine"] == links((await web.get("/tasks")).text)
        assert "secret-task" not in (await web.get("/tasks", params={"q": "queue:payroll"})).text


async def test_twenty_views_stand_in_one_line(store: Store) -> None:
    """Some of them, the one that is looked at in any case; all are a link away."""
    for number in range(20):
        await Inspector(store).save_view(f"View {number:02}", f"retried>{number}", by="ann", user="ann")
    async with asking(store, ANN) as web:
        first = [f"View {number:02}" for number in range(ROW)]
        page = (await web.get("/tasks")).text
        assert (first, []) == (links(page), here(page))
        assert "All 20 views" in page
        page = (await web.get("/tasks?q=retried>19")).text
        assert ([*first[:-1], "View 19"], ["View 19"]) == (links(page), here(page))
        assert 20 == (await web.get("/views")).text.count("Edit</a>")


async def test_an_id_and_a_group_of_errors_are_no_views(store: Store, clock: Clock) -> None:
    """Nor is all, which is the page itself."""
    async with asking(store, BOB) as web:
        for path in ("/tasks", "/tasks?q=4711", "/tasks?q=state:retry&group=x", "/tasks?q=state:asleep"):
            assert "Save this view" not in (await web.get(path)).text, path
    async with asking(store, BOB, read_only=True) as web:
        assert "Save this view" not in (await web.get("/tasks?q=state:retry")).text
        assert "no view can be saved here" in (await web.get("/views/save?q=state:retry")).text


async def test_views_are_read_once_and_only_where_they_are_shown(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """For all tabs of a user; other pages do not ask for them."""
    monkeypatch.setattr(views, "SECONDS", 3600.0)  # so many pages may take longer
    await Inspector(store).save_view("One", "state:retry", by="ann", user="ann")
    asked: list[str] = []
    run = Store.run

    async def counted(self: Store, call: Any) -> Any:
        asked.append(call.script)
        return await run(self, call)

    monkeypatch.setattr(Store, "run", counted)
    async with asking(store, ANN) as web:
        for path in ("/", "/errors", "/queue?name=q", "/settings", "/audit"):
            await web.get(path)
        assert 0 == asked.count("views")
        for path in ("/tasks", "/tasks?q=state:retry", "/views", "/palette?q=one", "/tasks"):
            await web.get(path)
        assert 1 == asked.count("views")
        await save(web, "Two", "state:active")
        assert ["One", "Two"] == links((await web.get("/tasks")).text)
        assert 2 == asked.count("views")


async def test_what_was_done_stands_in_the_audit(store: Store) -> None:
    """Of what all share with its query, so that it can be saved anew; of one's own by name alone."""
    async with asking(store, BOB) as web:
        await save(web, "Mine", "state:retry")
        await save(web, "Ours", "state:active", shared="yes")
        [mine, ours] = await Inspector(store).views("bob")
        await web.post("/views/delete", data={"name": "Mine", "id": mine.stamp})
        await web.post("/views/delete", data={"name": "Ours", "id": ours.stamp, "shared": "yes"})
        await save(web, "Mine", "state:retry")
        assert 409 == (await save(web, "Mine", "state:retry")).status_code
    page = await Inspector(store).audit(kind="view")
    assert [
        ("view.save", "Mine", AuditOutcome.REFUSED),
        ("view.save", "Mine", AuditOutcome.DONE),
        ("view.unshare", "Ours: state:active", AuditOutcome.DONE),
        ("view.delete", "Mine", AuditOutcome.DONE),
        ("view.share", "Ours: state:active", AuditOutcome.DONE),
        ("view.save", "Mine", AuditOutcome.DONE),
    ] == [(record.action, record.about, record.outcome) for record in page.records]


async def test_what_is_taken_from_all_stands_in_the_audit(store: Store) -> None:
    """Its own name and query, where it is taken to oneself under others; and where it was shared a moment ago."""
    async with asking(store, BOB) as web:
        await save(web, "Ours", "state:active", shared="yes")
        [ours] = await Inspector(store).views()
        said = await form(web, id=ours.stamp)
        await web.post("/views/save", data={**said, "name": "Mine", "q": "state:retry", "shared": ""})
        await web.get("/views")
        await Inspector(store).save_view("New", "state:archived", by="ann")  # by another console
        assert {"deleted": True} == (await web.post(f"{PREFIX}/views/unshare", json={"name": "New"})).json()
    assert ["New: state:archived", "Ours: state:active"] == [
        record.about for record in (await Inspector(store).audit(action="view.unshare")).records
    ]


async def test_what_a_shared_view_was_before_stands_in_the_audit(store: Store) -> None:
    """Renamed, changed, replaced by the form or by a script: so that it can be saved anew."""
    async with asking(store, BOB) as web:
        await save(web, "Old", "state:active", shared="yes")
        [old] = await Inspector(store).views()
        said = await form(web, id=old.stamp)
        await web.post("/views/save", data={**said, "name": "New", "q": "state:retry"})
        await save(web, "Other", "state:archived", shared="yes")
        [new, other] = await Inspector(store).views()
        said = await form(web, id=other.stamp)
        await web.post("/views/save", data={**said, "name": "New", "replace": new.stamp})
        await web.post(f"{PREFIX}/views/share", json={"name": "New", "q": "state:completed", "replace": True})
        await web.post(f"{PREFIX}/views/share", json={"name": "New", "q": "state:completed", "replace": True})
    assert [
        "New: state:completed",
        "New: state:archived → New: state:completed",
        "Other: state:archived; New: state:retry → New: state:archived",
        "Other: state:archived",
        "Old: state:active → New: state:retry",
        "Old: state:active",
    ] == [record.about for record in (await Inspector(store).audit(action="view.share")).records]


async def test_of_long_ones_the_audit_has_the_beginning_of_both(store: Store) -> None:
    """Within the 500 characters that are kept."""
    first, second = ("type:" + ",".join([letter * 30] * 20) for letter in "ab")
    async with asking(store, BOB) as web:
        for query in (first, second, "type:c"):
            await web.post(f"{PREFIX}/views/share", json={"name": "V", "q": query, "replace": True})
    [last, then, _] = [record.about for record in (await Inspector(store).audit(action="view.share")).records]
    old, new = then.split(" → ")
    assert (True, True) == (f"V: {first}".startswith(old[:-1]), f"V: {second}".startswith(new[:-1]))
    assert (248, 248) == (len(old), len(new))
    assert (500, True) == (len(last), last.endswith("… → V: type:c"))


async def test_what_one_may_not_see_one_neither_deletes_nor_replaces(store: Store, clock: Clock) -> None:
    """By whatever way: it is as if it were not there, but that its name is taken; and the audit tells nothing of it."""
    await put(store, "1", queue="payroll")
    hidden = await Inspector(store).save_view("Hidden", "queue:payroll", by="bob")
    async with asking(store, EVE) as web:
        for name in ("Hidden", "None"):
            assert {"deleted": False} == (await web.post(f"{PREFIX}/views/unshare", json={"name": name})).json()
            for stamp in ("", hidden.stamp):
                said = {"name": name, "shared": "yes", "id": stamp}
                assert 303 == (await web.post("/views/delete", data=said)).status_code
            assert f"View “{name}” was already deleted." in (await web.get("/views")).text
        said = {"name": "Hidden", "q": "state:retry"}
        assert 409 == (await web.post(f"{PREFIX}/views/share", json={**said, "replace": True})).status_code
        for stamp in ("*", hidden.stamp):
            assert 409 == (await save(web, **said, shared="yes", replace=stamp)).status_code
        assert "payroll" not in (await web.get("/audit")).text
    assert [hidden] == await Inspector(store).views()
    assert {"Hidden", "None", "Hidden: state:retry"} == {
        record.about for record in (await Inspector(store).audit(kind="view")).records
    }
    async with asking(store, BOB) as web:
        assert {"deleted": True} == (await web.post(f"{PREFIX}/views/unshare", json={"name": "Hidden"})).json()


async def test_nobody_floods_the_audit_with_views_of_their_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which anybody may change who is let in: so many a minute, and no more; others go on."""
    monkeypatch.setattr("onebeat.web.acting.REFUSALS", 3)
    async with asking(store, ANN) as web:
        told = [(await save(web, f"View {number}", "state:retry")).status_code for number in range(5)]
        assert [303, 303, 303, 429, 429] == told
        answer = await web.post(f"{PREFIX}/views/save", json={"name": "v", "q": "state:retry"})
        assert (429, "too-many-requests") == (answer.status_code, answer.json()["code"])
    assert 3 == len((await Inspector(store).audit(kind="view")).records)
