"""The documentation site builds, and stands on its own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does, elsewhere."""
    build = tmp_path_factory.mktemp("build")
    words = [sys.executable, str(ROOT / "docs" / "site" / "build.py"), str(build)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return build / "site"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_builds_strictly_and_has_every_page(site: Path) -> None:
    """Each page of docs/ but those of the builder, and the changelog."""
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} | {"changelog.md"}
    wanted = {page.replace("README.md", "index.md").replace(".md", ".html") for page in pages}
    assert set() == wanted - {str(page.relative_to(site)) for page in site.rglob("*.html")}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """No script, style, font, picture or frame of another host, in no page and no style sheet."""
    fetches = r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^"'\s>]+"""
    outside = [
        found
        for file in [*site.rglob("*.html"), *site.rglob("*.css")]
        for found in re.findall(rf"""{fetches}|url\(["']?(?:https?:)?//[^)]+""", file.read_text())
    ]
    assert [] == outside


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_commands_are_described_as_text(site: Path) -> None:
    """Their help is a paragraph, not code, and what one may choose from has no backslashes."""
    page = (site / "reference" / "command-line.html").read_text()
    assert "<p>Run APPLICATION while you write it" in page
    assert "<code>--loop [auto|uvloop|asyncio]</code>" in page


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_search_works_without_a_web_server(site: Path) -> None:
    """The index is a script, and what runs it from a file comes with the site."""
    assert "Unique" in (site / "search.js").read_text()
    assert "IFrameWorker" in (site / "assets" / "iframe-worker.js").read_text()
    assert 'src="../assets/iframe-worker.js"' in (site / "concepts" / "time.html").read_text()
