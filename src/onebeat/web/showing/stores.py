"""A store in words: its verdict, and the facts of a node by what they are about. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from onebeat.inspector.store_models import StoreNode, StoreReport
from onebeat.web.showing.words import counted, duration, share, size

HIGH: Final = 0.8
FULL: Final = 0.95
"""Parts of its memory from which a store is worth a word, and in trouble; as `onebeat doctor` has them."""

MILD: Final = ("persistence", "replicas")
"""Dangers that are somebody's choice: they lose tasks only when something else breaks."""

NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class Fact:
    """
    A fact about a node.

    Attributes:
        term, value: What, and its value; "–" if the store does not tell.

        kind: "warn" or "bad" if it is worth a look.

        note: Why, or what to do.
    """

    term: str
    value: str
    kind: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Facts that belong together."""

    title: str
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    Something that wants a look.

    Attributes:
        kind: "bad" or "warn".

        nodes: Where it is so; none: of the cluster as a whole.

        sentence: What is so, without a full stop.

        remedy: What to do.
    """

    kind: str
    nodes: tuple[str, ...]
    sentence: str
    remedy: str = ""


def name_of(node: StoreNode) -> str:
    """Say what runs there: "Valkey 9.1.2"; "the store" if it does not tell."""
    return f"{node.kind.title()} {node.version}".strip() if node.kind else "The store"


def troubles(report: StoreReport) -> list[Trouble]:
    """List what wants a look, the worst first."""
    found: list[Trouble] = []
    for kind, sentence, remedy in dict.fromkeys(told for node in report.nodes for told in _node_troubles(node)):
        where = tuple(node.address for node in report.nodes if (kind, sentence, remedy) in _node_troubles(node))
        found.append(Trouble(kind, where, sentence, remedy))
    cluster = report.cluster
    if cluster is not None and cluster.state not in ("ok", ""):
        served = NONE if cluster.slots_ok is None else f"{cluster.slots_ok:,}"
        found.append(Trouble("bad", (), f"The cluster is {cluster.state}: {served} of 16,384 slots are served"))
    lost = [one for one in (cluster.nodes if cluster else None) or () if one.trouble]
    found += [Trouble("warn", (one.address,), f"The cluster calls this {one.role} {one.trouble}") for one in lost]
    return sorted(found, key=lambda one: one.kind != "bad")


def _node_troubles(node: StoreNode) -> list[tuple[str, str, str]]:
    """Return kind, sentence and remedy of each."""
    if node.away:
        return [("bad", "It cannot be reached", node.away)]
    found = [
        ("warn" if one.id in MILD else "bad", one.text[0].upper() + one.text[1:], one.remedy) for one in node.dangers
    ]
    if node.is_loading:
        found.append(("bad", "It is still reading its data, and answers nothing else", ""))
    fill = node.fill
    if fill is not None and fill >= HIGH:
        full = share(node.memory or 0, node.memory_limit or 0)
        remedy = "raise maxmemory, or delete what is retained or archived"
        found.append(("bad" if fill >= FULL else "warn", f"It uses {full} of the memory that it may use", remedy))
    return found


def _places(nodes: Sequence[str]) -> str:
    return nodes[0] if len(nodes) == 1 else f"{len(nodes)} nodes"


def verdict(report: StoreReport, found: Sequence[Trouble]) -> tuple[str, str]:
    """Return the kind and the sentence that stand first."""
    if found:
        worst = found[0]
        where = f" ({_places(worst.nodes)})" if len(report.nodes) > 1 and worst.nodes else ""
        more = f" · {len(found) - 1} more to look at" if len(found) > 1 else ""
        return worst.kind, f"{worst.sentence}{where}{more}"
    here = [node for node in report.nodes if not node.away]
    names = sorted({name_of(node) for node in here})
    what = " and ".join(names) if len(names) < 3 else f"{len(names)} versions"
    trips = [node.latency.total_seconds() for node in here if node.latency is not None]
    answers = f"answers in {duration(max(trips))}" if trips else "answers"
    nodes = f" on {counted(len(here), 'primary', 'primaries')}" if report.topology == "cluster" else ""
    memory = [node.memory for node in here if node.memory is not None]
    used = f", {size(sum(memory))} of memory used" if memory else ""
    return "good", f"{what}{nodes} {answers}{used}"


def number(value: float | None) -> str:
    """Write a number that the store may not tell."""
    return NONE if value is None else f"{value:,.0f}"


def sections(node: StoreNode) -> list[Section]:
    """Put what a node says in order."""
    return [
        Section("Memory", _memory(node)),
        Section("Server", _server(node)),
        Section("Persistence", _persistence(node)),
        Section("Clients and traffic", _traffic(node)),
        Section("Keys", _keys(node)),
    ]


def _server(node: StoreNode) -> list[Fact]:
    role = {"master": "primary", "slave": "replica"}.get(node.role, node.role or NONE)
    return [
        Fact("Runs", name_of(node) if node.kind else NONE),
        Fact("Role", role, "bad" if role == "replica" else ""),
        Fact("Mode", node.mode or NONE),
        Fact("System", node.system or NONE),
        Fact("Up for", NONE if node.uptime is None else duration(node.uptime)),
        Fact("Answers in", NONE if node.latency is None else duration(node.latency)),
    ]


def _memory(node: StoreNode) -> list[Fact]:
    limit = NONE if node.memory_limit is None else size(node.memory_limit) if node.memory_limit else "no limit"
    fill, note = node.fill, ""
    if fill is not None:
        note = f"{share(node.memory or 0, node.memory_limit or 0)} of its limit"
    kind = "" if fill is None or fill < HIGH else "bad" if fill >= FULL else "warn"
    return [
        Fact("Used", _size(node.memory), kind, note),
        Fact("Limit (maxmemory)", limit),
        _policy(node),
        Fact("Peak", _size(node.memory_peak)),
        Fact("Resident", _size(node.resident)),
        Fact("Fragmentation", NONE if node.fragmentation is None else f"{node.fragmentation:.2f} × used"),
        Fact("Of the machine", _size(node.memory_machine)),
        Fact(
            "Evicted keys",
            number(node.evicted),
            "bad" if node.evicted else "",
            "tasks among them, perhaps" * bool(node.evicted),
        ),
    ]


def _policy(node: StoreNode) -> Fact:
    if node.policy in ("noeviction", ""):
        return Fact(
            "When it is full", node.policy or NONE, "", "it refuses new tasks, and loses none" * bool(node.policy)
        )
    note = "it deletes keys, and tasks with them"
    return Fact("When it is full", node.policy, "bad" if node.memory_limit else "warn", note)


def _size(value: int | None) -> str:
    return NONE if value is None else size(value)


def _persistence(node: StoreNode) -> list[Fact]:
    appends = {None: NONE, True: "yes", False: "no"}[node.appends]
    why = "a crash loses all since the last snapshot" if node.appends is False else ""
    return [
        Fact("Append-only file", appends, "warn" if node.appends is False else "", why),
        Fact("Its last write", *_went(node.append_fine)),
        Fact("Last snapshot", *_went(node.snapshot_fine)),
        Fact("Changes since then", number(node.unsaved)),
    ]


def _went(is_fine: bool | None) -> tuple[str, str]:
    return (NONE, "") if is_fine is None else ("went well", "") if is_fine else ("failed", "bad")


def _traffic(node: StoreNode) -> list[Fact]:
    limit = "" if node.clients_limit is None else f"of {node.clients_limit:,}"
    is_crowded = bool(node.clients and node.clients_limit and node.clients > HIGH * node.clients_limit)
    return [
        Fact("Clients", number(node.clients), "warn" if is_crowded else "", limit),
        Fact("Of them waiting", number(node.blocked), note="as servers do for tasks" if node.blocked else ""),
        Fact("Refused connections", number(node.rejected), "warn" if node.rejected else ""),
        Fact("Commands a second", number(node.commands_per_second)),
        Fact("Commands so far", number(node.commands)),
        Fact("Receives", _kbps(node.received_kbps)),
        Fact("Sends", _kbps(node.sent_kbps)),
    ]


def _kbps(value: float | None) -> str:
    return NONE if value is None else f"{value:,.1f} kB/s"


def _keys(node: StoreNode) -> list[Fact]:
    rate = node.hit_rate
    looked = "" if node.hits is None or node.misses is None else f"of {counted(node.hits + node.misses, 'look-up')}"
    return [
        Fact("Keys", number(node.keys)),
        Fact("That end by themselves", number(node.expiring)),
        Fact("Ended so far", number(node.expired)),
        Fact("Look-ups that found a key", NONE if rate is None else f"{100 * rate:.1f} %", "", looked),
    ]
