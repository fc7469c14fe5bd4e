"""`onebeat task update`: payloads by text, field and editor, options, moves; shown before, checked, and exact."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from onebeat.inspector.blocking import SyncInspector
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.cli.programs import onebeat
from tests.cli.runner import run

SHOP = """
from onebeat import Onebeat

app = Onebeat("shop")


@app.task("order")
async def order(user: int, note: str = "") -> None:
    pass
"""


@pytest.fixture
def inspector(url: str) -> Iterator[SyncInspector]:
    """Have three orders that wait for an hour, and one text."""
    with SyncClient(url) as client:
        for number in range(3):
            payload = b'{"user":%d,"big":9007199254740993,"price":1.10,"html":"\\u003cb\\u003e"}' % number
            client.enqueue(Task("order", payload), task_id=f"o{number}", process_in=3600, headers={"h": "1"})
        client.enqueue(Task("text", b"hello"), task_id="text", process_in=3600)
    with SyncInspector(url) as inspector:
        yield inspector


def test_a_field_is_set_and_all_others_stay_as_they_were(url: str, inspector: SyncInspector) -> None:
    """To the last digit, and byte for byte as Go escapes; what changes is shown."""
    shown = run("task", "update", "--url", url, "o1", "--set", "user=7", "--set", "new.deep=x").stdout
    assert ['  -  "user": 1,', '  +  "user": 7,'] == [line for line in shown.splitlines() if '"user"' in line]
    assert '"big"' in shown
    assert "1 task changed." in shown
    expected = b'{"user":7,"big":9007199254740993,"price":1.10,"html":"\\u003cb\\u003e","new":{"deep":"x"}}'
    assert expected == inspector.task("default", "o1").payload


def test_options_headers_and_queue(url: str, inspector: SyncInspector) -> None:
    """Each as `update` of the inspector has it; a header beside those that are there."""
    words = ("--retry", "3", "--timeout", "1m", "--header", "x=2", "--process-in", "10m")
    assert 0 == run("task", "update", "--url", url, "o0", *words).exit_code
    info = inspector.task("default", "o0")
    assert (3, timedelta(minutes=1), {"h": "1", "x": "2"}) == (info.max_retry, info.timeout, info.headers)
    moved = run("task", "update", "--url", url, "o0", "--move-to", "low").stdout
    assert ["  move to: low", "1 task changed."] == moved.splitlines()[1:]
    assert ["o0"] == [info.id for info in inspector.tasks("low", state="scheduled")]


def test_by_filter_with_a_dry_run(url: str, inspector: SyncInspector) -> None:
    """Each by what its own payload is."""
    words = ("task", "update", "--url", url, "--where", "type:order payload.user>=1", "--set", "note=hi")
    looked = run(*words, "--dry-run").stdout
    assert "Would change 2 scheduled tasks of queue default; nothing was done." in looked
    assert b"note" not in inspector.task("default", "o1").payload
    assert "2 tasks changed." in run(*words).stdout
    assert [b"note" in inspector.task("default", f"o{n}").payload for n in range(3)] == [False, True, True]


def test_of_many_the_first_are_shown_and_the_others_counted(url: str, inspector: SyncInspector) -> None:
    """Three of them: nobody takes what is shown for all that is changed."""
    words = ("task", "update", "--url", url, "--all", "--retry", "3", "--dry-run")
    lines = run(*words).stdout.splitlines()
    assert (3, "… and 1 more.") == (sum(line.startswith("task ") for line in lines), lines[-2])
    assert "more." not in run(*words, "--where", "type:order").stdout


def test_a_payload_whole(url: str, inspector: SyncInspector) -> None:
    """From the line, a file or standard input."""
    assert 0 == run("task", "update", "--url", url, "text", "-l", "-", input=b"\xff").exit_code
    assert b"\xff" == inspector.task("default", "text").payload


@pytest.mark.parametrize(
    ("words", "part", "status"),
    [
        (("o1",), "Say what to change", 2),
        (("o1", "--set", "a=1", "-l", "{}"), "Give one of", 2),
        (("--where", "type:order", "--edit"), "--edit is for one task", 2),
        (("text", "--set", "a=1"), "is no JSON", 1),
        (("o1", "--set", "user.name=1"), "has nothing to set at 'user.name'", 1),
        (("nobody", "--retry", "1"), "is in none of", 3),
    ],
)
def test_what_cannot_be_is_refused(
    url: str, inspector: SyncInspector, words: tuple[str, ...], part: str, status: int
) -> None:
    """And nothing is changed."""
    before = [info for part in inspector.search() for info in part.tasks]
    shown = run("task", "update", "--url", url, *words)
    assert (status, True) == (shown.exit_code, part in shown.output), shown.output
    assert before == [info for part in inspector.search() for info in part.tasks]


def test_a_payload_must_fit_its_declaration(
    url: str, inspector: SyncInspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it is given raw."""
    (tmp_path / "shop_of_updating.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text('[tool.onebeat]\napp = "shop_of_updating:app"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shown = run("task", "update", "--url", url, "o1", "--set", "user=ada")
    assert (1, True) == (shown.exit_code, "Expected `int`, got `str` - at `$.user`" in shown.output), shown.output
    assert 0 == run("task", "update", "--url", url, "o1", "--set", "user=ada", "--raw").exit_code
    assert b'"user":"ada"' in inspector.task("default", "o1").payload


EDITOR = """
import sys
path = sys.argv[1]
text = open(path).read()
open(path, "w").write(text.replace('"user": 1', '"user": 8'))
"""


def edit(url: str, tmp_path: Path, monkeypatch: Any, code: str, *words: str, input: str = "") -> Any:
    (tmp_path / "editor.py").write_text(code)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {tmp_path / 'editor.py'}")
    return run("task", "update", "--url", url, "o1", "--edit", *words, input=input)


def test_a_payload_is_edited(
    url: str, inspector: SyncInspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Indented in the editor, compact in the store, and nothing else in it is touched."""
    shown = edit(url, tmp_path, monkeypatch, EDITOR)
    assert 0 == shown.exit_code, shown.output
    assert "1 task changed." in shown.stdout
    expected = b'{"user":8,"big":9007199254740993,"price":1.10,"html":"\\u003cb\\u003e"}'
    assert expected == inspector.task("default", "o1").payload


def test_what_was_edited_must_be_json_still(
    url: str, inspector: SyncInspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked whether to edit again; a no changes nothing, nor does an editor that changed nothing."""
    before = inspector.task("default", "o1").payload
    broken = edit(url, tmp_path, monkeypatch, "import sys; open(sys.argv[1], 'a').write('}')", input="n\n")
    assert (1, True) == (broken.exit_code, "is no JSON any more" in broken.output)
    same = edit(url, tmp_path, monkeypatch, "")
    assert (1, True) == (same.exit_code, "left as it is" in same.output)
    assert before == inspector.task("default", "o1").payload


def test_what_another_changed_meanwhile_is_left_alone(
    url: str, inspector: SyncInspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the editor is open."""
    code = (
        EDITOR
        + f"""
from onebeat import SyncInspector
with SyncInspector({url!r}) as inspector:
    inspector.update("default", "o1", max_retry=9)
"""
    )
    shown = edit(url, tmp_path, monkeypatch, code)
    assert "0 tasks changed; 1 skipped, since they moved or changed meanwhile." in shown.stdout
    assert b'"user":1' in inspector.task("default", "o1").payload


@pytest.mark.slow
def test_on_a_terminal_it_asks_after_it_has_shown(url: str, inspector: SyncInspector, tmp_path: Path) -> None:
    """What becomes of the payload, then whether to."""
    words = ("task", "update", "--url", url, "o1", "--set", "user=9")
    with onebeat(*words, cwd=tmp_path, terminal=True) as program:
        program.expect('"user": 9')
        program.expect(r"Change 1 scheduled task of queue default\? \[y/N\]")
        program.press("y\n")
        program.expect("1 task changed")
        assert 0 == program.ended()
    assert b'"user":9' in inspector.task("default", "o1").payload


def test_without_colours_no_line_has_an_escape(url: str) -> None:
    """Not even one that only ends a colour."""
    with SyncClient(url) as client:
        client.enqueue(Task("t", {"a": 0}), task_id="one")
    words = ("task", "update", "one", "--set", "a=1", "--dry-run", "--url", url)
    assert "\x1b[32m" in run(*words, color=True).stdout
    assert "\x1b" not in run(*words, color=True, env={"NO_COLOR": "1"}).stdout
