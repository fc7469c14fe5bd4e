"""The `onebeat` command."""

from __future__ import annotations

import io
import signal
import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line; without the `cli` extra, say how to get it."""
    for needed in ("click", "rich"):
        if find_spec(needed) is None:
            sys.stderr.write(f'onebeat: the command line needs {needed}: pip install "onebeat[cli]"\n')
            raise SystemExit(1)
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
    except KeyboardInterrupt:  # while that was imported
        raise SystemExit(128 + signal.SIGINT) from None
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is over: one Ctrl-C more has nothing to interrupt


if __name__ == "__main__":
    main()
