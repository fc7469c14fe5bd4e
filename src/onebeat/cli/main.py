"""The `onebeat` command."""

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from importlib.util import find_spec

from onebeat.cli import own


def main() -> None:
    """Run the command line; without the `cli` extra, say how to get it."""
    for needed in ("click", "rich"):
        if find_spec(needed) is None:
            sys.stderr.write(f'onebeat: the command line needs {needed}: pip install "onebeat[cli]"\n')
            raise SystemExit(1)
    own.process = True
    _open_missing()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what a terminal cannot show is no reason to show nothing
    try:
        from onebeat.cli.commands import cli

        try:
            cli(prog_name="onebeat")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # by `| head`, at the last lines
        from onebeat.cli.terminal import close_pipe

        close_pipe()
    except OSError as error:
        from onebeat.cli.terminal import close_pipe, is_unwritable

        if not is_unwritable(error):
            raise
        sys.stderr.write(f"onebeat: what is printed cannot be written: {error.strerror}; what was done stays done\n")
        close_pipe(status=1)
    except KeyboardInterrupt:  # while that was imported
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: one Ctrl-C more has nothing to interrupt
        if "onebeat.cli.load" not in sys.modules:  # no application was: its objects may have something left to do
            gc.freeze()  # ours have not; to look for garbage among them takes a fifth of the time of a short command


def _open_missing() -> None:
    """Open what was closed before, as by `>&-` or a cron: else the first socket is standard output, and gets it all."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()
