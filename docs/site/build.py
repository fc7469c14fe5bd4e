"""
Builds the documentation site: `python docs/site/build.py [FOLDER]`, or `make docs`.

The pages are gathered in FOLDER/docs (default: build/docs): those of `docs/` as they are, the changelog, and what
stands elsewhere put in where a page says `<!-- include: … -->`. Zensical makes FOLDER/site of them. It fails on a
broken link, a page that the navigation leaves out, a docstring that does not fit, and anything that a reader's browser
would fetch from elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from inspect import cleandoc
from pathlib import Path

import click

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

INCLUDE = re.compile(r"^<!-- include: (.+?) -->\n.*?^<!-- end -->\n", re.MULTILINE | re.DOTALL)
"""What stands between says to readers of the plain page where it is."""

DRAWING = re.compile(r"^!\[.*?\]\((.+?\.svg)\)$", re.MULTILINE)
NAMED = re.compile(r'= "([\w./-]+\.md)" \}')
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source|link)\b[^>]*?\b(?:src|href)=["']?(?:https?:)?//[^>]*>|url\(["']?(?:https?:)?//[^)]*"""
)
SHIM = "https://unpkg.com/iframe-worker/shim"
"""What Zensical has pages fetch so that search works without a web server; ours comes with the site."""


class Refused(SystemExit):
    """The site cannot be built."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(f"docs: {problem}" for problem in problems))


@dataclass
class Site:
    """One build of the site in a folder."""

    folder: Path

    @property
    def pages(self) -> Path:
        return self.folder / "docs"

    @property
    def output(self) -> Path:
        return self.folder / "site"

    def there(self) -> set[str]:
        """Return the pages that were gathered."""
        return {str(page.relative_to(self.pages)) for page in self.pages.rglob("*.md")}

    def gather(self) -> None:
        """Put all pages into one folder."""
        shutil.rmtree(self.pages, ignore_errors=True)
        shutil.copytree(ROOT / "docs", self.pages, ignore=shutil.ignore_patterns("site", "proofs"))
        (self.pages / "changelog.md").write_text((ROOT / "CHANGELOG.md").read_text().replace("](docs/", "]("))
        for name in ("style.css", "iframe-worker.js"):
            shutil.copy(HERE / name, self.pages / "assets" / name)
        for page in self.pages.rglob("*.md"):
            text = INCLUDE.sub(lambda found: included(found[1]), page.read_text())
            text = DRAWING.sub(lambda found, page=page: drawing(page.parent / found[1]), text)  # type: ignore[misc] # bound now
            page.write_text(text)

    def configure(self) -> None:
        """Make sure that the navigation names every page, and only pages that are there."""
        text = (HERE / "zensical.toml").read_text().replace("SOURCE", str(ROOT / "src"))
        text = text.replace("DECISIONS", "\n".join(self._decisions()))
        there, named = self.there(), set(NAMED.findall(text))
        problems = [f"{page} is in no navigation" for page in sorted(there - named)]
        problems += [f"{page} is in the navigation, and not there" for page in sorted(named - there)]
        if problems:
            raise Refused(*problems)
        (self.folder / "zensical.toml").write_text(text)

    def _decisions(self) -> Iterator[str]:
        """Yield a line of the navigation for each decision, by its number."""
        for page in sorted(self.pages.glob("decisions/0*.md")):
            title = page.read_text().partition("\n")[0].lstrip("# 0123456789:")
            yield f'{{ "{title}" = "decisions/{page.name}" }},'

    def build(self) -> None:
        """Have Zensical build the site, strictly."""
        shutil.rmtree(self.output, ignore_errors=True)
        words = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
        words += ["-f", str(self.folder / "zensical.toml")]
        done = subprocess.run(words, cwd=self.folder, check=False, capture_output=True, text=True)
        told = re.sub(r"\x1b\[[\d;]*m", "", done.stdout + done.stderr).partition("Traceback")[0]
        if done.returncode or "griffe:" in told:  # a docstring that does not fit its function
            raise Refused(f"Zensical refuses to build the site\n{told}")

    def finish(self) -> None:
        """Let nothing be fetched from elsewhere, and see that nothing is."""
        problems = []
        for page in self.output.rglob("*.html"):
            shim = os.path.relpath(self.output / "assets" / "iframe-worker.js", page.parent)
            page.write_text(page.read_text().replace(SHIM, shim))
        for file in [*self.output.rglob("*.html"), *self.output.rglob("*.css")]:
            found = FETCHED.search(file.read_text())
            if found is not None:
                problems.append(f"{file.relative_to(self.output)} fetches from elsewhere: {found[0][:200]}")
        if problems:
            raise Refused(*problems)


def included(what: str) -> str:
    """Return what stands elsewhere."""
    if what == "quickstart":
        part = (ROOT / "README.md").read_text().partition("<!-- quickstart")[2]
        return part.partition("-->\n")[2].partition("<!-- end of quickstart -->")[0]
    if what == "commands":
        from onebeat.cli.commands import cli

        return "\n".join(described(cli, "onebeat", None))
    if what == "schemas":
        return "\n".join(listed())
    raise Refused(f"nothing is known to include as {what!r}")


def listed() -> Iterator[str]:
    """Write down which schemas there are."""
    yield "| Command | Schema |\n|---|---|"
    for file in sorted((ROOT / "docs" / "reference" / "schemas").glob("*.json")):
        title = json.loads(file.read_text())["title"]
        yield f"| `{title}` | [{file.name}](schemas/{file.name}) |"
    yield ""


def described(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    """Write down a command and those below it, as click knows them."""
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"\n## `{context.command_path}`\n\n{_told(command.help or '')}\n\n```text\n{usage}\n```\n"
    helps = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    rows = [row for row in helps if row is not None and "--help" not in row[0]]
    if rows:
        yield "| Option | Meaning |\n|---|---|"
        yield from ("| `{}` | {} |".format(option, text.replace("|", "\\|")) for option, text in rows)
    if isinstance(command, click.Group):
        for sub in command.list_commands(context):
            found = command.get_command(context, sub)
            if found is not None:
                yield from described(found, sub, context)


def _told(help: str) -> str:
    """Keep what a terminal is shown line by line as it is."""
    parts = cleandoc(help).split("\n\n")
    parts = [f"```text{part[1:]}\n```" if part.startswith("\b") else part for part in parts]
    return "\n\n".join(parts)


def drawing(file: Path) -> str:
    """Put a drawing into its page, so that it takes the colours of the theme that the reader has chosen."""
    lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    return f'<div class="drawing">{"".join(lines)}</div>'


def main() -> None:
    """Gather, configure, build, finish."""
    site = Site(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build")
    site.gather()
    site.configure()
    site.build()
    site.finish()
    size = sum(file.stat().st_size for file in site.output.rglob("*") if file.is_file())
    print(f"{len(site.there())} pages, {size / 1e6:.1f} MB: {os.path.relpath(site.output / 'index.html')}")


if __name__ == "__main__":
    main()
