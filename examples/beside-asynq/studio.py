"""What Python runs, and what it has Go run."""

from __future__ import annotations

import asyncio
import os

from onebeat import Onebeat

app = Onebeat("studio", url=os.environ.get("ONEBEAT_URL", "redis://localhost:6379"))


@app.remote("video:encode", queue="go", rename="pascal")
def encode(url: str, max_width: int = 1080) -> str:
    """Go runs it: {"Url": …, "MaxWidth": …}, the fields of `Video` in main.go."""
    raise NotImplementedError  # never called: a type checker wants a body that returns a string


@app.task("report:write", queue="python", max_retry=3)
def write_report(url: str, seconds: float) -> str:
    return f"Python reports: {url} took {seconds} s"


async def main() -> None:
    async with app:
        handle = await encode.enqueue("film.mov", max_width=720)
        print(await handle.result(timeout=60))


if __name__ == "__main__":
    asyncio.run(main())
