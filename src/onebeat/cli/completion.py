"""`onebeat completion`."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from onebeat.cli import output

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_ONEBEAT_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """
    Print what makes a SHELL complete words.

    It completes commands, options, queues and ids of tasks.

    \b
    bash  eval "$(onebeat completion bash)"   in ~/.bashrc
    zsh   eval "$(onebeat completion zsh)"    in ~/.zshrc, after compinit
    fish  onebeat completion fish > ~/.config/fish/completions/onebeat.fish
    """
    from onebeat.cli.commands import cli

    kind = get_completion_class(shell)
    if kind is None:
        output.fail(f"shell {shell!r} is not known here: there are {', '.join(SHELLS)}", status=2)
    click.echo(ShellComplete.source(kind(cli, {}, "onebeat", VARIABLE)))
