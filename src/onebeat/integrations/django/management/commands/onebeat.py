"""`manage.py onebeat …`: Onebeat's own command line, on the store of this project."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from django.core.management.base import BaseCommand

from onebeat.integrations.django.project import application


class Command(BaseCommand):
    """Passes everything on: `manage.py onebeat stats`, `manage.py onebeat task ls --state archived`."""

    help = "Onebeat's command line, on the store of this project: `manage.py onebeat --help`."

    def run_from_argv(self, argv: list[str]) -> NoReturn:
        """Become that program."""
        url = application().url
        environment = {**os.environ, **({"ONEBEAT_URL": url} if url else {})}
        os.execve(sys.executable, [sys.executable, "-m", "onebeat", *argv[2:]], environment)  # noqa: S606 - no shell
