"""A sample application, so that the image can be tried."""

from __future__ import annotations

import logging

from onebeat import Onebeat

app = Onebeat("shop")


@app.every(10)
@app.task()
async def greet() -> None:
    """Show that it runs."""
    logging.getLogger("shop").info("one beat")
