"""What Django loads for "onebeat.integrations.django" in INSTALLED_APPS."""

from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.utils.module_loading import autodiscover_modules

from onebeat.integrations.django.checks import check_onebeat
from onebeat.integrations.django.project import application


class OnebeatConfig(AppConfig):
    """Finds the tasks of all installed applications, in their modules `tasks`."""

    name = "onebeat.integrations.django"
    label = "onebeat"

    def ready(self) -> None:
        """Make the application and have its tasks declared."""
        app = application()
        autodiscover_modules("tasks")
        if getattr(settings, "TASKS", None):
            from onebeat.integrations.django.running import attach

            attach(app)
        checks.register(check_onebeat, "onebeat", deploy=True)
