"""
The console: what queues, tasks, schedules and servers do, and the steering of them, in a browser.

    onebeat web

    api.mount("/tasks", onebeat_web(app))

`console` makes an ASGI application, which any framework can mount; `onebeat_web` is the same under a name that says
what it is among an application's other mounts. `onebeat web` serves it by itself.
"""

from __future__ import annotations

from onebeat.errors import MissingExtra

try:
    import jinja2 as _jinja2  # noqa: F401 - only whether it is there
    import starlette as _starlette  # noqa: F401 - likewise
except ImportError:
    raise MissingExtra('onebeat.web needs Starlette and Jinja2: pip install "onebeat[web]"') from None

from onebeat.web.console import Console, console
from onebeat.web.security.access import Access
from onebeat.web.security.grants import Grant
from onebeat.web.security.oidc.settings import OpenIDConnect
from onebeat.web.security.roles import Role, User
from onebeat.web.security.ways import Passwords, ProxyHeader, Tokens
from onebeat.web.settings import Settings
from onebeat.web.showing.redaction import Redaction

onebeat_web = console

__all__ = [
    "Access",
    "Console",
    "Grant",
    "OpenIDConnect",
    "Passwords",
    "ProxyHeader",
    "Redaction",
    "Role",
    "Settings",
    "Tokens",
    "User",
    "console",
    "onebeat_web",
]
