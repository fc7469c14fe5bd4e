"""
Between a call and a payload: what a signature says becomes a typed JSON object, once, at declaration.

On the wire arguments are always named, in the order of the signature and with defaults filled in, so that a
Go struct meets them and uniqueness does not depend on how the call was spelled. One positional-only
parameter means that the whole payload is its value.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from onebeat.codecs.codec import JSON, MSGPACK, Codec, encode_as, form_of
from onebeat.codecs.hooks import fitting, has_sets
from onebeat.errors import ConfigurationError, PayloadError, shown
from onebeat.options import EnqueueOptions
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

    Args:
        scope: The names around the function, for annotations that are text.

    Raises:
        ConfigurationError: The signature cannot be put on the wire; the sentence says why.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str,
        *,
        rename: Rename | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        self._name = name
        hints = annotations_of(function, f"task {name}", scope or {})
        parameters = _parameters(function, name)
        self.takes_context: bool = bool(parameters) and _is_context(parameters[0], hints, name)
        if self.takes_context:
            parameters = parameters[1:]
        self.returns: Any = hints.get("return", Any)
        self.needs_arguments: bool = any(parameter.default is Parameter.empty for parameter in parameters)
        self._whole = _whole(parameters, hints, name)
        self._default = parameters[0].default if self._whole else Parameter.empty
        self._shape = None if self._whole else _shape(parameters, hints, name, _renamed(rename, parameters, name))
        self._has_sets = has_sets(self._whole or self._shape)
        self._fields = self._shape.__struct_fields__ if self._shape is not None else ()
        self._keyword_only = frozenset(p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY)

    @property
    def parameters(self) -> dict[str, Any]:
        """What it takes by name, each with its type; nothing if it takes its whole payload."""
        return {field.name: field.type for field in msgspec.structs.fields(self._shape)} if self._shape else {}

    @property
    def takes(self) -> Any:
        """What a payload is decoded into: an object of all arguments, or the type of the whole payload."""
        return self._whole if self._shape is None else self._shape

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], codec: Codec) -> bytes:
        """
        Encode the arguments of a call, and make sure that a server can decode them.

        Raises:
            TypeError: The arguments do not fit the signature, as the function itself would say.
            PayloadError: A value has no form on the wire, or is not what the signature says.
        """
        value = self._one(args, kwargs) if self._shape is None else self._bound(self._shape, args, kwargs)
        try:
            data = encode_as(codec, value, self._whole, ordered=self._has_sets)
        except Exception as error:
            raise PayloadError(
                f"payload of task {self._name} has no {form_of(codec)} form: {reason(error)}; "
                "pass bytes, or values that have one"
            ) from error
        if not isinstance(data, bytes):
            raise PayloadError(
                f"payload of task {self._name}: codec {codec.name} gave {shown(data)}; let it give bytes"
            )
        if codec in (JSON, MSGPACK):  # one of the user's own may be unable to read what it writes, as with a public key
            self._check(data, codec)
        return data

    def _check(self, data: bytes, codec: Codec) -> None:
        try:
            codec.decode(data, self.takes)
        except PayloadError as error:
            raise PayloadError(f"payload of task {self._name} does not fit its signature: {reason(error)}") from error

    def _one(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        if not args and not kwargs and self._default is not Parameter.empty:
            return self._default
        if len(args) != 1 or kwargs:
            raise TypeError(f"task {self._name} takes one positional argument, its whole payload")
        if self._whole is bytes and not isinstance(args[0], (bytes, bytearray, memoryview)):
            raise PayloadError(f"payload of task {self._name} is {shown(args[0])}, and its signature says bytes")
        return args[0]

    def _bound(self, shape: type[msgspec.Struct], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> msgspec.Struct:
        positional = len(self._fields) - len(self._keyword_only)
        if len(args) > positional:
            raise TypeError(f"task {self._name} takes {positional} positional arguments but {len(args)} were given")
        try:
            return shape(*args, **kwargs)
        except TypeError as error:
            options = sorted((kwargs.keys() - set(self._fields)) & EnqueueOptions.__annotations__.keys())
            hint = f"; {options[0]} is an option: write .options({options[0]}=…).enqueue(…)" if options else ""
            raise TypeError(f"task {self._name}: {error}{hint}") from None

    def decode(self, payload: bytes, codec: Codec) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """
        Decode a payload into the arguments of a call.

        Raises:
            PayloadError: It does not fit the signature; the message names the field.
        """
        if self._shape is None:
            return (self._decoded(payload, self._whole, codec),), {}
        bound = self._decoded(payload or (b"{}" if codec is JSON else b""), self._shape, codec)
        return (), {name: getattr(bound, name) for name in self._fields}

    @functools.cached_property
    def result_type(self) -> Any:
        """
        What its result is decoded into.

        Raises:
            ConfigurationError: What it says it returns has no form on the wire.
        """
        try:
            return fitting(self.returns)
        except TypeError as error:
            raise ConfigurationError(
                f"task {self._name}: its result: {error}; or give retention=0 to keep none"
            ) from None

    def _decoded(self, payload: bytes, into: Any, codec: Codec) -> Any:
        try:
            return codec.decode(payload, into)
        except Exception as error:
            raise PayloadError(f"payload {payload[:80]!r} does not fit task {self._name}: {reason(error)}") from error


def reason(error: Exception) -> BaseException:
    """Return what a codec says is wrong, without what our own codecs say around it."""
    return error.__cause__ if isinstance(error, PayloadError) and error.__cause__ is not None else error


def _parameters(function: Callable[..., Any], name: str) -> list[Parameter]:
    try:
        parameters = list(signature_of(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"task {name}: {error}; wrap it in a function that names its parameters") from None
    if parameters and parameters[0].name in ("self", "cls"):
        raise ConfigurationError(
            f"task {name}: parameter {parameters[0].name!r} is an object that no server has; "
            "declare a function outside of classes"
        )
    return parameters


def annotations_of(function: Callable[..., Any], named: str, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations, resolved where the function is declared."""
    local = dict(scope)
    try:
        return typing.get_type_hints(function, localns=local, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        try:
            unresolved = {name: hint for name, hint in _written(function).items() if not _is_ctx(hint)}
            return typing.get_type_hints(_Annotated(function, unresolved), localns=local, include_extras=True)
        except (NameError, TypeError, AttributeError):
            raise ConfigurationError(
                f"{named}: its annotations cannot be read here ({error}); import what they name outside of "
                "`if TYPE_CHECKING`, and define classes before it"
            ) from None


if sys.version_info >= (3, 14):  # where annotations are read when asked for, and may fail then
    import annotationlib

    def signature_of(function: Callable[..., Any]) -> inspect.Signature:
        return inspect.signature(function, annotation_format=annotationlib.Format.STRING)

    def _written(function: Callable[..., Any]) -> dict[str, Any]:
        return annotationlib.get_annotations(function, format=annotationlib.Format.STRING)
else:

    def signature_of(function: Callable[..., Any]) -> inspect.Signature:
        return inspect.signature(function)

    def _written(function: Callable[..., Any]) -> dict[str, Any]:
        """Return the annotations as they are written, text where they are text."""
        return getattr(function, "__annotations__", {})


class _Annotated:
    """A function as `get_type_hints` wants it, with fewer annotations."""

    def __init__(self, function: Callable[..., Any], annotations: dict[str, Any]) -> None:
        self.__annotations__ = annotations
        self.__globals__ = getattr(inspect.unwrap(function), "__globals__", {})


def _is_ctx(hint: object) -> bool:
    """Whether an annotation is a `Context`, as text: its state may be known to type checkers only."""
    return isinstance(hint, str) and hint.partition("[")[0].rpartition(".")[2] == "Context"


def _is_context(first: Parameter, hints: Mapping[str, Any], name: str) -> bool:
    hint = hints.get(first.name, first.annotation)
    if hint is Context or typing.get_origin(hint) is Context:
        return True
    if _is_ctx(hint):
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
    return _fitting(positional_only[0], hints, name)


def _shape(
    parameters: list[Parameter], hints: Mapping[str, Any], name: str, rename: Rename | None
) -> type[msgspec.Struct]:
    for parameter in parameters:
        if parameter.kind not in _NAMED:
            raise ConfigurationError(
                f"task {name}: parameter *{parameter.name} has no place among named values; take a list or a dict"
            )
    plain = [_field(p, hints, name) for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    named = [_field(p, hints, name) for p in parameters if p.kind is Parameter.KEYWORD_ONLY]
    shape = msgspec.defstruct("Arguments", plain, rename=rename)
    return msgspec.defstruct("Arguments", named, bases=(shape,), kw_only=True, rename=rename) if named else shape


def _renamed(rename: object, parameters: list[Parameter], name: str) -> Rename | None:
    if rename is None or (isinstance(rename, str) and rename in ("camel", "pascal")):
        return rename  # type: ignore[return-value] # looked at just now
    names = {parameter.name for parameter in parameters}
    if isinstance(rename, Mapping) and names >= rename.keys() and all(isinstance(to, str) for to in rename.values()):
        written = [rename.get(item, item) for item in sorted(names)]
        twice = next((item for item in written if written.count(item) > 1), None)
        if twice is not None:
            raise ConfigurationError(f"task {name}: rename gives two of its arguments the name {twice!r}")
        return rename
    raise ConfigurationError(
        f'task {name}: rename is {shown(rename)}; give "camel", "pascal", or a mapping of its arguments\' names'
    )


def _field(parameter: Parameter, hints: Mapping[str, Any], name: str) -> tuple[str, Any] | tuple[str, Any, Any]:
    hint = _fitting(parameter, hints, name)
    if parameter.default is Parameter.empty:
        return parameter.name, hint
    default = parameter.default
    if isinstance(default, (list, dict, set)) and default:
        return parameter.name, hint, msgspec.field(default_factory=lambda: copy.copy(default))
    return parameter.name, hint, default


def _fitting(parameter: Parameter, hints: Mapping[str, Any], name: str) -> Any:
    try:
        return fitting(hints.get(parameter.name, Any))
    except TypeError as error:
        raise ConfigurationError(f"task {name}: parameter {parameter.name!r}: {error}") from None
