"""Saved views: queries that have a name, of one user or of all."""

from __future__ import annotations

from typing import Annotated

import msgspec

from onebeat.documents.values import Instant
from onebeat.inspector.views import ANY, MAX_NAME, MAX_QUERY, SavedView
from onebeat.web import views
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import Operation

ViewName = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME)]
ViewQuery = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_QUERY)]


class ViewDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    A filter that has a name.

    Attributes:
        name: What it is called.

        q: The filter, as it was saved.

        shared: Whether all share it; else it is of who asks.

        saved_by: Who saved it last; "" where that is not told.

        saved: When; None if its record is damaged.

        problem: Why it cannot be used, such as a filter that is not understood; "": it can.
    """

    name: str
    q: str
    shared: bool
    saved_by: str
    saved: Instant | None
    problem: str

    @classmethod
    def of(cls, view: SavedView) -> ViewDocument:
        """Write a view as a document."""
        return cls(
            name=view.name, q=view.query, shared=view.is_shared, saved_by=view.saved_by, saved=view.saved_at,
            problem=view.problem,
        )  # fmt: skip


class ViewPage(msgspec.Struct, frozen=True, kw_only=True):
    """Saved views: those of who asks, then those that all share, each by name."""

    views: list[ViewDocument]


class ViewSave(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A view that is to be saved.

    Attributes:
        name: What it is to be called.

        q: A filter.

        replace: Whether it replaces one of that name; else a name that is taken is refused.
    """

    name: ViewName
    q: ViewQuery
    replace: bool = False


class ViewNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which view.

    Attributes:
        name: What it is called.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class ViewDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of a view.

    Attributes:
        deleted: Whether there was one of that name.
    """

    deleted: bool


async def list_views(asked: Asked) -> ViewPage:
    """List saved views: those of who asks, then those that all share and that tell of nothing which is hidden."""
    return ViewPage(views=[ViewDocument.of(one.view) for one in await views.read(asked.request)])


async def save_view(asked: Asked, body: ViewSave) -> ViewDocument:
    """
    Save a view for who asks.

    A console that asks nobody who they are has only views that all share, and saves one of these.
    """
    return await _save(asked, body, is_shared=False)


async def share_view(asked: Asked, body: ViewSave) -> ViewDocument:
    """Save a view that all share. Its name and query are read by all who may see the queues that it is about."""
    return await _save(asked, body, is_shared=True)


async def _save(asked: Asked, body: ViewSave, *, is_shared: bool) -> ViewDocument:
    over = ANY if body.replace else ""
    return ViewDocument.of(await views.save(asked.request, body.name, body.q, is_shared=is_shared, over=over))


async def delete_view(asked: Asked, body: ViewNamed) -> ViewDeleted:
    """
    Delete a view of who asks.

    A console that asks nobody who they are has only views that all share, and deletes one of these.
    """
    return await _delete(asked, body, views.keeper(asked.request))


async def unshare_view(asked: Asked, body: ViewNamed) -> ViewDeleted:
    """Delete a view that all share. What it asked for stands in the audit."""
    return await _delete(asked, body, "")


async def _delete(asked: Asked, body: ViewNamed, user: str) -> ViewDeleted:
    seen = (
        one.original for one in await views.read(asked.request) if (one.view.name, one.view.user) == (body.name, user)
    )
    view = next(seen, SavedView(name=body.name, query="", user=user))
    return ViewDeleted(deleted=await views.delete(asked.request, view))


OPERATIONS = (
    Operation("GET", "/views", list_views),
    Operation("POST", "/views/save", save_view, "view.save"),
    Operation("POST", "/views/delete", delete_view, "view.delete"),
    Operation("POST", "/views/share", share_view, "view.share"),
    Operation("POST", "/views/unshare", unshare_view, "view.unshare"),
)
"""All that the API can be asked for."""
