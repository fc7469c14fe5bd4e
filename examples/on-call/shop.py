"""A shop on a bad day: a campaign is in the way of its receipts, and a few payments cannot be understood."""

from __future__ import annotations

import asyncio

from onebeat import Onebeat, SkipRetry

CURRENCIES = ("EUR", "GBP", "USD")

app = Onebeat("shop")


@app.task("mail:campaign", queue="mail")
async def campaign(customer: int) -> None:
    """Send an advertisement. The provider takes its time."""
    await asyncio.sleep(2)  # stands for the provider


@app.task("mail:receipt", queue="mail", retention=86_400)
async def receipt(order: int) -> None:
    """Send a receipt, which somebody waits for."""


@app.task("order:pay", queue="orders", retention=86_400)
async def pay(order: int, cents: int, currency: str) -> str:
    """Charge an order. A currency that the bank does not know now, it will not know in a minute: no retry."""
    if currency not in CURRENCIES:
        raise SkipRetry(f"the bank knows no currency {currency!r}")
    return f"{cents / 100:.2f} {currency}"


@app.task("cart:remind", queue="reminders")
async def remind(customer: int) -> None:
    """Remind somebody of a cart that was left."""


@app.task("report:day", queue="reports")
async def report(day: int) -> None:
    """Add a day up."""


@app.every(10)
@app.task("stock:count", queue="stock")
async def count() -> None:
    """Count what is left."""
