"""Whether a payload is what its task declares, said so that nothing is told that is hidden."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat import codecs
from onebeat.app.app import Onebeat
from onebeat.app.binder import reason
from onebeat.errors import PayloadError
from onebeat.task import Task, TaskInfo
from onebeat.web.editing.leaves import Leaf, label, leaves, read_tree
from onebeat.web.editing.trees import Uneditable
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.signs import plain

_PLACE = re.compile(r"(?:\s+-)? at `(?:key in )?\$([^`]*)`\s*\Z")
_STEP = re.compile(r"\[([^\]]*)\]|\.([^.\[\]]+)")
_ABOUT_TYPES = ("Expected `", "Object missing required field", "Object contains unknown field")
"""How sentences begin that say what was declared, and tell no value."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """
    Why a payload is not what its task declares.

    Attributes:
        sentence: It, without a full stop.

        path: The way to the field; None: it is not known, or all of it.
    """

    sentence: str
    path: tuple[str, ...] | None = None


def misfit(app: Onebeat | None, info: TaskInfo | Task[Any], payload: bytes, rules: Redaction) -> Misfit | None:
    """
    Compare a payload with what an application declares of its task, as a server does before it runs it.

    Returns:
        Why it does not fit; None: it does, or nothing is known of such tasks.
    """
    declared = app.tasks.get(info.type) if app is not None else None
    if declared is None:
        return None
    try:
        declared.arguments(payload, info.headers)
    except PayloadError as error:
        return _told(error, info, payload, rules)
    return None


def _told(error: PayloadError, info: TaskInfo | Task[Any], payload: bytes, rules: Redaction) -> Misfit:
    inner = error.__cause__
    why = str(reason(inner) if isinstance(inner, Exception) else error)
    found = _PLACE.search(why)
    path = tuple(step or name for step, name in _STEP.findall(found[1])) if found is not None else None
    said = plain(rules.text(" ".join(why[: found.start() if found is not None else None].split())[:300]))
    fields = _leaves(info, payload, rules)
    about = _about(fields, path) if path else []
    leaf = about[0] if about else None
    named, place = "it", None
    if leaf is not None and path is not None:
        place = leaf.path
        named = f"field {leaf.label if '...' in path or len(path) > len(leaf.path) else label(path, rules)}"
    if not said.startswith(_ABOUT_TYPES) and _may_tell(about or fields, rules):
        return Misfit(f"{named} does not fit what task {plain(info.type)} declares", place)
    return Misfit(f"{named} does not fit what task {plain(info.type)} declares: {said}", place)


def _may_tell(about: Sequence[Leaf], rules: Redaction) -> bool:
    """Whether a sentence about these fields might tell a value that is hidden."""
    return not rules.is_off and (not about or any(one.kind == "hidden" for one in about))


def _leaves(info: TaskInfo | Task[Any], payload: bytes, rules: Redaction) -> list[Leaf]:
    try:
        return leaves(read_tree(payload, codecs.name_of(info.headers)), rules)
    except Uneditable:
        return []


def _about(fields: Sequence[Leaf], path: tuple[str, ...]) -> list[Leaf]:
    """
    Find the fields that a sentence may be about: what stands at the place which it names, or in it, or holds it.

    Of several at a place with "..." in it, which is any step, nobody knows which one is meant.
    """
    return [
        leaf for leaf in fields
        if all(one in ("...", other) for one, other in zip(path, leaf.path, strict=False))
    ]  # fmt: skip
