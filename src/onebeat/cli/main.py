"""The `onebeat` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; without the `cli` extra, say how to get it."""
    try:
        import click  # noqa: F401
        import rich  # noqa: F401
    except ImportError as error:
        sys.stderr.write(f'onebeat: the command line needs {error.name}: pip install "onebeat[cli]"\n')
        raise SystemExit(1) from None
    from onebeat.cli.commands import cli

    cli(prog_name="onebeat")


if __name__ == "__main__":
    main()
