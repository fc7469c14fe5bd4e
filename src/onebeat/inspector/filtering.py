"""What the asyncio inspector finds by a filter, and does to what it found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from onebeat.inspector import acting
from onebeat.inspector.acting import Changes
from onebeat.inspector.filters import Filter
from onebeat.inspector.found import Applied, Found, Selection
from onebeat.inspector.searching import Search, Visible, Where, as_filter
from onebeat.inspector.steering import Report
from onebeat.inspector.steps import Following


class Filtering(Following):
    """The part of `Inspector` that is about filters."""

    async def search(
        self,
        filter: str | Filter = "",
        *,
        limit: int | None = None,
        scan: int | None = None,
        cursor: str = "",
        where: Where | None = None,
        queues: Visible | None = None,
        latest: bool = False,
    ) -> AsyncIterator[Found]:
        """
        Look for tasks in all queues and states, or those that a filter names, in short steps: what each found, at once.

        A task that stays where it is while one searches is found. One that moves may be found where it was, where it
        is, or be missed.

        Args:
            filter: Which tasks, as a `Filter` or its text: `type:mail:* state:archived age>2h`. See the reference of
                filters.

            limit: Tasks to find at most.

            scan: Tasks to look at at most.

            cursor: That of the last step of a search by the same filter, which this one goes on with.

            where: A function of a task: whether it is wanted, if the filter fits. None: it is.

            queues: A function of a queue's name: whether it is looked in at all. None: all are. What is said names no
                others.

            latest: Whether the latest of each queue and state come first: the last archived, completed or due ones.
                Pending and active ones come in their order.

        Raises:
            InvalidFilter: The filter cannot be read.
            InvalidTask: A number is none, or the cursor is of no search by this filter.
            QueueNotFound: The filter names a queue that is not known.
        """
        search = Search(
            as_filter(filter), limit=limit, scan=scan, cursor=cursor, where=where, queues=queues, latest=latest
        )
        while (hits := await self._do(search.more())) is not None:
            yield search.found(hits)

    async def select(
        self,
        action: str,
        filter: str | Filter,
        *,
        limit: int | None = None,
        progress: Report | None = None,
        where: Where | None = None,
        queues: Visible | None = None,
    ) -> Selection:
        """
        Find the tasks that something is to be done to, and do nothing yet.

        Args:
            action: "run", "archive", "delete", "cancel" or "update". Tasks of states that it does not apply to are
                not looked for.

            filter: Which tasks.

            limit: Tasks to find at most.

            progress: Told after each step how many of how many tasks were looked at.

            where: As of `search`.

            queues: As of `search`.

        Raises:
            InvalidFilter: The filter cannot be read.
            InvalidTask: There is no such action, or it cannot be done to anything that the filter finds.
            QueueNotFound: The filter names a queue that is not known.
        """
        return await self._do(acting.select(as_filter(filter), action, limit, progress, where, queues))

    async def apply(
        self, selection: Selection, *, changes: Changes | None = None, rate: float | None = None
    ) -> AsyncIterator[Applied]:
        """
        Do what a selection was made for, in steps of at most a hundred tasks; each says how far it is.

        In the step that acts, the store looks whether a task still is in the state and of the message that it had
        when it was chosen, and leaves it alone if not. Whoever stops iterating stops it between two steps.

        Args:
            selection: What `select` returned.

            changes: Of an update: what `update` takes, or a function that makes it of each task.

            rate: Tasks per second at most.

        Raises:
            InvalidTask, PayloadError: The changes cannot be used, or are given for another action; or the rate is none.
        """
        acting.check_rate(rate)
        deed = acting.Deed(selection, changes)
        pace = acting.Pace(rate)
        for batch in acting.batches(selection, rate):
            if wait := pace.wait(len(batch)):
                await asyncio.sleep(wait)
            yield await self._do(deed.step(batch))
