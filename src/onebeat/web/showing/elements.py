"""Elements of HTML and SVG, made so that no text can become markup."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *inside: str, **attributes: object) -> Markup:
    """
    Return an element; what is inside is escaped, unless it is markup already.

    Args:
        name: Of the element, written in the source.

        inside: Texts and elements.

        attributes: By name: `class_` is "class", `aria_label` is "aria-label". None: it has none of it.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{said}>{''.join(map(escape, inside))}</{name}>")  # noqa: S704 - all in it is escaped


def joined(parts: Iterable[Markup]) -> Markup:
    """Return elements one after the other."""
    return Markup("").join(parts)
