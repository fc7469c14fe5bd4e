"""Declared aggregators: what a signature says its list holds is what payloads are decoded into."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from onebeat.app.binder import annotations_of, reason, signature_of
from onebeat.app.surroundings import surrounded, surrounded_async
from onebeat.codecs.codec import name_of
from onebeat.codecs.hooks import fitting
from onebeat.errors import ConfigurationError, PayloadError, shown
from onebeat.server.aggregation import Aggregation
from onebeat.server.mux import check_returns
from onebeat.task import Task
from onebeat.upkeep.foreign import is_async

if TYPE_CHECKING:
    from onebeat.app.declaring import Declaring

Parameter = inspect.Parameter
_HOW = "write `def name(group: str, tasks: list[Event]) -> Task`"


def aggregation(
    owner: Declaring, pattern: str, function: Callable[..., Any], scope: Mapping[str, Any], given: Mapping[str, Any]
) -> Aggregation:
    """
    Make an aggregator of a function.

    Raises:
        ConfigurationError: Its signature does not say what it is given, or cannot be called so.
    """
    named = f"aggregator {getattr(function, '__name__', shown(function))}"
    if isinstance(function, type) or not hasattr(function, "__qualname__"):
        raise ConfigurationError(f"{named}: it is no function; put @app.aggregate() above one")
    check_returns(function, named)
    item = _item(function, named, scope)
    runs_async = is_async(function)
    return Aggregation(
        pattern, _surrounded(owner, function, runs_async), runs_async, _decoder(owner, item, named), **given
    )


def _item(function: Callable[..., Any], named: str, scope: Mapping[str, Any]) -> Any:
    """Return the type of what the list holds."""
    parameters = list(signature_of(function).parameters.values())
    positional = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    if len(parameters) != 2 or any(one.kind not in positional for one in parameters):
        raise ConfigurationError(f"{named}: it takes {len(parameters)} parameters; {_HOW}")
    hints = annotations_of(function, named, scope)
    group, members = parameters
    if hints.get(group.name, str) is not str:
        raise ConfigurationError(f"{named}: parameter {group.name!r} is the group's name, a str; {_HOW}")
    hint = hints.get(members.name, Parameter.empty)
    items = typing.get_args(hint)
    if typing.get_origin(hint) not in (list, Sequence) or len(items) != 1:
        raise ConfigurationError(
            f"{named}: parameter {members.name!r} does not say what it is a list of; {_HOW}, or list[Task] for the "
            "tasks themselves, list[bytes] for their payloads"
        )
    if hints.get("return", Task) is type(None):
        raise ConfigurationError(f"{named}: it returns None; return the task that takes their place, as by bind()")
    if items[0] is Task or typing.get_origin(items[0]) is Task:
        return Task
    try:
        return fitting(items[0])
    except TypeError as error:
        raise ConfigurationError(f"{named}: parameter {members.name!r}: {error}") from None


def _decoder(owner: Declaring, item: Any, named: str) -> Callable[[Task[Any]], Any]:
    def decode(task: Task[Any]) -> Any:
        codec = owner.find_codec(name_of(task.headers))
        if codec is None:
            raise PayloadError(
                f"payload of task {task.type} is written by codec {name_of(task.headers)!r}, which is not known here: "
                "give that codec to Onebeat(codecs=[…])"
            )
        try:
            return codec.decode(task.payload, item)
        except Exception as error:
            raise PayloadError(
                f"payload {task.payload[:80]!r} of task {task.type} does not fit {named}: {reason(error)}"
            ) from error

    return (lambda task: task) if item is Task else decode


def _surrounded(owner: Declaring, function: Callable[..., Any], runs_async: bool) -> Callable[..., Any]:
    """Call it in what the application surrounds its handlers with."""

    async def call_async(group: str, items: list[Any]) -> Any:
        if not owner.surroundings:
            return await function(group, items)
        async with surrounded_async(owner.surroundings):
            return await function(group, items)

    def call(group: str, items: list[Any]) -> Any:
        if not owner.surroundings:
            return function(group, items)
        with surrounded(owner.surroundings):
            return function(group, items)

    return call_async if runs_async else call
