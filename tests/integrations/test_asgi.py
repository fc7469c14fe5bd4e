"""The lifespan and the health checks that every ASGI framework takes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fastapi
import httpx2
import litestar
import litestar.handlers
import pytest
import starlette.applications
import starlette.testclient

from onebeat import ConfigurationError, Health, HealthReport, Onebeat
from onebeat.integrations import asgi
from onebeat.integrations.asgi import Lifespan
from onebeat.server.health import Check


@pytest.fixture
def app(url: str) -> Onebeat[Any]:
    app: Onebeat[Any] = Onebeat("web", url=url)

    @app.task()
    async def double(number: int) -> int:
        return 2 * number

    return app


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the store its time to answer: on a machine that stands still it would be away."""
    monkeypatch.setattr(asgi, "ANSWER_WITHIN_S", 60.0)


@asynccontextmanager
async def asking(host: Any) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(host), base_url="http://web") as client:
        yield client


def in_starlette(prefix: str, health: asgi.Health) -> Any:
    host = starlette.applications.Starlette()
    host.mount(prefix, health)
    return host


def in_fastapi(prefix: str, health: asgi.Health) -> Any:
    host = fastapi.FastAPI()
    host.mount(prefix, health)
    return host


def in_litestar(prefix: str, health: asgi.Health) -> Any:
    return litestar.Litestar(
        [litestar.handlers.asgi(prefix, is_mount=True, copy_scope=True)(health)],
        openapi_config=None,
        logging_config=None,
    )


def alone(_prefix: str, health: asgi.Health) -> Any:
    return health


@pytest.mark.parametrize("mounted", [in_starlette, in_fastapi, in_litestar])
@pytest.mark.parametrize("prefix", ["/tasks", "/internal/tasks"])
async def test_health_is_mounted_anywhere(
    app: Onebeat[Any], mounted: Callable[[str, asgi.Health], Any], prefix: str
) -> None:
    """In each framework, at any prefix; what is not there is not found, and only reading is allowed."""
    async with app, asking(mounted(prefix, asgi.Health(app))) as client:
        answer = await client.get(f"{prefix}/health")
        assert (200, {"status": "ok", "store": "ok", "serving": None}) == (answer.status_code, answer.json())
        assert (200, {"status": "ok", "serving": None}) == (
            (await client.get(f"{prefix}/health/live")).status_code,
            (await client.get(f"{prefix}/health/live")).json(),
        )
        assert 404 == (await client.get(f"{prefix}/healthy")).status_code
        assert 405 == (await client.post(f"{prefix}/health")).status_code


async def test_a_store_that_is_away_fails_the_check_but_not_the_process(tmp_path: Path) -> None:
    """503 for who sends requests here; a new process would not help, so it is alive."""
    app: Onebeat[Any] = Onebeat(url=f"unix://{tmp_path}/nothing-here")
    async with asking(asgi.Health(app)) as client:
        answer = await client.get("/health")
        assert (503, {"status": "failing", "store": "away", "serving": None}) == (answer.status_code, answer.json())
        assert 200 == (await client.get("/health/live")).status_code


async def test_a_store_that_hangs_is_away(app: Onebeat[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks is answered in time."""
    monkeypatch.setattr(asgi, "ANSWER_WITHIN_S", 0.01)
    async with app, asking(asgi.Health(app)) as client:
        store, _ = await app.connection()
        monkeypatch.setattr(store, "run", lambda _call: asyncio.Event().wait())
        assert "away" == (await client.get("/health")).json()["store"]


def fake(fares: Health, *checks: Check, state: str = "serving") -> Any:
    """Return what serves, as far as it is asked."""
    return SimpleNamespace(health=fares, health_report=lambda: HealthReport.of(state, checks))


async def test_what_serves_and_is_not_live_is_told(app: Onebeat[Any]) -> None:
    """With the reason; what only makes it not ready is the store's to tell."""
    health = asgi.Health(app)
    async with app, asking(health) as client:
        health.serving = fake(Health.OK, Check(name="store", ready=False, why="it is away"))
        assert 200 == (await client.get("/health/live")).status_code
        health.serving = fake(Health.OK, Check(name="lease_keeper", live=False, why="its thread has ended"))
        for path in ("/health", "/health/live"):
            answer = await client.get(path)
            assert (503, ["lease_keeper: its thread has ended"]) == (answer.status_code, answer.json()["why"])


@pytest.mark.parametrize(("fares", "status"), [(Health.OK, 200), (Health.DEGRADED, 200), (Health.STOPPING, 503)])
async def test_how_the_server_fares_is_told(app: Onebeat[Any], fares: Health, status: int) -> None:
    """A degraded server still works; one that has stopped by itself is to be replaced."""
    health = asgi.Health(app)
    health.serving = fake(fares, state="stopping" if fares is Health.STOPPING else "serving")
    async with app, asking(health) as client:
        for path in ("/health", "/health/live"):
            answer = await client.get(path)
            assert (status, fares.value) == (answer.status_code, answer.json()["serving"])


async def test_a_drained_server_is_not_ready_and_lives(app: Onebeat[Any]) -> None:
    """It may be told to take tasks again; a new process would fare no better, and end what runs."""
    health = asgi.Health(app)
    async with app, asking(health) as client, app.serving() as serving:
        health.serving = serving
        serving._server.takes_no_more()
        assert [503, 200] == [(await client.get(path)).status_code for path in ("/health", "/health/live")]
        serving._server.takes_again()
        assert [200, 200] == [(await client.get(path)).status_code for path in ("/health", "/health/live")]


async def test_a_lifespan_opens_serves_and_composes(app: Onebeat[Any]) -> None:
    """The outer one is entered first and left last, and what it yields is passed on."""
    seen: list[object] = []

    @asynccontextmanager
    async def outer(host: object) -> AsyncIterator[dict[str, int]]:
        seen.append(host)
        yield {"answer": 42}
        seen.append(lifespan.health.serving and lifespan.health.serving.health)

    lifespan = Lifespan(app, outer, serve={"concurrency": 2})
    async with lifespan("host") as state:
        assert {"answer": 42} == state
        assert 42 == await (await app.tasks["double"].enqueue(21)).result(timeout=60)
        assert (200, {"status": "ok", "store": "ok", "serving": "ok"}) == await lifespan.health.ready()
    assert ["host", Health.STOPPING] == seen


async def test_a_lifespan_that_does_not_serve(app: Onebeat[Any]) -> None:
    """It opens the application, so that a store that is away is noticed when the process starts."""
    async with Lifespan(app)("host") as state:
        await app.tasks["double"].enqueue(1)
        assert state is None
    with pytest.raises(ConnectionError):
        async with Lifespan(Onebeat(url="unix:///nowhere/at/all"))("host"):
            pass


def test_under_a_test_client_without_its_lifespan(app: Onebeat[Any]) -> None:
    """Each request has a loop of its own then; the application opens on it by itself."""
    client = starlette.testclient.TestClient(in_starlette("/tasks", asgi.Health(app)))
    assert [200, 200] == [client.get("/tasks/health").status_code for _ in range(2)]


def test_what_cannot_work_is_refused_where_it_is_written(app: Onebeat[Any]) -> None:
    """No application, no such setting."""
    with pytest.raises(ConfigurationError, match=r"application is 5: give the Onebeat\(\.\.\.\)"):
        Lifespan(5)  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(ConfigurationError, match="concurrency is 0"):
        Lifespan(app, serve={"concurrency": 0})
