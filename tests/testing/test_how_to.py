"""The page of the documentation about the kit: its blocks run, and the tests in it pass."""

from __future__ import annotations

import asyncio
import inspect
import re
import sys
import types
import unittest
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "test-your-tasks.md"


@pytest.mark.slow
def test_the_page_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom, in one namespace; then every test that it shows."""
    module = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    text = PAGE.read_text()
    for block in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        exec(compile(block, str(PAGE), "exec"), vars(module))  # noqa: S102 - our own text
    tests = [value for name, value in vars(module).items() if name.startswith("test_")]
    assert len(re.findall(r"^(?:async )?def test_", text, re.MULTILINE)) == len(tests)
    for test in tests:
        asyncio.run(test()) if inspect.iscoroutinefunction(test) else test()
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    assert (2, [], []) == (result.testsRun, result.errors, result.failures)
