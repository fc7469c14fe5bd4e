"""A payload as a tree of values, each with its place in the bytes, so that some can be changed and no others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from onebeat.errors import shown

DEEPEST = 30
"""Levels of a payload that is changed by field."""

NodeKind = Literal["object", "list", "string", "integer", "number", "boolean", "null", "bytes"]


class Uneditable(ValueError):  # noqa: N818 - it says what a payload is
    """A payload that cannot be changed by field; the sentence says why."""


@dataclass(slots=True, eq=False)
class Node:
    """
    A value.

    Attributes:
        kind: What it is. A number with a fraction or an exponent is a "number", of MessagePack each binary fraction.

        start, end: Where it stands among the bytes.

        inner: Where that begins which is in it.

        items: What is in it.
    """

    kind: NodeKind
    start: int
    inner: int
    end: int
    items: list[Item] = field(default_factory=list)

    @property
    def is_container(self) -> bool:
        """Whether others can be in it."""
        return self.kind in ("object", "list")


@dataclass(slots=True, eq=False)
class Item:
    """
    A value in another, with all that belongs to it there.

    Attributes:
        name: Its name in an object; None in a list.

        node: The value.

        start, end: Where its name, its value and the spaces around it stand, without commas.
    """

    name: str | None
    node: Node
    start: int
    end: int


@dataclass(slots=True)
class Edits:
    """What is to be changed: values, as bytes; what is taken away; and what comes to an object, as bytes by name."""

    replaced: dict[Node, bytes] = field(default_factory=dict)
    removed: set[Item] = field(default_factory=set)
    added: dict[Node, dict[str, bytes]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.replaced or self.removed or self.added)


class Tree(ABC):
    """
    A payload as a tree.

    Attributes:
        data: Its bytes.

        root: What they are.
    """

    def __init__(self, data: bytes, root: Node) -> None:
        self.data = data
        self.root = root

    @abstractmethod
    def text(self, node: Node) -> str:
        """Write a value as JSON does, digit by digit; of bytes the hex digits."""

    @abstractmethod
    def said(self, node: Node) -> str:
        """Return what a string says."""

    @abstractmethod
    def encoded(self, text: str, like: Node | None = None) -> bytes:
        """
        Write a value that is given as JSON without spaces.

        Args:
            like: The value that it replaces, whose width a binary fraction keeps where it can.

        Raises:
            ValueError: It has no form here; the sentence says why.
        """

    @abstractmethod
    def _member(self, name: str, value: bytes) -> bytes:
        """Write a field of an object."""

    @abstractmethod
    def _joined(self, node: Node, parts: Sequence[bytes]) -> bytes:
        """Write an object or a list of what is in it."""

    def changed(self, edits: Edits) -> bytes:
        """Return the bytes with some of them changed."""
        return b"".join([self.data[: self.root.start], self._written(self.root, edits), self.data[self.root.end :]])

    def _written(self, node: Node, edits: Edits) -> bytes:
        if node in edits.replaced:
            return edits.replaced[node]
        if not node.is_container:
            return self.data[node.start : node.end]
        parts = [self._part(item, edits) for item in node.items if item not in edits.removed]
        parts += [self._member(name, value) for name, value in edits.added.get(node, {}).items()]
        if not parts and not node.items:
            return self.data[node.start : node.end]
        return self._joined(node, parts)

    def _part(self, item: Item, edits: Edits) -> bytes:
        node = item.node
        return b"".join(
            [self.data[item.start : node.start], self._written(node, edits), self.data[node.end : item.end]]
        )


class Builder:
    """Builds a tree as its values are read, from the outside in."""

    def __init__(self) -> None:
        self._root: Node | None = None
        self._open: list[Node] = []

    @property
    def top(self) -> Node | None:
        """What is open, and nearest."""
        return self._open[-1] if self._open else None

    def put(self, node: Node, name: str | None, start: int) -> None:
        """Put a value where it belongs; what it holds comes next, until it is closed."""
        if self._open:
            self._open[-1].items.append(Item(name, node, start, node.end))
        else:
            self._root = node
        if node.is_container:
            if len(self._open) == DEEPEST:
                raise Uneditable(f"It nests deeper than {DEEPEST} levels.")
            self._open.append(node)

    def close(self, end: int) -> Node:
        """
        Close what is open.

        Raises:
            Uneditable: Two of its fields have the same name.
        """
        node = self._open.pop()
        node.end = end
        names: set[str | None] = set()
        for item in node.items if node.kind == "object" else ():
            if item.name in names:
                raise Uneditable(
                    f"Field {shown(item.name)} stands twice in it, and readers differ in which one counts."
                )
            names.add(item.name)
        if self._open:
            self._open[-1].items[-1].end = end
        return node

    @property
    def root(self) -> Node:
        """The tree, once it is whole."""
        if self._root is None or self._open:
            raise Uneditable("It ends in the middle.")
        return self._root


def walked(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Yield a value and all that is in it, each with the way to it."""
    yield path, node
    for place, inner in enumerate(node.items):
        yield from walked(inner.node, (*path, str(place) if inner.name is None else inner.name))
