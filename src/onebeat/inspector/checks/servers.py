"""Servers: is there one for each queue, has it the handlers, does its clock go right and its event loop turn?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from onebeat.broker.checkup import Checkup
from onebeat.inspector.checks.facts import Check, Facts, Found, server_name
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.checks.words import all_of, list_tasks, number, serve, some, span
from onebeat.inspector.models import ServerInfo

SKEW_S, BAD_SKEW_S = 1.0, 30.0
ENTRY_SKEW_S = 3.0
"""A server's entry in asynq's list is written in whole seconds, and with some delay."""

BLOCKED_S, LAG_S = 5.0, 1.0


def _lonely(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        later = queue.scheduled + queue.retry
        if not queue.pending + later + queue.groups or facts.taking(queue.queue):
            continue
        if not queue.pending and not _is_due(queue, facts.now):
            severity, waiting = Severity.WARNING, _later(queue, facts.now)
        else:
            severity, waiting = Severity.ERROR, _waiting(queue)
        stopping = facts.serving(queue.queue)
        who = (
            f"the only servers that serve it take nothing more: {some(map(server_name, stopping))}"
            if stopping
            else f"none of {number(len(facts.servers), 'server')} serves it"
            if facts.servers
            else "no server lives"
        )
        yield Found(
            severity,
            f"queue {queue.queue}",
            f"{waiting}, and {who}",
            (serve(queue.queue), "onebeat server ls"),
            queue.queue,
        )


def _is_due(queue: Checkup, now: float) -> bool:
    firsts = (queue.first_scheduled, queue.first_retry)
    return bool(queue.groups) or any(first is not None and first < now for first in firsts)


def _waiting(queue: Checkup) -> str:
    counts = [
        number(count, f"{state} task") if state != "retry" else f"{number(count, 'task')} in retry"
        for state, count in (("pending", queue.pending), ("scheduled", queue.scheduled), ("retry", queue.retry))
        if count
    ]
    if queue.groups:
        counts.append(number(queue.groups, "group"))
    return f"it has {all_of(counts)}"


def _later(queue: Checkup, now: float) -> str:
    first = min(first for first in (queue.first_scheduled, queue.first_retry) if first is not None)
    return f"{number(queue.scheduled + queue.retry, 'task')} will be due in it, the first in {span(first - now)}"


def _unhandled(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        servers = facts.serving(queue.queue)
        if not servers or any(server.sheet is None for server in servers):
            continue  # who does not say what it handles may handle anything
        samples = [*queue.waiting, *queue.failing]
        types = Counter(sample.type for sample in samples if sample.type)
        for task_type, count in types.most_common():
            if any(server.sheet is not None and server.sheet.may_handle(task_type) for server in servers):
                continue
            yield Found(
                Severity.ERROR,
                f"queue {queue.queue}",
                f"no server that serves it has a handler for type {task_type!r}: {count} of {len(samples)} tasks that "
                f"were looked at are of it; it is served by {some(map(_known, servers))}",
                (
                    f"start a server that has the handler: {serve(queue.queue)}",
                    list_tasks(queue.queue, "pending"),
                ),
                queue.queue,
            )


def _known(server: ServerInfo) -> str:
    sheet = server.sheet
    if sheet is None:
        return server_name(server)
    of = f" of {sheet.application}" if sheet.application else ""
    return f"{server_name(server)}{of} (handles {some(sheet.patterns) or 'nothing'})"


def _skewed(facts: Facts) -> Iterator[Found]:
    has_go = any(server.sheet is None for server in facts.servers)
    ahead: dict[str, float] = {}
    for server in facts.servers:
        sheet = server.sheet
        if sheet is not None and sheet.clock_ahead is not None:
            trip = sheet.round_trip.total_seconds() if sheet.round_trip else 0.0
            if abs(sheet.clock_ahead.total_seconds()) > SKEW_S + trip / 2:
                ahead[server.host] = sheet.clock_ahead.total_seconds()
    for name, skew in facts.skews.items():
        if abs(skew) > ENTRY_SKEW_S:
            ahead.setdefault(name.rpartition(":")[0], skew)
    for host, skew in sorted(ahead.items()):
        is_bad = abs(skew) >= BAD_SKEW_S and (has_go or any(name.startswith(f"{host}:") for name in facts.skews))
        yield Found(
            Severity.ERROR if is_bad else Severity.WARNING,
            f"host {host}",
            f"its clock is {span(skew)} {'ahead of' if skew > 0 else 'behind'} the store's",
            ("timedatectl", "set the clock of that host by NTP (chrony, systemd-timesyncd), or that of the store's"),
        )
    for queue in facts.queues:
        latest = queue.latest_lease
        if latest is not None and not queue.latest_is_ours and latest - facts.now > 30 + ENTRY_SKEW_S:
            yield Found(
                Severity.WARNING,
                f"queue {queue.queue}",
                f"a lease of a Go server there ends in {span(latest - facts.now)}, and Go's last for 30 s: the clock "
                f"of its host is ahead of the store's by about {span(latest - facts.now - 30)}",
                ("onebeat server ls", "set the clock of that host by NTP"),
                queue.queue,
            )


def _blocked(facts: Facts) -> Iterator[Found]:
    for server in facts.servers:
        sheet = server.sheet
        if sheet is None:
            continue
        blocked, lag = sheet.loop_blocked.total_seconds(), sheet.loop_lag.total_seconds()
        running = some(f"{worker.task_type} {worker.task_id} ({worker.queue})" for worker in server.workers)
        what = f"; it runs {running}" if running else ""
        if blocked >= BLOCKED_S:
            yield Found(
                Severity.ERROR,
                f"server {server_name(server)}",
                f"its event loop has had no turn for {span(blocked)}{what}",
                (
                    "see its log: it says where the loop is",
                    'make the handler a plain function, which runs in a thread, or declare it isolation="process"',
                ),
            )
        elif lag >= LAG_S:
            yield Found(
                Severity.WARNING,
                f"server {server_name(server)}",
                f"its event loop was {span(lag)} late with its last turn{what}",
                ("make what computes or blocks a plain function, which runs in a thread",),
            )


def _given_up(facts: Facts) -> Iterator[Found]:
    for server in facts.servers:
        sheet = server.sheet
        if sheet is not None and sheet.given_up:
            yield Found(
                Severity.ERROR if 2 * sheet.given_up >= server.concurrency else Severity.WARNING,
                f"server {server_name(server)}",
                f"{number(sheet.given_up, 'handler')} of its {number(server.concurrency, 'slot')} did not end although "
                "stopped, and cannot be",
                (
                    "stop that server and start it anew: its tasks go back to the front",
                    'give the handler\'s own calls a timeout, or declare it isolation="process", which can be stopped',
                ),
            )


def _versions(facts: Facts) -> Iterator[Found]:
    versions: dict[str, list[str]] = {}
    for server in facts.servers:
        if server.sheet is not None:
            versions.setdefault(server.sheet.version, []).append(server_name(server))
    if len(versions) > 1:
        said = [f"{version} on {some(names)}" for version, names in sorted(versions.items())]
        yield Found(
            Severity.HINT,
            "servers",
            f"they are of {len(versions)} versions of Onebeat: {'; '.join(said)}",
            ("end the deploy: start the older ones anew with the new version", "onebeat server ls"),
        )


def _archives(facts: Facts) -> Iterator[Found]:
    for queue in sorted({queue for server in facts.servers for queue in server.queues}):
        said: dict[tuple[int, int], list[str]] = {}
        for server in facts.serving(queue):
            if server.sheet is not None:
                limits = (server.sheet.archive_size, server.sheet.archive_age_s)
                said.setdefault(limits, []).append(server_name(server))
            else:
                said.setdefault((9999, 7_776_000), []).append(f"{server_name(server)} (Go's, fixed)")
        if len(said) > 1:
            kept = [f"{_limits(*limits)} by {some(names, 2)}" for limits, names in sorted(said.items())]
            yield Found(
                Severity.WARNING,
                f"queue {queue}",
                f"its servers disagree on what its archive keeps: {'; '.join(kept)}",
                ("give all of them the same archive_max_size and archive_max_age",),
                queue,
            )


def _limits(most: int, age_s: int) -> str:
    return f"{number(most, 'task') if most else 'any number'} for {span(age_s) if age_s else 'ever'}"


CHECKS = (
    Check(
        "queue-without-server",
        ("servers", "queues"),
        "Queues in which tasks wait that no living server serves.",
        "They wait for ever, and nobody says so: a queue is whatever name a client wrote.",
        "Start a server for it; or, if its name was a slip, move the tasks: `onebeat task update`.",
        _lonely,
    ),
    Check(
        "type-without-handler",
        ("servers", "queues"),
        "Types of tasks that wait, as far as samples show, against what the servers of their queue say they handle. A "
        "queue that a Go server serves is passed over, as it does not say.",
        "Such a task is handed from server to server, and after ten minutes begins to use up its retries.",
        "Start a server that has the handler, or deploy it to those that serve the queue.",
        _unhandled,
    ),
    Check(
        "clock-skew",
        ("servers", "queues"),
        "The clock of each host against the store's. Onebeat's servers measure it; Go's show it by what they write.",
        "Onebeat decides by the store's clock. Go servers decide by their own: they run delayed tasks early or late, "
        "and with more than 30 s take tasks from each other that are running.",
        "Have all hosts keep their clocks by NTP.",
        _skewed,
    ),
    Check(
        "loop-blocked",
        ("servers",),
        "Whether the event loop of each Onebeat server turns.",
        "While one handler blocks it, no other coroutine of that server goes on, and it takes no tasks.",
        "Make the handler a plain function, or isolate it in a process.",
        _blocked,
    ),
    Check(
        "handlers-given-up",
        ("servers",),
        "Handlers that do not end although they were stopped.",
        "Each holds a slot for good; at half of the slots the server stops.",
        "Start the server anew, and give what the handler waits for a timeout.",
        _given_up,
    ),
    Check(
        "server-versions",
        ("servers",),
        "Whether all Onebeat servers are of one version.",
        "Versions may run side by side, as in a deploy; for long, it is a deploy that stopped half-way.",
        "End the deploy.",
        _versions,
    ),
    Check(
        "archive-limits",
        ("servers",),
        "Whether the servers of a queue agree on what its archive keeps.",
        "The strictest has its way, on everybody's tasks. Go's limits are fixed: 9,999 tasks, 90 days.",
        "Give all servers of the queue the same settings.",
        _archives,
    ),
)
