"""How to script the console: what the page tells to type is typed, and prints what the page says."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn

from onebeat import Task
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.preparing import prepare
from onebeat.web import User, console
from onebeat.web.security.credentials import new_token
from onebeat.web.security.ways import Tokens
from onebeat.wire.message import decode
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "script-the-console.md"
MARK = "-- next"
NEEDED = ("bash", "curl", "jq", "python3")


def steps() -> list[tuple[str, str]]:
    """Return what the page has one type, each with the lines that it says are printed."""
    found: list[tuple[str, str]] = []
    for block in blocks(PAGE.read_text()):
        typed: list[str] = []
        printed: list[str] = []
        for line in block.text.splitlines() if block.language == "sh" else []:
            if line.startswith("# "):
                printed.append(line[2:])
                continue
            if printed:
                found.append(("\n".join(typed), "\n".join(printed)))
                typed, printed = [], []
            typed.append(line)
        if typed:
            found.append(("\n".join(typed), "\n".join(printed)))
    return found


@pytest.fixture
async def shop(url: str) -> str:
    """Return the URL of a store in which there is what the page finds."""
    async with await Store.open(url) as store, Client(store) as client:
        await client.enqueue(Task("mail:send", {"to": "ann"}), queue="mail", task_id="welcome/1")
        await client.enqueue(Task("report"), queue="reports", process_in=3600)
        failed = prepare(Task("mail:send", {"invoice": 9007199254740993}, queue="mail", task_id="invoice-7"), {}).new
        message = decode(failed.message)
        message.error_msg = "timeout after 30 s"
        key = "asynq:{mail}:t:invoice-7"
        await store.command("HSET", key, "msg", message.SerializeToString(), "state", "archived")
        now, _ = await store.command("TIME")
        await store.command("ZADD", "asynq:{mail}:archived", int(now), "invoice-7")
    return url


@asynccontextmanager
async def served(shop: str) -> AsyncIterator[tuple[int, str]]:
    """Serve a console while the block runs; returns its port, and a token that operates."""
    token = new_token()
    board = console(shop, auth=Tokens([(token, User("deploy", "operate"))]))
    server = uvicorn.Server(uvicorn.Config(board, log_level="warning", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        try:
            yield listener.getsockname()[1], token
        finally:
            server.should_exit = True
            await serving


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"needs {', '.join(NEEDED)}: apt-get install curl jq")
async def test_what_the_page_tells_to_type_prints_what_it_says(shop: str) -> None:
    """Step by step, in one shell."""
    async with served(shop) as (port, token):
        typed = [text.replace(":8080/", f":{port}/") for text, _ in steps()]
        script = "set -eo pipefail\n" + "".join(f"{text}\necho '{MARK}'\n" for text in typed)
        shell = await asyncio.create_subprocess_exec(
            "bash", "-c", script, env={**os.environ, "TOKEN": token}, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, complaints = await shell.communicate()
    printed = [part.strip() for part in out.decode().split(f"{MARK}\n")]
    assert steps() == list(zip([text for text, _ in steps()], printed, strict=False))
    assert (0, "") == (shell.returncode, complaints.decode())
