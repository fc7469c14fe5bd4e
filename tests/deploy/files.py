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
    assert cli.name is not None
    root = cli.make_context("onebeat", list(words), resilient_parsing=False)
    name, command, rest = cli.resolve_command(root, root._protected_args + root.args)
    assert command is not None
    return command.make_context(name, rest, parent=root)


def variables() -> set[str]:
    """Return the environment variables that `onebeat run` heeds."""
    named = {name for option in cli.commands["run"].params for name in [option.envvar] if isinstance(name, str)}
    return {"ONEBEAT_URL", *named}


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
