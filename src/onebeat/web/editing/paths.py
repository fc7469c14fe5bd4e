"""Fields of a payload changed by the ways to them, as the API has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from onebeat.errors import PayloadError, shown
from onebeat.web.editing.leaves import is_hidden, label, read_tree
from onebeat.web.editing.trees import Edits, Item, Node, Tree, Uneditable, walked
from onebeat.web.editing.typed import compact
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction
from onebeat.web.showing.tokens import quoted

MOST = 200
"""Fields that one request changes."""


@dataclass(frozen=True, slots=True)
class Changed:
    """
    A payload with some of its fields changed.

    Attributes:
        payload: All of it; None: it is what it was.

        fields: Which fields were changed, as they may be seen.

        is_over_hidden: A value went with it that nobody may see.
    """

    payload: bytes | None
    fields: tuple[str, ...] = ()
    is_over_hidden: bool = False


def steps(path: str) -> tuple[str, ...]:
    """
    Read the way to a field: names with dots between them, or behind slashes, where `~1` is a slash and `~0` a tilde.

    Raises:
        PayloadError: It is empty.
    """
    if path.startswith("/"):
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    found = tuple(path.split("."))
    if not all(found):
        raise PayloadError(f"{shown(path)} leads to no field: write the way to one, such as user.email or /user/e.mail")
    return found


def change(data: bytes, codec: str, rules: Redaction, sets: Mapping[str, bytes], unsets: Sequence[str]) -> Changed:
    """
    Change fields of a payload; all others stay byte for byte.

    Args:
        sets: Values as JSON, by the ways to them.

        unsets: Ways to what is taken away.

    Raises:
        PayloadError: It has no fields, or not those; one is named twice; or a value stands for a hidden one.
    """
    if len(sets) + len(unsets) > MOST:
        raise PayloadError(f"{len(sets) + len(unsets)} fields are given: change at most {MOST} at once")
    try:
        tree = read_tree(data or b"{}", codec)
    except Uneditable as why:
        sentence = rules.text(str(why))
        raise PayloadError(f"no field of it can be changed: {sentence[:1].lower()}{sentence[1:].rstrip('.')}") from None
    _check_apart([*map(steps, sets), *map(steps, unsets)], rules)
    edits, over = Edits(), False
    for path, value in sets.items():
        over = set_field(tree, edits, steps(path), value.decode(), rules) or over
    for path in unsets:
        over = _unset(tree, edits, steps(path), rules) or over
    new = tree.changed(edits)
    fields = tuple(label(steps(path), rules) for path in (*sets, *unsets))
    return Changed(None if new == data else new, fields, over)


def _check_apart(paths: Sequence[tuple[str, ...]], rules: Redaction) -> None:
    ordered = sorted(paths)
    for one, other in pairwise(ordered):
        if other[: len(one)] == one:
            raise PayloadError(f"field {shown(label(other, rules))} is changed twice: give it once")


def set_field(tree: Tree, edits: Edits, path: tuple[str, ...], text: str, rules: Redaction) -> bool:
    """
    Change or add a field, whose value is given as JSON; whether that is over a hidden value, or in one.

    Raises:
        PayloadError: There is no object to add it to; the value has no form; or it stands for a hidden one.
    """
    if not rules.is_off and PLACEHOLDER in text:
        raise PayloadError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")
    found = way(tree, path)
    if len(found) > len(path):
        edits.replaced[found[-1]] = _encoded(tree, text, found[-1], path, rules)
        return conceals(tree, found[-1], path, rules)
    name, holder = path[len(found) - 1], found[-1]
    if holder.kind != "object":
        raise PayloadError(f"payload has nothing to set at {shown(label(path, rules))}: no object is there")
    if name in edits.added.get(holder, {}):
        raise PayloadError(f"payload has no {shown(label(path[: len(found)], rules))} yet: set all of it at once")
    for step in reversed(path[len(found) :]):
        text = f"{{{quoted(step)}:{text}}}"
    edits.added.setdefault(holder, {})[name] = _encoded(tree, text, None, path, rules)
    return not rules.is_off and rules.hides_field(path[: len(found) - 1])


def way(tree: Tree, path: Sequence[str]) -> list[Node]:
    """Return what stands on the way to a field, from the outside in, as far as there is something."""
    found = [tree.root]
    for step in path:
        item = _item(found[-1], step)
        if item is None:
            break
        found.append(item.node)
    return found


def _encoded(tree: Tree, text: str, like: Node | None, path: Sequence[str], rules: Redaction) -> bytes:
    try:
        return tree.encoded(compact(text), like)
    except ValueError as error:
        raise PayloadError(f"field {label(path, rules)}: {error}") from None


def _unset(tree: Tree, edits: Edits, path: tuple[str, ...], rules: Redaction) -> bool:
    node, item = tree.root, None
    for step in path:
        item = _item(node, step)
        if item is None:
            raise PayloadError(f"payload has nothing to take away at {shown(label(path, rules))}")
        node = item.node
    if item is not None:
        edits.removed.add(item)
    return conceals(tree, node, path, rules)


def _item(node: Node, step: str) -> Item | None:
    if node.kind == "object":
        return next((item for item in node.items if item.name == step), None)
    is_place = node.kind == "list" and step.isascii() and step.isdigit() and len(step) < 10
    return node.items[int(step)] if is_place and int(step) < len(node.items) else None


def conceals(tree: Tree, node: Node, path: Sequence[str], rules: Redaction) -> bool:
    """Whether something of a value is hidden."""
    if rules.is_off:
        return False
    if rules.hides_field(path):
        return True
    return any(rules.hides_field(inside) or is_hidden(tree, rules, inner) for inside, inner in walked(node))
