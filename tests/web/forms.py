"""The forms of a page, as a browser without JavaScript sends them."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx2

ON = {"queue": "q", "id": "a"}


class _Form(HTMLParser):
    """Collects what the form of a page that posts to a path would send."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action, self._is_inside = action, False
        self._select = self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._is_inside = about.get("action", "").endswith(self._action)
        if not self._is_inside:
            return
        is_off = about.get("type") in ("checkbox", "radio") and "checked" not in about
        if tag == "input" and "name" in about and not is_off:
            self.fields[about["name"]] = about.get("value", "")
        elif tag == "select":
            self._select = about["name"]
            self.fields.pop(self._select, None)
        elif tag == "textarea":
            self._area = about["name"]
            self.fields[self._area] = ""
        elif tag == "option" and self._select:
            self._option(about)

    def _option(self, about: dict[str, str]) -> None:
        if "selected" in about or self._select not in self.fields:
            self.fields[self._select] = about.get("value", "")
            self._wants_text = "value" not in about
        else:
            self._wants_text = False

    _wants_text = False

    def handle_data(self, data: str) -> None:
        if self._area:
            self.fields[self._area] += data
        elif self._select and self._wants_text:
            self.fields[self._select] = data.strip()
            self._wants_text = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea" and self._area:
            self.fields[self._area] = self.fields[self._area].removeprefix("\n")
            self._area = ""
        elif tag == "select":
            self._select = ""
        elif tag == "form":
            self._is_inside = False


def fields_of(markup: str, action: str) -> dict[str, str]:
    """Return what the form that posts to a path would send as it is."""
    form = _Form(action)
    form.feed(markup)
    return form.fields


async def filled(web: httpx2.AsyncClient, path: str, **given: str) -> dict[str, str]:
    """Return the fields of a form about a task, as a browser would send them."""
    answer = await web.get(path, params={**ON, **given})
    assert 200 == answer.status_code, answer.text
    return fields_of(answer.text, path)
