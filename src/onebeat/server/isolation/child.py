"""
The process of an isolated task: `python -m onebeat.server.isolation.child SOCKET ALIVE`, in a session of its own.

At once it splits in two. The worker runs handlers; the warden only waits, for the worker's end, which it then
shares, or for the server's, which it knows by the end of a pipe that only the server holds: then it kills the
whole group, the worker and whatever the worker has started, so that no orphan runs beside the recovered task.
The split comes first, before anything is imported, while there is one thread and little memory.
"""

from __future__ import annotations

import os
import select
import signal
import sys


def main() -> None:
    """Split, and be one of the two."""
    server, alive = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
    ended, has_ended = os.pipe()
    os.set_blocking(has_ended, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(has_ended, warn_on_full_buffer=False)
    worker = os.fork()
    if worker:
        os.close(server)
        _guard(worker, alive, ended)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in (alive, ended, has_ended):
        os.close(descriptor)
    from onebeat.server.isolation.worker import work

    work(server)


def _guard(worker: int, alive: int, ended: int) -> None:
    """Wait for the end of the worker or of the server; does not return."""
    poll = select.poll()
    poll.register(alive, 0)  # nothing is ever written there: only its end is of interest
    poll.register(ended, select.POLLIN)
    while True:
        if any(descriptor == alive for descriptor, _ in poll.poll()):
            os.killpg(0, signal.SIGKILL)
        os.read(ended, 64)
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
