"""The shop's addresses."""

from django.urls import path
from shop import views

urlpatterns = [
    path("orders", views.place_order),
    path("async/orders", views.place_order_async),
    path("receipts/<task_id>", views.receipt),
    path("reports", views.begin_report),
    path("reports/<result_id>", views.report),
]
