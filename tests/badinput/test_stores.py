"""Stores that are not there, do not let us in, or are none: one sentence, which never shows a password."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.sentinel

from onebeat.app.app import Onebeat
from onebeat.broker import guardian
from onebeat.broker.connection import endpoint
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerError, BrokerUnavailable, BrokerUnsupported, ConfigurationError
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.badinput.conftest import WORD, Locked, refused

SCHEMES = (
    "start it with one of redis://, rediss://, valkey://, valkeys://, unix://, redis+sentinel://, redis+cluster://, "
    "embedded://"
)
PORT = "write redis://user:password@host:6379/0"
OPTION = "there are db, username, password, durability, and ssl_… with rediss://"
SOCKET = "write unix:///run/redis.sock"
FOLDER = "embedded:///absolute/path"

URLS: list[tuple[Any, str, str]] = [
    ("", "''", SCHEMES),
    (" ", "' '", SCHEMES),
    ("localhost", "'localhost'", SCHEMES),
    ("localhost:6379", "'localhost:6379'", SCHEMES),
    ("redis", "'redis'", SCHEMES),
    ("redis:", "'redis:'", SCHEMES),
    ("redis:/h", "'redis:/h'", SCHEMES),
    ("redis//h", "'redis//h'", SCHEMES),
    ("rediss:/h", "'rediss:/h'", SCHEMES),
    ("reddis://h", "'reddis://h'", SCHEMES),
    ("redis+tls://h", "'redis+tls://h'", SCHEMES),
    ("http://h", "'http://h'", SCHEMES),
    ("redis://h/abc", "database 'abc' is not a number", "write …/0"),
    ("redis://h/-1", "database '-1' is not a number", "write …/0"),
    ("redis://h/1/2", "database '1/2' is not a number", "write …/0"),
    ("redis://h/٣", "database '٣' is not a number", "write …/0"),
    ("redis://h/" + "9" * 5000, "database '9999", "write …/0"),
    ("redis://h?db=x", "database 'x' is not a number", "write …/0"),
    ("unix:///s?db=-1", "database '-1' is not a number", "write …/0"),
    ("redis://h:port", "'redis://h:port'", PORT),
    ("redis://h:-1", "'redis://h:-1'", PORT),
    ("redis://h:0", "'redis://h:0'", PORT),
    ("redis://h:65536", "'redis://h:65536'", PORT),
    ("redis://h:1:2", "'redis://h:1:2'", PORT),
    ("redis://h:٣", "'redis://h:٣'", PORT),
    ("redis://[::1", "'redis://[::1'", "an IPv6 address in brackets"),
    ("redis://h?colour=red", "option 'colour' is unknown", OPTION),
    ("redis://h?socket_timeout=0", "option 'socket_timeout' is unknown", OPTION),
    ("redis://h?retry_on_error=x", "option 'retry_on_error' is unknown", OPTION),
    ("redis://h?timeout=5", "option 'timeout' is unknown", OPTION),
    ("redis://h?ssl_cert_reqs=none", "option 'ssl_cert_reqs' is unknown", OPTION),
    ("unix:///s?max_connections=5", "option 'max_connections' is unknown", OPTION),
    ("rediss://h?ssl_cert_reqs=bad", "Flag: bad", "write rediss://host:6379/0"),
    ("rediss://h?ssl_colour=red", "'ssl_colour'", "write rediss://host:6379/0"),
    ("redis://h:1/0#x", "what stands after #", "write one in a password as %23"),
    ("redis://h\0ost:1", "'redis://h\\x00ost:1'", "as %20 and the like"),
    ("redis://ho st:1", "'redis://ho st:1'", "as %20 and the like"),
    ("redis://\ud800:1", "'redis://\\ud800:1'", "as %20 and the like"),
    ("redis://h?durability=two", "durability is 'two'", 'write "replicas:1"'),
    ("redis://h?durability=replicas:0", "durability is 'replicas:0'", 'write "replicas:1"'),
    ("embedded://x?durability=replicas:1", "option 'durability' is unknown", "there is only fsync"),
    ("redis+sentinel://h:1/0", "it does not say which primary", "write …/0?master=name"),
    ("redis+sentinel://h:1/0?master=", "it does not say which primary", "write …/0?master=name"),
    ("redis+sentinel://h:1/x?master=m", "database 'x' is not a number", "write …/0"),
    ("redis+sentinel://h:1/0?master=m&colour=red", "option 'colour' is unknown", OPTION),
    ("redis+cluster://h:1?master=m", "option 'master' is unknown", OPTION),
    ("redis+cluster://h:1?ssl_ca_certs=x", "option 'ssl_ca_certs' is unknown", OPTION),
    ("redis+cluster://h:1/3", "a cluster has no database 3", "leave the number out"),
    ("redis+cluster://", "'' is no host", "write redis+cluster://"),
    ("redis+cluster://h1:1,", "'' is no host", "write redis+cluster://"),
    ("redis+cluster://h1,h2:port", "'h2:port' is no host", "write redis+cluster://"),
    ("redis+sentinel://h:65536?master=m", "'h:65536' is no host", "write redis+sentinel://"),
    ("redis+cluster://[::1", "'[::1' is no host", "write redis+cluster://"),
    ("unix+cluster://h", "'unix+cluster://h'", SCHEMES),
    ("redis-sentinel://h:1", "it does not say which primary", "write …/0?master=name"),
    ("redis-socket://h", "'unix://h'", SOCKET),
    ("unix://", "'unix://'", SOCKET),
    ("unix:///", "'unix:///'", SOCKET),
    ("unix://run/redis.sock", "'unix://run/redis.sock'", SOCKET),
    ("embedded:/srv", "'embedded:/srv'", FOLDER),
    ("embedded:///srv\0", "'embedded:///srv\\x00'", FOLDER),
    ("embedded:///\ud800", "'embedded:///\\ud800'", FOLDER),
    ("embedded://~nobody-of-that-name/x", "'embedded://~nobody-of-that-name/x'", FOLDER),
    ("embedded:///srv?fsync=never", "fsync='never' is unknown", "write everysec, always or no"),
    (5, "5", "give a URL such as redis://localhost:6379/0"),
    (True, "True", "give a URL such as redis://localhost:6379/0"),
    (b"redis://h", "b'redis://h'", "give a URL such as redis://localhost:6379/0"),
    (Path("/run/redis.sock"), "PosixPath('/run/redis.sock')", "give a URL such as redis://localhost:6379/0"),
    ({}, "{}", "give a URL such as redis://localhost:6379/0"),
]


@pytest.mark.parametrize(("source", "shown", "remedy"), URLS, ids=[shown[:40] for _, shown, _ in URLS])
def test_an_address_that_cannot_be_meant_is_refused(source: Any, shown: str, remedy: str) -> None:
    """Before anything is connected to; the sentence shows the address, or its part that is wrong."""
    with refused(ConfigurationError, "store ", shown, remedy):
        endpoint(source)


async def test_whoever_opens_a_store_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names it: client, server, scheduler, inspector and application, each on first use."""
    monkeypatch.setenv("ONEBEAT_URL", "reddis://h")
    app: Onebeat[Any] = Onebeat("shop")
    app.task("t")(lambda: None)
    for opening in (
        lambda: Client().enqueue(Task("t")),
        lambda: Client().__aenter__(),
        lambda: Server().run(Mux()),
        lambda: Server().serving(Mux()).__aenter__(),
        lambda: Scheduler().run(),
        lambda: Inspector().__aenter__(),
        lambda: app.client(),
        lambda: app.serving().__aenter__(),
    ):
        with refused(ConfigurationError, "store 'reddis://h'", SCHEMES):
            await opening()


def test_an_inspector_is_opened_first() -> None:
    """The sentence says how."""
    with refused(ConfigurationError, "inspector is not open", "async with Inspector(url) as inspector"):
        _ = Inspector().store


SECRETS = [
    "redis://user:secret@127.0.0.1:1",
    "redis://:secret@127.0.0.1:1/0",
    "redis://127.0.0.1:1/0?password=secret",
    "redis://127.0.0.1:1/0?username=u&password=secret",
    "redis://user:half/secret@127.0.0.1:1",
    "redis://user:half#secret@127.0.0.1:1",
    "redis://user:half?secret@127.0.0.1:1",
    "redis://user:half@secret@127.0.0.1:1",
    "redis://user:half@secret/x@127.0.0.1:1",
    "redis://user:secret@h:port",
    "redis://user:secret@[::1",
    "redis://user:secret@h/abc",
    "redis://user:secret@h?colour=red",
    "redis+sentinel://user:secret@h/m",
    "redis+sentinel://user:secret@127.0.0.1:1/0?master=m",
    "redis+sentinel://127.0.0.1:1/0?master=m&sentinel_password=secret",
    "redis+cluster://user:secret@127.0.0.1:1",
    "redis+cluster://user:half/secret@127.0.0.1:1",
    "redis+cluster://user:half@secret@127.0.0.1:x",
    "redis-sentinel://:secret@127.0.0.1:1/0?master=m",
    "redis-socket://:secret@/run/no.sock",
    "reddis://user:secret@h",
    "user:secret@h:6379",
    "unix://user:secret@/run/no.sock",
    "unix://user:secret@run/no.sock",
    b"redis://user:secret@h",
]


@pytest.mark.parametrize("source", SECRETS, ids=str)
async def test_a_password_is_never_shown(source: Any) -> None:
    """Wherever it stands, and whatever signs are in it that an address cannot have."""
    with pytest.raises((ConfigurationError, BrokerError)) as refusal:
        await Store.open(source)
    assert "secret" not in str(refusal.value)
    assert "half" not in str(refusal.value)
    assert "***" in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://127.0.0.1:1", "127.0.0.1:1"),
        ("rediss://127.0.0.1:1", "127.0.0.1:1"),
        ("redis://no-such-host.invalid:6379/0", "no-such-host.invalid:6379"),
        ("unix:///no/such/socket", "No such file"),
        ("unix:///" + "x" * 200, "too long"),
        (f"unix://{Path(__file__).parent}", "Connection refused"),
    ],
)
async def test_a_store_that_is_not_there_is_named(url: str, why: str) -> None:
    """At once, and with what can be done."""
    with refused(BrokerUnavailable, f"store {url} cannot be used", why, "see that it runs there", "or name another"):
        await Store.open(url)


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        ("", "Authentication required"),
        (":wrong@", "invalid username-password pair"),
        ("nobody:open%20sesame@", "invalid username-password pair"),
        ("reader:wrong@", "invalid username-password pair"),
    ],
)
async def test_a_store_that_does_not_know_us_says_so(locked: Locked, credentials: str, why: str) -> None:
    """No password, a wrong one, an unknown user: the sentence says where to give them; nothing is written."""
    shown = f"store unix://{'***@' if credentials else ''}{locked.socket} cannot be used"
    with refused(BrokerUnavailable, shown, why, "give the right user and password in its URL"):
        await Store.open(locked.url(credentials))
    assert 0 == locked.admin.dbsize()


async def test_a_user_who_may_too_little_is_told_what(locked: Locked) -> None:
    """The command that was refused, and how it is allowed."""
    with refused(BrokerUnavailable, "NOPERM", "reader", "'info'", "ACL SETUSER"):
        await Store.open(locked.url("reader:pw@"))
    assert 0 == locked.admin.dbsize()


async def test_a_database_beyond_the_last_is_refused(locked: Locked) -> None:
    """By its address."""
    with refused(BrokerUnavailable, "?db=99 cannot be used", "out of range", "name a database that it has"):
        await Store.open(locked.url(":open%20sesame@") + "?db=99")


async def test_the_right_password_opens(locked: Locked) -> None:
    """So that the tests above say something."""
    async with await Store.open(locked.url(":open%20sesame@")) as store:
        assert 0 == await store.command("DBSIZE")


class Pretender:
    """Answers INFO as it is told, and refuses what a store of that age does not know."""

    def __init__(self, info: str) -> None:
        self._info = info.encode()
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int((await reader.readline())[1:])
                words.append((await reader.readexactly(size + 2))[:-2].decode())
            self.asked.append(words[0].upper())
            if words[0].upper() == "INFO":
                writer.write(b"$%d\r\n%s\r\n" % (len(self._info), self._info))
            else:
                writer.write(f"-ERR unknown command `{words[0]}`, with args beginning with: \r\n".encode())
        writer.close()


@asynccontextmanager
async def listening(serve: Any) -> AsyncIterator[str]:
    """Serve connections on a free port; gives the URL."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("info", "version"),
    [
        ("redis_version:5.0.7\r\nredis_mode:standalone\r\n", "5.0.7"),
        ("redis_version:6.0.16\r\n", "6.0.16"),
        ("redis_version:6\r\n", "6"),
        ("redis_version:unstable\r\n", "unstable"),
        ("", "0"),
        ("nonsense", "0"),
    ],
)
async def test_a_store_that_is_too_old_is_refused(info: str, version: str) -> None:
    """By its version, or if it tells none; it is asked for nothing but that."""
    pretender = Pretender(info)
    async with listening(pretender.serve) as url:
        with refused(BrokerUnsupported, f"store {url} is version {version}", "Onebeat needs Redis 6.2, Valkey 7.2"):
            await Client(url).enqueue(Task("t"))
    assert {"INFO"} == set(pretender.asked) - {"CLIENT", "HELLO"}


async def test_what_is_no_store_is_told_apart() -> None:
    """A web server answers, but not as Redis does."""

    async def web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with listening(web) as url:
        with refused(BrokerError, f"store {url}", "Protocol error", "name a Redis or Valkey"):
            await Store.open(url)


async def test_a_store_that_hangs_up_is_named() -> None:
    """As one that is not there."""

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(rude) as url:
        with refused(BrokerUnavailable, f"store {url} cannot be used", "see that it runs there"):
            await Store.open(url)


async def test_a_client_that_names_no_primary_is_refused() -> None:
    """A sentinel by itself, or a client of its replicas: the sentence says what to pass."""
    sentinel = redis.sentinel.Sentinel([("h", 1)])
    with refused(ConfigurationError, "client Sentinel", "pass what its master_for(name) returns"):
        await Store.open(sentinel)
    with refused(ConfigurationError, "client of 'm'", "pass master_for's"):
        await Store.open(sentinel.slave_for("m"))


@pytest.mark.parametrize("source", [Store, "redis://h"], ids=["open", "url"])
async def test_a_durability_that_cannot_be_meant_is_refused(url: str, source: Any) -> None:
    """Before anything is opened; beside an open store it comes too late."""
    if source is Store:
        async with await Store.open(url) as store:
            with refused(ConfigurationError, "durability is 'replicas:1' beside an open store", "to Store.open()"):
                Client(store, durability="replicas:1")
    else:
        for durability in ("all", "replicas:x", "replicas:-1", "1"):
            for opening in (Client, SyncClient, lambda url, durability: Onebeat(url=url, durability=durability)):
                with refused(ConfigurationError, f"durability is {durability!r}", 'write "replicas:1"'):
                    opening(source, durability=durability)


async def test_an_embedded_store_has_no_replicas(tmp_path: Path) -> None:
    """So none can confirm."""
    with refused(ConfigurationError, f"embedded://{tmp_path}", "leave durability out"):
        await Store.open(f"embedded://{tmp_path}", durability="replicas:1")


async def test_a_clients_pool_is_not_the_client() -> None:
    """It is refused, and shown without its password."""
    with refused(ConfigurationError, "ConnectionPool", "or a redis-py client"):
        await Store.open(redis.ConnectionPool(password=WORD))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return where an embedded store may lie; afterwards none may run there."""
    with tempfile.TemporaryDirectory(prefix="ob-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        path = tmp_path / "store"
        yield path
        if path.is_dir():
            assert is_stopped(path)


def is_stopped(path: Path) -> bool:
    """Wait until neither a server nor its guardian lives."""
    for name in ("server.lock", "guardian.lock"):
        with guardian.Lock.open(path / name) as lock:
            if not lock.take(time.monotonic() + 10):
                return False
    return True


class TestEmbedded:
    async def test_two_stores_on_one_path_are_one(self, folder: Path) -> None:
        """It is no mistake: what one puts in, the other finds, and the first to close takes it from nobody."""
        async with Client(f"embedded://{folder}") as one, Inspector(f"embedded://{folder}/../store") as two:
            await one.enqueue(Task("t"), task_id="a")
            await one.aclose()
            assert "t" == (await two.task("default", "a")).type

    def refusal(self, path: Path | str, *words: str) -> None:
        with refused(ConfigurationError, "embedded store ", *words):
            asyncio.run(Store.open(f"embedded://{path}"))

    def test_a_file_is_no_folder(self, folder: Path) -> None:
        """It is named, and left as it is."""
        folder.write_text("mine")
        self.refusal(folder, str(folder), "that is a file", "name a folder")
        assert "mine" == folder.read_text()

    def test_nor_is_what_lies_in_a_file(self, folder: Path) -> None:
        """The system's own words are in the sentence."""
        folder.write_text("mine")
        self.refusal(folder / "store", "Not a directory", "name a local folder that is yours")

    @pytest.mark.skipif(sys.platform != "linux", reason="no /proc there")
    def test_a_place_where_no_folder_can_be_made(self) -> None:
        """Not even by root."""
        self.refusal("/proc/onebeat", "/proc/onebeat cannot be used", "name a local folder that is yours")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_that_we_may_not_write(self, tmp_path: Path) -> None:
        """Its own, or the one above it."""
        tmp_path.chmod(0o500)
        self.refusal(tmp_path / "store", "Permission denied", "name a local folder that is yours")
        self.refusal(tmp_path, "Permission denied", "name a local folder that is yours")
        tmp_path.chmod(0o700)

    def test_a_name_that_is_too_long(self, folder: Path) -> None:
        """For the file system."""
        self.refusal(folder.with_name("x" * 300), "File name too long", "name a local folder that is yours")

    def test_a_socket_whose_path_is_too_long(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """For the kernel; a long path of the store itself is none, since its socket lies elsewhere."""
        runtime = folder.with_name("r" * 100)
        runtime.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        self.refusal(folder, str(runtime), "longer than", "set XDG_RUNTIME_DIR to a shorter folder")

    async def test_a_long_path_works(self, folder: Path) -> None:
        """See above."""
        deep = folder / ("x" * 100) / ("y" * 100)
        async with await Store.open(f"embedded://{deep}") as store:
            assert 0 == await store.command("DBSIZE")
        assert is_stopped(deep)


@pytest.mark.parametrize("make", [Server, Client, Inspector, Scheduler, lambda url: Onebeat("x", url=url)])
@pytest.mark.parametrize("source", [5, "http://h", "redis://h/x"])
def test_what_is_no_store_is_refused_where_it_is_given(make: Any, source: Any) -> None:
    """Not only when it is opened, which may be in another place and hours later."""
    with pytest.raises(ConfigurationError, match="store"):
        make(source)
