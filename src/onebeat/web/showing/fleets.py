"""How servers stand, in words: pure, from what they say of themselves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from onebeat.inspector.models import LostServer, ServerInfo
from onebeat.web.showing import concerns
from onebeat.web.showing.concerns import Concern
from onebeat.web.showing.words import counted, duration

BLOCKED, LAG = timedelta(seconds=5), timedelta(seconds=1)
"""How long an event loop may have no turn, and how late one may be."""

SKEW = timedelta(seconds=1)
"""How far a clock may be ahead of the store's, or behind, beyond half of the round trip."""

LATELY = timedelta(minutes=10)
"""For so long a server that fell silent is what the page begins with."""


@dataclass(frozen=True, slots=True)
class Standing:
    """
    How something stands.

    Attributes:
        kind: "good", "warn", "bad", or "" if it is neither.

        word: In a word or two.

        sentence: The whole; "" if the word says all.
    """

    kind: str
    word: str
    sentence: str = ""


def place_of(server: ServerInfo | LostServer) -> str:
    """Return "host:pid"."""
    return f"{server.host}:{server.pid}"


def maker(server: ServerInfo) -> str:
    """Say whose server it is, and of which version."""
    if server.sheet is None:
        return "Go asynq, or an older Onebeat"
    return f"Onebeat {server.sheet.version}"


def standing(server: ServerInfo) -> Standing:
    """Say how a server stands: the worst that is to be said of it."""
    return next(iter(troubles(server)), None) or _status(server)


def _status(server: ServerInfo) -> Standing:
    runs = len(server.workers)
    is_told = server.sheet is not None and server.sheet.is_draining
    if server.status == "stopped" or is_told:
        if runs:
            return Standing(
                "warn", "draining", f"takes no more tasks, and ends the {counted(runs, 'task')} that it runs"
            )
        until = "until it is taken back, or ended" if server.sheet is not None else "until its process is ended"
        return Standing("warn", "drained", f"runs nothing and takes nothing, {until}")
    if server.status == "active":
        return Standing("good", "active")
    if server.status == "new":
        return Standing("", "starting", "has started, and takes no tasks yet")
    return Standing("warn", server.status, "has said that it ends")


def troubles(server: ServerInfo) -> list[Standing]:
    """List what is wrong with a server, the worst first."""
    sheet = server.sheet
    if sheet is None:
        return []
    found = []
    if sheet.loop_blocked >= BLOCKED:
        found.append(
            Standing(
                "bad",
                "blocked",
                f"its event loop has had no turn for {duration(sheet.loop_blocked)}: a handler computes",
            )
        )
    if sheet.given_up:
        found.append(
            Standing(
                "bad" if 2 * sheet.given_up >= server.concurrency else "warn",
                "stuck",
                f"{counted(sheet.given_up, 'handler')} did not end although stopped: each holds a slot until it is "
                "started anew",
            )
        )
    if sheet.clock_ahead is not None and abs(sheet.clock_ahead) > SKEW + (sheet.round_trip or timedelta(0)) / 2:
        side = "ahead of" if sheet.clock_ahead > timedelta(0) else "behind"
        found.append(Standing("warn", "clock", f"its clock is {duration(abs(sheet.clock_ahead))} {side} the store's"))
    if sheet.loop_lag >= LAG and sheet.loop_blocked < BLOCKED:
        found.append(Standing("warn", "slow", f"its event loop was {duration(sheet.loop_lag)} late with its last turn"))
    return found


def shares(server: ServerInfo) -> list[tuple[str, int, str]]:
    """Return the queues of a server, the heaviest first: name, weight, and what that means."""
    total = sum(server.queues.values())
    ordered = sorted(server.queues.items(), key=lambda item: (-item[1], item[0]))
    if server.strict_priority:
        return [
            (name, weight, "first" if at == 0 else "after those before") for at, (name, weight) in enumerate(ordered)
        ]
    return [(name, weight, f"{100 * weight / total:.0f} %" if total else "") for name, weight in ordered]


def verdict(
    servers: Sequence[ServerInfo],
    lost: Collection[LostServer],
    unserved: Sequence[Concern],
    now: datetime,
    place: tzinfo = UTC,
) -> tuple[str, str | Markup]:
    """
    Return the kind and the sentence that stand first.

    Args:
        servers: Those that live.

        lost: Those that fell silent.

        unserved: Queues whose tasks wait, and which nobody takes from.

        place: The viewer's zone.
    """
    if unserved:
        return concerns.verdict(unserved, servers=len(servers), active=0, queues=len(unserved), place=place)
    troubled = _worst(servers)
    if troubled is not None and troubled[1].kind == "bad":
        return "bad", f"{place_of(troubled[0])}: {troubled[1].sentence}"
    silent = [one for one in lost if now - one.seen_at <= LATELY]
    if silent:
        more = f" · {len(silent) - 1} more" if len(silent) > 1 else ""
        return "warn", f"{place_of(silent[0])} fell silent without leaving{more}; what it ran goes back to its queue"
    if troubled is not None:
        return "warn", f"{place_of(troubled[0])} {troubled[1].sentence}"
    if not servers:
        return "", "No server lives; nothing waits for one"
    slots, busy = sum(one.concurrency for one in servers), sum(one.active_workers for one in servers)
    if busy >= slots:
        return (
            "warn",
            f"All {counted(slots, 'slot')} of {counted(len(servers), 'server')} are busy: what comes waits for one",
        )
    return "good", f"All is well: {counted(len(servers), 'server')}, {busy:,} of {counted(slots, 'slot')} busy"


def _worst(servers: Iterable[ServerInfo]) -> tuple[ServerInfo, Standing] | None:
    ranked = [(one, found) for one in servers for found in [standing(one)] if found.kind in ("warn", "bad")]
    return min(ranked, key=lambda pair: pair[1].kind != "bad", default=None)
