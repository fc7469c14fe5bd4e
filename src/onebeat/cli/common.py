"""What the commands share: errors as sentences, and the store's URL."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

import click

from onebeat.cli import output
from onebeat.errors import BrokerUnavailable, OnebeatError, QueueNotFound, TaskNotFound

URL_HELP = (
    "Where the store is: redis://, rediss://, valkey://, redis+sentinel://, redis+cluster://, unix:// or embedded://. "
    "Default: $ONEBEAT_URL, then url in [tool.onebeat]."
)
INTERRUPTED = 130
"""The status of what Ctrl-C ended before it had begun, as shells count: 128 and the signal's number."""

STATUSES: dict[type[OnebeatError], int] = {QueueNotFound: 3, TaskNotFound: 3, BrokerUnavailable: 4}
"""The status of an error; all others have 1, and what was called wrongly has 2."""


class Failing(click.Group):
    """A group whose commands end with one sentence, not a traceback, when Onebeat or click refuses something."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            _misused(error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OnebeatError as error:
            output.fail(str(error), status=status_of(error))
        except click.UsageError as error:
            _misused(error)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None


def status_of(error: OnebeatError) -> int:
    """Return the status with which a command ends that this error ended."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 1)


def _misused(error: click.UsageError) -> NoReturn:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        raise error
    path = error.ctx.command_path if error.ctx is not None else "onebeat"
    message = " ".join(error.format_message().split())
    output.fail(f"{message} Try `{path} --help`.", status=error.exit_code)


def named_url(ctx: click.Context, value: str | None) -> str | None:
    """Return the store that is named on the command line, before the verb or after it, or in the environment."""
    return value or ctx.find_root().params.get("url") or os.environ.get("ONEBEAT_URL")


def url_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a verb take `--url` as well as the command before it; last comes the project's."""

    def remember(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        return named_url(ctx, value) or (ctx.obj.settings.get("url") if ctx.obj is not None else None)

    return click.option("--url", callback=remember, help=URL_HELP)(function)
