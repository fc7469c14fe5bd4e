"""Under which names the console answers, and from where, if nobody is asked who they are."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from typing import Final

from starlette.types import Scope

from onebeat.errors import ConfigurationError, shown
from onebeat.web.security.proxies import peer, was_forwarded

LOOPBACK_NAMES: Final = ("localhost", "*.localhost")
"""Names that no name server is asked for."""

_NAME = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*", re.ASCII)


def host_names(given: Iterable[str], origins: Iterable[str] = ()) -> frozenset[str]:
    """
    Return the names that `Host` may be, in lower case: those given, those of origins, and this machine's own.

    Args:
        given: Names such as "jobs.example.com" and "*.example.com"; "*" is any.

    Raises:
        ConfigurationError: One is no name.
    """
    names = {*LOOPBACK_NAMES, socket.gethostname().lower()}
    items: Iterable[object] = [given] if isinstance(given, str) else given
    for name in items:
        if not isinstance(name, str) or not (name == "*" or _NAME.fullmatch(name) or _is_address(name)):
            raise ConfigurationError(
                f"host {shown(name)} is no name: give it without scheme and port, such as jobs.example.com"
            )
        names.add(name.lower())
    names |= {re.sub(r":\d+$", "", origin.partition("://")[2]) for origin in origins}
    return frozenset(names)


def is_known_host(header: str, names: Collection[str]) -> bool:
    """
    Whether a request was sent to us, going by its `Host`.

    A page of another site may have its own name point to this machine, and then read what is here as its own. It
    needs a name for that: an address as it is typed is always ours.
    """
    name = re.sub(r":\d{1,5}$", "", header.strip().lower()).rstrip(".")
    if not name:
        return False
    if "*" in names or name in names or _is_address(name):
        return True
    return any(each.startswith("*.") and name.endswith(each[1:]) and len(name) >= len(each) for each in names)


def unknown_host(header: str) -> str:
    """Say that a name is not known, and how it becomes so."""
    return (
        f"The console does not answer to the name {shown(header)}. If it is yours, start it with --allow-host NAME, or "
        "console(hosts=[…])."
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


def is_near(scope: Scope) -> bool:
    """
    Whether somebody on this machine asks, with nobody between.

    Of whom nothing is known, as behind a socket in the file system, is not near: a proxy may stand there.
    """
    address = peer(scope)
    return address is not None and address.is_loopback and not was_forwarded(scope)


FAR = (
    "This console does not ask who you are, so it answers on this machine alone. To let others in, give it auth=…: "
    "passwords, tokens, a proxy's header, or your own function."
)
"""What others are told."""


def is_loopback(host: str) -> bool:
    """Whether an address to listen at is reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def refuse_open_door(host: str, *, is_asked: bool) -> None:
    """
    Refuse to listen where others reach it, if nobody is asked who they are. To be called before anything is started.

    Args:
        host: The address to listen at.

        is_asked: Whether there is any way to say who one is.

    Raises:
        ConfigurationError: It would be open; the message is what to type instead.
    """
    if is_asked or is_loopback(host):
        return
    raise ConfigurationError(
        f"host {shown(host)} is reached by others, and nobody is asked who they are: set a password,\n"
        f"  ONEBEAT_WEB_PASSWORD='…' onebeat web --host {host}\n"
        "or leave --host out, and reach it through a tunnel: ssh -L 8080:127.0.0.1:8080 THIS-MACHINE"
    )
