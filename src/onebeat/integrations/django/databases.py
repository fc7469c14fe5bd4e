"""
Database connections of handlers.

A plain function runs in a thread of the server's pool, which keeps its connections as long as Django's settings
say: those that are too old or broken are closed before and after, as around a request.
Django's own way from a coroutine to the database is a thread, too; each task gets one of its own, as each request
does under ASGI, and its connections end with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections, reset_queries

from onebeat.app.surroundings import Surroundings


@contextmanager
def _in_thread() -> Iterator[None]:
    reset_queries()
    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


@asynccontextmanager
async def _in_own_thread() -> AsyncIterator[None]:
    async with ThreadSensitiveContext():
        try:
            yield
        finally:
            await sync_to_async(connections.close_all)()


DATABASES = Surroundings(plain=_in_thread, coroutine=_in_own_thread)
