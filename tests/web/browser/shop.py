"""
The shop whose servers the console looks at.

Its tasks succeed, fail in several ways, or run until they are cancelled; what they do does not depend on time.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TypedDict

from onebeat import Context, Cron, Onebeat, SkipRetry, Task

HOUR = 3600

app = Onebeat("shop")


class Receipt(TypedDict):
    """What a charge answers."""

    order: int
    amount: str
    bank: str


@app.task("email:welcome", queue="critical", max_retry=3, timeout=30, retention=24 * HOUR)
async def welcome(user_id: int, locale: str = "en") -> str:
    return f"welcome, user {user_id}, in {locale}"


@app.task("payment:charge", max_retry=5, backoff=lambda failures: HOUR * failures, retention=24 * HOUR)
async def charge(ctx: Context, order: int, amount: str = "12.50") -> Receipt:
    if order % 7 == 0:
        raise ConnectionError(f"the bank did not answer for order {order} within 30 s")
    return {"order": order, "amount": amount, "bank": "bank.example"}


@app.task("invoice:render", max_retry=0)
async def invoice(order: int, country: str) -> None:
    rates = {"de": 19, "uk": 20}
    find_rate(rates, country)


def find_rate(rates: dict[str, int], country: str) -> int:
    """Stand in the traceback of an invoice for a country that nobody has heard of."""
    try:
        return rates[country]
    except KeyError as error:
        raise LookupError(f"no tax rate for country {country!r}") from error


@app.task("image:resize", queue="low", max_retry=1)
def resize(image: int, width: int) -> None:
    if width <= 0:
        raise SkipRetry(f"image {image} cannot be {width} pixels wide")


@app.task("report:build", queue="low", timeout=4 * HOUR)
async def report(ctx: Context, month: str) -> None:
    ctx.progress(2, f"rows of {month}", of=5)
    await asyncio.Event().wait()  # until somebody cancels it


@app.task("stock:sync", queue="critical", max_retry=0)
async def sync(warehouse: str = "oslo") -> None:
    return None


@app.task("sale:count")
async def sale(item: str, price: int) -> None:
    return None


@app.aggregate("sales:", grace=24 * HOUR)
async def digest(group: str, sales: list[Task]) -> Task:
    return welcome.bind(len(sales))


app.every(24 * HOUR)(sync)
# it leaves nothing behind: the scene is as it was, though it was played when eight struck
app.schedule("digest.weekdays", Cron("0 8 * * 1-5", "Europe/Berlin"), welcome.options(retention=0).bind(1))
app.schedule("report.monthly", Cron("30 2 1 * *", "America/New_York"), report.bind("last"))
app.schedule("stock.hourly", Cron("@hourly"), sync.bind("bergen"))


async def main(url: str, host: str, slots: str, *queues: str) -> None:
    """Serve until SIGTERM; "serving" on standard output says that it does."""
    socket.gethostname = lambda: host
    app.url = url
    weights = {name: weight for weight, name in enumerate(reversed(queues), 1)}
    async with app.serving(concurrency=int(slots), queues=weights):
        print("serving", os.getpid(), flush=True)
        await asyncio.Event().wait()
