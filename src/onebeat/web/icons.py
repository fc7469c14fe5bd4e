"""The few drawings of the layout, as inline SVG that takes the colour of the text around it."""

from __future__ import annotations

from functools import cache

from markupsafe import Markup

PATHS = {
    "overview": "M2 13V8.5M6 13V4M10 13V6.5M14 13V2",
    "tasks": "M2 4h12M2 8h12M2 12h8",
    "errors": "M8 2.2 14.4 13.5H1.6ZM8 6.5v3.2M8 11.4v.4",
    "schedules": "M8 1.8a6.2 6.2 0 1 0 0 12.4A6.2 6.2 0 0 0 8 1.8ZM8 4.6V8l2.3 1.6",
    "servers": "M2.2 2.8h11.6v4H2.2ZM2.2 9.2h11.6v4H2.2ZM4.6 4.8h.4M4.6 11.2h.4",
    "groups": "M2 2.5h5v5H2ZM9 2.5h5v5H9ZM2 9.2h5v4.3H2ZM9 9.2h5v4.3H9Z",
    "metrics": "M1.8 11.6 5.6 7l2.8 2.6 5.8-6.4",
    "health": "M1.5 8.4h3l1.6-4.2 3 7.6 1.7-3.4h3.7",
    "redis": "M2.4 4.2c0-2.6 11.2-2.6 11.2 0v7.6c0 2.6-11.2 2.6-11.2 0Z"
    "M2.4 4.2c0 2.6 11.2 2.6 11.2 0M2.4 8c0 2.6 11.2 2.6 11.2 0",
    "audit": "M3.2 1.8h6.4l3.2 3.2v9.2H3.2ZM5.6 7.4h4.8M5.6 10.4h4.8",
    "settings": "M2 4.5h7M12.5 4.5H14M2 11.5h1.5M7 11.5h7M9 3v3M3.8 10v3",
    "search": "M7 2.2a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6ZM10.5 10.5l3.6 3.6",
    "menu": "M2 4h12M2 8h12M2 12h12",
}


@cache
def icon(name: str) -> Markup:
    """Draw an icon of 16 pixels; readers of screens pass over it."""
    return Markup(
        '<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" '
        'stroke-width="1.4" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">'
        '<path d="{}"/></svg>'
    ).format(PATHS[name])
