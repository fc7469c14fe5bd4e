"""What observers of a server have the process of an isolated handler know."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from onebeat.server.isolation.frames import Job

log: logging.Logger = logging.getLogger("onebeat.isolation")


@contextmanager
def entered(job: Job) -> Iterator[None]:
    """Run a handler in what observers want; what cannot be entered is logged, and the handler runs without."""
    with ExitStack() as stack:
        for each in job.carried:
            try:
                module, _, name = each.enter.partition(":")
                stack.enter_context(getattr(importlib.import_module(module), name)(each.what))
            except Exception:
                log.exception("%s, in which task %s was to run, raised; it runs without", each.enter, job.id)
        yield
