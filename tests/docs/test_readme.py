"""The README's quickstart, as a newcomer would do it: its files, its commands, its output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"


def quickstart() -> tuple[dict[str, str], list[str]]:
    """Return the files of the quickstart, and what its console block shows of `python signup.py`."""
    text = README.read_text()
    part = text.partition("<!-- quickstart")[2].partition("<!-- end of quickstart -->")[0]
    files = dict(re.findall(r"`(\w+\.py)`:\n\n```python\n(.*?)```", part, re.DOTALL))
    console = re.findall(r"\$ python signup\.py\n(.*?)\$ ", part, re.DOTALL)[0]
    return files, console.splitlines()


@pytest.mark.slow
def test_the_quickstart_does_what_it_shows(tmp_path: Path) -> None:
    """A server on the embedded store, and a client that prints what the README says it prints."""
    files, expected = quickstart()
    assert {"shop.py", "signup.py"} == set(files)
    for name, source in files.items():
        (tmp_path / name).write_text(source)
    (tmp_path / "pyproject.toml").write_text("")  # marks the project whose embedded store both processes use
    clean = {name: value for name, value in os.environ.items() if name != "ONEBEAT_URL"}
    words = [sys.executable, "-m", "onebeat", "run", "shop:app", "--embedded"]
    server = subprocess.Popen(words, cwd=tmp_path, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        done = subprocess.run(
            [sys.executable, "signup.py"], cwd=tmp_path, env=clean, capture_output=True, text=True, check=False
        )
    finally:
        server.send_signal(signal.SIGINT)
        _, log = server.communicate()
    assert expected == done.stdout.splitlines(), done.stderr + log.decode()
    assert 0 == server.returncode, log.decode()


def test_the_plain_form_of_the_readme_is_valid() -> None:
    """The second example compiles and its names exist."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    plain = next(block for block in blocks if "Mux()" in block)
    exec(compile(plain, "README.md", "exec"), {"__name__": "readme"})  # noqa: S102 - our own text
