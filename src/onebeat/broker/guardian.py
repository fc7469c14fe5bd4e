"""
The guardian of an embedded store: waits for the last user to leave, then stops the server.

Run by its path (`python -I -S guardian.py FOLDER USERS SERVER RECORD WATCH`, the last four being inherited
descriptors) and not as a module: without `site` it starts in 10 ms, and it stays small for as long as the
store is used. So it imports only what waiting needs, the rest when it wakes, and never the package around it.
`embedded` has the protocol; it shares the locks, the record and the talk with the server from here.
"""

from __future__ import annotations

import os
import sys
import time

# ruff: noqa: PTH108, PTH110, PTH112, PTH116
# pathlib would double what a waiting guardian has to load

if sys.platform != "win32":  # `embedded` refuses Windows with a sentence, after importing this
    import fcntl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO

POLL_S = 0.003
"""Between two looks at what has no event to wait for: `flock` knows no timeout, and the signal that could cut
it short belongs to the main thread, where an opener seldom is; a starting server announces itself to none."""

ATTEMPTS = 10
"""How often a server is asked to stop, a second apart, before it is left to the next opener."""

REPLY_S = 1.0
RECORD_BYTES = 1024


class Lock:
    """
    A lock file, opened once. The lock belongs to this open descriptor: it is let go when the last process
    that inherited it has closed it or died, and two descriptors of one process exclude each other.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor: int = descriptor
        _open_here.add(self)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Lock:
        """Open the file, creating it if it is missing; close-on-exec, and not yet locked."""
        return cls(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def take(self, until: float = 0.0, *, shared: bool = False) -> bool:
        """Take the lock if that works by `until`, an instant of `time.monotonic`; it is tried at least once."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        while True:
            try:
                fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return False
                time.sleep(POLL_S)  # see POLL_S
            else:
                return True

    def wait(self) -> None:
        """Take the lock exclusively, however long that takes."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def is_file(self, path: str) -> bool:
        """Whether the path still names this file: not if the folder was removed, or made anew."""
        try:
            return os.path.samestat(os.stat(path), os.fstat(self.descriptor))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close this descriptor. May be called again."""
        if self.descriptor >= 0:
            descriptor, self.descriptor = self.descriptor, -1
            os.close(descriptor)
        _open_here.discard(self)

    def __enter__(self) -> Lock:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_open_here: set[Lock] = set()


def _forget_after_fork() -> None:
    # A forked child would share its parent's locks and so keep the store alive, knowing nothing of it.
    for lock in list(_open_here):
        lock.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def read_record(descriptor: int) -> dict[str, Any]:
    """Read what was last written down about the server; {} if nothing was."""
    import json

    try:
        record = json.loads(os.pread(descriptor, RECORD_BYTES, 0))
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def write_record(descriptor: int, record: dict[str, Any]) -> None:
    """
    Write down the server, over what stood there.

    In place, so that a guardian's descriptor shows it even after the folder was removed; in one write of one
    length, so that nobody finds half of it after a kill.
    """
    import json

    os.pwrite(descriptor, json.dumps(record).encode().ljust(RECORD_BYTES - 1) + b"\n", 0)


def ask(address: str, *commands: str, timeout: float = REPLY_S) -> list[bytes]:
    """
    Send commands to the server at a socket and return its replies; b"" for those it only hung up on.

    Raises:
        OSError: It cannot be reached, or took longer than `timeout` seconds for a reply.
    """
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        connection.connect(address)
        connection.sendall("".join(f"{command}\r\n" for command in commands).encode())
        with connection.makefile("rb") as replies:
            return [_reply(replies) for _ in commands]


def _reply(replies: BinaryIO) -> bytes:
    line = replies.readline()
    if line.startswith(b"$"):
        return replies.read(int(line[1:]) + 2)[:-2]
    return line.rstrip()


def identify(address: str, timeout: float = REPLY_S) -> dict[str, str]:
    """
    Return what a server tells about itself (`INFO server`: `run_id`, `process_id`, …).

    Raises:
        OSError: It does not answer, or is not ready to.
    """
    pong, information = ask(address, "PING", "INFO server", timeout=timeout)
    if pong != b"+PONG" or b"run_id" not in information:
        raise ConnectionError(pong.decode(errors="replace"))
    lines = information.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def is_known(known: dict[str, Any], information: dict[str, str]) -> bool:
    """Whether the server that answered is the one written down: by run id or, until that is known, by pid."""
    if known.get("run_id"):
        return bool(information["run_id"] == known["run_id"])
    return known.get("pid") in (None, int(information["process_id"]))


def stop(folder: str, server: Lock, record: int) -> bool:
    """Stop the server, if one runs, and clean up after it; false if it would not stop."""
    for _ in range(ATTEMPTS):  # again, because it may be starting still: its opener was killed
        if server.take():
            break
        known = read_record(record)
        if not _shut_down(known):
            _signal(known, server, folder)
        if server.take(time.monotonic() + 1.0):
            break
    else:
        return False
    _remove_socket(folder, server, record)
    return True


def _shut_down(known: dict[str, Any]) -> bool:
    """Ask the server to write all to the disk and end; false if it cannot be reached, or refuses."""
    try:
        if not is_known(known, identify(known["socket"])):
            return False
        return ask(known["socket"], "SHUTDOWN", timeout=5 * REPLY_S) == [b""]
    except (OSError, KeyError):
        return False


def _signal(known: dict[str, Any], server: Lock, folder: str) -> None:
    """
    End a server whose socket is gone, taken over or silent.

    SIGTERM does what SHUTDOWN does, to the path of the socket as well. If the folder was removed, that path
    may be a newer server's, and there is nothing left to save: SIGKILL.
    """
    import signal

    if _holds(known, server):
        kind = signal.SIGTERM if server.is_file(f"{folder}/server.lock") else signal.SIGKILL
        os.kill(known["pid"], kind)


def _holds(known: dict[str, Any], server: Lock) -> bool:
    """Whether the process written down is really the one with the lock, not one that got its number since."""
    if not known.get("pid"):
        return False
    if not os.path.isdir("/proc/self/fd"):  # macOS: there the record has to do
        return True
    try:
        return server.is_file(f"/proc/{known['pid']}/fd/{known['lock']}")
    except PermissionError:
        return False


def _remove_socket(folder: str, server: Lock, record: int) -> None:
    """Remove what a killed server left; one that ended by itself has done so."""
    address = read_record(record).get("socket")
    if address and server.is_file(f"{folder}/server.lock") and os.path.exists(address):
        os.unlink(address)


def main(folder: str, users: int, server: int, record: int, watch: int) -> None:
    """Wait for the last user, then stop the server. `watch` is the guardian's own lock, held from birth."""
    door, own = Lock(users), Lock(watch)
    door.wait()
    if not stop(folder, Lock(server), record):
        sys.stderr.write(f"guardian: the server of {folder} would not stop; it is left to the next opener\n")
    own.close()  # before the door opens, so that whoever comes in sees that there is no guardian any more
    door.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:6]))
