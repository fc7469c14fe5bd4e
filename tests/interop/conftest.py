"""The Go peer, built once and running for the whole session; and the table of what was proven."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pluggy
import pytest

from tests.interop import programs
from tests.interop.mon import Asynqmon
from tests.interop.peer import PeerProcess
from tests.interop.sides import Go, Python, Side
from tests.interop.table import PAIRS, Cell, Verdict, drawn, gaps, merged
from tests.interop.tool import Tool
from tests.server.conftest import Bench, bench

__all__ = ["bench"]

HERE = Path(__file__).parent
WHOLE = "ONEBEAT_INTEROP"
"""Set to "whole", cells that no test proves fail the run."""

_verdicts: list[tuple[Cell, Verdict]] = []


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known that puts a test into a cell."""
    config.addinivalue_line("markers", "cell(table, row, column): the cell of the table of interop that a test proves")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pluggy.Result[pytest.TestReport]]:
    """Let a report say which cells it is about; the attribute survives the way from a worker of pytest-xdist."""
    outcome = yield
    parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    marks = [mark.args for mark in item.iter_markers("cell")]
    cells = [(table, row, column or parameters["who"]) for table, row, column in marks]
    vars(outcome.get_result())["cells"] = cells


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what a test says of its cells."""
    if report.when == "call" or report.outcome != "passed":
        verdict = Verdict(report.outcome, _why(report))
        _verdicts.extend((tuple(key), verdict) for key in getattr(report, "cells", []))


def _why(report: pytest.TestReport) -> str:
    """Say in a line why a test did not pass."""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext
    return f"{report.location[2]}: {text.strip().splitlines()[0]}" if text.strip() else ""


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run that leaves a cell open."""
    is_worker = hasattr(session.config, "workerinput")
    if os.environ.get(WHOLE) == "whole" and not is_worker and gaps(merged(_verdicts)) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print who × what, with a verdict in each cell."""
    if _verdicts:
        terminalreporter.section("interop: who × what")
        for line in drawn(merged(_verdicts)):
            terminalreporter.write_line(line)


def compiled(name: str) -> Path:
    """Build a Go program. Where there is no Go, CI fails, and a contributor's run says why it skips."""
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("interop needs Go, and CI must have it: install golang-go")
        pytest.skip("interop needs Go: install it, or leave these tests to CI")
    return programs.build(name)


@pytest.fixture(scope="session")
def program() -> Path:
    """Build the peer."""
    return compiled("peer")


@pytest.fixture(scope="session")
def peer(program: Path) -> Iterator[PeerProcess]:
    """Return the session's Go process."""
    process = PeerProcess(program)
    yield process
    process.kill()


@pytest.fixture(scope="session")
def asynqmon(engine: str) -> Iterator[Asynqmon]:
    """Run asynqmon on the session's store."""
    process = Asynqmon(compiled("mon"), engine.removeprefix("unix://"))
    yield process
    process.end()


@pytest.fixture(scope="session")
def tool(engine: str) -> Tool:
    """Build asynq's command line tool."""
    return Tool(compiled("cli"), engine.removeprefix("unix://"))


@pytest.fixture
def go(peer: PeerProcess, url: str) -> Go:
    """Return real asynq on the test's store."""
    return Go(peer, url.removeprefix("unix://"))


@pytest.fixture
def python(bench: Bench) -> Python:
    """Return ourselves on the test's store."""
    return Python(bench.store, bench.client)


@dataclass(frozen=True)
class Pair:
    """Who does the first thing, and who the second; and both, to look from either side."""

    first: Side
    second: Side
    go: Go
    python: Python

    @property
    def both(self) -> tuple[Side, Side]:
        return (self.go, self.python)


@pytest.fixture(params=PAIRS)
def who(request: pytest.FixtureRequest) -> str:
    """Return the column of a test's cell: "first → second"."""
    return str(request.param)


@pytest.fixture
def pair(who: str, go: Go, python: Python) -> Pair:
    """Return the two of this column."""
    sides: dict[str, Side] = {"Go": go, "Python": python}
    first, second = who.split(" → ")
    return Pair(sides[first], sides[second], go, python)
