"""
What kind of failure an error's text tells: its class, and its message with placeholders for what differs from task to
task. Pure, of texts that Python or Go wrote.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_READ = 600
"""Characters of a text that are looked at: what follows tells no kinds apart, and may be made to take long."""

MAX_TRACE = 20_000
"""Characters of a traceback that are looked through for its last line."""

MAX_MESSAGE = 300
"""Characters of a message that are kept."""

MAX_PATTERN = 400
"""Characters of a pattern, which may match more than the message then, never less."""

_TRACE = "Traceback (most recent call last):"
_CLASS = re.compile(
    r"\*?((?:[A-Za-z_]\w*[./])*"  # a module or package before it; `*` of a pointer of Go
    r"(?:Error|Exception|[A-Z]\w*?(?:Error|Exception|Warning|Timeout|Interrupt|Exit|Group|Exists?|NotFound|[a-z\d][A-Z]\w*|[a-z]\d+)))"
    r"(?=: |:?$)"
)
_GO_PANIC = re.compile(r"panic(?= ?[\[:])")
_STATUS = re.compile(
    r"(?:\b(?:status|code|http|https|errno|smtp|sqlstate|signal|exit|exited|error|http/\d(?:\.\d)?)"
    r"(?:[ _]?(?:code|status|with|number))?)[\s:=(\[#]*$",
    re.IGNORECASE,
)

_EXTENSIONS = "go|py|pyc|js|ts|rb|c|cc|cpp|rs|java|so|sql|json|ya?ml|csv|pdf|png|jpe?g|txt|html?|xml|zip|gz|tmp"
_PLAIN = r"(?P<plain>[A-Za-z]+(?=[\s,;)\]!?]|[.:](?:\s|$)|$)\s*)"
"""A word that nothing is to be put in place of: most are, and so are passed over quickly."""

_RULES: tuple[tuple[str, str], ...] = (
    ("hidden", r"\[hidden\]"),  # what the console's redaction leaves of a secret
    ("url", r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'`<>]+"),
    ("time", r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d:?\d\d|UTC))?)?\b"),
    ("time", r"\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b"),
    ("uuid", r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"),
    ("email", r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+"),
    ("text", r'(?<![\w"])[bBrRuU]{0,2}"(?:[^"\\]|\\.)*"'),
    ("text", r"(?<![\w'])[bBrRuU]{0,2}'(?:[^'\\]|\\.)*'(?!\w)"),
    ("text", r"`[^`]*`"),
    ("address", r"\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?\](?::\d+)?"),
    ("address", r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d+|/\d+)?\b"),
    ("address", r"\b(?:[0-9a-fA-F]{1,4}:){3,7}(?::?[0-9a-fA-F]{1,4})+\b"),
    ("path", rf"(?<![\w.-])[\w-]+\.(?:{_EXTENSIONS})(?::\d+)*(?![\w-])"),
    ("path", r"(?<![\w<.])(?:[A-Za-z]:\\|\.{0,2}/)(?:[^\s\"'`:,;()\[\]<>]+)(?::\d+)*"),
    ("address", r"\b(?:localhost|[A-Za-z][\w-]*(?:\.[\w-]+)+):\d{1,5}\b"),
    ("hex", r"\b0[xX][0-9a-fA-F]+\b"),
    ("hex", r"\b(?=[0-9]*[a-fA-F])(?=[a-fA-F]*[0-9])[0-9a-fA-F]{8,}\b"),
    ("id", r"\b[A-Za-z]{2,8}_(?=[A-Za-z]*\d)[A-Za-z0-9]{8,200}\b"),
    ("id", r"\b(?=[A-Za-z_-]*\d[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9_-]{16,200}\b"),
    ("duration", r"(?<![\w.])(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+(?![\w])"),
    ("n", r"(?:(?<![A-Za-z\d])|(?<=[A-Za-z])(?=\d{4}))\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?"),
)
_PLACEHOLDER = re.compile("|".join([_PLAIN, *(f"(?P<{name}_{at}>{rule})" for at, (name, rule) in enumerate(_RULES))]))
_SPACES = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Kind:
    """
    What kind of failure a text tells.

    Attributes:
        error_class: The class of the error, as the text begins with it: "ValueError", "panic"; "" where it names none.

        message: What it says behind that, with placeholders such as `<n>`, `<uuid>`, `<text>`.
    """

    error_class: str
    message: str


def kind_of(text: str) -> Kind:
    """Say what kind of failure a text tells; the same for all that differ only in numbers, ids, names and places."""
    line = _cut(_line(text))
    name, at = _class(line)
    shown = _SPACES.sub(" ", _replaced(_behind(line, at)))
    message = shown if len(shown) <= MAX_MESSAGE else f"{shown[: MAX_MESSAGE - 1]}…"
    return Kind(name, message)


def words_of(text: str) -> str:
    """Return what an error says behind its class, as it is: of a traceback of its last line."""
    line = _line(text)
    return _behind(line, _class(_cut(line))[1])


def _class(line: str) -> tuple[str, int]:
    """Return the class that an error begins with, "" if it names none, and where that ends."""
    found = _CLASS.match(line) or _GO_PANIC.match(line)
    return (found.group(found.lastindex or 0), found.end()) if found else ("", 0)


def _behind(line: str, at: int) -> str:
    return line[at:].removeprefix(":").strip() if at else line


def pattern_of(text: str) -> str:
    """
    Return what all texts of the kind of this one have, for `error:` of a filter, with `*` for what differs.

    Texts of other kinds may have it too: a superset is all that a filter can say.
    """
    starred = _replaced(_cut(_line(text)), lambda _name: "*")
    pieces = re.split(r"\*+", re.sub(r"[^\S ]+| {2,}", "*", starred))
    kept: list[str] = []
    for piece in pieces:
        if sum(map(len, kept)) + len(piece) > MAX_PATTERN:
            break
        kept.append(piece)
    return "*".join(kept or [pieces[0][:MAX_PATTERN]]).strip("* ")


def _cut(line: str) -> str:
    """Cut a long line, between two words if it has any: half a number is no number."""
    return line if len(line) <= MAX_READ else line[:MAX_READ].rpartition(" ")[0] or line[:MAX_READ]


def _line(text: str) -> str:
    """Return what is to be read of a text: of a traceback of Python its last line, which names the error."""
    stripped = text.strip()
    if not stripped.startswith(_TRACE):
        return stripped
    stripped = stripped[:MAX_TRACE]
    lines = [line for line in stripped.splitlines() if line and not line[0].isspace() and not line.startswith(_TRACE)]
    return lines[-1] if lines else stripped


def _replaced(text: str, held: Callable[[str], str] = "<{}>".format) -> str:
    def placeholder(match: re.Match[str]) -> str:
        name = str(match.lastgroup).partition("_")[0]
        if name == "plain" or (name == "n" and _is_status(match)):
            return match.group()
        return held(name)

    return _PLACEHOLDER.sub(placeholder, text)


def _is_status(match: re.Match[str]) -> bool:
    """Whether a number is a status, which tells kinds apart: "status 503", "[Errno 111]", "421 Try later"."""
    digits, before, after = match.group(), match.string[: match.start()][-32:], match.string[match.end() :][:2]
    if not digits.isdigit() or len(digits) > 5:
        return False
    begins = not before.strip("([{: ") and len(digits) == 3 and digits[0] in "12345"
    return bool(_STATUS.search(before)) or (begins and after[:1] in (" ", ":", ",") and digits > "099")
