"""The project's one application."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import django
from django.apps import apps

from onebeat.app.app import Onebeat
from onebeat.errors import ConfigurationError
from onebeat.integrations.django.conf import configuration
from onebeat.integrations.django.databases import DATABASES


def application() -> Onebeat[Any]:
    """
    Return the application of this project, made of the setting ONEBEAT.

    Where Django is not set up yet, as in the process of an isolated task and under `onebeat run`, it is now.

    Raises:
        ConfigurationError: The setting cannot work.
    """
    if not apps.ready and not apps.loading:
        django.setup()
    return _application()


@cache
def _application() -> Onebeat[Any]:
    found = configuration()
    app = _load(found.app) if found.app is not None else Onebeat[Any](found.name)
    if found.url is not None:
        app.url = found.url
    app.surround(DATABASES)
    return app


def _load(target: str) -> Onebeat[Any]:
    module, _, attribute = target.partition(":")
    app = getattr(importlib.import_module(module), attribute, None)
    if not isinstance(app, Onebeat):
        raise ConfigurationError(f"setting ONEBEAT: APP {target!r} is no Onebeat application; write module:attribute")
    return app
