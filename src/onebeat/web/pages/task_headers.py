"""The part of a task's form that has its headers: a line for each, and beside them those that no line shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from onebeat.broker.browse import stamp
from onebeat.errors import InvalidTask, shown
from onebeat.web.forms import Form
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction

OWN: Final = "onebeat-"
"""How the names of Onebeat's own headers begin."""

LONG: Final = 1_000
"""Characters of a line: a longer header stays as it is."""

MAX_TYPED: Final = 100_000
"""Characters of all lines."""


@dataclass(slots=True)
class Kept:
    """
    A header that stays as it is.

    Attributes:
        name: Its name.

        seen: Its value, as it may be seen.

        why: Why it stays: "hidden", "own", or "odd": no line would bring it back as it was.

        is_left_out: It is not to go along.
    """

    name: str
    seen: str
    why: str
    is_left_out: bool = False

    @property
    def field(self) -> str:
        """What the box is called that leaves it out; "" if it cannot be."""
        return "" if self.why == "own" else f"h-{stamp(self.name.encode())}"


class Headers:
    """
    The headers of a form.

    Args:
        given: They, as they are, or are declared.

        rules: What is hidden of them.

        refusal: Why none of Onebeat's own may be typed; "": it may.

    Attributes:
        text: Those that are edited, a line "name: value" for each.

        kept: The others.
    """

    def __init__(self, given: Mapping[str, str], rules: Redaction, *, refusal: str = "") -> None:
        self._given, self._rules, self._refusal = given, rules, refusal
        lines: list[str] = []
        self.kept: list[Kept] = []
        for name, value in given.items():
            seen, room = rules.header(name, value), MAX_TYPED - sum(len(line) + 1 for line in lines)
            why = "hidden" if seen != value else "own" if refusal and name.startswith(OWN) else _odd(name, value, room)
            if why:
                self.kept.append(Kept(name, seen, why))
            else:
                lines.append(f"{name}: {value}")
        self.text: str = "\n".join(lines)

    def take(self, form: Form) -> None:
        """Read what was typed."""
        self.text = form.text("headers", self.text, most=MAX_TYPED).replace("\r\n", "\n")
        for one in self.kept:
            one.is_left_out = bool(one.field) and form.get(one.field) == "yes"

    def typed(self) -> dict[str, str]:
        """
        Return all headers, in the order in which they were; what was typed anew comes last.

        Raises:
            InvalidTask: A line is none, or stands for what is hidden; the sentence says which.
        """
        found = {one.name: self._given[one.name] for one in self.kept if not one.is_left_out}
        numbers: dict[str, int] = {}
        for number, name, value in self._lines():
            if name in numbers:
                raise InvalidTask(f"header {self._said(name)} is on lines {numbers[name]} and {number}: leave one")
            if name in found:
                raise InvalidTask(
                    f"header {self._said(name)} stays as it is: leave it out below, or take line {number} away"
                )
            if self._refusal and name.startswith(OWN):
                raise InvalidTask(f"header {shown(name)} on line {number} {self._refusal}: take the line away")
            if PLACEHOLDER in value and not self._rules.is_off and self._given.get(name) != value:
                raise InvalidTask(
                    f"{PLACEHOLDER} on line {number} stands for a hidden value, and is none: write the value"
                )
            numbers[name] = number
        found |= {name: value for _, name, value in self._lines()}
        return {name: found.pop(name) for name in self._given if name in found} | found

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        for number, line in enumerate(self.text.split("\n"), 1):
            if not line.strip():
                continue
            name, colon, value = line.partition(":")
            if not colon or not name.strip():
                raise InvalidTask(f"line {number} is {self._said(line)}: write name and value, such as tenant: acme")
            yield number, name.strip(), value.strip()

    def _said(self, text: str) -> str:
        return shown(self._rules.text(text))


def _odd(name: str, value: str, room: int) -> str:
    """Say "odd" of a header that a line would not bring back as it is."""
    line = f"{name}: {value}"
    is_same = ":" not in name and name == name.strip() != "" and value == value.strip()
    return "" if is_same and line.isprintable() and len(line) <= min(LONG, room) else "odd"
