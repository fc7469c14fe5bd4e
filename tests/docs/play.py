"""
Runs one page of the documentation in a process and a folder of its own: `python -m tests.docs.play PAGE`.

It ends with status 0 if everything on the page is as the page says, else with the page, the line and the difference.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import difflib
import doctest
import importlib
import io
import os
import shlex
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Coroutine, Iterator
from inspect import CO_COROUTINE
from pathlib import Path
from typing import Any

from tests.docs.pages import ROOT, Block, blocks, commands

PROGRAMS = ("onebeat", "python", "pytest")
WITHIN = float(os.environ.get("PAGE_BLOCK_SECONDS", "100"))
"""Seconds for a block that awaits; only one that hangs takes them."""


class Difference(Exception):  # noqa: N818 - what a page says is not what happens
    """The page is wrong."""


class Stuck(Exception):  # noqa: N818 - it is what a block is
    """A block waits without end."""


class Server:
    """A command that serves in the background."""

    def __init__(self, words: list[str]) -> None:
        self._log: list[str] = []
        self._process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        self._serves = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._log.append(line)
            if "serving queues" in line:
                self._serves.set()
        self._serves.set()  # or it never will

    def serves(self) -> None:
        """Wait until it serves, or has ended."""
        self._serves.wait()

    def stop(self) -> tuple[int, str]:
        """Stop it as Ctrl-C does, once it serves; returns its status and its log."""
        self.serves()
        self._process.send_signal(signal.SIGINT)
        self._reader.join()
        return self._process.wait(), "".join(self._log)


class Player:
    """A page's namespace, its event loop, and the servers that it has started."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._module = types.ModuleType("__main__")
        sys.modules["__main__"] = self._module
        self._runner = asyncio.Runner()
        self._servers: list[Server] = []

    def play(self, text: str, *, only_files: bool = False) -> None:
        """Do what the page shows; or, for a page that another builds on, write its files only."""
        try:
            for block in blocks(text):
                if not block.is_run or (only_files and not block.file):
                    continue
                if block.file:
                    Path(block.file).parent.mkdir(parents=True, exist_ok=True)
                    Path(block.file).write_text(block.text)
                elif block.language == "console":
                    self._console(block)
                else:
                    self._python(block)
        finally:
            self._runner.close()
            self._stop()

    def _python(self, block: Block) -> None:
        where = f"{self._name}:{block.line}"
        source = "\n" * (block.line - 1) + block.text
        code = compile(source, self._name, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        said, wanted = io.StringIO(), block.marks.get("raises")
        with contextlib.redirect_stdout(said), self._served(block):
            try:
                self._execute(code)
            except Exception as error:
                if isinstance(error, Stuck):
                    raise Difference(f"{where}: waits for what does not come") from error
                if type(error).__name__ != wanted:
                    raise
                said.write(f"{error}\n")
            else:
                if wanted is not None:
                    raise Difference(f"{where}: no {wanted} was raised")
        if block.shown is not None:
            compare(where, block.shown, said.getvalue())

    def _execute(self, code: types.CodeType) -> None:
        if not code.co_flags & CO_COROUTINE:
            exec(code, vars(self._module))  # noqa: S102 - our own text
            return
        self._runner.run(bounded(types.FunctionType(code, vars(self._module))()))

    @contextlib.contextmanager
    def _served(self, block: Block) -> Iterator[None]:
        if "served" not in block.marks:
            yield
            return
        app = self._application(block.marks["served"])
        ready, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=asyncio.run, args=(serve(app, ready, stop),))
        thread.start()
        ready.wait()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _application(self, named: str) -> Any:
        if not named:
            return vars(self._module)["app"]
        module, _, attribute = named.partition(":")
        return getattr(importlib.import_module(module), attribute)

    def _console(self, block: Block) -> None:
        for command, shown in commands(block):
            words = shlex.split(command)
            if words[0] not in PROGRAMS:
                continue
            if words[:2] in (["onebeat", "run"], ["onebeat", "dev"]):
                self._servers.append(Server(words))
                continue
            for server in self._servers:
                server.serves()  # what waits ten seconds for a result does so for the work, not for a server to start
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            if done.returncode and not shown.strip():
                raise Difference(f"{self._name}:{block.line}: {command} ended with {done.returncode}\n{done.stderr}")
            if shown.strip():
                said = done.stdout + (done.stderr if done.returncode else "")
                compare(f"{self._name}:{block.line}: {command}", shown, said)

    def _stop(self) -> None:
        ends = [server.stop() for server in self._servers]
        for status, log in ends:
            sys.stderr.write(log)
            if status:
                raise Difference(f"{self._name}: a server ended with {status}")


async def bounded(block: Coroutine[Any, Any, object]) -> None:
    """Run a block to its end; one that waits for what does not come is found, with its line, before the page is."""
    limit = asyncio.timeout(WITHIN)
    try:
        async with limit:
            await block
    except TimeoutError:
        if not limit.expired():
            raise
        raise Stuck from None


async def serve(app: Any, ready: threading.Event, stop: threading.Event) -> None:
    """Run an application's tasks until told to stop."""
    async with app.serving(concurrency=4):
        ready.set()
        await asyncio.to_thread(stop.wait)


def compare(where: str, shown: str, said: str) -> None:
    """Make sure that a page shows what is printed; all white space is alike, `...` is anything."""
    want, got = clean(shown), clean(said)
    if not doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE):
        difference = "\n".join(
            difflib.unified_diff(want.splitlines(), got.splitlines(), "page", "printed", lineterm="")
        )
        raise Difference(f"{where}\n{difference}")


def clean(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())


def leave_the_checkout() -> None:
    """Import from the page's folder, which may have a `tests` of its own, and not from this project's."""
    os.environ.pop("PYTHONPATH")
    here = str(Path.cwd())
    sys.path[:] = [here, *(path for path in sys.path if path not in (str(ROOT), here, ""))]
    for module in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[module]


def main() -> None:
    """Play the last page that is named; of those before it, write the files."""
    *before, last = sys.argv[1:]
    leave_the_checkout()
    try:
        for page in before:
            Player(page).play(Path(page).read_text(), only_files=True)
        Player(last).play(Path(last).read_text())
    except Difference as difference:
        sys.stderr.write(f"{difference}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
