"""Give the shop its day: 100,000 tasks, of which twelve fail. Ends when the orders are through."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from shop import app, campaign, pay, receipt, remind

from onebeat import Inspector, Task

ORDERS, RECEIPTS, REMINDERS, ALL = 500, 40, 38_600, 100_000
THREE_DAYS = 3 * 86_400


def orders() -> Iterator[Task[Any]]:
    """Yield orders, of which the shop's new page sends every forty-second with a currency that it made up."""
    for number in range(ORDERS):
        currency = "EURO" if number % 42 == 7 else "EUR"
        yield pay.options(task_id=f"order-{number:03}").bind(number, 1000 + number, currency)


def tasks() -> Iterator[Task[Any]]:
    """Yield all that comes in one morning, in its order."""
    yield from orders()
    for customer in range(REMINDERS):
        yield remind.options(process_in=THREE_DAYS).bind(customer)
    for customer in range(ALL - ORDERS - RECEIPTS - REMINDERS):
        yield campaign.bind(customer)
    for number in range(RECEIPTS):
        yield receipt.options(task_id=f"receipt-{number:03}").bind(number)


async def main() -> None:
    """Enqueue, and wait for the orders."""
    async with app, Inspector() as inspector:
        done = await app.enqueue_many(tasks())
        while (await inspector.stats("orders")).processed < ORDERS:
            await asyncio.sleep(0.1)  # a counter of the store tells nobody that it rises
    print(f"{done.enqueued:,} tasks came in.")


if __name__ == "__main__":
    asyncio.run(main())
