"""What a console is told when it is made."""

from __future__ import annotations

from dataclasses import dataclass, field

from onebeat.errors import ConfigurationError, shown
from onebeat.web.showing.redaction import Redaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What a console is told when it is made; `console(...)` takes the same by name.

    Attributes:
        title: A word for this installation, such as "staging", beside the name of the store.

        read_only: Whether nothing can be changed, whoever asks.

        redaction: What is hidden in payloads, results, headers and errors. `Redaction(keys=(), patterns=())`: nothing.

    Raises:
        ConfigurationError: A setting cannot work.
    """

    title: str = ""
    read_only: bool = False
    redaction: Redaction = field(default_factory=Redaction)

    def __post_init__(self) -> None:
        _check_title(self.title)
        _check_flag("read_only", self.read_only)
        given: object = self.redaction
        if not isinstance(given, Redaction):
            raise ConfigurationError(
                f'redaction is {shown(given)}: give Redaction(keys=["password", "*_token"]), or leave it out'
            )


def _check_title(title: object) -> None:
    if not isinstance(title, str) or len(title) > 40:
        raise ConfigurationError(f'title is {shown(title)}: give at most 40 characters, such as "staging"')


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {shown(value)}: give True or False")
