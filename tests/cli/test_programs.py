"""What waits for programs says what became of one that does not do what is waited for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli import programs
from tests.cli.programs import Program

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('a'); raise SystemExit(3)", "it has ended with status 3"),
        ("input('a')", r'it still runs: (?s:.*)File "<'),
    ],
)
def test_one_that_does_not_say_it_is_told_of(
    tmp_path: Path, code: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its status, or where it stands; and with all that it has printed."""
    monkeypatch.setattr(programs, "PATIENCE_S", 0.5)
    with Program(["-c", code], cwd=tmp_path, terminal=True) as program:
        program.expect("a")
        with pytest.raises(AssertionError, match=f"'b' was not printed, and {told}(?s:.*); printed was:\na"):
            program.expect("b")
