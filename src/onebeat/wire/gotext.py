"""
Texts as Go writes them: durations, quoted strings, dates, and the options of a schedule (protocol §6.4, §10.6).

Asynq's tools parse option strings back, and one without a bracket crashes them, so these forms are exact.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from onebeat import codecs

_UNITS = {
    "ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9,
}  # fmt: skip
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def duration(ns: int) -> str:
    """Write nanoseconds as Go does: "1.5ms" below a second, "1h0m0s" from there on."""
    if ns < 0:
        return "-" + duration(-ns)
    if ns == 0:
        return "0s"
    for unit in ("ns", "µs", "ms"):
        if ns < _UNITS[unit] * 1000:
            return _decimal(ns, _UNITS[unit]) + unit
    minutes, rest = divmod(ns, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, _UNITS["s"]) + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(ns: int, unit: int) -> str:
    whole, fraction = divmod(ns, unit)
    if not fraction:
        return str(whole)
    return f"{whole}." + str(fraction).zfill(len(str(unit)) - 1).rstrip("0")


def parse_duration(text: str) -> int:
    """
    Read a duration as Go does: a signed sum of decimal numbers with units, or "0".

    Raises:
        ValueError: It is none; the sentence says how to write one.
    """
    sign, body = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if body == "0":
        return 0
    total, at = 0, 0
    for part in _PART.finditer(body):
        if part.start() != at:
            break
        whole, _, fraction = part[1].partition(".")
        unit = _UNITS[part[2]]
        total += int(whole or 0) * unit + int(fraction or 0) * unit // 10 ** len(fraction)
        at = part.end()
    if not body or at != len(body):
        raise ValueError(f"duration {text!r}: write numbers with units, such as 1h30m, 1.5s or 250ms")
    return sign * total


def quote(text: str) -> str:
    """Write a string in Go's double quotes: printable letters stay, all others are escaped."""
    return '"' + "".join(_ESCAPES.get(letter) or _letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    code = ord(letter)
    if letter == " " or (letter.isprintable() and not letter.isspace()):
        return letter
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def unix_date(moment: datetime) -> str:
    """Write an aware datetime as Go's UnixDate, in its own zone."""
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day} {month} {moment.day:2d} {moment:%H:%M:%S} {moment.tzname()} {moment.year}"


def header(name: str, value: str) -> str:
    """Write a header option; its two strings are a JSON array."""
    return f"Header({codecs.encode([name, value]).decode()})"


def _seconds(value: object) -> str:
    if not isinstance(value, int):
        raise TypeError(f"duration {value!r}: give nanoseconds as an int")
    return duration(value)


def _date(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"instant {value!r}: give an aware datetime")
    return unix_date(value)


_FORMS: dict[str, Callable[[object], str]] = {
    "MaxRetry": lambda value: str(max(0, int(str(value)))),
    "Queue": lambda value: quote(str(value)),
    "TaskID": lambda value: quote(str(value)),
    "Group": lambda value: quote(str(value)),
    "Timeout": _seconds,
    "Unique": _seconds,
    "ProcessIn": _seconds,
    "Retention": _seconds,
    "Deadline": _date,
    "ProcessAt": _date,
}


def option(name: str, value: object) -> str:
    """Write an option as asynq's tools read it; durations are nanoseconds, instants aware datetimes."""
    return f"{name}({_FORMS[name](value)})"


_LETTERS = {written[1]: letter for letter, written in _ESCAPES.items()}
_ESCAPED = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([\\\"abfnrtv]))")
_QUOTED = re.compile(r'"((?:[^"\\\n]|\\.)*)"')


def unquote(text: str) -> str:
    """
    Read a string in Go's double quotes.

    Raises:
        ValueError: It is none.
    """
    found = _QUOTED.fullmatch(text)
    if found is None or "\\" in _ESCAPED.sub("", found[1]):
        raise ValueError(f"{text!r} is no string in double quotes")

    def letter(escape: re.Match[str]) -> str:
        byte, short, long, octal, one = escape.groups()
        if one is not None:
            return _LETTERS[one]
        return chr(int(octal, 8) if octal is not None else int(byte or short or long, 16))

    return _ESCAPED.sub(letter, found[1])


def _parse_date(text: str) -> datetime:
    """Read Go's UnixDate; a zone that is only an abbreviation counts as UTC, as it does for Go's reader."""
    _, month, day, clock, _zone, year = text.split()
    hour, minute, second = map(int, clock.split(":"))
    return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC)


def _parse_header(text: str) -> tuple[str, str]:
    name, value = codecs.decode(text.encode(), list[str])
    return name, value


_READERS: dict[str, Callable[[str], object]] = {
    "MaxRetry": int,
    "Queue": unquote,
    "TaskID": unquote,
    "Group": unquote,
    "Timeout": parse_duration,
    "Unique": parse_duration,
    "ProcessIn": parse_duration,
    "Retention": parse_duration,
    "Deadline": _parse_date,
    "ProcessAt": _parse_date,
    "Header": _parse_header,
}


def parse_option(text: str) -> tuple[str, Any] | None:
    """
    Read an option of a schedule, as `option` and `header` write it and as Go's tools do.

    Returns:
        Its name, and a whole number, a string, nanoseconds, an aware datetime, or a header's name and value; None for
        what is unknown or malformed, which Go's reader drops without a word, or crashes on where no bracket is.
    """
    name, _, rest = text.partition("(")
    reader = _READERS.get(name)
    if reader is None or not rest.endswith(")"):
        return None
    try:
        return name, reader(rest[:-1])
    except ValueError:
        return None
