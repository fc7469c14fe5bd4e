"""`onebeat health`: what it asks, and how it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from onebeat.cli.commands import cli
from onebeat.observe.health import probes
from onebeat.observe.http import HttpServer
from onebeat.observe.routes import Answer, Routes
from onebeat.server.health import Check, HealthReport, ProcessHealth
from onebeat.server.mux import Mux
from onebeat.server.server import Server

WELL = HealthReport.of("serving", [Check(name="store")])
AWAY = HealthReport.of("serving", [Check(name="store", ready=False, why="it is away")])
DEAD = HealthReport.of("serving", [Check(name="event_loop", live=False, why="it is blocked")])


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder without settings, in an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    for name in ("ONEBEAT_METRICS_PORT", "ONEBEAT_METRICS_HOST", "ONEBEAT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def answering() -> Iterator[tuple[HttpServer, list[HealthReport]]]:
    """Return a server that answers probes with the last of these reports."""
    reports = [WELL]
    with HttpServer(probes(lambda: reports[-1])) as server:
        yield server, reports


def run(*words: str, **kwargs: Any) -> Result:
    return CliRunner().invoke(cli, ["health", *words], **kwargs)


@pytest.mark.parametrize(
    ("report", "ready", "live"), [(WELL, 0, 0), (AWAY, 1, 0), (DEAD, 1, 1)], ids=["well", "away", "dead"]
)
def test_the_status_is_what_is_asked(
    answering: tuple[HttpServer, list[HealthReport]], report: HealthReport, ready: int, live: int
) -> None:
    """Readiness, unless liveness is asked."""
    server, reports = answering
    reports.append(report)
    statuses = [run("--at", server.url, *words).exit_code for words in ([], ["--ready"], ["--live"])]
    assert [ready, ready, live] == statuses


def test_the_reason_is_told(answering: tuple[HttpServer, list[HealthReport]]) -> None:
    """A line for each check."""
    server, reports = answering
    reports.append(AWAY)
    assert "serving, not ready\n  store         not ready  it is away\n" == run("--at", server.url).output


def test_json_is_the_report_of_the_server(answering: tuple[HttpServer, list[HealthReport]]) -> None:
    """Whole."""
    server, reports = answering
    reports.append(DEAD)
    found = run("--at", server.url, "--json")
    assert (1, DEAD) == (found.exit_code, msgspec.json.decode(found.stdout, type=HealthReport))


def test_each_process_has_its_lines(answering: tuple[HttpServer, list[HealthReport]]) -> None:
    """One that crashes again and again shows."""
    server, reports = answering
    processes = [
        ProcessHealth(number=1, pid=11, state="serving", live=True, ready=True, checks=[Check(name="store")]),
        ProcessHealth(
            number=2, pid=None, state="waiting", live=True, ready=False, restarts=7, last_end="signal SIGSEGV"
        ),
    ]
    reports.append(HealthReport.of("serving", [Check(name="processes", why="1 of 2 are ready")], processes))
    assert (
        "serving, ready\n"
        "  processes     ok         1 of 2 are ready\n"
        "process 1: serving, pid 11, 0 restarts\n"
        "process 2: waiting, pid -, 7 restarts, last end: signal SIGSEGV\n"
    ) == run("--at", server.url).output


def test_the_configured_port_is_asked(
    answering: tuple[HttpServer, list[HealthReport]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As the environment says, or the project; one that listens everywhere is asked at this machine."""
    server, _ = answering
    (tmp_path / "pyproject.toml").write_text(f'[tool.onebeat]\nmetrics-port = {server.port}\nmetrics-host = "0.0.0.0"')
    assert 0 == run("--live").exit_code
    monkeypatch.setenv("ONEBEAT_METRICS_PORT", "1")
    assert 1 == run("--live").exit_code
    monkeypatch.setenv("ONEBEAT_METRICS_PORT", str(server.port))
    monkeypatch.setenv("ONEBEAT_METRICS_HOST", "0.0.0.0")  # noqa: S104 - nothing listens here
    assert 0 == run("--live").exit_code


def test_any_port_that_was_free_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is looked from outside."""
    monkeypatch.setenv("ONEBEAT_METRICS_PORT", "0")
    assert "Liveness is known to the server alone" in run("--live").output


def test_nobody_there_is_neither_live_nor_ready() -> None:
    """It says what to look at."""
    found = run("--live", "--at", "http://127.0.0.1:1")
    assert 1 == found.exit_code
    assert (
        "nothing answers at http://127.0.0.1:1 (connection refused): is `onebeat run --metrics-port 1`" in found.output
    )


def test_somebody_else_there_is_told() -> None:
    """Another program's answer is no report."""
    with HttpServer(Routes({"/readyz": lambda _asked: Answer.text("ok")})) as server:
        found = run("--at", server.url)
        assert f"what answers at {server.url} is no Onebeat" in found.output
    assert 1 == found.exit_code


@pytest.mark.parametrize("at", ["9090", "https://x", "http://", "http://x:y", "http://[x"])
def test_what_is_no_address_is_refused(at: str) -> None:
    """Status 2, and how to write it."""
    found = run("--at", at)
    assert 2 == found.exit_code
    assert "write http://127.0.0.1:9090" in found.output


def test_liveness_cannot_be_seen_from_outside() -> None:
    """So it is not guessed: status 2."""
    found = run("--live", "--url", "redis://127.0.0.1:1")
    assert 2 == found.exit_code
    assert "Liveness is known to the server alone: give --at" in found.output


def test_from_outside_the_store_must_be_there() -> None:
    """Status 1, not 4: a probe knows two answers."""
    found = run("--url", "redis://127.0.0.1:1", "--json")
    assert 1 == found.exit_code
    [check] = json.loads(found.stdout)["checks"]
    assert ("store", False) == (check["name"], check["ready"])


def test_from_outside_a_server_of_this_host_must_be_listed(url: str) -> None:
    """And active."""
    found = run("--url", url)
    assert 1 == found.exit_code
    assert "has given a sign of life within ten seconds" in found.output

    async def look() -> None:
        async with Server(url).serving(Mux()) as serving:
            async with asyncio.timeout(60):
                while not serving.health_report().ready:  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(0.01)
            found = await asyncio.to_thread(run, "--url", url)
            assert (0, True) == (found.exit_code, found.output.startswith("serving, ready")), found.output

    asyncio.run(look())
