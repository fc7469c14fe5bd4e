"""What a console is told when it is made."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from onebeat.errors import ConfigurationError, InvalidTask, shown
from onebeat.inspector.jobs import MOST_PER_MINUTE, check_per_minute
from onebeat.web.security.rules import Auth, Rules
from onebeat.web.showing.redaction import Redaction

BULK_PER_MINUTE: Final = 60_000
"""Tasks that all jobs of a store together change within a minute, unless a console is told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What a console is told when it is made; `console(...)` takes the same by name.

    Attributes:
        title: A word for this installation, such as "staging", beside the name of the store.

        read_only: Whether nothing can be changed, whoever asks.

        require_reason: Whether who cancels, deletes or removes something, stops a server, or does something to all
            tasks that fit a filter, has to say why. It may be said in any case, and stands in the audit.

        bulk_per_minute: Tasks that all jobs of the store together may change within a minute, whichever console runs
            them; None: any number. It should be the same in all consoles of a store.

        auth: How a request says whose it is: `Passwords`, `OpenIDConnect`, `Tokens`, `ProxyHeader`,
            `Access.read(path)`, a function `authenticate(request) -> User | None`, plain or async, or a list of these.
            None: nobody is asked, and only who is on this machine is answered, with no proxy between.

        hosts: Names that the console answers to, such as "jobs.example.com" and "*.example.com", beside localhost and
            all addresses; "*": any.

        origins: Addresses under which browsers reach it, such as "https://jobs.example.com", where a proxy changes
            `Host`. Their names are known as hosts as well.

        proxies: Addresses and networks of proxies whose headers are believed: `X-Forwarded-For`, `-Proto` and
            `-Prefix`, and that of `ProxyHeader`.

        prefix: What all paths begin with in front of the proxies, such as "/onebeat", whether they strip it or keep it.
            A console that is mounted knows its mount without it.

        prefix_stripped: Whether they strip it. None: it is seen from each path, which cannot be where the prefix is
            what a page is called, such as "/tasks".

        secret: Signs sessions besides the hashes of passwords, so that who can read those cannot make sessions; the
            same in each process.

        login_url: Where the application signs its users in itself: who is nobody is sent there.

        redaction: What is hidden of payloads, results, headers and errors before anybody sees it; what it hides cannot
            be searched for either. Default: fields that are called like secrets.

        rules: What of all this the gate goes by.

    Raises:
        ConfigurationError: A setting cannot work.
    """

    title: str = ""
    read_only: bool = False
    require_reason: bool = False
    bulk_per_minute: int | None = BULK_PER_MINUTE
    auth: Auth = field(default=None, repr=False)
    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    proxies: Collection[str] = ()
    prefix: str = ""
    prefix_stripped: bool | None = None
    secret: str = field(default="", repr=False)
    login_url: str | None = None
    redaction: Redaction = field(default_factory=Redaction)
    rules: Rules = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_title(self.title)
        _check_flag("read_only", self.read_only)
        _check_flag("require_reason", self.require_reason)
        _check_per_minute(self.bulk_per_minute)
        if self.prefix_stripped is not None:
            _check_flag("prefix_stripped", self.prefix_stripped)
        _check_redaction(self.redaction)
        rules = Rules.make(
            self.auth,
            hosts=self.hosts,
            origins=self.origins,
            proxies=self.proxies,
            prefix=self.prefix,
            prefix_stripped=self.prefix_stripped,
            secret=self.secret,
            login_url=self.login_url,
        )
        object.__setattr__(self, "rules", rules)


def _check_title(title: object) -> None:
    if not isinstance(title, str) or len(title) > 40:
        raise ConfigurationError(f'title is {shown(title)}: give at most 40 characters, such as "staging"')


def _check_redaction(value: object) -> None:
    if not isinstance(value, Redaction):
        raise ConfigurationError(f"redaction is {shown(value)}: give Redaction(keys=[…], patterns=[…])")


def _check_per_minute(value: object) -> None:
    try:
        check_per_minute(value)
    except InvalidTask:
        raise ConfigurationError(
            f"bulk_per_minute is {shown(value)}: give a whole number from 1 to {MOST_PER_MINUTE:,}, or None for any"
        ) from None


def _check_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} is {shown(value)}: give True or False")
