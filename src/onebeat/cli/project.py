"""
`[tool.onebeat]` of the project's pyproject.toml: what the command line does when nothing else is said.

Only the command line reads it: an argument comes first, then the environment, then this. A program that imports
Onebeat is told by its own code and ONEBEAT_URL.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onebeat.errors import ConfigurationError, shown


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_queues(value: object) -> bool:
    return _is_texts(value) or (isinstance(value, dict) and all(map(_is_whole, value.values())))


_TEXT = "give a string"
_KEYS: dict[str, tuple[Callable[[object], bool], str]] = {
    "app": (lambda value: isinstance(value, str), 'give module:app, such as "shop.tasks:app"'),
    "url": (lambda value: isinstance(value, str), _TEXT),
    "concurrency": (_is_whole, "give a whole number"),
    "processes": (_is_whole, "give a whole number"),
    "queues": (_is_queues, 'give names with weights, such as {critical = 6, low = 1}, or ["critical", "low"]'),
    "strict": (lambda value: isinstance(value, bool), "give true or false"),
    "lease": (_is_number, "give seconds as a number"),
    "shutdown-timeout": (_is_number, "give seconds as a number"),
    "log-level": (lambda value: isinstance(value, str), _TEXT),
    "log-format": (lambda value: isinstance(value, str), _TEXT),
    "events": (lambda value: isinstance(value, bool), "give true or false"),
    "loop": (lambda value: isinstance(value, str), _TEXT),
    "metrics-port": (_is_whole, "give a whole number"),
    "metrics-host": (lambda value: isinstance(value, str), _TEXT),
    "metrics-queues": (lambda value: isinstance(value, bool), "give true or false"),
    "watch": (_is_texts, 'give paths, such as ["../lib"]'),
    "ignore": (_is_texts, 'give paths, such as ["migrations"]'),
}
"""Keys that may stand there, and what their values are."""

_OF_PRODUCTION = {"shutdown-timeout", "processes", "log-format", "events"}
_OF = {"run": set(_KEYS) - {"watch", "ignore"}, "dev": set(_KEYS) - _OF_PRODUCTION, "web": {"app"}}
"""Which of them a command takes: how many processes production has says nothing of development."""


@dataclass(frozen=True)
class Project:
    """
    A project.

    Attributes:
        folder: The nearest one upwards that has a pyproject.toml; else the current one.

        settings: Its `[tool.onebeat]`, checked.
    """

    folder: Path
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """
        Find and read the project that one is in.

        Raises:
            ConfigurationError: The file cannot be read, or has keys or values in `[tool.onebeat]` that cannot be used.
        """
        here = (start or Path.cwd()).resolve()
        for folder in (here, *here.parents):
            if (file := folder / "pyproject.toml").is_file():
                return cls(folder, _read(file))
        return cls(here)

    def defaults(self, command: str) -> dict[str, Any]:
        """Return the settings that a command takes, as click wants them."""
        found = {name: value for name, value in self.settings.items() if name in _OF[command] and name != "url"}
        queues = found.get("queues")
        if isinstance(queues, dict):
            found["queues"] = [f"{name}={weight}" for name, weight in queues.items()]
        for name in {"watch", "ignore"} & found.keys():
            found[name] = [self.folder / path for path in found[name]]
        if "app" in found:
            found["application"] = found.pop("app")
        return {name.replace("-", "_"): value for name, value in found.items()}


def _read(file: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file} cannot be read: {error}; mend it, or work in another folder") from None
    if not isinstance(tool, dict):
        raise ConfigurationError(f"{file}: tool is {shown(tool)}: write tables, such as [tool.onebeat]")
    table = tool.get("onebeat", {})
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: tool.onebeat is {shown(table)}: write a table, [tool.onebeat]")
    for name, value in table.items():
        if name not in _KEYS:
            raise ConfigurationError(f"{file}: [tool.onebeat] {name} is unknown: choose from {', '.join(_KEYS)}")
        fits, remedy = _KEYS[name]
        if not fits(value):
            raise ConfigurationError(f"{file}: [tool.onebeat] {name} is {shown(value)}: {remedy}")
    return table
