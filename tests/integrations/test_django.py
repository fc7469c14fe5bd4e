"""Django: the project's application, databases, transactions, and the backend of `django.tasks`, or of its backport."""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import override_settings

from onebeat import BrokerUnavailable, ConfigurationError, InvalidTask, Onebeat, SkipRetry, Task, TaskState
from onebeat.inspector.inspector import Inspector
from onebeat.integrations.django.compat import (
    InvalidTaskError,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
    task_finished,
    task_started,
)
from onebeat.sync import SyncClient
from tests.anywhere import keys_of
from tests.server.conftest import served_in_thread

BACKEND = "onebeat.integrations.django.backend.OnebeatBackend"


@pytest.fixture(scope="session")
def project(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Set Django up, once a process, and return the module of its tasks."""
    settings.configure(
        USE_TZ=True,
        TIME_ZONE="UTC",  # Django makes it the zone of the whole process
        LOGGING_CONFIG=None,
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": tmp_path_factory.mktemp("django") / "db.sqlite3",
            }
        },
        INSTALLED_APPS=["onebeat.integrations.django", *([] if django.VERSION >= (6, 0) else ["django_tasks"])],
        ONEBEAT={"URL": engine, "NAME": "project"},
        TASKS={"default": {"BACKEND": BACKEND, "QUEUES": ["default", "low"], "OPTIONS": {"retention": 600}}},
    )
    django.setup()
    return importlib.import_module("tests.integrations.django_shop")


@pytest.fixture
def shop(project: Any, url: str) -> Any:
    """Return the tasks, and an empty store."""
    project.seen.clear()
    return project


@pytest.fixture
def served(shop: Any) -> Iterator[None]:
    with served_in_thread(shop.app, concurrency=2):
        yield


def ended(app: Onebeat[Any], result: Any) -> Any:
    """Wait for a task of Django's to end, and read its result again."""
    queue, _, task_id = result.id.rpartition(":")

    async def wait() -> None:
        async with app:
            _, replies = await app.connection()
            over = (TaskState.COMPLETED, TaskState.ARCHIVED)
            await replies.end(queue, task_id, lambda raw: raw is not None and raw.state in over, 60)

    asyncio.run(wait())
    result.refresh()
    return result


@pytest.mark.usefixtures("served")
def test_a_result_has_what_django_asks_for(shop: Any) -> None:
    """Value, status, one attempt, and instants in their order."""
    before = datetime.now(UTC)
    result = shop.double.enqueue(21)
    assert (TaskResultStatus.READY, [21], {}, [], 0) == (
        result.status, result.args, result.kwargs, result.errors, result.attempts,
    )  # fmt: skip
    ended(shop.app, result)
    assert (TaskResultStatus.SUCCESSFUL, 42, 1) == (result.status, result.return_value, result.attempts)
    assert before <= result.enqueued_at <= result.started_at <= result.finished_at <= datetime.now(UTC)
    assert result.started_at == result.last_attempted_at
    assert result == shop.double.get_result(result.id)
    with pytest.raises(TaskResultDoesNotExist.__base__, match="does not match"):  # type: ignore[arg-type] # a class
        shop.attempt.get_result(result.id)


@pytest.mark.usefixtures("served")
def test_a_failure_has_its_class_and_its_traceback(shop: Any) -> None:
    """Of coroutines as of functions, also where the value has no JSON form."""
    result = ended(shop.app, shop.attempt.enqueue(fail_until=2))
    [error] = result.errors
    assert (TaskResultStatus.FAILED, ValueError, 1) == (result.status, error.exception_class, result.attempts)
    assert "attempt 1\nis too early" in error.traceback
    assert "django_shop.py" in error.traceback
    assert result.started_at <= result.finished_at
    assert error.traceback.endswith("ValueError: attempt 1\nis too early\n")
    [error] = ended(shop.app, shop.broken.enqueue()).errors
    assert TypeError is error.exception_class


@pytest.mark.usefixtures("served")
def test_a_task_that_exits_has_failed(shop: Any) -> None:
    """The server goes on; class and instants are kept, and its end is signalled."""
    heard: list[Any] = []

    def hear(*, task_result: Any, **_: Any) -> None:
        heard.append((task_result.status, task_result.id))

    task_finished.connect(hear)
    try:
        for task in (shop.leaves, shop.leaves_loop):
            result = ended(shop.app, task.enqueue())
            assert (TaskResultStatus.FAILED, [SystemExit]) == (
                result.status,
                [e.exception_class for e in result.errors],
            )
            assert result.started_at <= result.finished_at
            assert (TaskResultStatus.FAILED, result.id) == heard.pop()
    finally:
        task_finished.disconnect(hear)


async def test_retries_count_as_attempts(shop: Any) -> None:
    """OPTIONS["max_retry"] gives them; the context says which attempt it is."""
    [backend] = django_backends()
    backend._defaults["max_retry"] = 1
    try:
        async with shop.app.testing() as t:
            result = await shop.attempt.aenqueue(fail_until=2)
            await t.drain()
            await result.arefresh()
            assert (TaskResultStatus.READY, 1, 1) == (result.status, result.attempts, len(result.errors))
            await t.advance(timedelta(minutes=5))
            await result.arefresh()
            assert ([2, "RUNNING"], 2, []) == (result.return_value, result.attempts, result.errors)
    finally:
        backend._defaults["max_retry"] = 0


def django_backends() -> list[Any]:
    from onebeat.integrations.django.compat import task_backends

    return list(task_backends.all())


async def test_run_after_is_exact_and_queues_are_django_s(shop: Any) -> None:
    """`using()` is honoured, from code that awaits as well."""
    async with shop.app.testing() as t:
        later = shop.double.using(run_after=t.now + timedelta(hours=1), queue_name="low")
        result = await later.aenqueue(1)
        assert "low:" == result.id[:4]
        await t.advance(3599)
        assert TaskResultStatus.READY is (await later.aget_result(result.id)).status
        await t.advance(1)
        assert 2 == (await later.aget_result(result.id)).return_value


@pytest.mark.usefixtures("served")
def test_signals_are_sent(shop: Any) -> None:
    """Enqueued by who enqueues, started and finished by the server."""
    heard: list[Any] = []
    receivers = {signal: lambda *, signal, task_result, **_: heard.append((signal, task_result.status))
                 for signal in (task_enqueued, task_started, task_finished)}  # fmt: skip
    for signal, receiver in receivers.items():
        signal.connect(receiver)
    try:
        ended(shop.app, shop.double.enqueue(1))
    finally:
        for signal, receiver in receivers.items():
            signal.disconnect(receiver)
    assert [(task_enqueued, "READY"), (task_started, "RUNNING"), (task_finished, "SUCCESSFUL")] == heard


def test_what_cannot_work_is_refused_before_anything_is_written(shop: Any) -> None:
    """Priorities, unknown queues, values without a JSON form, functions that a worker would not find."""
    with pytest.raises(InvalidTaskError, match="priority"):
        shop.double.using(priority=5)
    with pytest.raises(InvalidTaskError, match="not valid for backend"):
        shop.double.using(queue_name="other")
    with pytest.raises(TypeError):
        shop.double.enqueue(object())
    with pytest.raises(InvalidTaskError, match="not_a_task is no task where a worker looks for it: put @task above"):
        shop.undecorated.enqueue()
    assert [] == keys_of(shop.app.sync_client().store, "asynq:*")
    for unknown in ("", "default:x", "x", ":"):
        with pytest.raises(TaskResultDoesNotExist):
            shop.double.get_result(unknown)


async def test_blocking_calls_in_a_loop_are_refused(shop: Any) -> None:
    """With Django's own twin named."""
    with pytest.raises(ConfigurationError, match=r"await aenqueue\(\) instead"):
        shop.double.enqueue(1)
    with pytest.raises(ConfigurationError, match=r"await aget_result\(\) instead"):
        shop.double.get_result("x")


async def test_only_tasks_are_called(shop: Any) -> None:
    """Who can write to the store can name any function: it waits for a deploy, and is archived; it is not called."""
    path = "tests.integrations.django_shop.not_a_task"
    async with shop.app.testing() as t:
        client = await shop.app.client()
        await client.enqueue(Task(f"django:{path}", {"args": [], "kwargs": {}}, task_id="old"))
        headers = {"django-enqueued-at": datetime.now(UTC).isoformat()}
        await client.enqueue(Task(f"django:{path}", {"args": [], "kwargs": {}}, task_id="new", headers=headers))
        await t.drain()
        async with Inspector((await shop.app.connection())[0]) as inspector:
            old, new = [await inspector.task("default", task_id) for task_id in ("old", "new")]
    assert (TaskState.ARCHIVED, TaskState.RETRY, 0) == (old.state, new.state, new.retried)
    assert [f"{path} is no task: put @task above the function, or run this again when there is one"] == [old.last_error]
    assert [] == shop.seen


def test_only_modules_of_installed_applications_are_imported(shop: Any) -> None:
    """A path that a message names has no effect by being looked for."""
    from onebeat.integrations.django import results

    sys.modules.pop("this", None)
    assert None is results.find("this.s")
    assert "this" not in sys.modules


@pytest.mark.usefixtures("served")
def test_skip_retry_ends_a_task_of_django_s(shop: Any) -> None:
    """As it does any other, whatever is left of the retries."""
    result = ended(shop.app, shop.hopeless.enqueue())
    assert (TaskResultStatus.FAILED, SkipRetry) == (result.status, result.errors[0].exception_class)


def test_naive_instants_where_the_project_has_them(shop: Any) -> None:
    """USE_TZ = False: what Django gives is naive, and so is what it gets."""
    with override_settings(USE_TZ=False, TIME_ZONE="UTC"):
        result = shop.double.using(run_after=datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)).enqueue(1)
        assert result.enqueued_at.tzinfo is None
        assert result.enqueued_at == shop.double.get_result(result.id).enqueued_at


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"queue": "x"}, "option 'queue' is unknown"), ({"max_retry": -1}, "option max_retry is -1")],
)
def test_options_of_the_backend_are_checked(project: Any, options: dict[str, Any], reason: str) -> None:
    """When the backend is made, by which setting it is named."""
    from onebeat.integrations.django.backend import OnebeatBackend

    with pytest.raises(ImproperlyConfigured, match=rf"TASKS\['default'\]: {reason}"):
        OnebeatBackend("default", {"OPTIONS": options})


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ([], r"setting ONEBEAT is \[\]: give a dict"),
        ({"URI": "x"}, "key 'URI' is unknown; choose from APP, NAME, SERVER, URL"),
        ({"APP": "shop.tasks"}, "APP is 'shop.tasks'; write"),
        ({"APP": "a:b", "NAME": "x"}, "APP 'a:b' has a name of its own; leave out NAME, or APP"),
        ({"URL": "http://x"}, "http"),
        ({"SERVER": 5}, "SERVER is 5; give a dict"),
        ({"SERVER": {"concurrency": 0}}, "SERVER: concurrency is 0"),
        ({"SERVER": {"slots": 1}}, "SERVER: setting slots is unknown"),
    ],
)
def test_the_setting_is_checked(project: Any, setting: object, reason: str) -> None:
    """Unknown keys and values that cannot work are refused in one sentence."""
    from onebeat.integrations.django.conf import configuration

    with override_settings(ONEBEAT=setting), pytest.raises(ConfigurationError, match=reason):
        configuration()


def test_bad_arguments_of_the_command(project: Any) -> None:
    """One sentence each, before anything is served."""
    with pytest.raises(CommandError, match="concurrency is 0"):
        call_command("onebeat_run", concurrency=0)
    with pytest.raises(CommandError, match="weight of queue 'a' is 'x': write a=3"):
        call_command("onebeat_run", queue=["a=x"])


def test_the_check_for_a_store_in_production(project: Any) -> None:
    """A URL is named here; without one there is a warning."""
    from onebeat.integrations.django.checks import check_onebeat

    assert [] == check_onebeat()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(project.app, "url", None)
        patch.delenv("ONEBEAT_URL", raising=False)
        assert ["onebeat.W001"] == [warning.id for warning in check_onebeat()]


@pytest.mark.usefixtures("served")
def test_a_thread_keeps_no_connection_that_is_too_old(shop: Any) -> None:
    """With Django's default CONN_MAX_AGE = 0, it is closed after each task."""
    assert shop.in_thread.enqueue_sync().result(timeout=60).startswith("onebeat-task")
    [connection] = shop.seen
    assert connection.connection is None


@pytest.mark.usefixtures("served")
def test_a_coroutine_has_a_database_thread_of_its_own(shop: Any) -> None:
    """As a request under ASGI; what it opened is closed when it ends, and the thread ends, too."""
    for _ in range(2):
        shop.on_loop.options(retention=60).enqueue_sync().result(timeout=60)
    [(first, again), (second, _)] = shop.seen
    assert first == again
    assert first[0] is not second[0]
    assert [None, None] == [first[0].connection, second[0].connection]
    first[1].join(timeout=60)
    assert not first[1].is_alive()


def test_on_commit_waits_for_the_commit(shop: Any) -> None:
    """The id is known before, options are checked at once, and a roll-back leaves nothing."""
    from onebeat.integrations.django import on_commit

    handles = []
    with transaction.atomic():
        task_id = on_commit(shop.in_thread.bind(), queue="low")
        handles.append(shop.in_thread.handle_sync(task_id, queue="low"))
        assert [] == keys_of(shop.app.sync_client().store, "asynq:*")
        with pytest.raises(InvalidTask, match="max_retry is -1"):
            on_commit(shop.in_thread.bind(), max_retry=-1)
    assert TaskState.PENDING is handles[0].info().state
    with transaction.atomic():
        on_commit(shop.in_thread.bind())
        transaction.set_rollback(True)
    assert [b"asynq:{low}:pending"] == keys_of(shop.app.sync_client().store, "asynq:*pending")


def test_on_commit_keeps_the_id_that_a_task_brings(shop: Any) -> None:
    """Whoever named it wants no second one of that name."""
    from onebeat.integrations.django import on_commit

    with transaction.atomic():
        assert "order-77" == on_commit(Task("x", {}, task_id="order-77"))
        assert "order-78" == on_commit(Task("x", {}, task_id="order-77"), task_id="order-78")
    assert [b"order-78", b"order-77"] == shop.app.sync_client().store.commands(
        [("LRANGE", "asynq:{default}:pending", "0", "-1")]
    )[0]


def test_a_robust_on_commit_logs_a_store_that_is_away(
    shop: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction has committed, and whoever asked for it hears of no error; else it is raised."""
    from onebeat.integrations.django import on_commit

    def refuses(*_: Any, **__: Any) -> None:
        raise BrokerUnavailable("it is away")

    monkeypatch.setattr(SyncClient, "enqueue", refuses)
    with transaction.atomic():
        on_commit(shop.in_thread.bind(), robust=True)
    assert "it is away" in caplog.text
    with pytest.raises(BrokerUnavailable, match="it is away"), transaction.atomic():
        on_commit(shop.in_thread.bind())


def test_what_is_written_is_readable(shop: Any) -> None:
    """Type and payload, as other tools show them."""
    result = shop.double.enqueue(number=1)
    info = shop.in_thread.handle_sync(result.id.partition(":")[2]).info()
    assert "django:tests.integrations.django_shop.double" == info.type
    assert {"args": [], "kwargs": {"number": 1}} == json.loads(info.payload)
