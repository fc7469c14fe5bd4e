"""The part of a task's form that has a field for each value of its payload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from onebeat import codecs
from onebeat.errors import PayloadError
from onebeat.task import TaskInfo
from onebeat.web.editing import paths
from onebeat.web.editing.leaves import Leaf, label, leaves, read_tree
from onebeat.web.editing.paths import Changed
from onebeat.web.editing.trees import Edits
from onebeat.web.editing.typed import WORDS, choices, encoded, written
from onebeat.web.forms import Form
from onebeat.web.showing.redaction import Redaction

MAX_TYPED = 1_500_000
"""Characters that may be typed into a field of a payload."""

LONG = 60
"""Characters that a field of one line has at most."""

NEW_KINDS = ("string", "integer", "number", "boolean", "null", "json")


@dataclass(slots=True)
class Row:
    """
    A field of the form.

    Attributes:
        leaf: What it is of.

        kinds: What it can be made, each with its word; it is the first now.

        kind, value: What was chosen and typed.

        replaces: Whether a hidden value is to be replaced.

        error: What is wrong with it.
    """

    leaf: Leaf
    kinds: Sequence[tuple[str, str]]
    kind: str
    value: str
    replaces: bool = False
    error: str = ""

    @property
    def is_long(self) -> bool:
        """Whether its value takes more than a line."""
        return "\n" in self.leaf.text or len(self.leaf.text) > LONG

    @property
    def is_changed(self) -> bool:
        """Whether it is to be another than it was."""
        if self.leaf.kind == "hidden":
            return self.replaces
        return self.leaf.kind != "bytes" and (self.kind, self.value) != (self.kinds[0][0], self.leaf.text)


@dataclass(slots=True)
class NewRow:
    """A field that the payload has not yet: the way to it, what it is, and what is wrong with it."""

    path: str = ""
    kind: str = "string"
    value: str = ""
    error: str = ""
    kinds: Sequence[tuple[str, str]] = field(default_factory=lambda: [(kind, WORDS[kind]) for kind in NEW_KINDS])


class Fields:
    """
    The fields of a payload.

    Attributes:
        rows: Those that it has.

        new: One that may be added.

        form: "JSON" or "MessagePack".

    Raises:
        Uneditable: It has none; the sentence says why.
    """

    def __init__(self, info: TaskInfo, rules: Redaction) -> None:
        codec = codecs.name_of(info.headers)
        self._tree = read_tree(info.payload, codec)
        self.rows: list[Row] = [_row(leaf) for leaf in leaves(self._tree, rules)]
        self.new: NewRow = NewRow()
        self.form: str = "JSON" if codec == codecs.JSON.name else "MessagePack"

    @property
    def hidden(self) -> int:
        """How many of them are hidden."""
        return sum(row.leaf.kind == "hidden" for row in self.rows)

    @property
    def has_errors(self) -> bool:
        """Whether something is wrong with one."""
        return bool(self.new.error) or any(row.error for row in self.rows)

    def take(self, form: Form) -> None:
        """Read what was typed."""
        for number, row in enumerate(self.rows):
            if row.leaf.kind == "bytes":
                continue
            row.kind = form.choice(f"t{number}", [kind for kind, _ in row.kinds], row.kind)
            row.value = form.text(f"v{number}", row.value, most=MAX_TYPED).replace("\r\n", "\n")
            row.replaces = form.get(f"r{number}") == "yes"
        self.new.path = form.text("new_path").strip()
        self.new.kind = form.choice("new_kind", NEW_KINDS, self.new.kind)
        self.new.value = form.text("new_value", most=MAX_TYPED).replace("\r\n", "\n")

    def at(self, path: Sequence[str]) -> Row | None:
        """Return the field at the end of a way, if it was changed; no other is to blame."""
        return next((row for row in self.rows if row.leaf.path == tuple(path)), None)

    def changed(self, rules: Redaction) -> Changed:
        """Return the payload as it was typed; what is wrong is noted in the fields."""
        edits, names, over = Edits(), [], False
        for row in self.rows:
            if row.leaf.kind == "hidden" and not row.replaces and row.value:
                row.error = "It is hidden, and stays: tick Replace, or leave this empty."
            if not row.is_changed:
                continue
            names.append(row.leaf.label)
            over = over or row.leaf.kind == "hidden"
            self._edit(edits, row, rules)
        if self.new.path:
            name, is_inside = self._add(edits, rules)
            names.append(name)
            over = over or is_inside
        if self.has_errors or not edits:
            return Changed(None)
        payload = self._tree.changed(edits)
        is_same = payload == self._tree.data and not over  # else whoever guesses a hidden value would be told so
        return Changed(None if is_same else payload, tuple(names), over)

    def _edit(self, edits: Edits, row: Row, rules: Redaction) -> None:
        leaf = row.leaf
        if row.kind == "remove":
            if leaf.item is not None:
                edits.removed.add(leaf.item)
            return
        try:
            if leaf.kind == "hidden" and not row.value and row.kind != "null":
                raise ValueError('write what it is to be; an empty text is "" as JSON')
            edits.replaced[leaf.node] = encoded(self._tree, row.kind, row.value, leaf.node, rules)
        except ValueError as error:
            row.error = _sentence(error)

    def _add(self, edits: Edits, rules: Redaction) -> tuple[str, bool]:
        """Add the new field; return its label, and whether it comes to what is hidden."""
        new = self.new
        try:
            path = paths.steps(new.path)
            if len(paths.way(self._tree, path)) > len(path):
                raise PayloadError("it is there by now: change it above")
            is_inside = paths.set_field(self._tree, edits, path, written(new.kind, new.value), rules)
        except ValueError as error:
            new.error = _sentence(error)
            return "", False
        return label(path, rules), is_inside


def _row(leaf: Leaf) -> Row:
    kinds = [(kind, WORDS[kind]) for kind in choices(leaf)]
    return Row(leaf, kinds, kinds[0][0] if kinds else "", "" if leaf.kind == "hidden" else leaf.text)


def _sentence(error: ValueError) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
