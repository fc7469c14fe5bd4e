"""Decides what becomes of an attempt: it returned, raised, was stopped, or found no handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from onebeat.audience import Audience
from onebeat.broker.consume import Finished
from onebeat.clock import Clock
from onebeat.errors import HandlerNotFound
from onebeat.server import outcome
from onebeat.server.config import ServerConfig
from onebeat.server.failures import Storm, log_failure, log_success
from onebeat.server.hooks import Hooks
from onebeat.server.logs import about
from onebeat.server.mux import Route
from onebeat.server.outcome import StopError, TimeIsOverError
from onebeat.server.running import Running, Stop
from onebeat.task import Task

log: logging.Logger = logging.getLogger("onebeat.executor")


class Decider:
    """
    Says of attempts what is to be written, and logs why; None: nothing, since the task is not ours any more.

    Args:
        config, hooks, clock: The server's.

        audience: Asked what is kept in a task that failed.

        jitter: Spreads what waits for a handler.
    """

    def __init__(
        self, config: ServerConfig, *, hooks: Hooks, clock: Clock, audience: Audience, jitter: Callable[[], float]
    ) -> None:
        self._config = config
        self._sample = config.log_sample
        self._hooks = hooks
        self._clock = clock
        self._audience = audience
        self._jitter = jitter
        self._storm = Storm(clock.monotonic)

    def returned(self, attempt: Running, route: Route, result: object) -> Finished | None:
        """Decide for a handler that returned."""
        if attempt.stop in (Stop.TIMEOUT, Stop.LOST):
            return self.stopped(attempt)  # but what ended although it was cancelled has ended
        message, ended, encoded = attempt.message, self._clock.monotonic(), b""
        if message is not None and message.retention:
            try:
                if route.isolated and isinstance(result, bytes):
                    encoded = result
                else:
                    encoded = route.encode(result, message.headers)
            except Exception as error:  # noqa: BLE001 - a result that cannot be encoded is the handler's failure
                return self.raised(attempt, error)
        if message is not None and (self._sample or log.isEnabledFor(logging.DEBUG)):
            attempt.ended = ended
            log_success(attempt, message, share=self._sample)
        return outcome.succeeded(attempt, encoded, ended)

    def raised(self, attempt: Running, error: BaseException) -> Finished | None:
        """Decide for a handler that raised."""
        if attempt.stop is not None or isinstance(error, asyncio.CancelledError):
            return self.stopped(attempt)
        if isinstance(error, HandlerNotFound):
            return self.unknown(attempt, self._clock.monotonic(), error)
        return self.failed(attempt, error, self._clock.monotonic())

    def unknown(self, attempt: Running, ended: float, error: HandlerNotFound | None = None) -> Finished:
        """There is no handler here, or the one for such tasks says so."""
        message = attempt.message
        assert message is not None  # noqa: S101 - its type is known
        now_ms = attempt.store_us(ended) // 1000
        if outcome.was_unknown_for_long(attempt, now_ms):
            return self.failed(attempt, error or outcome.unknown(message), ended)
        log.warning(
            "task %s of queue %s: no handler for type %s here; it waits for one",
            attempt.id,
            attempt.queue,
            message.type,
            extra=about(attempt, "retried", error_type="HandlerNotFound"),
        )
        return outcome.unknown_type(attempt, ended, jitter=self._jitter)

    def stopped(self, attempt: Running) -> Finished | None:
        """Decide for a handler that was stopped, or that cancelled itself."""
        if attempt.stop is Stop.LOST:
            return None
        ended = self._clock.monotonic()
        if attempt.stop is Stop.SHUTDOWN:
            return outcome.put_back(attempt, ended)
        if attempt.stop is Stop.TIMEOUT:
            return self.failed(attempt, TimeIsOverError(), ended)
        if attempt.stop is Stop.CANCELLED:
            attempt.failure = StopError(Stop.CANCELLED)
            finished = outcome.cancelled(attempt, ended)
            carried = about(attempt, "cancelled")
            log.info("task %s of queue %s is cancelled", attempt.id, attempt.queue, extra=carried)
            return finished
        return self.failed(attempt, _CancelledItselfError("context canceled"), ended)

    def failed(self, attempt: Running, error: BaseException, ended: float) -> Finished:
        """Decide for a failure: it is kept, counted, and said in the log."""
        attempt.failure = error
        if self._audience.keeps and attempt.message is not None:
            attempt.message.headers.update(self._audience.kept(attempt.queue, attempt.id))
        decide = partial(
            outcome.failed,
            attempt,
            error,
            ended,
            release_on_archive=self._config.release_unique_on_archive,
            is_failure=self._hooks.counts,
            soft_limit=self._config.max_soft_failures,
        )
        try:
            finished = decide(delay=self._hooks.delay_of(lambda: task_of(attempt)))
        except Exception:
            log.exception("back-off of task %s raised; the default is used", attempt.id, extra=about(attempt))
            attempt.route = None
            finished = decide(delay=outcome.default_retry_delay)
        log_failure(attempt, error, finished, self._storm)
        return finished


class _CancelledItselfError(outcome.PlainError):
    """A handler raised CancelledError though nobody stopped it. The text is asynq's."""


def task_of(attempt: Running) -> Task[Any]:
    """Return the task of an attempt, as its handler is given it."""
    message = attempt.message
    assert message is not None  # noqa: S101 - only undecodable attempts have none
    return Task.received(message.type, message.payload, dict(message.headers))
