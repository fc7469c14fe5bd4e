"""The Dockerfile: linted, and what it would run is run here, as there is no engine to build it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.cli.programs import Program, until
from tests.deploy.files import DEPLOY, image_command, image_environment, instruction, instructions, parsed, variables
from tests.engines import HeldPort

DOCKER = DEPLOY / "docker"


def healthcheck() -> list[str]:
    """Return what is run to see how a container fares."""
    found = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
    assert isinstance(found, list)
    return found


def test_hadolint_finds_nothing() -> None:
    """Whatever its severity."""
    hadolint = Path(sys.executable).parent / "hadolint"
    found = subprocess.run([hadolint, DOCKER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (0, "") == (found.returncode, found.stdout + found.stderr)


def test_signals_reach_the_program() -> None:
    """No shell stands between: every command is a list, and the signal is the one that stops it."""
    for word in ("ENTRYPOINT", "CMD"):
        assert isinstance(json.loads(instruction(word)), list)
    assert "SIGTERM" == instruction("STOPSIGNAL")


def test_its_command_is_one_of_ours() -> None:
    """With arguments that are taken, and variables that are heeded."""
    assert "onebeat" == image_command()[0]
    assert "shop:app" == parsed(image_command()[1:]).params["application"]
    assert set() == image_environment().keys() - variables()


def test_it_is_not_root() -> None:
    """By number, so that Kubernetes can see it."""
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", instruction("USER"))


def test_its_requirement_is_this_package() -> None:
    """With an extra that there is, of a version that there is."""
    text = (DOCKER / "requirements.txt").read_text()
    found = re.fullmatch(r"(\w+)\[(\w+)\]>=([\d.]+)\n", text)
    assert found is not None
    project = tomllib.loads((DEPLOY.parent / "pyproject.toml").read_text())["project"]
    assert (project["name"], True) == (found[1], found[2] in project["optional-dependencies"])
    assert tuple(map(int, found[3].split("."))) <= tuple(map(int, project["version"].split(".")))


def test_what_it_copies_is_there_and_not_ignored() -> None:
    """The requirements and the application come along, secrets and caches do not."""
    ignored = [
        line for line in (DOCKER / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]

    def is_ignored(name: str) -> bool:
        return any(fnmatch(name, pattern.removeprefix("**/")) for pattern in ignored)

    copied = [shlex.split(rest)[0] for word, rest in instructions() if word == "COPY" and "--from" not in rest]
    assert ["requirements.txt", "."] == copied
    assert (False, False) == (is_ignored("requirements.txt"), is_ignored("shop.py"))
    assert [True] * 4 == [is_ignored(name) for name in (".env", "shop.env", ".git", "__pycache__")]


@pytest.mark.slow
def test_the_sample_runs_as_in_the_image(tmp_path: Path, url: str) -> None:
    """Its command with its variables becomes healthy by its own check, and SIGTERM ends it with status 0."""
    shutil.copy(DOCKER / "shop.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    env = {**image_environment(), "ONEBEAT_URL": url, "ONEBEAT_METRICS_HOST": "127.0.0.1"}
    port = HeldPort()
    env["ONEBEAT_METRICS_PORT"] = str(port.number)
    with closing(port), Program(["-m", *image_command()], cwd=tmp_path, env=env) as program:
        program.expect("application shop: 1 task, 1 schedule")

        def is_healthy() -> bool:
            with Program(["-m", *healthcheck()], cwd=tmp_path, env=env) as check:
                return check.ended() == 0

        until(is_healthy)
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said
