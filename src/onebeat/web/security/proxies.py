"""
What proxies say of a request, believed from those alone that are named: the address, the scheme, the prefix, the user.

From anybody else these headers are taken away, so that nothing behind can believe them by mistake.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onebeat.errors import ConfigurationError, shown

FORWARDING: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix",
     b"x-forwarded-port", b"x-real-ip", b"via"}
)  # fmt: skip
"""Headers by which one sees that a proxy stands between."""

_PREFIX = re.compile(r"(/[\w.~!$&'()*+,;=:@-]+)*", re.ASCII)
_PEER, _IS_PROXY, _WAS_FORWARDED = "onebeat.peer", "onebeat.is_proxy", "onebeat.was_forwarded"

Network = IPv4Network | IPv6Network


def networks(given: Iterable[str]) -> tuple[Network, ...]:
    """
    Read addresses and networks of proxies: "10.0.0.5", "10.0.0.0/8", "::1".

    Raises:
        ConfigurationError: One is none, or is every address.
    """
    found: list[Network] = []
    for text in [given] if isinstance(given, str) else given:
        try:
            found.append(ip_network(str(text).strip(), strict=False))
        except ValueError:
            raise ConfigurationError(
                f'proxy {shown(text)} is no address: give one such as "10.0.0.5", or a network such as "10.0.0.0/8"'
            ) from None
        if found[-1].prefixlen == 0:
            raise ConfigurationError(
                f"proxy {shown(text)} is every address, so that anybody could say to be anybody: give those of yours"
            )
    return tuple(found)


def check_prefix(prefix: object) -> str:
    """
    Return a prefix of addresses without a slash at its end; "" is none.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(prefix, str) or _PREFIX.fullmatch(prefix.rstrip("/")) is None:
        raise ConfigurationError(f"prefix is {shown(prefix)}: give a path such as /onebeat")
    if any(step in (".", "..") for step in prefix.split("/")):
        raise ConfigurationError(f"prefix is {shown(prefix)}: give it without dots as steps")
    return prefix.rstrip("/")


def is_ambiguous(prefix: str, paths: Collection[str]) -> bool:
    """
    Whether a path that begins with a prefix may be one of the console's own, from which it was stripped.

    Args:
        paths: Of the console, with `{name}` for what may be anything.
    """
    if not prefix:
        return False
    fixed = [path.partition("{")[0] for path in paths]
    return any(
        _begins(path, prefix) or (path.endswith("/") and len(path) > 1 and prefix.startswith(path)) for path in fixed
    )


def check_unambiguous(prefix: str, paths: Collection[str], *, stripped: bool | None) -> None:
    """
    Refuse a prefix of which nobody can tell whether a proxy has stripped it.

    Args:
        stripped: What the proxy does with it; None: that is to be seen from the path.

    Raises:
        ConfigurationError: It cannot be seen.
    """
    if stripped is None and is_ambiguous(prefix, paths):
        raise ConfigurationError(
            f"prefix {shown(prefix)} is also what a page of the console is called, so a path does not show whether the "
            "proxy strips it: say so with --prefix-stripped or --prefix-kept (prefix_stripped=True or False), or give "
            "another, such as /onebeat"
        )


def address_of(client: object) -> IPv4Address | IPv6Address | None:
    """Return the address of an ASGI scope's client; None: there is none, or it is none."""
    if not isinstance(client, (tuple, list)) or not client:
        return None
    return _address(str(client[0]))


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def is_from_proxy(scope: Scope) -> bool:
    """Whether a request came from a proxy that is named."""
    return scope.get(_IS_PROXY) is True


def was_forwarded(scope: Scope) -> bool:
    """Whether any proxy stands between, named or not."""
    return scope.get(_WAS_FORWARDED) is not False


def peer(scope: Scope) -> IPv4Address | IPv6Address | None:
    """Return the address of who is connected, a proxy's if one is between."""
    found: IPv4Address | IPv6Address | None = scope.get(_PEER)
    return found


def client(scope: Scope) -> str:
    """Return the address of whose request it is, as a text for limits and records."""
    found = address_of(scope.get("client"))
    return "unknown" if found is None else str(found)


class Proxied:
    """
    Believes named proxies, takes the headers of all others away, and puts the prefix where Starlette looks for it.

    Args:
        app: What is asked behind it.

        proxies: Whom to believe.

        prefix: What all paths begin with in front of the proxies: whether they strip it or keep it.

        stripped: Which of both they do; None: it is seen from the path.

        paths: Of the console: one that is also a prefix which a proxy says was stripped, if it says so.

        headers: Further headers that nobody but a proxy may send.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        proxies: Collection[Network] = (),
        prefix: str = "",
        stripped: bool | None = None,
        paths: Collection[str] = (),
        headers: Iterable[str] = (),
    ) -> None:
        self._app = app
        self._proxies = tuple(proxies)
        self._prefix, self._stripped, self._paths = prefix, stripped, tuple(paths)
        self._private = {_hyphened(name) for name in FORWARDING} | {_hyphened(name.encode()) for name in headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await _close(receive, send)
            return
        await self._app(self._seen(scope) if scope["type"] == "http" else scope, receive, send)

    def _seen(self, given: Scope) -> Scope:
        scope = dict(given)
        scope["state"] = dict(scope.get("state") or {})  # what is noted there is none of an application's around this
        scope[_PEER] = address_of(scope.get("client"))
        scope[_IS_PROXY] = self._is_proxy(scope[_PEER])
        scope[_WAS_FORWARDED] = any(name.lower() in FORWARDING for name, _ in scope["headers"])
        prefix, stripped = self._prefix, self._stripped
        if scope[_IS_PROXY]:
            told = self._believe(scope)
            if told and stripped is None and is_ambiguous(told, self._paths):
                stripped = True
            prefix = told or prefix
        else:
            scope["headers"] = [item for item in scope["headers"] if _hyphened(item[0]) not in self._private]
        _mount(scope, prefix, stripped)
        return scope

    def _is_proxy(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)

    def _believe(self, scope: Scope) -> str:
        """Take over address and scheme; return the prefix that the proxy has stripped, if it says so."""
        said = _Said(scope["headers"])
        hops = [_address(hop) for hop in said.all(b"x-forwarded-for")[-50:]]
        for hop in reversed(hops):
            if hop is None:
                break
            scope["client"] = (str(hop), 0)
            if not self._is_proxy(hop):
                break
        if (scheme := said.last(b"x-forwarded-proto").lower()) in ("http", "https"):
            scope["scheme"] = scheme
        prefix = said.last(b"x-forwarded-prefix").rstrip("/")
        return prefix if _PREFIX.fullmatch(prefix) and ".." not in prefix.split("/") else ""


def _hyphened(name: bytes) -> bytes:
    """Return a header's name as those read it that take underscores for hyphens, as CGI does."""
    return name.lower().replace(b"_", b"-")


class _Said:
    """Headers with lists in them."""

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self._headers = list(headers)

    def all(self, name: bytes) -> list[str]:
        values = [value.decode("latin-1") for key, value in self._headers if key.lower() == name]
        return [part.strip() for part in ",".join(values).split(",") if part.strip()]

    def last(self, name: bytes) -> str:
        """Return what the nearest proxy said."""
        return (self.all(name) or [""])[-1]


def _mount(scope: Scope, prefix: str, stripped: bool | None) -> None:
    """
    Give a scope the path and the root that ASGI means: the path with the root in front.

    Unless it is said, a path that has the prefix was kept, one that has not was stripped. Slashes that follow on one
    another, as where a proxy joins two, count as one.
    """
    root = str(scope.get("root_path") or "").rstrip("/")
    path = re.sub(r"/{2,}", "/", f"/{scope['path']}")
    if root and not _begins(path, root):  # of a server that strips
        path = root + path
    if prefix and not _begins(root, prefix):
        is_kept = not stripped and not root and _begins(path, prefix)
        path = path if is_kept else prefix + path
        root = prefix + root
    scope["root_path"] = root
    scope["path"] = f"{root}/" if path == root else path
    scope["raw_path"] = quote(scope["path"]).encode()


def _begins(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


async def _close(receive: Receive, send: Send) -> None:
    """Refuse a socket: the console has none."""
    message: Message = await receive()
    if message["type"] == "websocket.connect":
        await send({"type": "websocket.close", "code": 1000})
