"""The part of a new task's form that has a field for each value that its declaration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onebeat.broker.browse import stamp
from onebeat.errors import PayloadError
from onebeat.web.editing import paths
from onebeat.web.editing.declarations import Shape, Wanted
from onebeat.web.editing.json_trees import read_json
from onebeat.web.editing.leaves import label
from onebeat.web.editing.paths import Changed
from onebeat.web.editing.trees import Edits
from onebeat.web.editing.typed import WORDS, written
from onebeat.web.forms import Form
from onebeat.web.pages.task_fields import LONG, MAX_TYPED
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.signs import short
from onebeat.web.showing.tokens import meant


@dataclass(slots=True)
class Blank:
    """
    A field of the form.

    Attributes:
        wanted: What the declaration says of it.

        label: The way to it, as it may be seen.

        kinds: What it can be, each with its word; the first unless another is chosen.

        is_hidden: Nobody may see what is typed into it.

        default: What it is if nothing is typed, as it may be seen; None: nobody knows, or may.

        kind, value: What was chosen and typed; nothing: it is not given.

        error: What is wrong with it.
    """

    wanted: Wanted
    label: str
    kinds: Sequence[tuple[str, str]]
    is_hidden: bool
    default: str | None
    kind: str
    value: str = ""
    error: str = ""

    @property
    def choices(self) -> Sequence[str]:
        """All that it can be; none: it is typed."""
        if self.wanted.choices:
            return self.wanted.choices
        return ("true", "false") if self.wanted.kind == "boolean" else ()

    @property
    def hint(self) -> str:
        """What stands in it while nothing is typed: what it is then, or an example of it."""
        like = self.wanted.like
        if self.choices and self.wanted.is_needed:
            return "choose"
        if self.default is None:
            return like
        told = f"{short(self.default, LONG)} if empty"
        return f"{told}, else {like}" if like and self.wanted.kind == "string" else told

    @property
    def is_given(self) -> bool:
        """Whether something was typed or chosen."""
        return bool(self.value.strip()) or self.kind == "null"


class Blanks:
    """
    The fields that a task takes.

    Attributes:
        rows: They.

        form: What they become.
    """

    def __init__(self, shape: Shape, rules: Redaction) -> None:
        self._empty = shape.empty
        self._is_instead = False
        self.rows: list[Blank] = [_blank(wanted, rules) for wanted in shape.fields]
        self.form: str = "JSON"

    @property
    def hidden(self) -> int:
        """How many values of a task that is there nobody may see: none is there."""
        return 0

    @property
    def stamp(self) -> str:
        """Tells apart declarations, so that what was typed by one is not read by another."""
        return stamp(repr([row.wanted for row in self.rows]).encode("utf-8", "replace"))

    @property
    def has_errors(self) -> bool:
        """Whether something is wrong with one."""
        return any(row.error for row in self.rows)

    def take(self, form: Form) -> None:
        """Read what was typed."""
        self._is_instead = bool(form.get("payload").strip())
        for number, row in enumerate(self.rows):
            row.kind = form.choice(f"t{number}", [kind for kind, _ in row.kinds], row.kind)
            row.value = form.text(f"v{number}", most=MAX_TYPED).replace("\r\n", "\n")

    def at(self, path: Sequence[str]) -> Blank | None:
        """Return the field at the end of a way, or that has it in it."""
        return next((row for row in self.rows if row.wanted.path == tuple(path)[: len(row.wanted.path)]), None)

    def changed(self, rules: Redaction) -> Changed:
        """Return the payload as it was typed; what is wrong is noted in the fields."""
        given = [row for row in self.rows if row.is_given]
        if self._is_instead and not given:
            return Changed(None)
        tree, edits = read_json(self._empty), Edits()
        for row in self.rows:
            try:
                if row.is_given:
                    paths.set_field(tree, edits, row.wanted.path, _json(row), rules)
                elif row.wanted.is_needed:
                    raise PayloadError(_missing(row))
            except ValueError as error:
                text = str(error)
                row.error = f"{text[:1].upper()}{text[1:]}."
        if self.has_errors:
            return Changed(None)
        return Changed(tree.changed(edits), tuple(row.label for row in given))


def _blank(wanted: Wanted, rules: Redaction) -> Blank:
    kinds: list[str] = [wanted.kind]
    if not wanted.choices and wanted.kind != "boolean":
        kinds += ["string" if wanted.kind == "json" and not wanted.like else "json"]
    if wanted.may_be_null:
        kinds.append("null")
    named = [(kind, WORDS[kind]) for kind in dict.fromkeys(kinds)]
    is_hidden = rules.hides_field(wanted.path)
    default = None if is_hidden or wanted.default is None else rules.text(_said(wanted.default))
    return Blank(wanted, label(wanted.path, rules), named, is_hidden, default, wanted.kind)


def _said(default: str) -> str:
    """Return what a text says; of an empty one, and of all else, how JSON writes it."""
    return (meant(default) if default.startswith('"') else default) or default


def _json(row: Blank) -> str:
    if row.kind == "null" and row.value.strip():
        raise PayloadError("null has no value: leave it empty, or make it something else")
    return written(row.kind, row.value)


def _missing(row: Blank) -> str:
    if row.choices:
        return "it must be given: choose one"
    return 'it must be given; an empty text is "" as JSON' if row.kind == "string" else "it must be given"
