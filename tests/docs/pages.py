"""
The pages of the documentation as a list of steps that can be run.

A page is read from top to bottom. What counts are its fenced blocks:

- `python` is run, in one namespace for the whole page; `await` may stand at its top level.
- `python` under a line that is only a file name, such as "`shop.py`:", is written to that file instead.
- `text` right after a `python` block is what that block prints; `...` stands for anything.
- `console` has commands after `$ ` and what they print. `onebeat` and `python` are run, `onebeat run` and `dev` in the
  background until the page ends; other programs are not run.
- All other languages are only shown.

Comments in front of a block, each on a line of its own:

- `<!-- not run: why -->` leaves it out.
- `<!-- raises: PayloadError -->` says how it ends; a `text` block after it is then the message.
- `<!-- served -->` has a server run the page's `app` during that block, as `onebeat run` would in another terminal;
  `<!-- served: shop:app -->` that of a module. What a block wants to see done it waits for itself: the server stops
  as the block ends, and what nobody has taken by then stays in the store.

And on a line anywhere in a page, `<!-- excerpts of: examples/fastapi -->`: all its Python blocks are parts of files in
that folder, which has tests of its own. They are looked up there and not run. `<!-- played by: tests/docs/x.py -->`:
that test plays the page, and nobody else does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (not run|raises|served)(?:: (.+?))? -->\s*\Z")
PLAYER = re.compile(r"^<!-- played by: ([\w./-]+) -->$", re.MULTILINE)
ORIGIN = re.compile(r"^<!-- excerpts of: ([\w./-]+) -->$", re.MULTILINE)
FILE = re.compile(r"^`([\w./]+\.\w+)`:\s*\Z", re.MULTILINE)


@dataclass
class Block:
    """
    One fenced block.

    Attributes:
        file: The file that it is, or "".

        marks: The comments in front of it, by their first words.

        shown: What it prints, where the page says so.
    """

    language: str
    text: str
    line: int
    file: str = ""
    marks: dict[str, str] = field(default_factory=dict)
    shown: str | None = None

    @property
    def is_run(self) -> bool:
        """Whether it is executed or written to a file."""
        return self.language in ("python", "console") and "not run" not in self.marks


def blocks(text: str) -> list[Block]:
    """Return the blocks of a page, each with what stands in front of it and what is shown after it."""
    found_so_far: list[Block] = []
    end = 0
    for found in FENCE.finditer(text):
        before, end = text[end : found.start()], found.end()
        block = Block(found[1], found[2], text.count("\n", 0, found.start()) + 2)
        if block.language == "text" and not before.strip() and found_so_far and found_so_far[-1].language == "python":
            found_so_far[-1].shown = block.text
        while (mark := MARK.search(before)) is not None:
            block.marks[mark[1]] = mark[2] or ""
            before = before[: mark.start()]
        named = FILE.search(before.rstrip() + "\n")
        block.file = named[1] if named is not None else ""
        found_so_far.append(block)
    return found_so_far


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block, each with what it prints."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command.partition("  #")[0].strip(), shown


def origin(text: str) -> Path | None:
    """Return the folder that a page's blocks are excerpts of, or None."""
    found = ORIGIN.search(text)
    return ROOT / found[1] if found is not None else None


def player(text: str) -> Path | None:
    """Return the test that plays a page in its own way, or None."""
    found = PLAYER.search(text)
    return ROOT / found[1] if found is not None else None


def is_excerpt(part: str, folder: Path) -> bool:
    """Whether the lines of a block follow on one another in a file of a folder, wherever they are indented to."""
    wanted = squeezed(part)
    return any(wanted in squeezed(file.read_text()) for file in folder.rglob("*.py"))


def squeezed(text: str) -> str:
    """Return a text's lines without their indentation and without blank ones, each between line ends."""
    return "\n" + "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def all_pages() -> list[Path]:
    """Return README.md and every page under docs/, sorted."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
