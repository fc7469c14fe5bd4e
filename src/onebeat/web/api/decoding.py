"""Reading what a request gives: parameters and body, within bounds, or a sentence about what is wrong with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Annotated, Any, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import ClientDisconnect, Request

from onebeat.errors import shown
from onebeat.web.api.problems import Refused

S = TypeVar("S", bound=msgspec.Struct)

MOST_PARAMETERS = 200

_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`( - at .*)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`( - at .*)?", re.DOTALL)


def parameters(request: Request, kind: type[S]) -> S:
    """
    Read the parameters of a request.

    Raises:
        Refused: One is unknown, missing, given twice, or not of its type.
    """
    given: dict[str, list[str]] = {}
    try:
        text = request.scope["query_string"].decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError as error:
        raise Refused(
            "malformed", f"the query cannot be read ({error}): write it in percent-encoded UTF-8, at most "
            f"{MOST_PARAMETERS} parameters",
        ) from None  # fmt: skip
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    lists = {field.encode_name for field in msgspec.structs.fields(kind) if _is_list(field.type)}
    for name, values in given.items():
        if len(values) > 1 and name not in lists and name in kind.__struct_encode_fields__:
            raise Refused("malformed", f"parameter {shown(name)} is given {len(values)} times: give it once")
    plain = {name: values if name in lists else values[0] for name, values in given.items()}
    try:
        return msgspec.convert(plain, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Refused("invalid", _told(str(error), "parameter", kind, plain)) from None


def _is_list(kind: Any) -> bool:
    return get_origin(get_args(kind)[0] if get_origin(kind) is Annotated else kind) is list


async def body(request: Request, kind: type[S], most: int) -> S:
    """
    Read the body of a request.

    Raises:
        Refused: It is too large, no JSON, or has a field that is unknown, missing, or not of its type.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused("not-json", f"the body is of type {shown(content_type)}: send it as application/json")
    data = await _bytes(request, most)
    try:
        data.decode()  # msgspec passes over text that it does not look into
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as error:
        raise Refused("invalid", _told(str(error), "field", kind, None)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("malformed", f"the body is no JSON that can be read: {error}; send a JSON object") from None


async def _bytes(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > most):
        raise _too_large(most)
    data = bytearray()
    try:
        async for piece in request.stream():
            data += piece
            if len(data) > most:
                raise _too_large(most)
    except ClientDisconnect:
        raise Refused("malformed", "the body ended before all of it was sent: send it again") from None
    return bytes(data)


def _too_large(most: int) -> Refused:
    return Refused("too-large", f"the body is larger than {most:,} bytes: send less", {"Connection": "close"})


def _told(message: str, what: str, kind: type[msgspec.Struct], given: dict[str, Any] | None) -> str:
    """Turn what msgspec says into a sentence: the object, the value, the remedy."""
    if (found := _UNKNOWN.fullmatch(message)) is not None and not found[2]:
        return _unknown(what, found[1], kind.__struct_encode_fields__)
    if (found := _MISSING.fullmatch(message)) is not None and not found[2]:
        return f"{what} {found[1]!r} is missing: give it"
    told, _, path = message.rpartition(" - at `$")
    name = path.removesuffix("`").removeprefix(".")
    if not told or not name:
        return f"the body is not as it should be: {_lowered(message)}"
    value = "" if given is None or name not in given else f" is {shown(given[name])}"
    return f"{what} {name!r}{value}: {_lowered(told)}"


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


def _unknown(what: str, name: str, known: Collection[str]) -> str:
    if not known:
        return f"{what} {shown(name)} is unknown: there are none here"
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? There are" if near else "there are"
    return f"{what} {shown(name)} is unknown: {hint} {', '.join(known)}"
