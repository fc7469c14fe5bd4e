"""Rules of what nobody may see: applied to parsed values before they are rendered, and to any text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from functools import cached_property, lru_cache

from onebeat.errors import ConfigurationError, shown
from onebeat.web.showing.tokens import WORDS, Kind, Token, end_of_value, is_container, is_json, meant, quoted

PLACEHOLDER = "[hidden]"
"""Stands for what a rule hides, in texts; never written into a task."""

KEYS = (
    "*password*", "*passwd*", "passphrase", "pwd", "*secret*", "*token", "*token_value", "authorization",
    "proxy_authorization", "*api_key", "*access_key*", "*private_key*", "*credential*", "cookie", "set_cookie",
    "*session_id", "*session_key", "card_number", "cvv", "cvc",
)  # fmt: skip
"""Names of fields whose values are hidden unless an application says otherwise."""

PATTERNS = (
    r"(?i)\bbearer\s+[a-z0-9._~+/=-]{16,}",
    r"(?<=://)[^/\s:@'\"]*:[^/\s@'\"]+(?=@)",
    # looked for from where a word begins, and once for each: a text of many "eyJ" is not gone through for each of them
    r"(?<![\w-])(?=[\w-]++\.[\w-]{8,}+\.)[\w-]*?\beyJ[\w-]{8,}+\.[\w-]++\.[\w-]*+",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
"""What is hidden wherever it stands: bearer tokens, passwords in URLs, JSON web tokens, private keys."""

_NAME = re.compile(r"""(?<![\w.-])([A-Za-z_][\w.-]*+)\\?["']?[ \t]*+(?:=>|[=:])[ \t]*+""")
_VALUE = re.compile(
    r"""\\"(?:(?!\\").)*+(?:\\")?|"(?:[^"\\]|\\.)*+"?|'(?:[^'\\]|\\.)*+'?|[^\s,;&)}\]"'\\]++""", re.DOTALL
)
_SCHEME = re.compile(r"(?i)(?:bearer|basic|digest|token|negotiate)\Z")
_DEEPEST = 4


@dataclass(frozen=True)
class Redaction:
    """
    What is hidden before anybody sees it: in payloads, results, headers, errors, tracebacks, raw records, downloads.

    Of JSON and MessagePack the value of each field is hidden whose name fits, however deep, with all that is in it, and
    JSON within a string likewise; what fits a pattern is hidden in each string and number. In other texts, patterns
    apply, and `name=value` and `"name": "value"` are hidden by the name. Bytes that cannot be looked into are hidden
    as a whole if the word of a rule stands in them, or if they are compressed.

    Args:
        keys: Names of fields, or globs of them. Capitals, `_` and `-` do not count: "*api_key" fits "X-Api-Key".

        patterns: Regular expressions; all that one finds is hidden.

    Raises:
        ConfigurationError: A pattern is no regular expression, or fits the empty text; a key is no text.
    """

    keys: Sequence[str] = KEYS
    patterns: Sequence[str] = PATTERNS
    _names: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    _found: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("keys", "patterns"):
            given: object = getattr(self, name)
            if isinstance(given, str) or not isinstance(given, Iterable):
                raise ConfigurationError(f"redaction: {name} is {shown(given)}: give a list of texts")
            object.__setattr__(self, name, tuple(given))
        globs = [_glob(key) for key in self.keys]
        object.__setattr__(self, "_names", re.compile("|".join(map(translate, globs))) if globs else None)
        object.__setattr__(self, "_found", tuple(_pattern(pattern) for pattern in self.patterns))

    def __hash__(self) -> int:
        return hash((self.keys, self.patterns))

    @property
    def is_off(self) -> bool:
        """Whether there are no rules at all."""
        return not self.keys and not self.patterns

    def hides_key(self, key: str) -> bool:
        """Whether the value of a field is hidden."""
        return self._names is not None and self._names.match(_bare(key)) is not None

    def hides_field(self, path: str | Sequence[str]) -> bool:
        """
        Whether a field is hidden, so that nobody may search for its value either.

        Args:
            path: Its names from the outside in, or these with dots between them: "user.password".
        """
        steps = path.split(".") if isinstance(path, str) else path
        return any(self.hides_key(step) for step in steps)

    def text(self, text: str) -> str:
        """Return a text in which what rules hide is replaced by `PLACEHOLDER`."""
        return self._text(text, 0)

    def header(self, name: str, value: str) -> str:
        """Return the value of a header, or of any field alone, as it may be seen."""
        return PLACEHOLDER if self.hides_key(name) else self.text(value)

    def hides_part_of(self, text: str) -> bool:
        """Whether something of a text is hidden."""
        return self.text(text) != text

    def tokens(self, tokens: Iterator[Token]) -> Iterator[Token]:
        """Replace what rules hide of a document: each hidden value, whatever is in it, becomes one `HIDDEN`."""
        return self._tokens(tokens, 0)

    def tells_of(self, data: bytes) -> str:
        """Return the word or pattern of a rule that stands in bytes which nothing can parse; "" of none."""
        letters = data.replace(b"\0", b"").decode("latin-1")
        bare = _bare(letters)
        for word in self._words:
            if word in bare if len(word) > 3 else _alone(word).search(letters):
                return word
        return next((found.pattern for found in self._found if found.search(letters)), "")

    @cached_property
    def _words(self) -> tuple[str, ...]:
        parts = (max(re.split(r"[*?]|\[[^]]*\]", _glob(key)), key=len) for key in self.keys)
        return tuple(dict.fromkeys(part for part in parts if part))

    def _text(self, text: str, depth: int) -> str:
        if self.is_off or not text:
            return text
        if is_container(text) and depth < _DEEPEST and is_json(text):
            return self._json(text, depth + 1)
        for pattern in self._found:
            text = pattern.sub(PLACEHOLDER, text)
        return self._pairs(text) if self._names is not None else text

    def _json(self, text: str, depth: int) -> str:
        """Redact a JSON document where it stands: what is not hidden stays letter by letter as it is."""
        secrets = self._secrets(text, depth)
        if not secrets:
            return text
        parts, at = [], 0
        for found in WORDS.finditer(text):
            word, colon = found[1] or found[0], found[2]
            if found.start() < at or word not in secrets:
                continue
            is_key, kept = secrets[word]
            end = found.end()
            parts += [text[at : found.start()], kept, colon or ""]
            if is_key and colon:
                parts.append(quoted(PLACEHOLDER))
                end = end_of_value(text, end)
            at = end
        return "".join([*parts, text[at:]])

    def _secrets(self, text: str, depth: int) -> dict[str, tuple[bool, str]]:
        """Return the words of a document with which something is to be done: whether the values of such keys are
        hidden, and what is written instead of the word."""
        secrets = {}
        for word in {words[0] or words[2] for words in WORDS.findall(text)}:
            if word.startswith('"'):
                said = meant(word)
                kept = self._text(said, depth)
                is_key = self.hides_key(said)
                if is_key or kept != said:
                    secrets[word] = (is_key, word if kept == said else quoted(kept))
            elif self._finds(word):
                secrets[word] = (False, quoted(PLACEHOLDER))
        return secrets

    def _finds(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._found)

    def _pairs(self, text: str) -> str:
        names = {name for name in set(_NAME.findall(text)) if self._hides_name(name)}
        if not names:
            return text
        parts, at = [], 0
        for found in _NAME.finditer(text):
            start = found.end()
            if found.start() < at or found[1] not in names:
                continue
            end = _end_of_value(text, start)
            if end > start:
                parts.append(f"{text[at:start]}{PLACEHOLDER}")
                at = end
        return "".join([*parts, text[at:]])

    def _hides_name(self, name: str) -> bool:
        return self.hides_key(name) or self.hides_key(name.rpartition(".")[2])

    def _tokens(self, tokens: Iterator[Token], depth: int) -> Iterator[Token]:
        hides_next = False
        for token in tokens:
            if hides_next and token.kind is not Kind.COLON:
                hides_next = False
                if token.kind is Kind.OPEN:
                    yield Token(Kind.HIDDEN, quoted(PLACEHOLDER))
                    if not _skip(tokens):
                        yield Token(Kind.CUT, "")
                        return
                    continue
                if token.kind is not Kind.CUT:
                    yield Token(Kind.HIDDEN, quoted(PLACEHOLDER))
                    continue
            if token.kind is Kind.KEY:
                name = meant(token.text) if token.text.startswith('"') else token.text
                hides_next = self.hides_key(name)
            yield self._token(token, depth)

    def _token(self, token: Token, depth: int) -> Token:
        if token.kind in (Kind.KEY, Kind.STRING) and token.text.startswith('"'):
            said = meant(token.text)
            kept = self._text(said, depth)
            return token if kept == said else Token(token.kind, quoted(kept))
        if token.kind in (Kind.NUMBER, Kind.KEY):
            return Token(Kind.HIDDEN, quoted(PLACEHOLDER)) if self._finds(token.text) else token
        if token.kind is Kind.BYTES and self._is_told(token.text):
            return Token(Kind.HIDDEN, quoted(PLACEHOLDER))
        return token

    def _is_told(self, text: str) -> bool:
        digits = text.rpartition("0x")[2].partition("…")[0]
        try:
            return bool(self.tells_of(bytes.fromhex(digits)))
        except ValueError:
            return False


OFF = Redaction(keys=(), patterns=())
"""Hides nothing."""


def _end_of_value(text: str, start: int) -> int:
    """Return where a value ends; of one whose end nobody can tell ("Bearer abc", "{'a': 1}") the end of its line."""
    found = _VALUE.match(text, start)
    if found is not None and found[0][:1] not in "[{(" and not _SCHEME.match(found[0]):
        return found.end()
    if found is None and text[start : start + 1] in ("", "\n", ",", ";", "&", ")", "}", "]"):
        return start
    line = text.find("\n", start)
    return len(text) if line < 0 else line


def _skip(tokens: Iterator[Token]) -> bool:
    """Pass over the rest of a value that has begun; whether it ends."""
    depth = 1
    for token in tokens:
        depth += (token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE)
        if not depth:
            return True
    return False


@lru_cache(maxsize=256)
def _alone(word: str) -> re.Pattern[str]:
    """Find a short word where a name may be: anywhere else it is in many bytes by chance."""
    return re.compile(rf"(?i)(?:^|[\x03\xa3\s\"'=:,;&]){re.escape(word)}(?![a-z])")


_SEPARATORS = str.maketrans("", "", "_- ")


@lru_cache(maxsize=4096)
def _short(text: str) -> str:
    return text.lower().translate(_SEPARATORS)


def _bare(text: str) -> str:
    return _short(text) if len(text) < 100 else text.lower().translate(_SEPARATORS)


def _glob(key: object) -> str:
    if not isinstance(key, str) or not key.translate(_SEPARATORS).strip("*?"):
        raise ConfigurationError(
            f"redaction: key {shown(key)} is no name of a field: give one such as 'password' or '*_token'"
        )
    bare = key.lower().translate(_SEPARATORS)
    return key.lower() if "[" in key else bare  # the dash of a range counts


def _pattern(given: object) -> re.Pattern[str]:
    try:
        if not isinstance(given, str):
            raise TypeError(f"it is of type {type(given).__name__}")
        found = re.compile(given)
    except (re.error, TypeError) as error:
        raise ConfigurationError(f"redaction: pattern {shown(given)} is no regular expression: {error}") from None
    if found.match(""):
        raise ConfigurationError(f"redaction: pattern {shown(given)} fits the empty text, and so everything: narrow it")
    return found
