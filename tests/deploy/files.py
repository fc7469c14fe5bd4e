"""What `deploy/` says, for tests that hold it against the program."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml

from onebeat.cli.commands import cli
from onebeat.cli.processes.parent import MARGIN_S
from onebeat.observe.health import probes
from onebeat.server.config import ServerConfig
from onebeat.server.health import HealthReport

DEPLOY = Path(__file__).parents[2] / "deploy"
PATHS = {*probes(HealthReport.starting).paths, "/metrics", "/scale"}
"""What a server answers."""


def manifests() -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each Kubernetes manifest and its file."""
    for file in sorted((DEPLOY / "kubernetes").rglob("*.yaml")):
        for document in yaml.safe_load_all(file.read_text()):
            if "kind" in document:
                yield file, document


def manifest(kind: str) -> dict[str, Any]:
    """Return the only manifest of a kind."""
    [found] = [document for _, document in manifests() if document["kind"] == kind]
    return found


def container() -> dict[str, Any]:
    """Return the container of the deployment."""
    [found] = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def parsed(words: list[str]) -> click.Context:
    """Parse `onebeat` and these words as the command line would; nothing is run."""
    return command(words[0]).make_context(words[0], words[1:], parent=click.Context(cli))


def command(name: str) -> click.Command:
    """Return a command of ours."""
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def variables() -> set[str]:
    """Return the environment variables that `onebeat run` heeds."""
    return {"ONEBEAT_URL", *(option.envvar for option in command("run").params if isinstance(option.envvar, str))}


def longest_stop(environment: dict[str, str]) -> float:
    """Return how many seconds a stop takes at most, with a parent, where this is set."""
    return ServerConfig(shutdown_timeout=float(environment["ONEBEAT_SHUTDOWN_TIMEOUT"])).longest_stop + MARGIN_S


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: word, rest."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "docker" / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def instruction(word: str) -> str:
    """Return the last instruction of a kind, which is the one in force."""
    return [rest for name, rest in instructions() if name == word][-1]


def image_environment() -> dict[str, str]:
    """Return what the image's ENV sets for Onebeat."""
    pairs = [pair.partition("=") for pair in shlex.split(instruction("ENV"))]
    return {name: value for name, _, value in pairs if name.startswith("ONEBEAT_")}


def image_command() -> list[str]:
    """Return what the image runs."""
    words = json.loads(instruction("ENTRYPOINT")) + json.loads(instruction("CMD"))
    assert all(isinstance(word, str) for word in words)
    return list(words)
