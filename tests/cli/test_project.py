"""`[tool.onebeat]`: argument, then environment, then pyproject.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from onebeat.cli import serving
from onebeat.cli.commands import cli
from onebeat.cli.processes.orders import Orders
from onebeat.cli.project import Project
from onebeat.errors import ConfigurationError

TABLE = """
[tool.onebeat]
app = "shop:app"
url = "redis://project"
concurrency = 5
queues = {critical = 6, low = 1}
lease = 20
log-level = "warning"
loop = "asyncio"
shutdown-timeout = 3
"""


@pytest.fixture
def told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Orders]:
    """Stand in a project with a table, and collect what `onebeat run` would do."""
    found: list[Orders] = []
    (folder / "pyproject.toml").write_text(TABLE)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ONEBEAT_URL", raising=False)
    monkeypatch.setattr(serving, "serve_here", found.append)
    return found


def run(*words: str, **env: str) -> Result:
    return CliRunner().invoke(cli, words, env=env)


def test_the_project_says_what_nobody_else_says(told: list[Orders], folder: Path) -> None:
    """Everything from the table."""
    assert 0 == run("run").exit_code
    settings: dict[str, Any] = {
        "concurrency": 5,
        "lease": 20.0,
        "queues": {"critical": 6, "low": 1},
        "shutdown_timeout": 3.0,
    }
    orders = Orders(
        app="shop:app", folder=str(folder), url=None, fallback="redis://project", settings=settings,
        log_level="warning", loop="asyncio",
    )  # fmt: skip
    assert [orders] == told


def test_the_environment_comes_before_the_project_and_an_argument_before_both(told: list[Orders]) -> None:
    """For each setting alone."""
    env = {
        "ONEBEAT_URL": "redis://environment", "ONEBEAT_CONCURRENCY": "6", "ONEBEAT_QUEUES": "a=2 b",
        "ONEBEAT_LOG_LEVEL": "error", "ONEBEAT_APP": "other:app",
    }  # fmt: skip
    assert 0 == run("run", **env).exit_code
    assert 0 == run("run", "third:app", "--url", "redis://argument", "-c", "7", "-q", "c", **env).exit_code
    assert ["redis://environment", "redis://argument"] == [orders.url for orders in told]
    assert [6, 7] == [orders.settings["concurrency"] for orders in told]
    assert [{"a": 2, "b": 1}, {"c": 1}] == [orders.settings["queues"] for orders in told]
    assert [("other:app", "error"), ("third:app", "error")] == [(orders.app, orders.log_level) for orders in told]


def test_variables_of_other_programs_are_none_of_ours(told: list[Orders]) -> None:
    """asynq's tool takes each of these for its own, whoever has set it (SE-60)."""
    foreign = {"URI": "redis://no", "URL": "redis://no", "DB": "7", "USERNAME": "no", "PASSWORD": "no", "CLUSTER": "1"}
    assert [0, 0] == [run("run").exit_code, run("run", **foreign, TLS="1").exit_code]
    assert told[0] == told[1]


def test_the_project_is_found_from_a_folder_in_it(told: list[Orders], folder: Path, monkeypatch: Any) -> None:
    """The application that it names is looked for in the project's folder, not in the current one."""
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    run("run")
    run("run", "other:app")
    run("run", "shop:app")  # whoever gives it means the one here, though the project has one of that name
    here = str(folder / "deep")
    assert [str(folder), here, here] == [orders.folder for orders in told]


def test_paths_are_those_of_the_project(tmp_path: Path) -> None:
    """However deep in it one stands; and how many processes production has says nothing of development."""
    project = Project(tmp_path, {"watch": ["../lib"], "ignore": ["old"], "processes": 4})
    assert {"watch": [tmp_path / "../lib"], "ignore": [tmp_path / "old"]} == project.defaults("dev")
    assert {"processes": 4} == project.defaults("run")


def test_other_commands_take_its_url(told: list[Orders], folder: Path, url: str) -> None:
    """So that `onebeat stats` looks where `onebeat run` works."""
    (folder / "pyproject.toml").write_text(f'[tool.onebeat]\nurl = "{url}"\n')
    assert f"No queues in {url}" in run("stats").output


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("colour = 1", "[tool.onebeat] colour is unknown: choose from app, url, concurrency"),
        ("log_level = 'info'", "[tool.onebeat] log_level is unknown"),
        ("concurrency = 'many'", "[tool.onebeat] concurrency is 'many': give a whole number"),
        ("concurrency = true", "[tool.onebeat] concurrency is True: give a whole number"),
        ("queues = 'low'", "[tool.onebeat] queues is 'low': give names with weights"),
        ("queues = {low = 'x'}", "queues is {'low': 'x'}: give names with weights"),
        ("app = 5", "[tool.onebeat] app is 5: give module:app"),
        ("watch = '../lib'", "[tool.onebeat] watch is '../lib': give paths"),
        ("lease = ", "pyproject.toml cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(told: list[Orders], folder: Path, table: str, words: str) -> None:
    """One sentence, status 1, whatever the command."""
    (folder / "pyproject.toml").write_text(f"[tool.onebeat]\n{table}\n")
    for command in ("run", "stats"):
        shown = run(command)
        assert 1 == shown.exit_code
        assert words in shown.output
        assert 1 == len(shown.output.splitlines())


def test_without_a_table_there_is_nothing_to_find(tmp_path: Path) -> None:
    """A pyproject.toml of other tools is none of ours; its folder is the project's all the same."""
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    (tmp_path / "deep").mkdir()
    assert Project(tmp_path, {}) == Project.find(tmp_path / "deep")


def test_an_argument_takes_back_what_the_project_has_switched_on(told: list[Orders], folder: Path) -> None:
    """As it comes first."""
    (folder / "pyproject.toml").write_text(TABLE + "strict = true\n")
    assert [0, 0] == [run("run", *words).exit_code for words in ([], ["--no-strict"])]
    assert [True, False] == [orders.settings["strict"] for orders in told]


@pytest.mark.parametrize("text", ["tool = 3\n", "tool = []\n", "[tool]\nonebeat = 3\n"])
def test_what_is_no_table_is_a_sentence(tmp_path: Path, text: str) -> None:
    """Valid TOML, and nonsense as a pyproject.toml."""
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"pyproject.toml: tool.* is (3|\[\]): write "):
        Project.find(tmp_path)


def test_what_nobody_says_is_for_the_application_to_say(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults of options do not stand in front of `Onebeat(server=…)`; what is said does."""
    seen: list[Orders] = []
    monkeypatch.setattr("onebeat.cli.serving.serve_here", seen.append)
    monkeypatch.chdir(folder)
    assert 0 == CliRunner().invoke(cli, ["run", "shop:app", "--embedded"]).exit_code
    assert 0 == CliRunner().invoke(cli, ["run", "shop:app", "--embedded", "-c", "64", "--lease", "20"]).exit_code
    assert [{}, {"concurrency": 64, "lease": 20.0}] == [orders.settings for orders in seen]
