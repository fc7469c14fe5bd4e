"""The README's quickstart, from an empty folder as a newcomer would do it: what appears, and how long it took."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.conftest import Play
from tests.docs.pages import ROOT, blocks, commands

BEGIN, END = "<!-- quickstart", "<!-- end of quickstart -->"
WHOLE = (ROOT / "README.md").read_text()
PART = WHOLE.partition(BEGIN)[2].partition("-->\n")[2].partition(END)[0]


@pytest.mark.slow
def test_the_quickstart_does_what_it_shows(
    play: Play, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Two files, a server, a client that prints what the README says, and `onebeat stats`; timed, not judged."""
    page = tmp_path / "page" / "quickstart.md"
    page.parent.mkdir()
    page.write_text(PART)
    began = time.perf_counter()
    play(page)
    record_property("the quickstart took", f"{time.perf_counter() - began:.1f} s")


def test_the_quickstart_has_its_files_and_shows_its_results() -> None:
    """So that the test above cannot pass by running nothing."""
    found = list(blocks(PART))
    assert ["shop.py", "signup.py"] == [block.file for block in found if block.file]
    steps = {command: shown.splitlines() for block in found if block.is_run for command, shown in commands(block)}
    assert {
        "onebeat run shop:app --embedded": [],
        "python signup.py": ["welcome, user 42, in uk", "order 7 charged at attempt 2"],
        "onebeat stats": [],
    } == steps


def test_the_site_has_the_same_quickstart() -> None:
    """It is included there, so there is one source."""
    assert "<!-- include: quickstart -->\n" in (ROOT / "docs" / "index.md").read_text()
    assert "send_welcome" not in (ROOT / "docs" / "index.md").read_text()
