"""docs/how-to/sign-in-with-openid-connect.md: what it says is so."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from onebeat.cli.web import web as command
from onebeat.web import Console, Grant
from onebeat.web.security.access import Access
from onebeat.web.security.oidc import flows, tokens
from onebeat.web.security.oidc.settings import FOR_ALL, MIN_SECRET
from tests.docs.pages import ROOT, blocks

PAGE = (ROOT / "docs" / "how-to" / "sign-in-with-openid-connect.md").read_text()


def test_the_python_of_the_page_runs() -> None:
    """It makes a console; nothing is asked of the provider yet."""
    [text] = [block.text for block in blocks(PAGE) if block.language == "python"]
    names: dict[str, object] = {}
    exec(compile(text, "sign-in-with-openid-connect.md", "exec"), names)  # noqa: S102 - it is our own page
    assert isinstance(names["board"], Console)


def test_the_groups_of_the_page_are_read(tmp_path: Path) -> None:
    """Each with what it grants."""
    [text] = [block.text for block in blocks(PAGE) if block.language == "toml"]
    assert {"groups"} == tomllib.loads(text).keys()
    (tmp_path / "access.toml").write_text(text)
    groups = Access.read(tmp_path / "access.toml").groups
    assert Grant("view", {"payments-*": "admin", "payroll-*": None}) == groups["payments"]


def test_every_option_of_a_provider_is_on_the_page() -> None:
    """And no other than there are."""
    known = {name for each in command.params for name in each.opts if name.startswith("--")}
    used = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", PAGE))
    assert set() == used - known
    assert {name for name in known if name.startswith("--oidc")} <= used


def test_addresses_and_numbers_of_the_page_are_those_of_the_code() -> None:
    """What one has to type at the provider, too."""
    assert f"https://jobs.example.com{flows.CALLBACK}`" in PAGE
    assert f"fewer than {MIN_SECRET} characters" in PAGE
    assert ["Google", "GitLab.com", "Microsoft"] == [name for name in FOR_ALL.values() if name in PAGE]
    assert (60, True) == (tokens.SKEW_S, "may differ by a minute" in PAGE)
