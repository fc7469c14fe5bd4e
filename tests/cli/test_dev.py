"""`onebeat dev` in a terminal: reload, errors that stay, failures shown."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from onebeat.cli.commands import cli
from onebeat.cli.develop.changes import Changes
from onebeat.cli.develop.find import find_application
from onebeat.errors import ConfigurationError
from tests.cli.conftest import SHOP, Tasks
from tests.cli.programs import Program, onebeat, until

READY = "press Ctrl-C to stop"
SCHEDULED = '\n\n@app.every(3600)\n@app.task("tick")\ndef tick() -> None: ...\n'


def dev(folder: Path, tasks: Tasks, *words: str) -> Program:
    return onebeat("dev", *words, "--url", tasks.url, cwd=folder, terminal=True)


def page(at: str) -> str:
    with urllib.request.urlopen(at, timeout=60) as answer:  # noqa: S310 - an address of this machine
        return str(answer.read().decode())


def ends(program: Program) -> None:
    """Press Ctrl-C and check the end."""
    program.press_ctrl_c()
    assert 0 == program.ended(), program.said


@pytest.mark.slow
def test_the_banner_says_what_runs_on_the_embedded_store(folder: Path) -> None:
    """Without a URL and without an application: the folder's only one. The store stays over a reload."""
    (folder / "shop.py").write_text(SHOP + SCHEDULED)
    with onebeat("dev", cwd=folder, terminal=True) as program:
        program.expect(r"onebeat dev: shop:app, 1 process, 64 tasks at a time\033")
        program.expect(rf"store +embedded://{folder}/\.onebeat")
        program.expect(r"queues +default")
        program.expect(r"tasks +apart\n +fail\n +loop\n +tick\n +wait")
        program.expect(r"schedules +tick: @every 1h0m0s, next in \d+")
        program.expect(rf"watching +{folder}\n")
        program.expect(READY)
        store = (folder / ".onebeat" / "store.json").read_text()
        (folder / "shop.py").write_text(SHOP)
        program.expect(r"shop.py changed: starting anew")
        program.expect(r"ready again: 4 tasks, 0 schedules")
        assert store == (folder / ".onebeat" / "store.json").read_text()
        ends(program)
        assert "Traceback" not in program.said


@pytest.mark.slow
def test_a_console_shows_the_store_whatever_reloads(folder: Path, tasks: Tasks) -> None:
    """The banner says where; it answers while nothing runs, too, and ends with the command."""
    with dev(folder, tasks, "--console-port", "0") as program:
        at = program.expect(r"console +(http://127.0.0.1:\d+/)").group(1)
        program.expect(READY)
        tasks.reaches(tasks.enqueue("loop"), "completed")
        until(lambda: "All is well: 1 server" in page(at))
        (folder / "shop.py").write_text("no python at all")
        program.expect("waiting for a change")
        assert "Overview" in page(at)
        ends(program)
    with pytest.raises(urllib.error.URLError):
        page(at)


@pytest.mark.slow
def test_the_console_knows_what_is_declared_now(folder: Path, tasks: Tasks) -> None:
    """As it is after each reload; what the module prints is printed by its server alone."""
    (folder / "shop.py").write_text(SHOP + "print('imported', flush=True)\n")
    with dev(folder, tasks, "--console-port", "0") as program:
        at = program.expect(r"console +(http://127.0.0.1:\d+/)").group(1)
        program.expect(READY)
        assert 'name="v0"' in page(f"{at}task/new?type=fail")
        assert "first_name" not in page(f"{at}task/new?type=fail")
        assert 1 == program.said.count("imported")
        (folder / "shop.py").write_text(SHOP.replace("order: int", "first_name: str"))
        program.expect("ready again")
        until(lambda: "first_name" in page(f"{at}task/new?type=fail"))
        ends(program)


@pytest.mark.slow
def test_there_is_no_console_where_none_is_wanted(folder: Path, tasks: Tasks) -> None:
    """`--no-console`."""
    with dev(folder, tasks, "--no-console") as program:
        program.expect(READY)
        assert "http://" not in program.said
        ends(program)


@pytest.mark.slow
def test_a_reload_loses_no_running_task(folder: Path, tasks: Tasks) -> None:
    """It goes back to the front of its queue and runs on the new code; no retry is spent."""
    with dev(folder, tasks) as program:
        program.expect(READY)
        running, waiting = tasks.enqueue("wait"), tasks.enqueue("loop", process_in=3600)
        program.expect("it begins")
        (folder / "shop.py").write_text(SHOP.replace('while not Path("go").exists()', "while False"))
        program.expect("stopped")
        program.expect("ready again")
        tasks.reaches(running, "completed")
        assert "scheduled" == tasks.field(waiting, "state")
        assert "Traceback" not in program.said
        ends(program)


@pytest.mark.slow
def test_probes_are_answered_while_it_reloads(folder: Path, tasks: Tasks) -> None:
    """At the same address, whatever runs; ready again once it is."""
    with dev(folder, tasks, "--metrics-port", "0") as program:
        at = program.expect(r"answering at (http://\S+)\n").group(1)
        program.expect(READY)
        until(lambda: readiness(at) == (200, "serving"))
        (folder / "shop.py").write_text("import nothing_of_this_name\n")
        program.expect("waiting for a change")
        assert 503 == readiness(at)[0]
        (folder / "shop.py").write_text(SHOP)
        program.expect("ready again")
        until(lambda: readiness(at) == (200, "serving"))
        ends(program)


def readiness(at: str) -> tuple[int, str]:
    """Return the status of /readyz, and the state that it tells."""
    try:
        with urllib.request.urlopen(f"{at}/readyz", timeout=60) as answer:  # noqa: S310 - http is what is served
            return answer.status, json.load(answer)["state"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["state"]


@pytest.mark.slow
def test_an_error_at_reload_stays_until_the_next_change(folder: Path, tasks: Tasks) -> None:
    """A syntax error, then an import error, each with the user's lines alone; then it is mended."""
    with dev(folder, tasks) as program:
        program.expect(READY)
        (folder / "shop.py").write_text(SHOP + "\nx = (\n")
        program.expect(r'File "shop.py", line \d+\n    x = \(\n')
        program.expect(r"SyntaxError: .*\n.*nothing runs now; waiting for a change")
        (folder / "shop.py").write_text("import helper\n" + SHOP)
        (folder / "helper.py").write_text("number = 1 / 0\n")
        program.expect(r'File "shop.py", line 1, in <module>\n    import helper\n')
        program.expect(r'File "helper.py", line 1, in <module>\n    number = 1 / 0\n')
        program.expect(r"ZeroDivisionError: division by zero\n.*nothing runs now")
        assert [] == re.findall(r"onebeat/cli|importlib", program.said)
        (folder / "helper.py").write_text("number = 1\n")
        program.expect(r"helper.py changed: starting anew")
        program.expect("ready again")
        ends(program)


@pytest.mark.slow
def test_it_starts_with_code_that_is_broken(folder: Path, tasks: Tasks) -> None:
    """And waits for it to be mended."""
    (folder / "shop.py").write_text(SHOP + "\nx = (\n")
    with dev(folder, tasks) as program:
        program.expect("nothing runs now; waiting for a change")
        (folder / "shop.py").write_text(SHOP)
        program.expect(READY)
        ends(program)


@pytest.mark.slow
def test_a_failed_task_is_shown_whole(folder: Path, tasks: Tasks) -> None:
    """Red when it is archived, with its type, attempt, payload and the user's lines of the traceback."""
    with dev(folder, tasks) as program:
        program.expect(READY)
        tasks.enqueue("fail", {"order": 7}, max_retry=0)
        program.expect(r"\033\[31m.*ERROR +task .* failed: ValueError: no such order; it is archived\033\[0m\n")
        program.expect(r"type fail, attempt 1 of 1\n +payload \{\"order\":7\}\n")
        program.expect(r'File "shop.py", line \d+, in fail\n +raise ValueError\("no such order"\)\n')
        tasks.enqueue("apart", max_retry=1)
        program.expect(r"type apart, attempt 1 of 2\n")
        program.expect(r'shop.py", line \d+, in apart\n +raise KeyError')
        assert [] == re.findall(r"onebeat/(server|app)", program.said.partition("type apart")[0])
        ends(program)


@pytest.mark.slow
def test_several_processes_reload_together(folder: Path, tasks: Tasks) -> None:
    """All stop before any successor starts."""
    with dev(folder, tasks, "--processes", "2") as program:
        program.expect_all(READY, r"\[1\] .*serving", r"\[2\] .*serving")
        (folder / "shop.py").write_text(SHOP + "\n")
        program.expect("changed: starting anew")
        program.expect_all(r"\[1\] .*stopped", r"\[2\] .*stopped")
        program.expect("ready again")
        ends(program)
        after = program.said.partition("starting anew")[2]
        assert ["stopped", "stopped", "serving"] == re.findall(r"INFO +(stopped|serving)", after)[:3]


def test_a_missing_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that installs it."""
    monkeypatch.chdir(folder)
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    shown = CliRunner().invoke(cli, ["dev"])
    assert (1, 'onebeat: onebeat dev needs watchfiles: pip install "onebeat[dev]"\n') == (shown.exit_code, shown.output)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"app.py": "app = Onebeat()"}, "app:app"),
        ({"web.py": "x = 1", "jobs.py": "queue: Onebeat[S] = onebeat.Onebeat(\n"}, "jobs:queue"),
        ({"shop/__init__.py": "", "shop/tasks.py": "app = Onebeat[State]('shop'"}, "shop.tasks:app"),
        ({"shop/__init__.py": "app = Onebeat()"}, "shop:app"),
        ({"app.py": "app = Onebeat()", "test_app.py": "app = Onebeat()", "tests/x.py": "a = Onebeat()"}, "app:app"),
    ],
)
def test_the_only_application_is_found(tmp_path: Path, files: dict[str, str], found: str) -> None:
    """By its text, so that a file which cannot be imported now is found too."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert found == find_application(tmp_path)


def test_files_that_are_none_are_no_application(tmp_path: Path) -> None:
    """An editor's lock is a link to nowhere, and a pipe would be waited for."""
    (tmp_path / ".#app.py").symlink_to("ada@host.77")
    (tmp_path / "old.py").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "app.py").write_text("app = Onebeat()")
    assert "app:app" == find_application(tmp_path)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "no `app = Onebeat"),
        ({"a.py": "    app = Onebeat()  # in a function"}, "no `app = Onebeat"),
        ({"a.py": "app = Onebeat()", "b.py": "other = Onebeat()"}, "a:app, b:other"),
    ],
)
def test_none_or_several_applications_are_a_sentence(tmp_path: Path, files: dict[str, str], why: str) -> None:
    """With both ways to name one."""
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        find_application(tmp_path)
    assert [] == [word for word in (why, "`onebeat dev module:app`", "[tool.onebeat]") if word not in str(caught.value)]


async def test_what_is_watched(tmp_path: Path) -> None:
    """Python files of the project and of further folders, files that are named; not what is made or ignored."""
    project, library, settings = tmp_path / "project", tmp_path / "library", tmp_path / "settings.yaml"
    project.mkdir()
    library.mkdir()
    settings.touch()
    changes = Changes(project, [library, settings], [project / "migrations"])
    counted = {
        "project/shop.py": True,
        "project/shop/deep/tasks.py": True,
        "library/helper.py": True,
        "settings.yaml": True,
        "project/notes.txt": False,
        "project/.#shop.py": False,
        "other/shop.py": False,
        "project/migrations/0001.py": False,
        **{f"project/{name}/x.py": False for name in (".venv", ".git", "node_modules", "__pycache__", ".onebeat")},
    }
    assert counted == {name: changes.counts(None, str(tmp_path / name)) for name in counted}
    with pytest.raises(ConfigurationError, match="nowhere is to be watched and does not exist"):
        Changes(project, [Path("nowhere")])


@pytest.mark.parametrize(
    ("why", "said"),
    [
        (OSError("OS file watch limit reached."), "cannot be watched: OS file watch limit reached.; allow more"),
        (PermissionError("Permission denied"), "cannot be watched: Permission denied; allow more"),
    ],
)
async def test_what_the_system_does_not_let_be_watched_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: OSError, said: str
) -> None:
    """With both ways out; a folder inside that may not be read is left out without a word."""
    import watchfiles

    def refuses(*_places: Path, ignore_permission_denied: bool, **_: object) -> AsyncIterator[object]:
        assert ignore_permission_denied

        async def changes() -> AsyncIterator[object]:
            raise why
            yield

        return changes()

    monkeypatch.setattr(watchfiles, "awatch", refuses)
    with pytest.raises(ConfigurationError) as caught:
        await Changes(tmp_path).run()
    assert said in str(caught.value)
    assert "WATCHFILES_FORCE_POLLING=1" in str(caught.value)
