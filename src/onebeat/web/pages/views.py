"""Saved views of the tasks: the row of links above the query, all of them, and the form that saves one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import BrokerError, OnebeatError, WrongState
from onebeat.inspector.filters import Filter
from onebeat.inspector.views import MAX_NAME, MAX_QUERY, SavedView
from onebeat.web import forms, views
from onebeat.web.page import redirect, render
from onebeat.web.rights import may
from onebeat.web.showing.signs import short
from onebeat.web.showing.words import counted
from onebeat.web.views import Known

ROW, WIDTH, GAP, TROUBLED = 8, 114, 3, 18
"""Views that stand above the query, in one line of so many letters, with so many between two, and so many fewer where
some cannot be used; all are on the page of views."""

LONGEST = 28
"""Letters of a name in that line."""


@dataclass(frozen=True, slots=True)
class Row:
    """
    The links above the query.

    Attributes:
        links: Views that can be used, some of them: that which is looked at is among them.

        here: That which is looked at.

        number: How many there are in all.

        problems: How many of these cannot be used.

        may_edit: Whether who looks may change that which is looked at.
    """

    links: Sequence[SavedView]
    here: SavedView | None
    number: int
    problems: int
    may_edit: bool


async def row(request: Request, looked_at: Filter | None) -> Row:
    """Choose the views that stand above the query."""
    known = await views.shown(request)
    usable = [one for one in known if one.filter is not None]
    here = next((one.view for one in usable if looked_at is not None and one.filter == looked_at), None)
    problems = len(known) - len(usable)
    links = _fitting([one.view for one in usable], here, WIDTH - TROUBLED if problems else WIDTH)
    return Row(links, here, len(known), problems, here is not None and _may(request, here))


def _fitting(usable: Sequence[SavedView], here: SavedView | None, width: int) -> Sequence[SavedView]:
    """Take as many as fit into a line, that which is looked at in any case."""
    links = list(usable[:ROW])
    if here is not None and here not in links:
        links[-1] = here
    while sum(map(_letters, links)) > width:
        links.remove([view for view in links if view != here][-1])
    return links


def _letters(view: SavedView) -> int:
    return min(len(view.name), LONGEST) + GAP


def may_save(request: Request, looked_at: Filter, found: Row) -> bool:
    """Whether what is looked at can be given a name by who looks."""
    is_new = found.here is None and bool(looked_at.words)
    return is_new and may(request, views.SAVE if views.keeper(request) else views.SHARE)


async def every(request: Request) -> Response:
    """Show all views."""
    known = await views.shown(request)
    own = sum(not one.view.is_shared for one in known)
    problems = sum(bool(one.view.problem) for one in known)
    return render(
        request, "views.html", place="tasks", polls=False, known=known, is_open=not views.keeper(request),
        kind="warn" if problems else "", sentence=_verdict(own, len(known) - own, problems),
        may_change=lambda view: _may(request, view), line=short,
    )  # fmt: skip


def _verdict(own: int, shared: int, problems: int) -> str:
    if not own + shared:
        return "No query has a name yet"
    told = [f"{counted(own, 'view')} of your own"] if own else []
    told += [f"{counted(shared, 'view') if not own else f'{shared:,}'} that all share"] if shared else []
    told += [f"{problems:,} cannot be used"] if problems else []
    return ", ".join(told)


def _may(request: Request, view: SavedView) -> bool:
    return may(request, views.UNSHARE if view.is_shared else views.DELETE)


async def ask(request: Request) -> Response:
    """Ask for a name for a query, or how a view is to be changed."""
    asked = forms.query(request)
    was = await _known(request, asked.text("id")) if asked.text("id") else None
    if was is not None and not _may(request, was.view):  # one's own copy of it
        return _form(request, name=was.view.name, q=was.view.query, is_shared=False, was=None)
    query = was.view.query if was is not None else asked.text("q").strip()
    is_shared = was.view.is_shared if was is not None else not views.keeper(request)
    return _form(request, name="" if was is None else was.view.name, q=query, is_shared=is_shared, was=was)


async def _known(request: Request, id_: str) -> Known:
    """
    Return the view of a stamp.

    Raises:
        HTTPException: 404: there is none.
    """
    for one in await views.shown(request):
        if one.view.stamp == id_:
            return one
    raise HTTPException(404, "There is no such view: it was changed or deleted meanwhile.")


def _form(
    request: Request, *, name: str, q: str, is_shared: bool, was: Known | None, error: str = "", status: int = 200,
    taken: SavedView | None = None,
) -> Response:  # fmt: skip
    before = None if was is None else was.view
    problem = "" if before is None else before.problem
    return render(
        request, "view_form.html", status=status, place="tasks", polls=False, called=name, q=q, is_shared=is_shared,
        was=before, is_hidden=was is not None and was.is_hidden, error=error, problem=problem, taken=taken,
        is_open=not views.keeper(request), may_own=may(request, views.SAVE), may_share=may(request, views.SHARE),
        may_delete=before is not None and _may(request, before), most_name=MAX_NAME, most_query=MAX_QUERY,
    )  # fmt: skip


async def save(request: Request) -> Response:
    """Save what a form says, or say what is wrong with it."""
    form = await forms.read(request)
    name, query = form.text("name"), form.text("q")
    is_shared = form.get("shared") == "yes" or not views.keeper(request)
    was = await _known(request, form.text("id")) if form.text("id") else None
    if was is not None and was.is_hidden:
        raise HTTPException(403, "Rules of this console hide a part of this view, so it can only be deleted.")
    before = None if was is None else was.original
    over = form.text("replace")
    if not over and before is not None and (before.name, before.is_shared) == (" ".join(name.split()), is_shared):
        over = before.stamp
    try:
        saved = await views.save(request, name, query, is_shared=is_shared, over=over, was=before)
    except BrokerError:
        raise
    except OnebeatError as error:
        text = str(error)
        taken = await _taken(request, name, is_shared, before) if isinstance(error, WrongState) else None
        return _form(
            request, name=name, q=query, is_shared=is_shared, was=was, error=f"{text[:1].upper()}{text[1:]}",
            status=409 if isinstance(error, WrongState) else 400, taken=taken,
        )  # fmt: skip
    return redirect(request, "/tasks", f"View “{saved.name}” is saved.", q=saved.query)


async def _taken(request: Request, name: str, is_shared: bool, before: SavedView | None) -> SavedView | None:
    """Find the view that has a name, so that one can say that it is to be replaced."""
    called = " ".join(name.split())
    return _named((one.view for one in await views.shown(request)), called, is_shared, before)


def _named(known: Iterable[SavedView], name: str, is_shared: bool, before: SavedView | None = None) -> SavedView | None:
    found = (one for one in known if (one.name, one.is_shared) == (name, is_shared))
    return next((one for one in found if before is None or one.stamp != before.stamp), None)


async def delete(request: Request) -> Response:
    """Delete a view."""
    form = await forms.read(request)
    id_, name = form.text("id"), form.needed("name", most=1000)
    user = "" if form.get("shared") == "yes" else views.keeper(request)
    seen = (one.original for one in await views.shown(request) if (one.view.stamp, one.view.user) == (id_, user))
    view = next(seen, SavedView(name=name, query="", user=user, stamp=id_))
    was_there = await views.delete(request, view)
    return redirect(
        request, "/views", f"View “{short(name, MAX_NAME)}” {'is' if was_there else 'was already'} deleted."
    )


routes: list[Route] = [
    Route("/views", every),
    Route("/views/save", ask),
    Route("/views/save", save, methods=["POST"]),
    Route("/views/delete", delete, methods=["POST"]),
]
