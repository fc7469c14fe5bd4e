"""
Saved views as one viewer may see them, and changing them; for the pages and the API.

A query runs as whoever looks, so it finds no more than that. But names and queries are texts, and what those tell of
must not be hidden from the reader either: see `_tells`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from onebeat.broker.spoiled import Spoiled
from onebeat.errors import BrokerError, BrokerUnavailable, InvalidFilter, InvalidTask
from onebeat.inspector.auditing import LENGTHS
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.terms import fits
from onebeat.inspector.views import ANY, SavedView, check_name, check_query
from onebeat.inspector.words import Word
from onebeat.web import consoles, parts
from onebeat.web.acting import perform
from onebeat.web.scope import hidden, sight
from onebeat.web.security import gate
from onebeat.web.security.roles import User
from onebeat.web.security.searching import as_seen
from onebeat.web.showing.redaction import Redaction

T = TypeVar("T")

SECONDS: Final = 5.0
"""For how long views that were read are good; changes by this console are seen at once."""

SAVE, DELETE, SHARE, UNSHARE = "view.save", "view.delete", "view.share", "view.unshare"

HIDDEN: Final = "it holds what rules of this console hide"

NEAR: Final = 10
"""Patterns of a shared view that are tried on each hidden queue; one with more that may fit is kept back."""

ARROW: Final = " → "
"""Stands in the audit between what was shared and what is shared instead."""

_TELLING: Final = frozenset({"id", "type", "group", "error", "payload", "header"})
"""Words of a filter that say what may stand in tasks."""


@dataclass(frozen=True, slots=True)
class Known:
    """
    A view.

    Attributes:
        view: As it may be seen.

        original: As it is, which is shown to nobody.

        filter: What it asks for; None: that is not understood, or hidden.
    """

    view: SavedView
    original: SavedView
    filter: Filter | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether rules hide a part of its name or query, so that it can only be deleted."""
        return self.view.problem == HIDDEN


def keeper(request: Request) -> str:
    """Return whose views who asks keeps; "" where nobody is asked who they are: there all are shared."""
    found = gate.identity(request)
    return "" if found is None or found is gate.OPEN else found.user.name


async def read(request: Request) -> Sequence[Known]:
    """
    Read one's own views and those that all share, without those that may not be seen: once for all tabs of a user.

    Raises:
        Spoiled: A key is of a foreign type; `rest` has what could be read.
    """
    console, user = consoles.of(request), keeper(request)
    inspector = await console.inspector()

    async def ask() -> Sequence[Known]:
        try:
            return await _seen(request, await inspector.views(user))
        except Spoiled as error:
            error.rest = None if error.rest is None else await _seen(request, error.rest)
            raise

    return await console.reads.get(("views", user, sight(request)), ask, seconds=SECONDS)


async def shown(request: Request) -> Sequence[Known]:
    """Read them for a page, which says what cannot be read."""
    try:
        return await read(request)
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        parts.note(request, [str(error)])
        return (error.rest or ()) if isinstance(error, Spoiled) else ()


async def _seen(request: Request, views: Sequence[SavedView]) -> Sequence[Known]:
    rules, who = hidden(request), gate.user(request)
    known = [_judged(view, rules) for view in views]
    if who.sees_all or not any(one.view.is_shared for one in known):
        return known
    others = await _others(request, who)
    return [
        _unsigned(one)
        for one in known
        if not one.view.is_shared
        or one.view.saved_by == who.name  # one's own words; or whether they are shown told which queues there are
        or (others is not None and not _tells(one, who, others))
    ]


async def _others(request: Request, who: User) -> Collection[str] | None:
    """List the queues that are hidden from a user; None: which there are cannot be read."""
    queues = await parts.quiet_part(request, "stats", (await consoles.of(request).inspector()).stats_each)
    return None if queues is None else [name for name in queues if not who.sees(name)]


def _judged(view: SavedView, rules: Redaction) -> Known:
    if rules.hides_part_of(view.name) or rules.hides_part_of(view.query):
        name, query = rules.text(view.name), rules.text(view.query)
        return Known(replace(view, name=name, query=query, problem=HIDDEN), view)
    if view.problem:
        return Known(view, view)
    try:
        return Known(view, view, as_seen(view.query, rules))
    except InvalidFilter as error:
        return Known(replace(view, problem=str(error)), view)


def _unsigned(one: Known) -> Known:
    """Leave out who shares a view, for whom others are hidden from."""
    return replace(one, view=replace(one.view, saved_by="")) if one.view.is_shared else one


def _tells(one: Known, who: User, others: Collection[str]) -> bool:
    """
    Whether a shared view may tell of what is hidden from a user.

    It does if it names a queue that is; and if it says what stands in tasks, such as their types, unless it is about
    queues alone that the user sees. Of one that is not understood nobody knows.

    Args:
        others: The queues that are hidden, of those that are known.
    """
    if one.filter is None:
        return True
    words = one.filter.words
    values = [value for word in words if word.name == "queue" for value in word.values]
    if any(not who.sees(value.text) for value in values):
        return True
    if _fit_one([value.pieces for value in values if value.text.strip("*")], others):
        return True
    text = f"{one.view.name}\n{one.view.query}".lower()
    if any(name in text and _names(name, text) for name in map(str.lower, others)):
        return True
    return any(word.name in _TELLING for word in words) and not any(map(_confines, words))


def _fit_one(patterns: Collection[tuple[str, ...]], names: Collection[str]) -> bool:
    """
    Whether a pattern fits one of many names, or that is not worth finding out.

    A shared view may have hundreds of patterns, and a store thousands of queues: each with each would hold up the
    console for seconds. Those with a part that is in no name are left out first.
    """
    text = "\n".join(names)
    near = [pieces for pieces in patterns if all(piece in text for piece in pieces)]
    return len(near) > NEAR or any(fits(pieces, name) for pieces in near for name in names)


def _confines(word: Word) -> bool:
    """Whether a word allows some queues alone, of which none is hidden if no value of it fits such a one."""
    return word.name == "queue" and not word.is_negated and all(value.text.strip("*") for value in word.values)


def _names(queue: str, text: str) -> bool:
    """Whether a name stands in a text, as a word of it."""
    return re.search(rf"(?<!\w){re.escape(queue)}(?!\w)", text) is not None


async def save(
    request: Request, name: str, query: str, *, is_shared: bool, over: str = "", was: SavedView | None = None
) -> SavedView:
    """
    Save a view.

    Args:
        is_shared: Whether it is for all; where nobody is asked who they are, it is in any case.

        over, was: As of `Inspector.save_view`.

    Raises:
        InvalidTask, InvalidFilter, WrongState: As `Inspector.save_view`; or rules hide a part of it. A shared view that
            may not be seen is not replaced: its name is taken.
        HTTPException: Who asks may not, or does so too often.
    """
    called, asked = check_name(name), check_query(query)
    as_seen(asked, hidden(request))
    if any(map(hidden(request).hides_part_of, (called, asked))):
        raise InvalidTask("what rules of this console hide stands in it, and a view would show it: save it without")
    user = "" if is_shared else keeper(request)
    there = await _shared(request, called) if over and not user else None
    if there is not None and (over == ANY or not there.is_seen):
        over = there.view.stamp if there.is_seen else ""

    async def deed(inspector: Inspector) -> SavedView:
        return await inspector.save_view(called, asked, by=gate.user(request).name, user=user, over=over, was=was)

    action = SHARE if not user else UNSHARE if was is not None and was.is_shared else SAVE
    taken = [was] if was is not None and was.is_shared else []  # what the others have no more
    if there is not None and there.is_seen and there.view not in taken:
        taken.append(there.view)
    new = f"{called}: {asked}" if action == SHARE else ""
    about = called if action == SAVE else _about(taken, new, hidden(request))
    return await _change(request, action, deed, about=about)


def _about(taken: Sequence[SavedView], new: str, rules: Redaction) -> str:
    """Write down what is shared no more, and what instead; where that is too long, the beginning of each."""
    old, new = rules.text("; ".join(f"{one.name}: {one.query}" for one in taken)), rules.text(new)
    if not old or not new or old == new:
        return new or old
    room = LENGTHS["about"] - len(ARROW)
    return f"{_cut(old, max(room // 2, room - len(new)))}{ARROW}{_cut(new, max(room // 2, room - len(old)))}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


async def delete(request: Request, view: SavedView) -> bool:
    """
    Delete a view; returns whether there was one. A shared one that may not be seen is left, as if there were none.

    Raises:
        WrongState: It was changed meanwhile.
        HTTPException: Who asks may not, or does so too often.
    """

    there = None
    if view.is_shared and not (view.query or view.problem):  # it is not among those that were read
        there = await _shared(request, view.name)

    async def deed(inspector: Inspector) -> bool:
        if there is not None and not there.is_seen:
            return False
        return await inspector.delete_view(view.name, user=view.user, stamp=view.stamp)

    query = there.view.query if there is not None and there.is_seen else view.query
    about = f"{view.name}: {query}" if view.is_shared and query else view.name
    return await _change(request, UNSHARE if view.is_shared else DELETE, deed, about=about)


@dataclass(frozen=True, slots=True)
class _There:
    """A shared view as it is now, and whether who asks may see it."""

    view: SavedView
    is_seen: bool


async def _shared(request: Request, name: str) -> _There | None:
    """
    Read the shared view of a name; None: there is none.

    Raises:
        Spoiled: They cannot be read.
    """
    views = await (await consoles.of(request).inspector()).views()
    seen = [one.original for one in await _seen(request, views)]
    return next((_There(view, view in seen) for view in views if view.name == name), None)


async def _change(request: Request, action: str, deed: Callable[[Inspector], Awaitable[T]], *, about: str) -> T:
    """Make a change; those of one's own, which anybody may make, are so many a minute: all stand in the audit."""
    console = consoles.of(request)
    if action in (SAVE, DELETE) and not console.own_changes.may_note(gate.user(request).name):
        raise HTTPException(429, "You have changed many views within a minute: go on in the next.")
    inspector = await console.inspector()
    return await perform(request, action, about=about, deed=lambda: deed(inspector))
