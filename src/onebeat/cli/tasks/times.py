"""Durations and instants as they are given on the command line: Go's texts, and ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # generic in newer versions only


class Span(ParamType):
    """A duration: Go's 1h30m, days and weeks besides, or seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        from onebeat.inspector.words import span

        if isinstance(value, timedelta):
            return value
        try:
            return span(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Moment(ParamType):
    """An instant: RFC 3339, or a duration from now."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from onebeat.inspector.words import moment

        if isinstance(value, datetime):
            return value
        try:
            found = moment(value)
            return datetime.now(UTC) + found if isinstance(found, timedelta) else found
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)


SPAN, MOMENT = Span(), Moment()
