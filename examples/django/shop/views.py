"""Views that enqueue, and views that tell how it went."""

from __future__ import annotations

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse

from onebeat import TaskNotFound, TaskState
from onebeat.integrations.django import on_commit
from shop.models import Order
from shop.tasks import count_orders, send_receipt


@transaction.atomic
def place(item: str) -> str:
    order = Order.objects.create(item=item)
    return on_commit(send_receipt.bind(order.pk))


def place_order(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"id": place(request.GET["item"])}, status=202)


async def place_order_async(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"id": await sync_to_async(place)(request.GET["item"])}, status=202)


def receipt(request: HttpRequest, task_id: str) -> HttpResponse:
    handle = send_receipt.handle_sync(task_id)
    try:
        info = handle.info()
    except TaskNotFound:
        raise Http404 from None
    text = handle.result() if info.state is TaskState.COMPLETED else None
    return JsonResponse({"state": info.state, "receipt": text})


async def begin_report(request: HttpRequest) -> HttpResponse:
    result = await count_orders.aenqueue(request.GET["item"])
    return JsonResponse({"id": result.id}, status=202)


def report(request: HttpRequest, result_id: str) -> HttpResponse:
    result = count_orders.get_result(result_id)
    return JsonResponse({"status": result.status, "count": result.return_value if result.is_finished else None})
