"""What the shop keeps."""

from django.db import models


class Order(models.Model):
    """An order; its receipt is sent by a task."""

    item = models.CharField(max_length=80)
    receipt = models.CharField(max_length=80, blank=True)

    def __str__(self) -> str:
        return self.item
