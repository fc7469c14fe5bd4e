"""The shop, with the real engine behind it."""

from __future__ import annotations

from django.test import TestCase, TransactionTestCase

from onebeat.integrations.django import app
from shop.models import Order
from shop.tasks import count_orders, send_receipt


class Ordering(TestCase):
    """What a view enqueues: each test is a transaction, so on_commit is captured."""

    def test_the_receipt_waits_for_the_commit(self) -> None:
        """Enqueued when the transaction commits, under the id that was answered."""
        with app.testing() as t:
            with self.captureOnCommitCallbacks() as callbacks:
                task_id = self.client.post("/orders?item=tea").json()["id"]
                self.assertEqual([], t.enqueued(send_receipt))
            callbacks[0]()
            self.assertIn(send_receipt.bind(Order.objects.get().pk), t.enqueued(send_receipt))
            self.assertEqual({"state": "pending", "receipt": None}, self.client.get(f"/receipts/{task_id}").json())

    def test_an_order_that_is_rolled_back_has_none(self) -> None:
        """A view that fails enqueues nothing."""
        with app.testing() as t, self.captureOnCommitCallbacks(execute=True):
            with self.assertRaises(KeyError):
                self.client.post("/orders")
            self.assertEqual([], t.enqueued(send_receipt))


class Running(TransactionTestCase):
    """What a task does: it runs in a thread, and sees what was committed."""

    def test_the_receipt_is_sent(self) -> None:
        """From the view to the row."""
        with app.testing() as t:
            task_id = self.client.post("/orders?item=tea").json()["id"]
            t.drain()
            answer = self.client.get(f"/receipts/{task_id}").json()
        order = Order.objects.get()
        self.assertEqual(f"receipt {order.pk} for tea", order.receipt)
        self.assertEqual({"state": "completed", "receipt": order.receipt}, answer)

    async def test_from_an_async_view(self) -> None:
        """The transaction is in a function that blocks, which Django runs in a thread."""
        async with app.testing() as t:
            answer = await self.async_client.post("/async/orders?item=tea")
            self.assertEqual(202, answer.status_code)
            self.assertEqual(1, (await t.drain()).completed)

    def test_a_task_of_django(self) -> None:
        """Declared with Django's decorator, run by Onebeat."""
        Order.objects.create(item="tea")
        with app.testing() as t:
            result = count_orders.enqueue("tea")
            t.drain()
            result.refresh()
            self.assertEqual((1, 1), (result.return_value, result.attempts))
            self.assertEqual({"status": "SUCCESSFUL", "count": 1}, self.client.get(f"/reports/{result.id}").json())
