"""TLS with client certificates, and users with no more rights than they need: every kind of store, every role."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel
import trustme

from onebeat.broker.dangers import RIGHTS, dangers
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.sync import SyncClient
from onebeat.task import Task
from onebeat.upkeep.service import cancelled
from tests.engines import HOST, MASTER, Cluster, Process, Topology, Watched
from tests.server.conftest import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # asyncio leaves the socket of a connection that broke as it was made to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ALL = "~* &* +@all"


@dataclass
class Secured:
    """
    A store that lets in who has a certificate, a name and a password.

    Attributes:
        options: What connections to it are told, in redis-py's words, but for name and password.
    """

    kind: str
    topology: Topology
    options: dict[str, str]

    @property
    def hosts(self) -> list[Process]:
        return self.topology.sentinels if isinstance(self.topology, Watched) else self.topology.nodes

    def url(self, credentials: str = "shop:open%20sesame", *, sentinel: str = "spoken", **changed: str | None) -> str:
        told = {name: value for name, value in (self.options | changed).items() if value is not None}
        if self.kind == "sentinel":
            told |= {"master": MASTER, "sentinel_username": "watcher", "sentinel_password": sentinel}
        scheme = "rediss" if self.kind == "one" else f"rediss+{self.kind}"
        return f"{scheme}://{credentials}@{','.join(host.address for host in self.hosts)}?{urlencode(told)}"


def binary() -> str:
    """Return a server that was built with TLS, which the wheel's is not; without one nothing can be shown here."""
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        pytest.skip("needs a server with TLS: apt-get install redis-server, as `make test` does where it can")
    return found


@pytest.fixture(scope="module", params=["one", "sentinel", "cluster"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Return a store of each kind."""
    folder = tmp_path_factory.mktemp("secured")
    authority, server, user = trustme.CA(), folder / "server.pem", folder / "user.pem"
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    authority.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(server))
    authority.issue_cert("shop.example").private_key_and_cert_chain_pem.write_to_path(str(user))
    tls: dict[str, Any] = {
        "tls-port": "on",
        "tls-cert-file": server,
        "tls-key-file": server,
        "tls-ca-cert-file": folder / "ca.pem",
        "tls-replication": "yes",
        "tls-auth-clients": "yes",
        "user default": f"on >admin {ALL}",
    }
    options = {"ssl_ca_certs": str(folder / "ca.pem"), "ssl_certfile": str(user), "ssl_keyfile": str(user)}
    slots = " +cluster|slots" if request.param == "cluster" else ""
    nodes = {
        **tls,
        "masteruser": "default",
        "masterauth": "admin",
        "user shop": f'on ">open sesame" {RIGHTS}{slots}',
        "user little": f"on >pw ~asynq:* &asynq:* +@read +@scripting +@connection +info +role{slots}",
    }
    common: dict[str, Any] = {"client": {"ssl": True, "password": "admin", **options}, "binary": binary()}
    topology: Topology
    if request.param == "sentinel":
        own = {
            **tls,
            "user watcher": "on >spoken &+switch-master +sentinel|master +subscribe +unsubscribe +@connection",
            "sentinel sentinel-user": "default",
            "sentinel sentinel-pass": "admin",
        }
        topology = Watched(folder, settings=nodes, own=own, auth="default admin", **common)
    elif request.param == "cluster":
        topology = Cluster(folder, settings={**nodes, "tls-cluster": "yes"}, **common)
    else:
        topology = Topology()
        topology.nodes = [topology._start(Process(folder, nodes, **common))]
    yield Secured(request.param, topology, options)
    topology.end()


async def test_every_role_works(secured: Secured) -> None:
    """Client, blocking client, server with its keeper, scheduler and inspector, with the rights that are asked for."""
    secured.topology.flush()
    mux, ran = Mux(), set[str]()

    @mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        ran.add(ctx.id)

    scheduler = Scheduler(secured.url())
    scheduler.register("@every 100ms", Task("t"), queue="beat")
    scheduling = asyncio.create_task(scheduler.run())
    queues = {"default": 1, "low": 1, "beat": 1}
    async with Server(secured.url(), queues=queues).serving(mux), Inspector(secured.url()) as inspector:
        async with Client(secured.url()) as client:
            await client.enqueue(Task("t"), task_id="a")
        with SyncClient(secured.url()) as blocking:
            await asyncio.to_thread(blocking.enqueue, Task("t"), task_id="b", queue="low")

        async def all_ran() -> bool:
            return {"a", "b"} < ran  # and a beat

        async def is_listed() -> bool:
            return bool(await inspector.store.command("ZCARD", "asynq:servers"))

        await until(all_ran, 120)
        await until(is_listed, 120)
        assert 1 == (await inspector.stats("low")).processed
    await cancelled(scheduling)


async def test_no_right_is_missed(secured: Secured) -> None:
    """A user with the rights that the remedy names is not warned of; one with fewer is, for each node."""
    async with await Store.open(secured.url()) as store:
        assert [] == [danger for danger in await dangers(store) if "its user" in danger]
    async with await Store.open(secured.url("little:pw")) as store:
        [danger] = [danger for danger in await dangers(store) if "its user may not" in danger]
        assert "HSET asynq:{q}:t:id, HSET onebeat:{q}:d:id" in danger
        assert RIGHTS in danger
        assert secured.kind == "one" or all(node.address in danger for node in secured.topology.primaries())


async def test_a_wrong_password_is_said(secured: Secured) -> None:
    """With the place to give the right one; a sentinel's stands apart."""
    with pytest.raises(BrokerUnavailable, match="give the right user and password in its URL"):
        await Store.open(secured.url("shop:wrong"))
    if secured.kind == "sentinel":
        with pytest.raises(BrokerUnavailable, match="sentinel_username= and sentinel_password="):
            await Store.open(secured.url(sentinel="wrong"))


async def test_who_shows_no_certificate_is_not_let_in(secured: Secured) -> None:
    """Nor does anybody who trusts another authority let the store in."""
    with pytest.raises(BrokerUnavailable, match="cannot be used"):
        await Store.open(secured.url(ssl_certfile=None, ssl_keyfile=None))
    with pytest.raises(BrokerUnavailable, match="cannot be used"):
        await Store.open(secured.url(ssl_ca_certs=None))


@pytest.mark.parametrize("module", [redis, redis.asyncio], ids=["blocking", "asyncio"])
async def test_a_redis_client_lends_its_settings(secured: Secured, module: Any) -> None:
    """Of each kind and both forms: the store is opened as it would be."""
    secured.topology.flush()
    told: dict[str, Any] = {"ssl": True, "username": "shop", "password": "open sesame", **secured.options}
    first = secured.hosts[0]
    given: Any
    if secured.kind == "sentinel":
        spoken = {"ssl": True, "username": "watcher", "password": "spoken", **secured.options}
        addresses = [(HOST, host.port) for host in secured.hosts]
        given = module.sentinel.Sentinel(addresses, sentinel_kwargs=spoken).master_for(MASTER, **told)
    elif secured.kind == "cluster":
        given = await asyncio.to_thread(module.RedisCluster, host=HOST, port=first.port, **told)
    else:
        given = module.Redis(host=HOST, port=first.port, **told)
    async with Client(given) as client:
        assert "a" == (await client.enqueue(Task("t"), task_id="a")).id
    with SyncClient(given) as blocking:
        assert "b" == (await asyncio.to_thread(blocking.enqueue, Task("t"), task_id="b")).id
    if module is redis:
        given.close()
    else:
        await given.aclose()
