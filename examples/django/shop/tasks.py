"""The shop's tasks: found by Onebeat because the module is called `tasks`."""

from __future__ import annotations

try:
    from django.tasks import task
except ImportError:  # Django 5.2
    from django_tasks import task

from onebeat.integrations.django import app
from shop.models import Order


@app.task("shop:receipt", max_retry=3)
def send_receipt(order_id: int) -> str:
    """Run in a thread, with a database connection of its own."""
    order = Order.objects.get(pk=order_id)
    order.receipt = f"receipt {order.pk} for {order.item}"
    order.save()
    return order.receipt


@app.every(3600)
@app.task("shop:reminders")
async def send_reminders() -> int:
    """Run on the event loop."""
    return await Order.objects.filter(receipt="").acount()


@task(queue_name="reports")
def count_orders(item: str) -> int:
    """Declared in Django's own way."""
    return Order.objects.filter(item=item).count()
