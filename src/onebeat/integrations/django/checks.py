"""System checks: what `manage.py check --deploy` says about tasks."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.core import checks

from onebeat.integrations.django.project import application


def check_onebeat(**_given: Any) -> list[checks.CheckMessage]:
    """Warn of a store that only this project's folder would find."""
    app = application()
    url = app.url or os.environ.get("ONEBEAT_URL")
    if settings.DEBUG or (url and not url.startswith("embedded:")):
        return []
    return [
        checks.Warning(
            "No store is named, so tasks go to the embedded one in the project's folder, on this machine alone.",
            hint='Set ONEBEAT = {"URL": "redis://…"} or $ONEBEAT_URL.',
            id="onebeat.W001",
        )
    ]
