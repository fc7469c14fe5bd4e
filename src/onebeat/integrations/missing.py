"""Frameworks that are not installed."""

from __future__ import annotations

from onebeat.errors import MissingExtra


def missing(module: str, framework: str, package: str) -> MissingExtra:
    """Say what a module needs, and the command that installs it."""
    return MissingExtra(f"onebeat.integrations.{module} needs {framework}: pip install {package}")
