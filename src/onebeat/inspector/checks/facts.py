"""What is known of a system at an instant; judging it asks nothing more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from onebeat.broker.checkup import Checkup, Plan, Wound
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.models import ScheduleEntry, ServerInfo


@dataclass(frozen=True, slots=True)
class Slow:
    """A command that took a node long: when (seconds since 1970), how long (seconds), and how it begins."""

    at: float
    seconds: float
    command: str


@dataclass(slots=True, kw_only=True)
class Facts:
    """
    What was gathered. A part that could not be gathered is in `missing`, with why.

    Attributes:
        now: Seconds since 1970, by the store's clock.

        replicas: How many are to confirm what is accepted.

        nodes: What INFO says, by the address of each primary.

        refused: What our user may not, by node.

        slow: Slow commands of the last hour, by node.

        round_trip: Seconds that the store took to answer us, the shortest of a few times.

        cluster: What CLUSTER INFO says of each node, and how many queues each primary has; empty if it is no cluster.

        servers: Those that live.

        skews: By how many seconds the clocks of servers are ahead of the store's, to within a second or two, as far as
            their entries tell; by "host:pid".

        names: All known queues.

        queues: Those that were looked at.

        broken: Queues that scripts fail on, with why.

        foreign: Keys that are of a foreign type: the queue, "" of those of all, the key, and its type.

        before: What was pending, and processed, at a first look `interval` seconds ago.

        plans: Onebeat's schedules. entries: Go's.

        wounds: Damage.

        unlisted: Queues that have keys and that no tool lists.

        missing: Parts that could not be gathered, with why.

        looked: What was looked at, in sentences.
    """

    now: float = 0.0
    replicas: int = 0
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    refused: Mapping[str, list[bytes]] = field(default_factory=dict)
    slow: Mapping[str, list[Slow]] = field(default_factory=dict)
    round_trip: float = 0.0
    cluster: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    spread: Mapping[str, int] = field(default_factory=dict)
    servers: list[ServerInfo] = field(default_factory=list)
    skews: Mapping[str, float] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    queues: list[Checkup] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    foreign: list[tuple[str, str, str]] = field(default_factory=list)
    before: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    interval: float = 0.0
    plans: list[Plan] = field(default_factory=list)
    entries: list[ScheduleEntry] = field(default_factory=list)
    wounds: list[Wound] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    looked: list[str] = field(default_factory=list)

    def serving(self, queue: str) -> list[ServerInfo]:
        """Return the servers that take tasks of a queue, or would if they were not told to stop."""
        return [server for server in self.servers if queue in server.queues]

    def taking(self, queue: str) -> list[ServerInfo]:
        """Return the servers that take tasks of a queue."""
        return [server for server in self.serving(queue) if server.status in ("active", "new")]

    def has_upkeep(self, queue: str) -> bool:
        """Whether a server of Onebeat looks after a queue."""
        return any(server.sheet is not None for server in self.serving(queue))


@dataclass(frozen=True, slots=True)
class Found:
    """What a judge says; see `Finding`."""

    severity: Severity
    subject: str
    text: str
    remedies: tuple[str, ...]
    queue: str = ""
    repair: str = ""
    heals: str = ""


Judge = Callable[[Facts], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that is checked.

    Attributes:
        id: Its name; it stays.

        needs: The parts of the facts that it judges.

        looks: What it looks at, as a sentence.

        why: Why it matters.

        mend: How to mend it, in general.

        judge: Finds it; pure.

        problems: The damages of `Facts.wounds` that it is about, which `repair` mends.

        is_safe: `repair` mends it without its being named.
    """

    id: str
    needs: tuple[str, ...]
    looks: str
    why: str
    mend: str
    judge: Judge
    problems: tuple[str, ...] = ()
    is_safe: bool = True

    @property
    def can_repair(self) -> bool:
        return bool(self.problems)


def server_name(server: ServerInfo) -> str:
    """Say which server, as `server ls` shows it."""
    return f"{server.host}:{server.pid}"
