"""The fields of a payload, one for each value that can be changed by itself, and which of them nobody may see."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from onebeat import codecs
from onebeat.web.editing.json_trees import read_json
from onebeat.web.editing.pack_trees import read_pack
from onebeat.web.editing.trees import Item, Node, Tree, Uneditable
from onebeat.web.showing.documents import in_one_line
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction
from onebeat.web.showing.signs import HIDDEN_SIGNS
from onebeat.web.showing.tokens import json_tokens

MOST = 200
"""Fields of a payload that a form has."""

LeafKind = Literal["string", "integer", "number", "boolean", "null", "json", "bytes", "hidden"]

_PLAIN = re.compile(r"[^\s.\"/\[\]]+")


@dataclass(frozen=True, slots=True)
class Leaf:
    """
    A field.

    Attributes:
        path: The way to it.

        label: The same in a word, as it may be seen.

        node, item: The value, and where it belongs.

        kind: What it is: "json" is what is written as JSON (a list, an empty object, a text with signs that nobody
            sees), "bytes" stays as it is, "hidden" stays unless it is replaced.

        text: What stands in its field; of a hidden one, what may be seen of it.
    """

    path: tuple[str, ...]
    label: str
    node: Node
    item: Item | None
    kind: LeafKind
    text: str

    @property
    def is_removable(self) -> bool:
        """Whether it can be taken away, as what stands in a list cannot: others would change their places."""
        return self.item is not None and self.item.name is not None


def read_tree(data: bytes, codec: str) -> Tree:
    """
    Read a payload.

    Raises:
        Uneditable: It cannot be changed by field; the sentence says why, and may tell the name of a field.
    """
    if codec == codecs.JSON.name:
        return read_json(data)
    if codec == codecs.MSGPACK.name:
        return read_pack(data)
    raise Uneditable(f"It is in codec {codec}, which only its application can read and write.")


def leaves(tree: Tree, rules: Redaction) -> list[Leaf]:
    """
    Return the fields of a payload.

    Raises:
        Uneditable: It is no object, nor a list of some; or it has more fields than a form.
    """
    if not tree.root.is_container:
        raise Uneditable("It is a single value, which has no fields.")
    found: list[Leaf] = []
    for leaf in _leaves(tree, rules, tree.root, (), None):
        found.append(leaf)
        if len(found) > MOST:
            raise Uneditable(f"It has more than {MOST} fields, which is more than a form has.")
    return found


def _leaves(tree: Tree, rules: Redaction, node: Node, path: tuple[str, ...], item: Item | None) -> Iterator[Leaf]:
    if item is not None and item.name is not None and rules.hides_key(item.name):
        yield _leaf(path, node, item, rules, "hidden", PLACEHOLDER)
    elif node.is_container and _goes_on(tree, rules, node):
        for place, inner in enumerate(node.items):
            step = str(place) if inner.name is None else inner.name
            yield from _leaves(tree, rules, inner.node, (*path, step), inner)
    else:
        kind, text = _shown(tree, rules, node)
        yield _leaf(path, node, item, rules, kind, text)


def _leaf(path: tuple[str, ...], node: Node, item: Item | None, rules: Redaction, kind: LeafKind, text: str) -> Leaf:
    return Leaf(path, label(path, rules), node, item, kind, text)


def _goes_on(tree: Tree, rules: Redaction, node: Node) -> bool:
    """Whether what is in it stands in fields of its own; a list of plain values is one field."""
    if not node.items:
        return False
    if node.kind == "object":
        return True
    inner = [item.node for item in node.items]
    return any(one.is_container or one.kind == "bytes" or is_hidden(tree, rules, one) for one in inner)


def is_hidden(tree: Tree, rules: Redaction, node: Node) -> bool:
    """Whether a value is hidden for what it is, not for its name, nor for what is in it."""
    if node.is_container:
        return False
    if node.kind == "bytes":
        return bool(rules.tells_of(tree.data[node.start : node.end]))
    return rules.hides_part_of(tree.said(node) if node.kind == "string" else tree.text(node))


def _shown(tree: Tree, rules: Redaction, node: Node) -> tuple[LeafKind, str]:
    if is_hidden(tree, rules, node):
        return "hidden", rules.text(tree.said(node)) if node.kind == "string" else PLACEHOLDER
    if node.is_container:
        text = tree.text(node)
        return "json", escaped(in_one_line(json_tokens(text), len(text) * 3))
    if node.kind == "string":
        said = tree.said(node)
        return (
            ("json", escaped(json.dumps(said, ensure_ascii=False))) if HIDDEN_SIGNS.search(said) else ("string", said)
        )
    return node.kind, tree.text(node)  # type: ignore[return-value] # what is no container is of these kinds


def escaped(text: str) -> str:
    """Write signs in a JSON text that nobody sees, or that no form keeps, as it escapes them."""
    return HIDDEN_SIGNS.sub(lambda found: json.dumps(found[0])[1:-1], text)


def label(path: Sequence[str], rules: Redaction) -> str:
    """Write the way to a field as the API reads it, as it may be seen: user.email, items.0.sku, "/a.b/c"."""
    steps = [rules.text(step) for step in path]
    if all(_PLAIN.fullmatch(step) for step in steps):
        return ".".join(steps)
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
