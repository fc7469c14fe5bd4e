"""What the commands share: errors as sentences, and the store's URL."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import click

from onebeat.cli.output import fail, visible
from onebeat.cli.terminal import close_pipe, is_unwritable
from onebeat.cli.words import Lazy, Worded
from onebeat.errors import (
    BrokerError,
    BrokerUnavailable,
    InvalidFilter,
    OnebeatError,
    QueueNotFound,
    ScheduleNotFound,
    ServerNotFound,
    TaskNotFound,
)

Decorator = Callable[[Any], Any]
"""What click makes of an option or an argument."""

URL_HELP = (
    "Where the store is: redis://, rediss://, valkey://, redis+sentinel://, redis+cluster://, unix:// or embedded://. "
    "Default: $ONEBEAT_URL, then url in [tool.onebeat]."
)
FAULT = 70
"""The status of what an error of our own ended, as sysexits.h has it."""

INTERRUPTED = 130
"""The status of what Ctrl-C ended before it had begun, as shells count: 128 and the signal's number."""

STATUSES: dict[type[OnebeatError], int] = {
    InvalidFilter: 2,
    QueueNotFound: 3,
    TaskNotFound: 3,
    ScheduleNotFound: 3,
    ServerNotFound: 3,
    BrokerUnavailable: 4,
}
"""The status of an error; all others have 1, and what was called wrongly has 2."""

_STORE = "onebeat.store"
_ADDRESS = re.compile(r"[\w.-]+:\d+")
_NEGATION = re.compile(r"-[a-z][a-z_.]*:")
"""How a filter excludes: -type:mail:*"""


class Failing(Lazy):
    """The root: its commands end with one sentence, not a traceback, whatever ends them."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        self._dashed = _hint(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.ClickException as error:
            _misused(error, self._dashed)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OnebeatError as error:
            fail(sentence(error) + self._dashed, status=status_of(error))
        except click.ClickException as error:
            _misused(error, self._dashed)
        except (KeyboardInterrupt, click.Abort):
            raise SystemExit(INTERRUPTED) from None
        except (click.exceptions.Exit, SystemExit):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                close_pipe()
            if is_unwritable(error):
                raise
            if os.environ.get("ONEBEAT_TRACEBACK") or _is_of_users(error):
                raise
            fail(_fault(error), status=FAULT)


def status_of(error: OnebeatError) -> int:
    """Return the status with which a command ends that this error ended."""
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 1)


def sentence(error: OnebeatError) -> str:
    """Return an error as one line; but a traceback through an application's module stays whole."""
    return " ".join(str(error).split()) if isinstance(error, BrokerError) else str(error)


def _fault(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    told = " ".join(str(error).split())
    return (
        f"this is a fault of Onebeat: {type(error).__name__}{where}: {told}; "
        "set ONEBEAT_TRACEBACK=1, do it again, and report what is shown"
    )


def _is_of_users(error: Exception) -> bool:
    """Whether it came through an application's own code, whose author needs to see where."""
    from onebeat.cli.traces import is_users

    return any(map(is_users, traceback.extract_tb(error.__traceback__)))


def _hint(args: Sequence[str]) -> str:
    """Say how a filter's word that begins with a dash is written, if there is one: it was read as an option."""
    before = args[: args.index("--")] if "--" in args else args
    word = next((word for word in before if _NEGATION.match(word)), None)
    return "" if word is None else f"; write a filter that begins with - after --, as in: -- '{visible(word)}'"


def _misused(error: click.ClickException, hint: str = "") -> NoReturn:
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        raise error
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "onebeat"
    told = " ".join(error.format_message().split())
    if hint:
        fail(told.rstrip(".") + hint, status=error.exit_code)
    fail(f"{told}{'' if told.endswith(('.', '?')) else '.'} Try `{path} --help`.", status=error.exit_code)


def named_url(ctx: click.Context, value: str | None) -> str | None:
    """
    Return the store that is named on the command line, before the verb or after it, or in the environment.

    The word nearest to the verb counts. A plain address, as asynq's tool takes it, is one of a Redis.
    """
    if value is not None:
        if not value.strip():
            raise click.BadParameter("it is empty: name a store, such as redis://localhost:6379/0", param_hint="--url")
        ctx.meta[_STORE] = f"redis://{value}" if _ADDRESS.fullmatch(value) else value
    found: str | None = ctx.meta.get(_STORE) or os.environ.get("ONEBEAT_URL")
    return found


URL_NAMES = ("-u", "--url")


def url_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a verb take `--url` as well as the commands before it; last comes the project's."""

    def remember(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        return named_url(ctx, value) or (ctx.obj.settings.get("url") if ctx.obj is not None else None)

    return click.option(*URL_NAMES, callback=remember, help=URL_HELP)(function)


def store_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a group take `--url`, for the verbs below it."""
    return click.option(*URL_NAMES, callback=_named, expose_value=False, help=URL_HELP)(function)


def _named(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    named_url(ctx, value)


class Noun(Worded):
    """A noun, such as `onebeat queue`: `@click.group(cls=Noun)`. It takes `--url`, and asynq's words for its verbs."""

    def __init__(self, *args: Any, params: Sequence[click.Parameter] = (), **kwargs: Any) -> None:
        store = click.Option(URL_NAMES, callback=_named, expose_value=False, help=URL_HELP)
        super().__init__(*args, params=[*params, store], **kwargs)
