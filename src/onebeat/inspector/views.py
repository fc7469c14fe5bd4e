"""Saved views: filters that have a name, of one user or of all; procedures for both inspectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from onebeat.broker import views
from onebeat.broker.spoiled import Spoiled
from onebeat.broker.views import Row
from onebeat.errors import InvalidFilter, InvalidTask, WrongState, shown
from onebeat.inspector.filters import Filter
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask
from onebeat.options import text

MAX_NAME: Final = 60
"""Characters of a view's name."""

MAX_QUERY: Final = 2000
"""Characters of its query."""

ANY: Final = "*"
"""The stamp that stands for any view."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """
    A filter that has a name, so that it is found again.

    Attributes:
        name: What it is called.

        query: The filter, as it was saved; "" if the record is damaged.

        user: Whose it is; "": all share it.

        saved_by: Who saved it last.

        saved_at: When; None if the record is damaged.

        stamp: Tells it from what it was before, and will be when it is changed.

        problem: Why it cannot be used, such as a filter that is not understood; "": it can.
    """

    name: str
    query: str
    user: str = ""
    saved_by: str = ""
    saved_at: datetime | None = None
    stamp: str = ""
    problem: str = ""

    @property
    def is_shared(self) -> bool:
        """Whether it is of all."""
        return not self.user


def every(user: object = "") -> Procedure[list[SavedView]]:
    """
    List the views of a user, then those that all share, each by name.

    Raises:
        Spoiled: A key is of a foreign type; `rest` has what could be read.
    """
    name = text("user", user) if user else ""
    try:
        found = yield from ask(views.read(name))
    except Spoiled as error:
        error.rest = None if error.rest is None else _listed(error.rest, name)
        raise
    return _listed(found, name)


def _listed(found: Mapping[str, Sequence[Row]], user: str) -> list[SavedView]:
    order = [user, ""] if user else [""]
    return [
        _view(whose, name, value)
        for whose in order
        for name, value in sorted(found.get(whose, ()), key=lambda row: (row[0].casefold(), row[0]))
    ]


def _view(user: str, name: str, value: bytes) -> SavedView:
    stamp = views.stamp(name, value)
    try:
        ms, by, query = value.decode().split("\n", 2)
        saved_at = at(int(ms) / 1000)
    except (ValueError, OverflowError, OSError):
        return SavedView(name=name, query="", user=user, stamp=stamp, problem="its record is damaged")
    return SavedView(
        name=name, query=query, user=user, saved_by=by, saved_at=saved_at, stamp=stamp, problem=_problem(query)
    )


def _problem(query: str) -> str:
    try:
        Filter(query)
    except InvalidFilter as error:
        return str(error)
    return ""


def save(
    name: object, query: object, *, by: object, user: object = "", over: str = "", was: SavedView | None = None
) -> Procedure[SavedView]:
    """
    Save a view.

    Args:
        over: The stamp of the view of the same name that it replaces; "": there is to be none; `ANY`: whatever it is.

        was: What it was before, under another name or another's; None: it is new.

    Raises:
        InvalidTask: The name, the user or the query cannot be saved.
        InvalidFilter: The query is no filter.
        WrongState: The name is taken, what it was has changed meanwhile, or there are too many.
    """
    called, asked = check_name(name), check_query(query)
    whose, who = text("user", user) if user else "", text("by", by)
    before = None if was is None else (was.user, was.name, was.stamp)
    told, value = yield from ask(views.save(whose, called, asked, _line(who), over=over, was=before))
    if told == "saved":
        return _view(whose, called, value)
    if told == "taken" and not value:
        raise WrongState(f"view {shown(called)} that was to be replaced is gone: save it anew")
    if told == "taken":
        raise WrongState(f"the name {shown(called)} is taken by another view: choose one that is free, or replace that")
    if told == "changed":
        raise WrongState(f"view {shown(before[1] if before else called)} was changed or deleted meanwhile: look again")
    raise WrongState(f"there are {views.MOST} views, as many as are kept: delete one, or replace one")


def delete(name: object, *, user: object = "", stamp: str = "") -> Procedure[bool]:
    """
    Delete a view; returns whether there was one.

    Raises:
        WrongState: It is no more what has that stamp.
    """
    whose = text("user", user) if user else ""
    told = yield from ask(views.delete(whose, text("name of a view", name), stamp))
    if told == "changed":
        raise WrongState(f"view {shown(name)} was changed meanwhile: look again")
    return told == "deleted"


def check_name(name: object) -> str:
    """
    Return a name, with one space where there are several.

    Raises:
        InvalidTask: It is none.
    """
    called = " ".join(name.split()) if isinstance(name, str) else ""
    if not 1 <= len(called) <= MAX_NAME or not called.isprintable():
        raise InvalidTask(f"name of a view is {shown(name)}: give 1 to {MAX_NAME} characters that can be seen")
    return called


def check_query(query: object) -> str:
    """
    Return a query, without blanks around it.

    Raises:
        InvalidTask: It is too long, or has no words.
        InvalidFilter: It is no filter.
    """
    asked = query.strip() if isinstance(query, str) else ""
    if not 1 <= len(asked) <= MAX_QUERY:
        raise InvalidTask(
            f"query of a view has {len(asked):,} characters: give 1 to {MAX_QUERY:,}, such as state:archived age<1d"
        )
    Filter(asked)
    return asked


def _line(who: str) -> str:
    return " ".join(who.split())
