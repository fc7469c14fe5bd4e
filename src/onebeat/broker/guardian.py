"""
Stops an embedded store after its last user: `python -I -S guardian.py USERS LOCK SOCKET RECORD`.

Run by path, as a process of its own, and importing next to nothing, since it waits for as long as the
store is used. Descriptor 3 is the guardian's own lock, held for as long as it watches.

Every user holds a shared lock on USERS, so taking the exclusive one waits for the last of them, however it
ended. While the exclusive lock is held nobody can become a user; an opener waits at that door until the
server has gone, and then starts another. The guardian's own lock is let go before that door is opened, so
an opener that comes in sees truthfully that it needs a new guardian.
"""

import fcntl
import os
import socket
import sys
from contextlib import suppress

OWN_LOCK = 3


def main(users: str, lock: str, address: str, record: str) -> None:
    door = os.open(users, os.O_RDWR)
    fcntl.flock(door, fcntl.LOCK_EX)
    shut_down(address)
    fcntl.flock(os.open(lock, os.O_RDWR), fcntl.LOCK_EX)  # the server's own: free once it has ended
    for path in (record, address):
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - pathlib is not worth its memory here
    os.close(OWN_LOCK)
    os.close(door)


def shut_down(address: str) -> None:
    """Ask the server to write everything out and end; one that is dead already needs no asking."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(address)
            connection.sendall(b"*1\r\n$8\r\nSHUTDOWN\r\n")
            while connection.recv(4096):
                continue
        except OSError as error:
            sys.stderr.write(f"guardian: {address}: {error}\n")


if __name__ == "__main__":
    main(*sys.argv[1:5])
