"""The reference names all that is public, and nothing that is not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import onebeat
from onebeat import errors, testing
from onebeat.options import EnqueueOptions
from onebeat.server.config import ServerConfig
from onebeat.server.server import ServerSettings
from tests.docs.pages import ROOT

REFERENCE = ROOT / "docs" / "reference"


def names(page: Path) -> list[str]:
    """Return what a page takes from docstrings."""
    return re.findall(r"^::: onebeat\.(\w+)$", page.read_text(), re.MULTILINE)


def test_every_public_name_is_in_the_reference_once() -> None:
    """From its docstring, or as an error."""
    found = sorted(name for page in REFERENCE.glob("*.md") for name in names(page))
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert sorted(set(onebeat.__all__) - classes) == found


def test_every_public_name_of_the_test_kit_is_in_the_reference() -> None:
    """But `Kit`, which nobody holds: its block gives what is held."""
    found = re.findall(r"^::: onebeat\.testing\.(\w+)$", (REFERENCE / "testing.md").read_text(), re.MULTILINE)
    assert sorted(set(testing.__all__) - {"Kit"}) == sorted(found)


def test_every_exception_has_an_entry() -> None:
    """In the order of the module."""
    defined = [name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)]
    entries = re.findall(r"^## (\w+)$", (REFERENCE / "errors.md").read_text(), re.MULTILINE)
    assert defined == entries


def test_every_error_says_what_to_do() -> None:
    """All but the three that a handler raises, and their base."""
    text = (REFERENCE / "errors.md").read_text()
    parts = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    silent = {name for name, part in parts.items() if "**What to do:**" not in part}
    assert {"TaskControl", "SkipRetry", "RevokeTask", "Retry"} == silent


def test_every_option_is_explained() -> None:
    """In a row of the table."""
    rows = re.findall(r"^\| `(\w+)` \|", (REFERENCE / "options.md").read_text(), re.MULTILINE)
    assert sorted(EnqueueOptions.__annotations__) == sorted(rows)


def test_every_setting_is_explained() -> None:
    """In the docstring that the settings page shows."""
    explained = re.findall(r"^    (\w+): ", inspect.cleandoc(ServerConfig.__doc__ or ""), re.MULTILINE)
    assert sorted(ServerSettings.__annotations__) == sorted(explained)


def documented(value: object) -> Iterator[str]:
    """Yield the docstring of a public class and those of its public methods."""
    yield inspect.getdoc(value) or ""
    for name, member in vars(value).items() if isinstance(value, type) else ():
        if not name.startswith("_"):
            yield inspect.getdoc(member) or ""


def test_no_reference_needs_the_list_of_sharp_edges() -> None:
    """Their numbers say nothing to who reads the reference."""
    public = [getattr(module, name) for module in (onebeat, testing) for name in module.__all__]
    assert [] == [text for value in public for text in documented(value) if re.search(r"\bSE-\d", text)]
