"""What a store and its nodes say of themselves. What one does not tell is None, and why stands in the report."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from onebeat.broker.dangers import Danger


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReplica:
    """
    A replica, as its primary sees it.

    Attributes:
        address: "host:port".

        state: "online", or what it does until it is, such as "wait_bgsave".

        lag: Since it last confirmed what it has.

        behind: Bytes that it has still to be told.
    """

    address: str
    state: str
    lag: timedelta | None
    behind: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreNode:
    """
    A primary, as it shows itself. What it does not tell is None; text is "" then.

    Attributes:
        address: Where it is, without a password.

        away: Why it cannot be asked; "" if it can.

        latency: How long it took to answer from here, the shortest of three times.

        kind: "redis" or "valkey". version: Its server's. mode: "standalone", "sentinel" or "cluster". role: "master"
            or "slave". system: What it runs on.

        uptime: How long it has run.

        memory, memory_peak: Bytes that it uses, and the most it ever used.

        memory_limit: Bytes that it may use; 0: it has no limit.

        memory_machine: Bytes that its machine has.

        resident: Bytes that its process takes of the machine.

        fragmentation: Resident memory by used memory.

        policy: What it does when its memory is full: it should be "noeviction".

        evicted, expired: Keys that went since it started: for want of memory, and as their time was over.

        clients, blocked, clients_limit: Connections; those that wait for something; and how many there may be.

        rejected: Connections that it refused since it started, as there were too many.

        commands_per_second: Commands that it runs now.

        commands: Those it ran since it started.

        received_kbps, sent_kbps: Kilobytes a second, now.

        hits, misses: Keys that were looked up since it started, and there or not there.

        keys: Keys of the database that is used. Of a cluster's node, those that it has.

        expiring: Those of them that end by themselves.

        appends: Whether it keeps an append-only file.

        append_fine, snapshot_fine: Whether it last wrote to that file, and a snapshot, well.

        saved_at: When its last snapshot was taken, or it started.

        unsaved: Changes since.

        is_loading: Whether it still reads its data.

        replicas: Its replicas.

        dangers: What about its settings can lose tasks, and the remedy of each.
    """

    address: str
    away: str = ""
    latency: timedelta | None = None
    kind: str = ""
    version: str = ""
    mode: str = ""
    role: str = ""
    system: str = ""
    uptime: timedelta | None = None
    memory: int | None = None
    memory_peak: int | None = None
    memory_limit: int | None = None
    memory_machine: int | None = None
    resident: int | None = None
    fragmentation: float | None = None
    policy: str = ""
    evicted: int | None = None
    expired: int | None = None
    clients: int | None = None
    blocked: int | None = None
    clients_limit: int | None = None
    rejected: int | None = None
    commands_per_second: int | None = None
    commands: int | None = None
    received_kbps: float | None = None
    sent_kbps: float | None = None
    hits: int | None = None
    misses: int | None = None
    keys: int | None = None
    expiring: int | None = None
    appends: bool | None = None
    append_fine: bool | None = None
    snapshot_fine: bool | None = None
    saved_at: datetime | None = None
    unsaved: int | None = None
    is_loading: bool | None = None
    replicas: tuple[StoreReplica, ...] | None = None
    dangers: tuple[Danger, ...] = ()

    @property
    def hit_rate(self) -> float | None:
        """The part of the keys looked up that were there, 0 to 1."""
        if self.hits is None or self.misses is None or not self.hits + self.misses:
            return None
        return self.hits / (self.hits + self.misses)

    @property
    def fill(self) -> float | None:
        """The part of its limit that its memory takes, 0 to 1; None: it has no limit."""
        return self.memory / self.memory_limit if self.memory is not None and self.memory_limit else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """
    A node of a cluster, as the others see it.

    Attributes:
        id: Its name in the cluster.

        address: "host:port".

        role: "primary" or "replica".

        primary: The id of the primary that a replica follows; "" of a primary.

        slots: How many it has.

        trouble: "fail" if it is gone, "fail?" if one node thinks so, "handshake", "noaddr"; "" if it is well.

        is_linked: Whether the node that was asked is connected to it.
    """

    id: str
    address: str
    role: str
    primary: str
    slots: int
    trouble: str
    is_linked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCluster:
    """
    A cluster, as one of its nodes sees it.

    Attributes:
        state: "ok" or "fail"; "" if it does not tell.

        slots_assigned, slots_ok: Of 16,384 slots, those that some node has, and those whose node is well.

        nodes: Its nodes, primaries first; None: it does not tell.
    """

    state: str
    slots_assigned: int | None
    slots_ok: int | None
    nodes: tuple[ClusterNode, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKey:
    """
    A key that belongs to no queue.

    Attributes:
        name: The key.

        holds: What is in it.

        count: How many things; None: the store does not tell.

        memory: Bytes that it takes, estimated; None: likewise.
    """

    name: str
    holds: str
    count: int | None
    memory: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRefusal:
    """
    Something that the store does not tell.

    Attributes:
        what: Such as "INFO" or "memory of onebeat:audit".

        node: Which node does not.

        why: What it answered.
    """

    what: str
    node: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """
    All that a store says of itself.

    Attributes:
        address: Where it is, without a password.

        topology: "one", "sentinel" or "cluster".

        seeds: The sentinels, or nodes of a cluster, that its URL names.

        master: The name by which sentinels know the primary; "" where there are none.

        nodes: Its primaries: the one, or those of a cluster; at most 64.

        primaries: How many there are.

        cluster: What a cluster says; None where there is none, or no node tells.

        keys: Keys of Onebeat and asynq that belong to no queue.

        untold: What it does not tell, and why.
    """

    address: str
    topology: str
    seeds: tuple[str, ...]
    master: str
    nodes: tuple[StoreNode, ...]
    primaries: int
    cluster: StoreCluster | None
    keys: tuple[StoreKey, ...]
    untold: tuple[StoreRefusal, ...]
