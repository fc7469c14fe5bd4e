"""The systemd unit: verified, and what it says is what the program does."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, longest_stop, parsed, variables

UNIT = DEPLOY / "systemd" / "onebeat.service"


def service() -> configparser.SectionProxy:
    """Return its [Service] section."""
    unit = configparser.ConfigParser(delimiters="=", interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign] # the names of systemd have capitals
    unit.read_string(UNIT.read_text())
    return unit["Service"]


def environment() -> dict[str, str]:
    """Return what its file of variables sets."""
    lines = (DEPLOY / "systemd" / "shop.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """With a program that is there in place of the one that is not."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/shop/.venv/bin/onebeat", sys.executable))
    command = ["systemd-analyze", "verify", "--man=no", str(copy)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    about_us = [line for line in (found.stdout + found.stderr).splitlines() if UNIT.name in line]
    assert (0, []) == (found.returncode, about_us)


def test_its_command_is_one_of_ours() -> None:
    """With arguments that are taken, and variables that are heeded."""
    program, *words = shlex.split(service()["ExecStart"])
    assert "onebeat" == Path(program).name
    told = parsed(words).params
    assert ("shop.tasks:app", 4) == (told["application"], told["processes"])
    assert set() == environment().keys() - variables()


def test_it_is_given_longer_to_stop_than_a_stop_takes() -> None:
    """Else tasks would be killed that were promised their time; only the parent is told."""
    assert longest_stop(environment()) < int(service()["TimeoutStopSec"])
    assert ("mixed", "SIGTERM") == (service()["KillMode"], service()["KillSignal"])


def test_it_hears_what_the_program_says() -> None:
    """When it is ready, and that it lives; which it says more often than is asked."""
    assert ("notify", "main") == (service()["Type"], service()["NotifyAccess"])
    assert int(service()["WatchdogSec"]) > 0
    assert "on-failure" == service()["Restart"]
