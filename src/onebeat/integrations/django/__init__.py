"""
Django: an application for the project, tasks that wait for the commit, commands, and a `django.tasks` backend.

Put "onebeat.integrations.django" into INSTALLED_APPS. The setting ONEBEAT is described in `conf`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from onebeat.integrations.missing import missing

try:
    import django  # noqa: F401 - looked for, so that the sentence comes first
except ImportError as _error:
    raise missing("django", "Django", "django") from _error

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.integrations.django.transactions import on_commit

    app: Onebeat[None]

__all__ = ["app", "on_commit"]


if not TYPE_CHECKING:  # checkers would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name == "app":
            from onebeat.integrations.django.project import application

            return application()
        if name == "on_commit":
            from onebeat.integrations.django.transactions import on_commit

            return on_commit
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
