"""The reference of the API is that of the table of its operations."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from onebeat.web.api import limits, payloads, serving, tasks
from onebeat.web.api.operation import BODY, BODY_WITH_PAYLOAD
from tests.docs.pages import ROOT


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("console_api", ROOT / "docs" / "site" / "console_api.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load()


def test_the_page_is_that_of_the_table() -> None:
    """Else `make console-api` writes it, and the change is looked at."""
    assert TOOL.text() == TOOL.PAGE.read_text()


def test_the_limits_that_it_names_are_those_that_hold() -> None:
    """In the part that is written by hand."""
    told = " ".join(TOOL.GENERAL.values())
    for number in (BODY, BODY_WITH_PAYLOAD, payloads.IN_LISTS, payloads.ALONE, payloads.WHOLE):
        assert f"{number:,}" in told
    assert f"{limits.RATE:g} requests a second of one user, {limits.BURST:g} at once" in told
    assert f"{serving.WITHIN_S:g} seconds; then 503" in told
    assert 3.0 == tasks.SEARCH_S
