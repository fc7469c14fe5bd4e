"""An application with a console below a path: `python -m tests.web.browser.mounted URL PATH`."""

from __future__ import annotations

import asyncio
import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from onebeat.web import console
from onebeat.web.serving import address, listening


def main(url: str, path: str) -> None:
    """Serve, and say where."""
    app = Starlette(routes=[Mount(path, console(url))])
    with listening("127.0.0.1", 0) as place:
        print(f"{address(place).rstrip('/')}{path}", flush=True)
        config = uvicorn.Config(app, log_level="warning")
        asyncio.run(uvicorn.Server(config).serve(sockets=[place]))


if __name__ == "__main__":
    main(*sys.argv[1:])
