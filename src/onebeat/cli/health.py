"""`onebeat health`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import click

from onebeat.cli.common import url_option
from onebeat.cli.documents import json_option, show
from onebeat.server.health import Check, HealthReport

if TYPE_CHECKING:
    from onebeat.inspector.models import ServerInfo

EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing listens here
"""Where a server answers on this machine that listens on every address."""


@click.command()
@url_option
@click.option("--live", "asked", flag_value="live", help="Ask whether it may live on: for liveness probes.")
@click.option("--ready", "asked", flag_value="ready", default="ready", help="Ask whether it takes tasks. The default.")
@click.option("--at", help="Where a server answers. Default: http://127.0.0.1:PORT, if a metrics port is configured.")
@click.option(
    "--timeout", type=click.FloatRange(0, 3600, min_open=True), default=5.0, show_default=True, help="Seconds."
)
@json_option("health", HealthReport)
@click.pass_context
def health(ctx: click.Context, /, url: str | None, asked: str, at: str | None, timeout: float, as_json: bool) -> None:
    """
    Say how the server on this machine fares. The status is 0 if it is well, else 1: for containers and exec probes.

    It asks the server where one answers over HTTP: at --at, else at ONEBEAT_METRICS_PORT or metrics-port of
    [tool.onebeat]. Without such a port it looks from outside: is the store there, and is a server of this host listed
    in it, and active? That says nothing of liveness.
    """
    where = _place(at or _configured(ctx))
    if where is not None:
        report = _told(where, timeout)
    elif asked == "live":
        raise click.UsageError(
            "Liveness is known to the server alone: give --at, or run it with --metrics-port and set "
            "ONEBEAT_METRICS_PORT here too.",
            ctx,
        )
    else:
        from onebeat.cli.loops import run_async

        found: list[HealthReport] = []
        run_async(_seen(url, timeout, found))
        report = found[0]
    if as_json:
        show(report)
    else:
        click.echo("\n".join(_lines(report)))
    raise SystemExit(0 if (report.live if asked == "live" else report.ready) else 1)


def _configured(ctx: click.Context) -> str | None:
    """Return where this machine's server answers, as environment or project say."""
    settings = ctx.obj.settings
    port = os.environ.get("ONEBEAT_METRICS_PORT") or str(settings.get("metrics-port", ""))
    if port in ("", "0"):  # 0 is any that was free: nobody knows which
        return None
    host = os.environ.get("ONEBEAT_METRICS_HOST") or settings.get("metrics-host", "")
    host = EVERYWHERE.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _place(at: str | None) -> SplitResult | None:
    if at is None:
        return None
    try:
        where = urlsplit(at)
        if where.scheme == "http" and where.hostname and where.port != 0:
            return where
    except ValueError as error:
        reason = f" ({error})"
    else:
        reason = ""
    raise click.BadParameter(f"{at!r} is no address{reason}: write http://127.0.0.1:9090.", param_hint="--at")


def _told(where: SplitResult, timeout: float) -> HealthReport:
    """Ask a server. One connection answers one question, so that nothing is kept open."""
    from http.client import HTTPConnection, HTTPException

    import msgspec

    shown = f"http://{where.netloc.rpartition('@')[2]}"
    connection = HTTPConnection(where.hostname or "", where.port or 80, timeout=timeout)
    try:
        connection.request("GET", f"{where.path.rstrip('/')}/readyz")
        return msgspec.json.decode(connection.getresponse().read(2**24), type=HealthReport)
    except (msgspec.MsgspecError, HTTPException):
        why = f"what answers at {shown} is no Onebeat: look at --at, and at --metrics-port of `onebeat run`"
    except OSError as error:
        reason = str(error.strerror or error).lower()
        why = f"nothing answers at {shown} ({reason}): is `onebeat run --metrics-port {where.port or 80}` running?"
    finally:
        connection.close()
    return HealthReport.of("absent", [Check(name="endpoint", live=False, ready=False, why=why)])


async def _seen(url: str | None, timeout: float, found: list[HealthReport]) -> None:
    """Look from outside, through the store."""
    import asyncio

    from onebeat.errors import BrokerError
    from onebeat.inspector.inspector import Inspector

    try:
        async with asyncio.timeout(timeout), Inspector(url) as inspector:
            checks = [Check(name="store"), _listed(await inspector.servers())]
    except BrokerError as error:
        checks = [Check(name="store", ready=False, why=str(error))]
    except TimeoutError:
        checks = [Check(name="store", ready=False, why=f"it has not answered within {timeout:g} s")]
    state = "unknown" if len(checks) == 1 else "serving" if checks[1].ready else "absent"
    found.append(HealthReport.of(state, checks))


def _listed(servers: list[ServerInfo]) -> Check:
    """Look for a server of this host."""
    import socket

    host = socket.gethostname()
    here = [server for server in servers if server.host == host]
    if any(server.status == "active" for server in here):
        return Check(name="servers")
    if here:
        return Check(name="servers", ready=False, why=f"the server of host {host} takes no more tasks")
    return Check(name="servers", ready=False, why=f"none of host {host} has given a sign of life within ten seconds")


def _lines(report: HealthReport) -> Iterator[str]:
    verdict = "ready" if report.ready else "not ready" if report.live else "not live"
    yield f"{report.state}, {verdict}"
    yield from _rows(report.checks)
    for process in report.processes:
        facts: list[Any] = [process.state, f"pid {process.pid or '-'}", f"{process.restarts} restarts"]
        facts += [f"last end: {process.last_end}"] if process.last_end else []
        yield f"process {process.number}: {', '.join(facts)}"
        yield from _rows(check for check in process.checks if check.why)


def _rows(checks: Any) -> Iterator[str]:
    for check in checks:
        verdict = "ok" if check.live and check.ready else "not ready" if check.live else "not live"
        yield f"  {check.name:14}{verdict:11}{check.why}".rstrip()
