"""
Pages from templates: whole, or only what changes in them, and nothing if that did not change.

A page's live part has a tag, a hash of its markup. A browser that polls sends the tag of what it shows, and is answered
304 when it is still the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from onebeat import __version__
from onebeat.web import assets, links, parts, rights, viewer
from onebeat.web.icons import icon
from onebeat.web.security import gate
from onebeat.web.showing import bars, instants, words

NOTICE = "onebeat_notice"
"""The cookie with the sentence that the next page shows: what has become of the form that was sent."""

MOST_NOTICE = 300
"""Characters of it: as many fit into a cookie whatever they are, and browsers drop one that is larger than 4 kB."""


@cache
def environment() -> Environment:
    """Make what fills templates: all that is filled in is escaped, and a name that is missing fails."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(icon=icon, version=__version__, words=words, bars=bars, instants=instants)
    made.globals["ui"] = made.get_template("ui.html").module
    return made


def render(request: Request, name: str, *, status: int = 200, **values: Any) -> Response:
    """
    Answer with a page.

    A request of htmx is answered with the block "live" of the template alone, or with 304.

    Args:
        name: The template's file, such as "queue.html".

        status: The HTTP status.

        values: What the template names.
    """
    template = environment().get_template(name)
    context = {**shared(request), **values}
    context |= _spoken(context)
    if request.headers.get("hx-request") == "true" and "live" in template.blocks:
        return _varied(_part(request, template, context, status))
    notice = _notice(request)
    text = template.render({**context, "notice": notice, "live": _block(template, context)})
    answer = HTMLResponse(text, status_code=status)
    if notice is not None:
        answer.delete_cookie(NOTICE, path=f"{links.root(request)}/")
    return _varied(answer)


def _spoken(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the verdict of a page of which not all could be read: nothing is well then as far as one knows."""
    kind, sentence = context.get("kind"), context.get("sentence")
    if not context["unread"] or not sentence or "cannot be read" in sentence:
        return {}
    return {
        "kind": "warn" if kind in ("good", "") else kind,
        "sentence": f"Not all could be read. Of the rest: {sentence}",
    }


def _varied(answer: Response) -> Response:
    """Keep browsers from showing a part in place of the page of the same address, as when one goes back to it."""
    answer.headers.add_vary_header("HX-Request")
    return answer


def shared(request: Request) -> Mapping[str, Any]:
    """Return what every template may use."""
    console, identity = request.app.state.console, gate.identity(request)
    return {
        "request": request,
        "console": console,
        "settings": console.settings,
        "store_name": console.store_name,
        "run_command": "onebeat run myapp:app" + (" --embedded" if console.store_name.startswith("embedded:") else ""),
        "viewer": viewer.of(request),
        "user": identity and identity.user,
        "identity": identity,
        "may": lambda action, queue=None: rights.may(request, action, queue),
        "url": lambda path, **query: links.url(request, path, **query),
        "asset": lambda name: links.root(request) + assets.address(name),
        "same": links.same(request),
        "tallies": getattr(request.state, "tallies", {}),  # see rail.py
        "unread": parts.unread(request),
        "place": "",
        "polls": True,
        "rendered_at": datetime.now(UTC),
    }


def _part(request: Request, template: Template, context: Mapping[str, Any], status: int) -> Response:
    live = _block(template, context)
    tag = _tag(live)
    headers = {"HX-PTag": tag}
    if status == 200 and request.headers.get("hx-ptag") == tag:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(live, status_code=status, headers=headers)


def _block(template: Template, context: Mapping[str, Any]) -> Markup:
    block = template.blocks.get("live")
    if block is None:
        return Markup("")
    text = "".join(block(template.new_context(dict(context))))
    ui: Any = environment().globals["ui"]
    return Markup(str(ui.unread(context["unread"])) + text)  # noqa: S704 - out of templates, escaped


def _tag(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=12).hexdigest()


def redirect(request: Request, path: str, notice: str = "", *, kind: str = "good", **query: object) -> Response:
    """
    Send the browser on after a form, with a sentence that the next page shows.

    Args:
        path, query: See `links.url`.

        notice: What has become of it.

        kind: "good", "bad".
    """
    answer = RedirectResponse(links.url(request, path, **query), status_code=303)
    if notice:
        text = quote(json.dumps([kind, notice[:MOST_NOTICE]], ensure_ascii=False))
        answer.set_cookie(
            NOTICE, text, max_age=60, path=f"{links.root(request)}/", httponly=True,
            secure=request.scope.get("scheme") == "https", samesite="strict",
        )  # fmt: skip
    return answer


def _notice(request: Request) -> tuple[str, str] | None:
    """Read what `redirect` has left; anybody can write a cookie, so nothing but two short texts is taken from it."""
    text = request.cookies.get(NOTICE)
    if not text:
        return None
    try:
        kind, notice = json.loads(unquote(text))
    except (ValueError, TypeError, RecursionError):
        return None
    return ("good" if kind == "good" else "bad", str(notice)[:1000])
