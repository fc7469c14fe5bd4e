"""The seam for codecs: which one a payload is in stands in its header, so each server reads what it knows."""

from __future__ import annotations

import json
import zlib
from typing import Any

import msgspec
import pytest

from onebeat.app.app import Onebeat
from onebeat.app.router import Router
from onebeat.codecs.codec import JSON, MSGPACK, Codec
from onebeat.errors import ConfigurationError, PayloadError, TaskFailed
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import current


class Zipped:
    """JSON, compressed."""

    name = "zip"

    def encode(self, value: Any, /) -> bytes:
        return zlib.compress(JSON.encode(value))

    def decode(self, data: bytes, into: Any, /) -> Any:
        return JSON.decode(zlib.decompress(data), into)


class WriteOnly:
    """What a producer has that knows the public key alone."""

    name = "sealed"

    def encode(self, value: Any, /) -> bytes:
        return json.dumps(msgspec.to_builtins(value)).encode()[::-1]

    def decode(self, data: bytes, into: Any, /) -> Any:
        raise PermissionError("the private key is elsewhere")


def shop(url: str | None = None, **settings: Any) -> tuple[Onebeat[Any], Any]:
    """Make an application with one task that gives back what it gets."""
    app: Onebeat[Any] = Onebeat(url=url, **settings)

    @app.task("echo")
    async def echo(words: list[str], raw: bytes = b"") -> dict[str, Any]:
        return {"words": words, "raw": raw.hex()}

    return app, echo


@pytest.mark.parametrize("codec", ["json", "msgpack", Zipped()], ids=["json", "msgpack", "zip"])
async def test_payload_and_result_go_by_the_same_codec(url: str, codec: Any) -> None:
    """Whichever it is, the handler and the waiter get what was given."""
    app, echo = shop(url, codec=codec)
    async with app, app.serving():
        handle = await echo.enqueue(["a"], b"\xff")
        assert {"words": ["a"], "raw": "ff"} == await handle.result(60)
        info = await handle.info()
    name = getattr(codec, "name", codec)
    assert ({} if name == "json" else {"onebeat-codec": name}) == info.headers
    assert info.result is not None
    assert info.result.startswith({"json": b"{", "msgpack": b"\x82", "zip": b"x\x9c"}[name])


def test_messagepack_is_smaller_and_keeps_bytes() -> None:
    """No base64, no quotes."""
    _, as_json = shop()
    _, packed = shop(codec="msgpack")
    assert b'{"words":["a"],"raw":"/w=="}' == as_json.bind(["a"], b"\xff").payload
    assert msgspec.msgpack.encode({"words": ["a"], "raw": b"\xff"}) == packed.bind(["a"], b"\xff").payload


async def test_a_server_reads_what_a_former_codec_wrote(url: str) -> None:
    """Change the codec, and what still waits is read all the same; JSON and MessagePack always are."""
    for former in (JSON, MSGPACK, Zipped()):
        app, echo = shop(url, codec=former)
        async with app:
            waiting = await echo.enqueue(["old"])
        later, echo = shop(url, codec="msgpack", codecs=[Zipped()])
        async with later, later.serving():
            assert ["old"] == (await echo.handle(waiting.id).result(60))["words"]


async def test_a_codec_that_is_not_known_here_archives_with_the_remedy(url: str) -> None:
    """Nothing is guessed."""
    app, echo = shop(url, codec=Zipped())
    async with app:
        handle = await echo.enqueue(["a"])
    other, echo = shop(url)
    async with other, other.serving():
        with pytest.raises(TaskFailed, match=r"written by codec 'zip', which is not known here.*Onebeat\(codecs="):
            await echo.handle(handle.id).result(60)


async def test_a_task_and_a_router_may_have_their_own(url: str) -> None:
    """A task's codec comes before its application's, which a router's tasks have too."""
    app: Onebeat[Any] = Onebeat(url=url, codec="msgpack")
    router: Router[Any] = Router("r:")

    @router.task()
    async def routed(n: int) -> int:
        return n

    @app.task(codec="json")
    async def plain(n: int) -> int:
        return n

    @app.remote("go:task")
    async def elsewhere(n: int) -> None: ...

    assert b'{"n":1}' == routed.bind(1).payload
    app.include(router)
    assert b"\x81\xa1n\x01" == routed.bind(1).payload
    assert b'{"n":1}' == plain.bind(1).payload
    assert b'{"n":1}' == elsewhere.bind(1).payload
    async with app, app.serving():
        assert (1, 2) == (await (await plain.enqueue(1)).result(60), await (await routed.enqueue(2)).result(60))


async def test_what_only_a_server_can_read_may_be_enqueued(url: str) -> None:
    """A codec of one's own is not asked to read back what it wrote."""
    app, echo = shop(url, codec=WriteOnly())
    async with app:
        await echo.enqueue(["a"])
        store, _ = await app.connection()
        [info] = [info async for info in Inspector(store).tasks("default", state="pending")]
    assert b'}"" :"war" ,]"a"[ :"sdrow"{' == info.payload


async def test_what_a_codec_raises_archives_at_once(url: str) -> None:
    """Its text is the reason, and no retry is spent."""
    app, echo = shop(url, codec=WriteOnly())
    async with app, app.serving():
        handle = await echo.enqueue(["a"])
        with pytest.raises(TaskFailed, match="does not fit task echo: the private key is elsewhere"):
            await handle.result(60)
        assert 0 == (await handle.info()).retried


def test_a_codec_that_gives_no_bytes_is_refused() -> None:
    """Before anything is written."""

    class Texts(Zipped):
        def encode(self, value: Any, /) -> Any:
            return "text"

    _, echo = shop(codec=Texts())
    with pytest.raises(PayloadError, match="payload of task echo: codec zip gave 'text'; let it give bytes"):
        echo.bind(["a"])


@pytest.mark.parametrize("codec", ["yaml", 5, None, Zipped, object(), b"json"], ids=lambda item: type(item).__name__)
def test_what_is_no_codec_is_refused(codec: Any) -> None:
    """By the application, its list, and each task."""
    given: Any = 0 if codec is None else codec  # there None means none of its own
    declarations: list[Any] = [
        lambda: Onebeat(codec=codec),
        lambda: Onebeat(codecs=[codec]),
        lambda: Onebeat().task(codec=given)(lambda: None),
        lambda: Onebeat().remote(codec=given)(lambda: None),
    ]
    for declare in declarations:
        with pytest.raises(ConfigurationError, match='give "json", "msgpack", or an object with a name'):
            declare()


def test_ours_are_codecs_by_type_too() -> None:
    """The protocol fits them, and a class like the documented one."""
    codecs: list[Codec] = [JSON, MSGPACK, Zipped()]
    assert ["json", "msgpack", "zip"] == [codec.name for codec in codecs]


@pytest.mark.parametrize("codec", ["json", "msgpack"])
@pytest.mark.parametrize("value", [b"\xff\x00", None], ids=["bytes", "none"])
async def test_bytes_that_might_be_none_come_back_as_they_were(url: str, codec: str, value: bytes | None) -> None:
    """As a result and as a whole payload: only where the type is `bytes` do they pass untouched."""
    app: Onebeat[Any] = Onebeat(url=url, codec=codec)

    @app.task("same")
    async def same(value: bytes | None, /) -> bytes | None:
        return value

    async with app, app.serving():
        assert value == await (await same.enqueue(value)).result(60)


def test_a_whole_payload_of_bytes_is_bytes() -> None:
    """Anything else is refused before it is written: the handler would get its JSON."""
    app: Onebeat[Any] = Onebeat()

    @app.task("store")
    def store(data: bytes, /) -> None: ...

    given: Any = {"a": 1}
    with pytest.raises(PayloadError, match=r"payload of task store is \{'a': 1\}, and its signature says bytes"):
        store.bind(given)


@pytest.mark.parametrize("codec", ["json", "msgpack"])
def test_a_whole_payload_may_have_a_default(codec: str) -> None:
    """So that such a task can be scheduled."""
    app: Onebeat[Any] = Onebeat(codec=codec)

    @app.every(60)
    @app.task("report")
    def report(days: list[int] = [7], /) -> None: ...  # noqa: B006 - what is tested

    assert report.bind([7]) == report.bind()


async def test_the_headers_of_a_task_may_be_handed_on_to_one_of_another_codec(url: str) -> None:
    """Its codec's name among them says nothing about the other's payload."""
    app: Onebeat[Any] = Onebeat(url=url)

    @app.task("second")
    async def second(number: int) -> dict[str, Any]:
        return {"number": number, **current().headers}

    @app.task("first", codec="msgpack")
    async def first(number: int) -> str:
        return (await second.options(headers=current().headers, task_id="second").enqueue(number)).id

    async with app, app.serving():
        assert "second" == await (await first.options(headers={"trace": "t1"}).enqueue(1)).result(60)
        assert {"number": 1, "trace": "t1"} == await second.handle("second").result(60)
