"""What plays the pages notices when they are wrong; otherwise they would prove nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.conftest import Play
from tests.docs.pages import blocks, is_excerpt, origin

RIGHT = """
`shop.py`:

```python
PRICE = 7
```

```python
import asyncio

from shop import PRICE

print(PRICE)
await asyncio.sleep(0)
```

```text
7
```

<!-- raises: ValueError -->

```python
int("x")
```

```text
invalid literal ... 'x'
```

<!-- not run: it would fail -->

```python
1 / 0
```

```console
$ python -c "print(1); print(2)"
1
2
$ docker stop all
```
"""

WRONG = {
    "another output": ("\n7\n", "\n8\n", "page.md:9"),
    "no output": ("print(PRICE)\n", "", "page.md:9"),
    "an error": ("print(PRICE)", "print(PRICE / 0)", "ZeroDivisionError"),
    "no error": ('int("x")', "int('1')", "no ValueError was raised"),
    "another error": ("raises: ValueError", "raises: TypeError", "ValueError"),
    "another message": ("invalid literal", "a wrong literal", "a wrong literal"),
    "another output of a command": ("1\n2\n", "1\n3\n", "+2"),
    "a command that fails": ("print(2)", "print(3 / 0)", "ZeroDivisionError"),
}


def test_a_right_page_passes(tmp_path: Path, play: Play) -> None:
    """Files, blocks with and without await, outputs, errors, commands; and what is marked is left out."""
    page = tmp_path / "page.md"
    page.write_text(RIGHT)
    play(page)


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_page_fails(tmp_path: Path, play: Play, wrong: str) -> None:
    """With what is different, or the error."""
    old, new, told = WRONG[wrong]
    assert 1 == RIGHT.count(old)
    page = tmp_path / "page.md"
    page.write_text(RIGHT.replace(old, new))
    with pytest.raises(AssertionError) as failure:
        play(page)
    assert told in str(failure.value)


def test_a_page_that_hangs_fails(tmp_path: Path, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the block that waits, and not as a process that took too long."""
    monkeypatch.setenv("PAGE_BLOCK_SECONDS", "0.5")
    page = tmp_path / "page.md"
    page.write_text(RIGHT.replace("asyncio.sleep(0)", "asyncio.Event().wait()"))
    with pytest.raises(AssertionError) as failure:
        play(page)
    assert "page.md:9: waits for what does not come" in str(failure.value)


def test_a_text_that_is_apart_is_no_output() -> None:
    """Only what stands right under a block is what it prints."""
    page = "```python\nprint(1)\n```\n\nWords.\n\n```text\n2\n```\n"
    assert [None, None] == [block.shown for block in blocks(page)]


def test_an_excerpt_is_looked_up(tmp_path: Path) -> None:
    """Lines that follow on one another in one file, at any indentation; half a line is none."""
    (tmp_path / "api.py").write_text("def view():\n    a = 1\n\n    b = 2\n")
    assert is_excerpt("a = 1\nb = 2\n", tmp_path)
    assert not is_excerpt("a = 1\nb = 3\n", tmp_path)
    assert not is_excerpt("b = \n", tmp_path)


def test_a_page_names_what_its_blocks_are_of() -> None:
    """On a line of its own."""
    folder = origin("# FastAPI\n\n<!-- excerpts of: examples/fastapi -->\n")
    assert folder is not None
    assert "examples/fastapi" == "/".join(folder.parts[-2:])
    assert None is origin("`<!-- excerpts of: examples/fastapi -->`")
