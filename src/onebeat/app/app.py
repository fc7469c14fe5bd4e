"""
An application: its tasks and schedules, declared in code, and its connection, opened when first used.

Nothing happens at import: declaring opens, reads and starts nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from datetime import datetime
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, Unpack

from onebeat.app.declared import Declared
from onebeat.app.declaring import Declaring
from onebeat.app.handle import Replies
from onebeat.app.hooking import Hooking
from onebeat.app.listening import Listening
from onebeat.app.surroundings import Surroundings
from onebeat.app.transport import Transport
from onebeat.broker.store import Store, check_source
from onebeat.client import Bulk, Client
from onebeat.codecs.codec import KNOWN, Codec, check_codec
from onebeat.errors import ConfigurationError, shown
from onebeat.options import EnqueueOptions, text
from onebeat.preparing import BulkResult
from onebeat.server.aggregation import Aggregation
from onebeat.server.mux import Mux, Route
from onebeat.sync import SyncClient
from onebeat.task import Task

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # checkers know it without its being installed

    from onebeat.app.serving import Serving
    from onebeat.server.server import ServerSettings
    from onebeat.testing.kit import Kit

    S = TypeVar("S", default=None)
else:
    from typing import TypeVar

    S = TypeVar("S")

Lifespan = Callable[[], AbstractAsyncContextManager[S]]


class Onebeat(Declaring, Hooking, Listening, Generic[S]):
    """
    An application.

    Args:
        name: Names it to other instances: schedules that no live instance of this name declares are parked.

        url: Where the store is; default `ONEBEAT_URL`, else the embedded store of the project.

        durability: "replicas:n" has n replicas confirm every task before it counts as enqueued; default: as the URL
            says, else none. See `Client`.

        codec: What payloads and results are written by unless a task has its own: "json", "msgpack", or a `Codec` of
            yours.

        codecs: Others that payloads may come in, such as those of a former codec.

        lifespan: Entered once by every server process; what it yields is the handlers' `Context.state`.

        server: Settings of its servers, as keywords of `ServerConfig`, also under `onebeat run`, unless they are told
            otherwise where they start.

    Use `async with app:` to close its connection in good time; without it, that ends with the event loop.

    Raises:
        ConfigurationError: The name is blank, the lifespan cannot be entered, a codec is none, or a setting cannot
            work.
    """

    def __init__(
        self,
        name: str = "onebeat",
        *,
        url: str | None = None,
        durability: str | None = None,
        lifespan: Lifespan[S] | None = None,
        codec: str | Codec = "json",
        codecs: Iterable[Codec] = (),
        server: ServerSettings | None = None,
    ) -> None:
        self.name: str = text("application name", name, refusal=ConfigurationError)
        _check_lifespan(lifespan)
        self.server_settings: ServerSettings = _checked_settings(server)
        check_source(url, durability)
        self._url = url
        self._durability = durability
        super().__init__()
        Hooking.__init__(self)
        self._codec = check_codec(codec)
        self._codecs = {
            **KNOWN,
            **{other.name: other for other in map(check_codec, codecs)},
            self._codec.name: self._codec,
        }
        self._lifespan = lifespan
        self._surroundings: list[Surroundings] = []
        self.adopted: set[str] = set()
        self.mux: Mux = Mux()
        Listening.__init__(self)
        self._transport = self._own_transport = Transport(url, durability, self.audience)

    @property
    def url(self) -> str | None:
        """
        Where the store is. May be set later, as by a framework's settings: what is opened from then on is opened there.

        Raises:
            ConfigurationError, BrokerUnsupported: On setting: it names no store.
        """
        return self._url

    @url.setter
    def url(self, url: str | None) -> None:
        check_source(url, self._durability)
        self._url = url
        former, self._own_transport = self._own_transport, Transport(url, self._durability, self.audience)
        former.sync_client.close()
        if self._transport is former:
            self._transport = self._own_transport

    @property
    def codec(self) -> Codec:
        """What payloads are written by unless a task has its own."""
        return self._codec

    def find_codec(self, name: str) -> Codec | None:
        return self._codecs.get(name)

    @property
    def lifespan(self) -> Lifespan[S] | None:
        return self._lifespan

    @property
    def surroundings(self) -> Sequence[Surroundings]:
        return self._surroundings

    def surround(self, surroundings: Surroundings) -> None:
        """
        Run every handler inside something of its own, such as a framework's context. The first is the outermost.

        Unlike middleware it is entered where the handler runs: in the thread of a plain function, and in the process
        of an isolated one, if what imports the task there says so too.
        """
        self._surroundings.append(surroundings)

    def adopt(self, pattern: str, route: Route, queues: Iterable[str]) -> None:
        """
        Run tasks that are declared elsewhere, in a framework's own way, beside those declared here.

        Args:
            pattern: What their types begin with.

            route: How they are run.

            queues: Where they are, for servers that are not told which queues to serve.

        Raises:
            ConfigurationError: The pattern has a handler already.
        """
        self.mux.add(pattern, route)
        self.adopted.update(queues)

    def _register(self, declared: Declared[Any, Any, Any, Any]) -> None:
        super()._register(declared)
        self.mux.add(declared.type, declared.route)

    def _add_aggregation(self, added: Aggregation) -> None:
        super()._add_aggregation(added)
        self.mux.aggregations.add(added)

    async def __aenter__(self) -> Self:
        await self.client()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send what waits, and close the connection of the running loop; the next use opens another."""
        await self._transport.aclose()

    async def client(self) -> Client:
        """Return the client of the running loop, opened if need be."""
        return (await self._transport.connected()).client

    def sync_client(self) -> SyncClient:
        """Return the client of this process for code that blocks; it opens when first used, anew in a forked child."""
        return self._transport.sync_client

    def close(self) -> None:
        """Close the connections that `enqueue_sync` and its like have opened; the next use opens others."""
        self._transport.sync_client.close()

    async def connection(self) -> tuple[Store, Replies]:
        """Return the store of the running loop, and who hears of ended tasks."""
        connection = await self._transport.connected()
        return connection.store, connection.replies

    @contextmanager
    def by_way_of(self, transport: Transport) -> Iterator[None]:
        """Reach the store by another way while the block runs: what the test kit does."""
        if self._transport is not self._own_transport:
            raise ConfigurationError(
                f"application {self.name!r} is under test already: leave that block of testing() before another begins"
            )
        self._transport = transport
        try:
            yield
        finally:
            self._transport = self._own_transport

    def testing(
        self,
        *,
        state: S | EllipsisType = ...,
        start: datetime | None = None,
        schedules: bool | Collection[Declared[Any, Any, Any, Any] | str] = True,
        eager: bool = False,
        processes: bool = False,
        guard: float = 10.0,
        seed: int = 20,
        **settings: Unpack[ServerSettings],
    ) -> Kit[S]:
        """
        Test the application: `async with app.testing() as t`, or `with app.testing() as t` in a test that blocks.

        While the block runs, all that the application enqueues goes to a private, empty store, in which time stands
        still until `t.advance()`, and tasks run when they are told to, by `t.drain()`. Waiting for a result runs the
        tasks, too, and lets up to its `timeout` pass. `app.serving()` serves nothing meanwhile.

        Args:
            state: What handlers find in `Context.state`, in place of the `lifespan`; without it that is entered.

            start: An aware datetime: when it is at first. Default: now.

            schedules: Whether schedules fire as time advances: all, none, or those of these tasks and ids alone. A tick
                takes about 2 ms of real time, so a day of one every 2 s takes a minute and a half.

            eager: Run each task within `enqueue`, and raise its error there. What is delayed waits still.

            processes: Run isolated tasks in processes of their own, as in production, where they enter the real
                `lifespan` and nothing that the test replaces is replaced. Default: in this process, as others.

            guard: Real seconds after which a handler that does not end is an error.

            seed: Of the back-off's dice: the same tests see the same delays.

            settings: See `ServerConfig`. `concurrency` is 1 here: one task after another, in their order.

        Raises:
            ConfigurationError: A setting cannot be used; on entering, that the application is under test already.
            MissingExtra: On entering: the engine is not installed.
        """
        from onebeat.testing.kit import make_kit  # above this room; see the import contract

        return make_kit(
            self,
            state=state,
            start=start,
            schedules=schedules,
            eager=eager,
            processes=processes,
            guard=guard,
            seed=seed,
            **settings,
        )

    def serving(self, **settings: Unpack[ServerSettings]) -> Serving:
        """
        Run tasks and schedules beside other things, while the block of `async with` runs. Touches no signals.

        Args:
            settings: See `ServerConfig`; `queues` default to those that the application's tasks name.
        """
        return self._transport.serving(self, settings)

    async def run(self, **settings: Unpack[ServerSettings]) -> None:
        """Run tasks and schedules until SIGTERM or SIGINT: what `onebeat run` does."""
        if self._transport is not self._own_transport:
            raise ConfigurationError(
                f"application {self.name!r} is under test, where its tasks run when the kit is told to: t.drain()"
            )
        from onebeat.app.serving import serve  # a client need not load the server

        await serve(self, **settings)

    def enqueue_many(
        self, tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]], **options: Unpack[EnqueueOptions]
    ) -> Bulk:
        """Enqueue any number of bound tasks in bounded memory; await it, or iterate. See `Client.enqueue_many`."""
        return Bulk(self.client, tasks, options)

    def enqueue_many_sync(self, tasks: Iterable[Task[Any]], **options: Unpack[EnqueueOptions]) -> BulkResult:
        """Enqueue any number of bound tasks from code that blocks. See `SyncClient.enqueue_many`."""
        return self._transport.sync_client.enqueue_many(tasks, **options)


def _checked_settings(settings: ServerSettings | None) -> ServerSettings:
    """Refuse settings that no server could have, where they are written."""
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigurationError(f'server is {shown(settings)}: give settings, such as {{"concurrency": 16}}')
    from onebeat.server.server import Server  # a client need not load the server

    Server(**settings)
    return settings


def _check_lifespan(lifespan: object) -> None:
    """Refuse what could not be entered, before a server tries."""
    if lifespan is not None and (
        not callable(lifespan)
        or inspect.isasyncgenfunction(lifespan)
        or inspect.isgeneratorfunction(lifespan)
        or inspect.iscoroutinefunction(lifespan)
    ):
        raise ConfigurationError(
            f"lifespan is {shown(lifespan)}: give an async function that yields, with @asynccontextmanager above it"
        )
