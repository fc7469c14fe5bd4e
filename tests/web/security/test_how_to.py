"""docs/how-to/secure-the-console.md and docs/reference/console.md: what they say is so."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from pathlib import Path

from onebeat import web
from onebeat.cli.web import web as command
from onebeat.web.security.access import Access
from onebeat.web.security.credentials import PasswordHash, TokenHash
from onebeat.web.security.roles import ACTIONS, Role, User
from tests.docs.pages import ROOT, blocks

PAGE = (ROOT / "docs" / "how-to" / "secure-the-console.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "console.md").read_text()


def test_the_access_file_of_the_page_is_read(tmp_path: Path) -> None:
    """With hashes in place of the dots."""
    [text] = [block.text for block in blocks(PAGE) if block.language == "toml"]
    assert {"users", "tokens"} == tomllib.loads(text).keys()
    text = re.sub(r'"scrypt[^"]*"', f'"{PasswordHash.make("correct horse").text}"', text)
    text = re.sub(r'"sha256[^"]*"', f'"{TokenHash.make("ob_0123456789abcdefghij").text}"', text)
    (tmp_path / "access.toml").write_text(text)
    found = Access.read(tmp_path / "access.toml").users["bob"]
    assert User("bob", "view", {"mail": "operate", "payroll-*": None}) == found
    assert [Role.OPERATE, None, Role.VIEW] == [found.role_on(queue) for queue in ("mail", "payroll-eu", "reports")]


def test_the_python_of_the_page_runs() -> None:
    """And prints what it says."""
    said: list[str] = []
    names: dict[str, object] = {"print": said.append}
    for block in blocks(PAGE):
        if block.language == "python":
            exec(compile(block.text, "secure-the-console.md", "exec"), names)  # noqa: S102 - it is our own page
    assert [block.shown.strip() for block in blocks(PAGE) if block.shown] == said


def test_every_option_that_the_page_uses_is_there() -> None:
    """Also those of the reference, which has them all."""
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts) if name.startswith("--")}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert set() == used - known
    table = REFERENCE.partition("## `onebeat web`")[2].partition("\n## ")[0]
    assert known - {"--redact"} == set(re.findall(r"`(--[a-z-]+)`", table))


def test_the_reference_has_the_table_of_actions() -> None:
    """Each with its role, in the same order."""
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (\w+) \|$", REFERENCE, re.MULTILINE)
    assert [(action, str(role)) for action, role in ACTIONS.items()] == rows


def test_every_public_name_is_in_the_reference() -> None:
    """From its docstring."""
    found = re.findall(r"^::: onebeat\.web\.(\w+)$", REFERENCE, re.MULTILINE)
    assert sorted(set(web.__all__) - {"onebeat_web"}) == sorted(found)


def test_every_setting_is_explained() -> None:
    """In the docstring that the reference shows."""
    attributes = inspect.cleandoc(web.Settings.__doc__ or "").partition("Raises:")[0]
    explained = re.findall(r"^    (\w+): ", attributes, re.MULTILINE)
    assert [field.name for field in dataclasses.fields(web.Settings)] == explained
