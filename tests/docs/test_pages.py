"""Every Python block of README.md and docs/ runs, and prints what the page says; see `pages.py` for the rules."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.docs.conftest import Play
from tests.docs.pages import ROOT, Block, all_pages, blocks, is_excerpt, origin, player

NOT_RUN = {
    "docs/how-to/blocking-code.md": 1,
    "docs/how-to/groups.md": 1,
    "docs/migrate/apscheduler.md": 1,
    "docs/migrate/arq.md": 1,
    "docs/migrate/celery.md": 1,
    "docs/migrate/dramatiq.md": 1,
    "docs/migrate/rq.md": 1,
}
"""Python blocks that are shown and cannot run, by page: each is marked there with its reason."""

OF_EXAMPLES = [page for page in all_pages() if origin(page.read_text()) is not None]
PLAYED = {page: test for page in all_pages() if (test := player(page.read_text())) is not None}
PAGES = [
    page
    for page in all_pages()
    if page not in OF_EXAMPLES and page not in PLAYED and any(block.is_run for block in blocks(page.read_text()))
]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def found(page: Path) -> Path:
    folder = origin(page.read_text())
    assert folder is not None
    assert folder.is_dir(), f"{name(page)}: there is no folder {folder}"
    return folder


def is_left_out(block: Block) -> bool:
    return block.language == "python" and "not run" in block.marks


def of_the_tutorial(page: Path) -> bool:
    return page.parent.name == "tutorial"


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_page_does_what_it_says(page: Path, play: Play) -> None:
    """From top to bottom; a step of the tutorial has the files of the steps before it."""
    earlier = [other for other in PAGES if of_the_tutorial(other) and other < page] if of_the_tutorial(page) else []
    play(page, before=earlier)


def test_excerpts_are_what_the_examples_have() -> None:
    """What is tested there and what is shown here are the same lines."""
    others = [
        f"{name(page)}:{block.line}"
        for page in OF_EXAMPLES
        for block in blocks(page.read_text())
        if block.language == "python" and not is_left_out(block) and not is_excerpt(block.text, found(page))
    ]
    assert [] == others


@pytest.mark.parametrize("page", PLAYED, ids=name)
def test_a_page_that_a_test_plays_is_named_there(page: Path) -> None:
    """So that no page is left out by naming a test that plays another, or none."""
    assert f'"{page.name}"' in PLAYED[page].read_text()


def test_what_is_not_run_is_known() -> None:
    """A block that cannot run is listed here, so that none is left out by a slip."""
    found = {name(page): sum(map(is_left_out, blocks(page.read_text()))) for page in all_pages()}
    assert NOT_RUN == {page: count for page, count in found.items() if count}


def test_every_reason_is_given() -> None:
    """A block that is not run says why."""
    silent = [
        f"{name(page)}:{block.line}"
        for page in all_pages()
        for block in blocks(page.read_text())
        if block.marks.get("not run") == ""
    ]
    assert [] == silent


def test_every_decision_is_listed_by_its_title() -> None:
    """In the order of their numbers; on a narrow screen the list is all that leads to them."""
    folder = ROOT / "docs" / "decisions"
    listed = [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("- ")]
    titles = [(file.name, file.read_text().partition("\n")[0].split(maxsplit=2)) for file in folder.glob("0*.md")]
    assert [f"- {number} [{title}]({file})" for file, (_, number, title) in sorted(titles)] == listed


def test_how_tos_are_listed_as_the_site_has_them() -> None:
    """Every one of them once, in the same groups and order: on a narrow screen the page is all that leads to them."""
    folder = ROOT / "docs" / "how-to"
    site = tomllib.loads((ROOT / "docs" / "site" / "zensical.toml").read_text().replace("DECISIONS", ""))
    [entries] = [entry["How-to"] for entry in site["project"]["nav"] if "How-to" in entry]
    groups = {
        name: [path.removeprefix("how-to/") for page in pages for path in page.values()]
        for entry in entries[1:]
        for name, pages in entry.items()
    }
    listed: dict[str, list[str]] = {}
    for line in (folder / "index.md").read_text().splitlines():
        if line.endswith(":") and not line.startswith("- "):
            listed[line[:-1]] = []
        elif link := re.match(r"- \[.+?\]\(([\w-]+\.md)\)", line):
            listed[list(listed)[-1]].append(link[1])
    assert groups == listed
    assert list(groups) == list(listed)
    assert {page.name for page in folder.glob("*.md")} - {"index.md"} == {
        page for found in listed.values() for page in found
    }
