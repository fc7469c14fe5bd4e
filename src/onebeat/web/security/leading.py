"""A page of one line that leads to another by itself: the browser then comes from our own page."""

from __future__ import annotations

from html import escape

from starlette.responses import HTMLResponse


def leading(address: str, *, sentence: str = "Go on") -> HTMLResponse:
    """
    Have the browser go on from a page of ours.

    A redirect would not do where the session is needed, which a browser keeps back as long as a link of another site
    leads; nor from a form to another site, which the policy of the page with the form does not allow.

    Args:
        address: Where to, with all quoted that an address may not have.

        sentence: What the link says for whom the browser does not lead.
    """
    there = escape(address)
    return HTMLResponse(
        f'<!doctype html><html lang="en"><title>Onebeat</title><meta http-equiv="refresh" content="0;url={there}">'
        f'<p><a href="{there}">{escape(sentence)}</a></p></html>'
    )
