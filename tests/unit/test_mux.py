"""Which handler a type finds: asynq's rules and its own cases (servemux_test.go), and what is ours."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat.errors import ConfigurationError, HandlerNotFound
from onebeat.server.context import Context
from onebeat.server.mux import Handler, Mux, Route
from onebeat.task import Task

Ctx = Context[Any]
CONTEXT: Any = None


def named(name: str) -> Any:
    async def handler(ctx: Ctx, task: Task[Any]) -> str:
        return name

    return handler


def middleware(name: str, seen: list[str]) -> Any:
    async def layer(ctx: Ctx, task: Task[Any], call_next: Handler) -> object:
        seen.append(name)
        return await call_next(ctx, task)

    return layer


@pytest.fixture
def mux() -> Mux:
    """Return the handlers of asynq's own tests."""
    made = Mux()
    made.handle("email:")(named("default email handler"))
    made.handle("email:signup")(named("signup email handler"))
    made.handle("csv:export")(named("csv export handler"))
    return made


async def called(mux: Mux, task_type: str) -> object:
    """Call what a server would call for a type."""
    route = mux.find(task_type)
    assert route is not None
    return await through(route)(CONTEXT, Task(task_type))


def through(route: Route) -> Handler:
    call: Any = route.handler
    for layer in reversed(route.middleware() if route.middleware is not None else ()):

        def around(ctx: Ctx, task: Task[Any], layer: Any = layer, inner: Any = call) -> Any:
            return layer(ctx, task, inner)

        call = around
    return call  # type: ignore[no-any-return] # a handler, whatever stands around it


@pytest.mark.parametrize(
    ("task_type", "expected"),
    [
        ("email:signup", "signup email handler"),
        ("csv:export", "csv export handler"),
        ("email:daily", "default email handler"),
    ],
)
async def test_the_exact_type_comes_first_then_the_longest_pattern(mux: Mux, task_type: str, expected: str) -> None:
    """asynq: TestServeMux."""
    assert expected == await called(mux, task_type)


async def test_patterns_know_no_separators() -> None:
    """They are plain prefixes, and the order in which they were registered does not matter."""
    mux = Mux()
    for pattern in ("img", "i", "img:large", "im"):
        mux.handle(pattern)(named(pattern))
    assert "img" == await called(mux, "imgx:y")
    assert "im" == await called(mux, "im:g")
    assert "img:large" == await called(mux, "img:larger")


@pytest.mark.parametrize("task_type", ["image:minimize", "csv:"])
def test_what_no_pattern_fits_is_not_found(mux: Mux, task_type: str) -> None:
    """A pattern matches the start of a type, not the other way around (asynq: TestServeMuxNotFound)."""
    assert mux.find(task_type) is None


@pytest.mark.parametrize(
    ("task_type", "names", "expected"),
    [
        ("email:signup", ["logging", "expiration"], "signup email handler"),
        ("csv:export", [], "csv export handler"),
        ("email:daily", ["expiration", "logging"], "default email handler"),
    ],
)
async def test_middleware_runs_in_the_order_it_was_added(
    mux: Mux, task_type: str, names: list[str], expected: str
) -> None:
    """The first is the outermost (asynq: TestServeMuxMiddlewares)."""
    seen: list[str] = []
    for name in names:
        mux.use(middleware(name, seen))
    assert expected == await called(mux, task_type)
    assert names == seen


async def test_several_layers_at_once_and_as_a_decorator(mux: Mux) -> None:
    """`use` takes any number, and gives its first back."""
    seen: list[str] = []
    first = middleware("1", seen)
    assert first is mux.use(first, middleware("2", seen))
    await called(mux, "csv:export")
    assert ["1", "2"] == seen


async def test_middleware_added_later_counts_for_types_that_were_asked_for(mux: Mux) -> None:
    """As asynq applies it at each dispatch."""
    seen: list[str] = []
    await called(mux, "csv:export")
    mux.use(middleware("late", seen))
    await called(mux, "csv:export")
    assert ["late"] == seen


async def test_a_muxs_middleware_stands_outside_of_a_routes_own() -> None:
    """As of an application's tasks, which bring theirs."""
    mux, seen = Mux(), list[str]()
    mux.add("t", Route(named("t"), True, middleware=lambda: [middleware("own", seen)]))
    mux.use(middleware("mux", seen))
    await called(mux, "t")
    assert ["mux", "own"] == seen


async def test_middleware_stands_around_what_is_not_found(mux: Mux) -> None:
    """It sees the error of asynq's text, and may do without a handler."""
    seen: list[str] = []
    mux.use(middleware("logging", seen))
    with pytest.raises(HandlerNotFound, match='handler not found for task "image:minimize"'):
        await called(mux, "image:minimize")
    assert ["logging"] == seen


async def test_a_handler_for_what_is_not_found(mux: Mux) -> None:
    """It takes the place of the wait for another server, middleware around it."""
    seen: list[str] = []
    mux.not_found(named("lost and found"))
    mux.use(middleware("logging", seen))
    assert "lost and found" == await called(mux, "image:minimize")
    assert "csv export handler" == await called(mux, "csv:export")
    assert ["logging", "logging"] == seen


async def test_a_mux_in_a_mux(mux: Mux) -> None:
    """It is asked with the whole type, its middleware inside; the outer pattern decides first."""
    seen: list[str] = []
    outer = Mux()
    outer.handle("email:special")(named("outer"))
    outer.mount("email:", mux)
    outer.use(middleware("outer", seen))
    mux.use(middleware("inner", seen))
    assert "signup email handler" == await called(outer, "email:signup")
    assert "outer" == await called(outer, "email:special:offer")
    assert ["outer", "inner", "outer"] == seen


async def test_what_a_mounted_mux_learns_later_is_found(mux: Mux) -> None:
    """Whatever was asked for before."""
    outer = Mux()
    outer.mount("csv:", mux)
    assert outer.find("csv:import") is None
    mux.handle("csv:import")(named("import"))
    assert "import" == await called(outer, "csv:import")


async def test_a_mounted_mux_leaves_what_it_lacks_to_the_outer(mux: Mux) -> None:
    """Unless it has a handler for that itself."""
    outer = Mux()
    outer.mount("csv:", mux)
    outer.not_found(named("outer"))
    assert "outer" == await called(outer, "csv:import")
    mux.not_found(named("inner"))
    assert "inner" == await called(outer, "csv:import")
    assert "outer" == await called(outer, "pdf:import")


@pytest.mark.parametrize("pattern", ["", "  ", None])
def test_a_blank_pattern_is_refused(mux: Mux, pattern: Any) -> None:
    """asynq: TestServeMuxRegisterEmptyPattern, which panics."""
    with pytest.raises(ConfigurationError, match="pattern is"):
        mux.handle(pattern)
    with pytest.raises(ConfigurationError, match="pattern is"):
        mux.mount(pattern, Mux())


@pytest.mark.parametrize("handler", [None, 5, lambda ctx: None])
def test_what_cannot_be_called_is_refused(mux: Mux, handler: Any) -> None:
    """asynq: TestServeMuxRegisterNilHandler."""
    with pytest.raises(ConfigurationError, match="give a function of two"):
        mux.handle("pdf:")(handler)
    with pytest.raises(ConfigurationError, match="handler for not_found is"):
        mux.not_found(handler)


def test_a_pattern_has_one_handler(mux: Mux) -> None:
    """asynq: TestServeMuxRegisterDuplicatePattern."""
    with pytest.raises(ConfigurationError, match="'email:' has a handler already"):
        mux.handle("email:")(named("another"))
    with pytest.raises(ConfigurationError, match="'email:' has a handler already"):
        mux.mount("email:", Mux())


def test_there_is_one_handler_for_what_is_not_found(mux: Mux) -> None:
    """A second would never be called."""
    mux.not_found(named("first"))
    with pytest.raises(ConfigurationError, match="not_found has a handler already"):
        mux.not_found(named("second"))


@pytest.mark.parametrize("layer", [None, lambda ctx, task, call_next: None, named("two arguments")])
def test_middleware_is_an_async_function_of_three(mux: Mux, layer: Any) -> None:
    """Anything else would fail with the first task; nothing is added then."""
    with pytest.raises(ConfigurationError, match="async function of three"):
        mux.use(layer)
    assert mux.find("csv:") is None


def test_a_mux_cannot_stand_in_itself(mux: Mux) -> None:
    """Not by way of another either."""
    other = Mux()
    other.mount("a", mux)
    for held in (mux, other):
        with pytest.raises(ConfigurationError, match="holds this one already"):
            mux.mount("b", held)
    with pytest.raises(ConfigurationError, match="give a Mux"):
        mux.mount("b", named("x"))
