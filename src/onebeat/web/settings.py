"""What a console is told when it is made."""

from __future__ import annotations

from dataclasses import dataclass

from onebeat.errors import ConfigurationError, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What a console is told when it is made; `console(...)` takes the same by name.

    Attributes:
        title: A word for this installation, such as "staging", beside the name of the store.

        read_only: Whether nothing can be changed, whoever asks.

    Raises:
        ConfigurationError: A setting cannot work.
    """

    title: str = ""
    read_only: bool = False

    def __post_init__(self) -> None:
        _check_title(self.title)
        _check_flag("read_only", self.read_only)


def _check_title(title: object) -> None:
    if not isinstance(title, str) or len(title) > 40:
        raise ConfigurationError(f'title is {shown(title)}: give at most 40 characters, such as "staging"')


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {shown(value)}: give True or False")
