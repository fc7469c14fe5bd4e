"""`onebeat web`: the console, from a process that does nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onebeat.cli.common import named_url, url_option
from onebeat.cli.run import folder_of
from onebeat.errors import ConfigurationError

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat

FILE = click.Path(dir_okay=False, path_type=Path)
PROVIDER = {"oidc_claim": "claims", "oidc_role": "roles", "oidc_scope": "scopes"}
KEYS = {"allow_host": "hosts", "origin": "origins", "proxy": "proxies", "redact_key": "redact_keys"}
KEYS |= {"redact_pattern": "redact_patterns"}


@click.command()
@url_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to answer at.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Where to answer.")
@click.option(
    "--app",
    "application",
    envvar="ONEBEAT_APP",
    show_envvar=True,
    metavar="MODULE:ATTR",
    help="The application whose declarations count for what is enqueued and edited. Default: app in [tool.onebeat].",
)
@click.option("--no-app", is_flag=True, help="Import none, whatever the environment and the project name.")
@click.option("--title", default="", help='A word for this installation, such as "staging".')
@click.option("--read-only", is_flag=True, help="Nothing can be changed, whoever asks.")
@click.option("--require-reason", is_flag=True, help="Who deletes, cancels, or acts on all that fit, has to say why.")
@click.option(
    "--bulk-per-minute",
    type=click.IntRange(0, 1_000_000_000),
    default=60_000,
    show_default=True,
    help="Tasks that all jobs of the store together change within a minute; 0: any number.",
)
@click.option(
    "--access", type=FILE, envvar="ONEBEAT_WEB_ACCESS", show_envvar=True, help="Users, tokens and roles, in TOML."
)
@click.option("--password-file", type=FILE, help="One password, or its hash. Default: $ONEBEAT_WEB_PASSWORD.")
@click.option("--token-file", type=FILE, help="One token, or its hash. Default: $ONEBEAT_WEB_TOKEN.")
@click.option("--user-header", help="The header with which a proxy names the user it has signed in.")
@click.option("--groups-header", help="The header with which it names the user's groups.")
@click.option(
    "--header-role",
    type=click.Choice(["view", "operate", "admin"]),
    help="The role of whom it names, unless --access does.",
)
@click.option("--oidc-issuer", envvar="ONEBEAT_WEB_OIDC_ISSUER", show_envvar=True, help="Who signs users in: https://…")
@click.option("--oidc-client-id", envvar="ONEBEAT_WEB_OIDC_CLIENT_ID", show_envvar=True, help="As what it knows this.")
@click.option("--oidc-secret-file", type=FILE, help="The client's secret. Default: $ONEBEAT_WEB_OIDC_SECRET.")
@click.option("--oidc-name", default="", help="What the button calls it. Default: its host.")
@click.option("--oidc-claim", multiple=True, help="Where groups or roles stand. Default: groups. More than once: each.")
@click.option(
    "--oidc-role", multiple=True, help="What a value there grants: oncall=operate. Also [groups] of --access."
)
@click.option(
    "--oidc-default-role",
    type=click.Choice(["view", "operate", "admin"]),
    help="The role of everybody whom it signs in, and nothing grants another. Default: they are not let in.",
)
@click.option("--oidc-scope", multiple=True, help="What to ask for besides openid, profile and email.")
@click.option("--proxy", multiple=True, help="An address or network whose headers are believed. More than once: each.")
@click.option("--allow-host", multiple=True, help="A name that is answered to, beside localhost and addresses.")
@click.option("--origin", multiple=True, help="Where browsers reach it, if a proxy changes Host: https://…")
@click.option("--prefix", default="", help="What paths begin with in front of a proxy, stripped or kept: /onebeat")
@click.option(
    "--prefix-stripped/--prefix-kept", default=None, help="Which of both the proxy does, where a path does not show it."
)
@click.option("--redact-key", multiple=True, help="A field whose value nobody sees, or a glob of such.")
@click.option("--redact-pattern", multiple=True, help="A regular expression: what it finds nobody sees.")
@click.option("--redact/--no-redact", default=True, show_default=True, help="Hide what is called like a secret, too.")
@click.option("--hash-password", is_flag=True, help="Ask for a password, print its hash for --access, and end.")
@click.option("--new-token", is_flag=True, help="Print a token and its hash for --access, and end.")
@click.pass_context
def web(
    ctx: click.Context,
    /,
    url: str | None,
    host: str,
    port: int,
    *,
    application: str | None,
    no_app: bool,
    hash_password: bool,
    new_token: bool,
    **given: Any,
) -> None:
    """
    Serve the console, for a browser to look at.

    It shows queues, tasks, errors, schedules and servers of any store in asynq's format: Onebeat's, Go's, or of both.
    It goes on until Ctrl-C or SIGTERM.

    On this machine nobody is asked who they are, and others are not let in. Another --host needs a way to say who one
    is: a password, a token, an OpenID Connect provider, or a proxy that signs users in.

    With --app it imports your application, as `onebeat run` does, and runs nothing of it: it then knows what tasks
    take.
    """
    from onebeat.web import configured  # first: it says what is missing
    from onebeat.web.security.oidc.given import Provider
    from onebeat.web.serving import serve

    if hash_password or new_token:
        _make_password() if hash_password else _make_token()
        return
    oidc = {name: given.pop(name) for name in list(given) if name.startswith("oidc_")}
    told = {PROVIDER.get(name, name.removeprefix("oidc_")): value for name, value in oidc.items()}
    named = {KEYS.get(name, name): value for name, value in given.items()}
    settings = configured.settings(configured.Given(**named, oidc=Provider(**told)), os.environ)
    app = None if no_app or application is None else _application(ctx, application)
    serve(_source(ctx, url, app), settings, host=host, port=port, told=click.echo, app=app)


def _application(ctx: click.Context, target: str) -> Onebeat[Any]:
    """
    Import the application, before anything listens.

    Raises:
        ConfigurationError: See `load.application`; a console can do without it.
    """
    from onebeat.cli.load import application

    try:
        return application(target, str(folder_of(ctx)))
    except ConfigurationError as error:
        sentence, gap, traceback = str(error).partition("\n\n")
        raise ConfigurationError(f"{sentence}; --no-app opens the console without it{gap}{traceback}") from error


def _source(ctx: click.Context, url: str | None, app: Onebeat[Any] | None) -> object:
    """Return which store to look into, as `onebeat run` finds it: named here, by the application, by the project."""
    if app is None or named_url(ctx, None) is not None:
        return url
    return app if app.url is not None or url is None else url


def _make_password() -> None:
    from onebeat.web.security.credentials import PasswordHash

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    click.echo(PasswordHash.make(password).text)


def _make_token() -> None:
    from onebeat.web.security.credentials import TokenHash, new_token

    token = new_token()
    click.echo(token)
    click.echo(TokenHash.make(token).text)
