"""Names of commands and options: lazily imported, with asynq's words for them, and guesses at what was meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from onebeat.cli.commands import PLACES, cli
from onebeat.cli.common import Noun
from onebeat.cli.schema import each_command
from tests.cli.runner import document, run

LOADED = """
import sys
from onebeat.cli.main import main
sys.argv = ["onebeat", *sys.argv[1:]]
try:
    main()
except SystemExit:
    print("loaded:", *sorted({"asyncio", "rich", "redis", "msgspec", "uvloop", "google"} & set(sys.modules)))
    print("modules:", len(sys.modules))
"""


def loaded(*words: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-2:]


def test_all_that_lists_takes_a_line_for_each_item() -> None:
    """By the same word, whatever is listed."""
    lists = [
        (words, command)
        for words, command in each_command(cli)
        if words == "events" or words.endswith((" ls", " history"))
    ]
    assert 8 == len(lists)
    assert [] == [words for words, command in lists if "as_lines" not in {param.name for param in command.params}]


def test_help_imports_little() -> None:
    """However many nouns there are: no store, no table, no event loop, and no module of a command."""
    assert "loaded:" == loaded("--help")[0]
    assert "loaded:" == loaded("--version")[0]
    assert "loaded:" == loaded("nonsense")[0]


def test_help_imports_no_command() -> None:
    """So that it costs the same with twice as many."""
    code = LOADED.replace('print("modules:", len(sys.modules))', 'print(*sorted(sys.modules), sep="\\n")')
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True)
    places = {place.target.partition(":")[0] for place in PLACES.values()}
    assert set() == places & set(done.stdout.splitlines())


@pytest.mark.parametrize("name", PLACES)
def test_the_table_says_what_the_command_says(name: str) -> None:
    """Its help is the first sentence of the command's own."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert (name, PLACES[name].help) == (command.name, command.get_short_help_str(500))


@pytest.mark.parametrize("name", PLACES)
def test_each_command_is_told_in_a_line_of_a_narrow_terminal(name: str) -> None:
    """Who is woken at night sees all of them at once."""
    assert 80 - 2 >= len(f"  {name:10}  {PLACES[name].help}")


def test_every_command_has_help_and_every_option_too() -> None:
    """Nothing is left to guess."""
    silent = [words for words, command in each_command(cli) if not command.help]
    for words, command in each_command(cli):
        shown = CliRunner().invoke(cli, [*words.split(), "--help"])
        assert 0 == shown.exit_code, words
        silent += [
            f"{words} {option.name}"
            for option in command.params
            if isinstance(option, click.Option) and not option.help
        ]
    assert [] == silent


@pytest.mark.parametrize("words", [("queue", "list"), ("queue", "ls"), ("group", "list")])
def test_words_of_asynq_work(words: tuple[str, ...], url: str) -> None:
    """A verb that is called otherwise here."""
    assert 0 == run(*words, "--url", url).exit_code


def test_help_tells_other_words() -> None:
    """Beside ours."""
    assert "list (ls)" in run("queue", "--help").stdout


def test_a_group_may_have_words_that_stand_for_several() -> None:
    """Options among them; a proper name comes first."""
    said: list[str] = []
    noun = Noun("noun", aliases={"everything": "verb --all"})

    @noun.command("verb")
    @click.option("--all", "every", is_flag=True)
    def verb(every: bool) -> None:
        said.append(f"verb {every}")

    assert [0, 0] == [CliRunner().invoke(noun, [word]).exit_code for word in ("verb", "everything")]
    assert ["verb False", "verb True"] == said


@pytest.mark.parametrize(
    ("words", "guess"),
    [
        (["qeue", "ls"], "did you mean queue?"),
        (["queue", "lst"], "did you mean list?"),
        (["queue", "resum"], "did you mean resume?"),
        (["queue", "frobnicate"], "there are ls, inspect"),
        (["queue", "ls", "--limt", "3"], "Did you mean '--limit'"),
        (["stats", "--josn"], "Did you mean '--json'"),
        (["queue", "ls", "--sort", "age"], "'latency'"),
    ],
)
def test_what_was_meant_is_guessed(words: list[str], guess: str) -> None:
    """One line, status 2."""
    shown = run(*words)
    assert (2, 1) == (shown.exit_code, len(shown.stderr.splitlines())), shown.stderr
    assert guess.lower() in shown.stderr.lower()


@pytest.mark.parametrize(
    "words",
    [
        ("--url", "{}", "queue", "ls"),
        ("queue", "--url", "{}", "ls"),
        ("queue", "ls", "--url", "{}"),
        ("-u", "{}", "queue", "list"),
        ("queue", "ls", "--uri", "{}"),
        ("--url", "redis://127.0.0.1:1", "queue", "ls", "--url", "{}"),
        ("--url", "redis://127.0.0.1:1", "queue", "--url", "{}", "ls"),
    ],
)
def test_the_store_is_named_anywhere(words: tuple[str, ...], url: str) -> None:
    """Before or after the verb; the nearest to it counts."""
    shown = run(*(word.format(url) for word in words))
    assert (0, True) == (shown.exit_code, "No queues in" in shown.output), shown.output


def test_argument_then_environment_then_project(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For reads as for all else; an empty variable counts as none."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.onebeat]\nurl = "redis://127.0.0.1:1/3"\n')
    monkeypatch.setenv("ONEBEAT_URL", "redis://127.0.0.1:1/2")
    assert "No queues in" in run("stats", "--url", url).output
    assert "127.0.0.1:1/2" in run("stats").stderr
    monkeypatch.setenv("ONEBEAT_URL", "")
    assert "127.0.0.1:1/3" in run("stats").stderr
    (tmp_path / "pyproject.toml").write_text(f'[tool.onebeat]\nurl = "{url}"\n')
    assert url == document("stats")["store"] or "No queues" in run("stats").output


def test_a_plain_address_is_one_of_a_redis() -> None:
    """As asynq's tool takes it."""
    assert "store redis://127.0.0.1:1 cannot be used" in run("stats", "-u", "127.0.0.1:1").stderr


def test_an_empty_url_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it is a variable that is not set, and not the wish for another store."""
    monkeypatch.setenv("ONEBEAT_URL", "redis://127.0.0.1:1")
    shown = run("stats", "--url", "")
    assert (2, True) == (shown.exit_code, "it is empty" in shown.stderr)


@pytest.mark.parametrize("word", ["-type:mail:*", "-queue:low", "-state:pending"])
def test_a_filter_that_excludes_is_told_where_it_goes(url: str, word: str) -> None:
    """It begins with a dash, and so was read as options."""
    shown = run("task", "ls", word, "--url", url)
    assert shown.exit_code != 0
    assert f"write a filter that begins with - after --, as in: -- '{word}'" in shown.output
    assert 0 == run("task", "ls", "--url", url, "--", word).exit_code
