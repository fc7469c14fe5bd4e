"""
Between a call and a payload: what a signature says becomes a typed JSON object, once, at declaration.

On the wire arguments are always named, in the order of the signature and with defaults filled in, so that a
Go struct meets them and uniqueness does not depend on how the call was spelled. One positional-only
parameter means that the whole payload is its value.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from onebeat import codecs
from onebeat.errors import ConfigurationError, PayloadError, shown
from onebeat.server.context import Context

Parameter = inspect.Parameter
Rename = Literal["camel", "pascal"] | Mapping[str, str]
"""How argument names are written on the wire."""
_NAMED = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


class Binder:
    """
    Turns calls of a function into payloads, and payloads back into calls.

    Attributes:
        takes_context: The function's first parameter is its `Context`.

        returns: Its return annotation; `Any` if it has none.

        needs_arguments: Whether it cannot be called with no arguments.

    Raises:
        ConfigurationError: The signature cannot be put on the wire; the sentence says why.
    """

    def __init__(self, function: Callable[..., Any], name: str, *, rename: Rename | None = None) -> None:
        self._name = name
        hints = _hints(function)
        parameters = _parameters(function, name)
        self.takes_context = bool(parameters) and _is_context(parameters[0], hints, name)
        if self.takes_context:
            parameters = parameters[1:]
        self.returns = hints.get("return", Any)
        self.needs_arguments = any(parameter.default is Parameter.empty for parameter in parameters)
        self._whole = _whole(parameters, hints, name)
        self._shape = None if self._whole else _shape(parameters, hints, name, _renamed(rename, parameters, name))
        self._decoder = msgspec.json.Decoder(self._shape) if self._shape is not None else None
        self._fields = self._shape.__struct_fields__ if self._shape is not None else ()
        self._keyword_only = frozenset(p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY)

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bytes:
        """
        Encode the arguments of a call.

        Raises:
            TypeError: The arguments do not fit the signature, as the function itself would say.
            PayloadError: A value has no JSON form.
        """
        if self._whole is not None:
            if len(args) != 1 or kwargs:
                raise TypeError(f"task {self._name} takes one positional argument, its whole payload")
            return codecs.encode(args[0], what=f"payload of task {self._name}") if args[0] is not None else b"null"
        assert self._shape is not None  # noqa: S101 - one of the two is set
        positional = len(self._fields) - len(self._keyword_only)
        if len(args) > positional:
            raise TypeError(f"task {self._name} takes {positional} positional arguments but {len(args)} were given")
        try:
            return codecs.encode(self._shape(*args, **kwargs), what=f"payload of task {self._name}")
        except TypeError as error:
            raise TypeError(f"task {self._name}: {error}") from None

    def decode(self, payload: bytes) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """
        Decode a payload into the arguments of a call.

        Raises:
            PayloadError: It does not fit the signature; the message names the field.
        """
        if self._whole is not None:
            value = payload if self._whole is bytes else codecs.decode(payload or b"null", self._whole)
            return (value,), {}
        assert self._decoder is not None  # noqa: S101 - one of the two is set
        try:
            bound = self._decoder.decode(payload or b"{}")
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PayloadError(f"payload {payload[:80]!r} does not fit task {self._name}: {error}") from error
        return (), {name: getattr(bound, name) for name in self._fields}


def _parameters(function: Callable[..., Any], name: str) -> list[Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"task {name}: {error}; wrap it in a function that names its parameters") from None
    if parameters and parameters[0].name in ("self", "cls"):
        raise ConfigurationError(
            f"task {name}: parameter {parameters[0].name!r} is an object that no server has; "
            "declare a function outside of classes"
        )
    return parameters


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations that can be resolved; one that cannot leaves its parameter untyped."""
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError, AttributeError):
        return {
            name: hint for name, hint in getattr(function, "__annotations__", {}).items() if not isinstance(hint, str)
        }


def _is_context(first: Parameter, hints: Mapping[str, Any], name: str) -> bool:
    hint = hints.get(first.name, first.annotation)
    if hint is Context or typing.get_origin(hint) is Context:
        return True
    if isinstance(hint, str) and hint.partition("[")[0].rpartition(".")[2] == "Context":
        return True
    if first.name in ("ctx", "context") and hint in (Parameter.empty, Any, object):
        raise ConfigurationError(
            f"task {name}: parameter {first.name!r} has no clear type; write `{first.name}: Context` or rename it"
        )
    return False


def _whole(parameters: list[Parameter], hints: Mapping[str, Any], name: str) -> Any:
    positional_only = [parameter for parameter in parameters if parameter.kind is Parameter.POSITIONAL_ONLY]
    if not positional_only:
        return None
    if len(parameters) > 1:
        raise ConfigurationError(
            f"task {name}: a positional-only parameter is the whole payload, so it must be the only one"
        )
    return _supported(hints.get(positional_only[0].name, Any))


def _shape(
    parameters: list[Parameter], hints: Mapping[str, Any], name: str, rename: Rename | None
) -> type[msgspec.Struct]:
    for parameter in parameters:
        if parameter.kind not in _NAMED:
            raise ConfigurationError(
                f"task {name}: parameter *{parameter.name} has no place among named values; take a list or a dict"
            )
    plain = [_field(p, hints) for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    named = [_field(p, hints) for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    shape = msgspec.defstruct("Arguments", plain, rename=rename)
    return msgspec.defstruct("Arguments", named, bases=(shape,), kw_only=True, rename=rename) if named else shape


def _renamed(rename: object, parameters: list[Parameter], name: str) -> Rename | None:
    if rename is None or (isinstance(rename, str) and rename in ("camel", "pascal")):
        return rename  # type: ignore[return-value] # looked at just now
    names = {parameter.name for parameter in parameters}
    if isinstance(rename, Mapping) and names >= rename.keys() and all(isinstance(to, str) for to in rename.values()):
        return rename
    raise ConfigurationError(
        f'task {name}: rename is {shown(rename)}; give "camel", "pascal", or a mapping of its arguments\' names'
    )


def _field(parameter: Parameter, hints: Mapping[str, Any]) -> tuple[str, Any] | tuple[str, Any, Any]:
    hint = _supported(hints.get(parameter.name, Any))
    if parameter.default is Parameter.empty:
        return parameter.name, hint
    default = parameter.default
    if isinstance(default, (list, dict, set)) and default:
        return parameter.name, hint, msgspec.field(default_factory=lambda: type(default)(default))
    return parameter.name, hint, default


def _supported(hint: Any) -> Any:
    """Return the hint if payloads can be decoded into it, else `Any`."""
    try:
        msgspec.json.Decoder(hint)
    except (TypeError, NameError):
        return Any
    return hint
