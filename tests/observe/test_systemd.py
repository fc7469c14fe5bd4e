"""What systemd is told: a socket in its place hears it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from onebeat.observe.systemd import Notifier, summary
from onebeat.server.health import Check, HealthReport

READY = HealthReport.of("serving", [Check(name="serving")])
DEAD = HealthReport.of("serving", [Check(name="event_loop", live=False, why="a handler\nblocks it")])
STOPPING = HealthReport.of("stopping", [Check(name="serving", ready=False, why="told to")])


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """Return the socket that systemd would listen at."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "notify"))
        bound.settimeout(60)
        yield bound


def heard(systemd: socket.socket, until: str) -> list[str]:
    """Return what is said, up to a word."""
    words: list[str] = []
    while not words or words[-1] != until:
        words.append(systemd.recv(4096).decode())
    return words


@pytest.mark.slow
def test_it_is_told_once_that_the_service_is_ready_and_that_it_stops(systemd: socket.socket) -> None:
    """And how it fares, whenever that changes; without a watchdog there are no signs of life."""
    report = HealthReport.starting()
    with Notifier(systemd.getsockname(), lambda: report):
        starting = "STATUS=starting, not ready; serving: it has not begun to serve"
        assert [starting] == heard(systemd, starting)
        report = READY
        assert ["READY=1", "STATUS=serving, ready"] == heard(systemd, "STATUS=serving, ready")
        report = STOPPING
        stopping = "STATUS=stopping, not ready; serving: told to"
        assert ["STOPPING=1", stopping] == heard(systemd, stopping)
    systemd.setblocking(False)
    with pytest.raises(BlockingIOError):
        systemd.recv(4096)


def test_signs_of_life_are_given_only_while_it_is_live(systemd: socket.socket) -> None:
    """One whose event loop is blocked for too long gives none, and systemd ends it."""
    report, looked = DEAD, threading.Semaphore(0)

    def look() -> HealthReport:
        looked.release()
        return report

    with Notifier(systemd.getsockname(), look, watchdog=0.02):
        for _ in range(3):
            looked.acquire()
        dead = "STATUS=serving, not live; event_loop: a handler blocks it"
        assert [dead] == heard(systemd, dead)
        report = READY
        assert "WATCHDOG=1" in heard(systemd, "STATUS=serving, ready")
        assert ["WATCHDOG=1"] == heard(systemd, "WATCHDOG=1")


def test_a_report_that_fails_is_not_the_last(systemd: socket.socket, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged; the next look tells, so that systemd does not end what is well."""
    answers: Iterator[Exception | HealthReport] = iter([ZeroDivisionError("a bug"), READY])

    def look() -> HealthReport:
        answer = next(answers, READY)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with Notifier(systemd.getsockname(), look, watchdog=0.02):
        assert "WATCHDOG=1" in heard(systemd, "STATUS=serving, ready")
    assert "no report of the service's health" in caplog.text


def test_an_end_without_warning_is_told(systemd: socket.socket) -> None:
    """The last word is that it stops."""
    with Notifier(systemd.getsockname(), lambda: READY):
        heard(systemd, "STATUS=serving, ready")
    assert ["STOPPING=1"] == heard(systemd, "STOPPING=1")


def test_what_systemd_asks_is_taken_from_the_environment(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And out of it: what the service starts is not the service."""
    address = systemd.getsockname()
    for name, value in {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": str(os.getpid())}.items():
        monkeypatch.setenv(name, value)
    notifier = Notifier.of_this_process(lambda: READY)
    assert notifier is not None
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & os.environ.keys()
    with notifier:
        assert "WATCHDOG=1" in heard(systemd, "WATCHDOG=1")


def test_the_watchdog_of_another_process_is_not_ours(systemd: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inherited by chance."""
    for name, value in {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}.items():
        monkeypatch.setenv(name, value)
    notifier = Notifier.of_this_process(lambda: READY)
    assert notifier is not None
    with notifier:
        assert "WATCHDOG=1" not in heard(systemd, "STATUS=serving, ready")


@pytest.mark.parametrize("address", ["", "vsock:2:1", "relative"])
def test_without_a_socket_nobody_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or with one of another kind."""
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert Notifier.of_this_process(lambda: READY) is None


def test_an_abstract_socket_will_do() -> None:
    """Systemd writes its first byte as @."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind("")  # any abstract name
        bound.settimeout(60)
        name = bound.getsockname()
        with Notifier("@" + name[1:].decode(), lambda: READY):
            assert "READY=1" in heard(bound, "READY=1")


@pytest.mark.slow
def test_a_systemd_that_does_not_hear_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""
    looked = threading.Semaphore(0)

    def look() -> HealthReport:
        looked.release()
        return READY

    with Notifier(str(tmp_path / "nobody"), look):
        for _ in range(2):
            looked.acquire()
    assert "systemd was not told READY=1" in caplog.text


def test_a_report_is_one_line() -> None:
    """However many its reasons have."""
    assert "serving, not live; event_loop: a handler blocks it" == summary(DEAD)
