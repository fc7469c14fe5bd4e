"""The command line: whatever is typed wrong ends with one line, a status that is not 0, and no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from onebeat.cli.commands import cli

AWAY = "redis://127.0.0.1:1"
APPLICATION = """
from onebeat import Onebeat
app = Onebeat("shop")
empty = Onebeat("empty")
number = 5

@app.task("hello")
def hello(name: str) -> str:
    return f"hello {name}"
"""

USAGE: list[tuple[str, str, str]] = [
    ("nonsense", "'nonsense'", "Try `onebeat --help`"),
    ("--colour", "'--colour'", "Try `onebeat --help`"),
    ("stats --url", "'--url'", "Try `onebeat --help`"),
    ("stats extra", "extra", "Try `onebeat stats --help`"),
    ("run", "'APPLICATION'", "Try `onebeat run --help`"),
    ("run shop:app extra", "extra", "Try `onebeat run --help`"),
    ("run shop:app -c 0", "'--concurrency': 0", "Try `onebeat run --help`"),
    ("run shop:app -c many", "'--concurrency': 'many'", "Try `onebeat run --help`"),
    ("run shop:app --lease long", "'--lease': 'long'", "Try `onebeat run --help`"),
    ("run shop:app --log-level loud", "'--log-level': 'loud'", "'debug', 'info', 'warning', 'error'"),
    (f"run shop:app --url {AWAY} -q low=", "weight of queue 'low' is ''", "write low=3"),
    (f"run shop:app --url {AWAY} -q low=x", "weight of queue 'low' is 'x'", "write low=3"),
    (f"run shop:app --url {AWAY} -q low=-1", "weight of queue 'low' is '-1'", "write low=3"),
    (f"run shop:app --url {AWAY} -q low=²", "weight of queue 'low' is '²'", "write low=3"),
    (f"run shop:app --url {AWAY} -q low={'9' * 5000}", "weight of queue 'low' is '9", "write low=3"),
    (f"run shop:app --url {AWAY} -q low -q low=3", "queue 'low' is given twice", "give it once"),
    ("queue nonsense", "'nonsense'", "Try `onebeat queue --help`"),
    ("queue ls --sort extra", "'extra'", "Try `onebeat queue ls --help`"),
    ("task nonsense", "'nonsense'", "Try `onebeat task --help`"),
    ("task ls -s nonsense", "'--state': 'nonsense'", "'pending', 'active', 'scheduled'"),
    ("task ls -n -1", "'--limit': -1", "Try `onebeat task ls --help`"),
    ("task ls -n x", "'--limit': 'x'", "Try `onebeat task ls --help`"),
    ("task run -q low", "Say which tasks to run: ids", "--where FILTER, or --all"),
    ("task run -q low -s archived a", "Name tasks by ids, or say which", "Try `onebeat task run --help`"),
    ("task run -s nonsense", "'--state': 'nonsense'", "'pending', 'active', 'scheduled'"),
    ("task cancel -q low", "Say which tasks to cancel: ids", "Try `onebeat task cancel --help`"),
    ("task rm --where", "'--where'", "Try `onebeat"),
    (f"task rm --where stat:x --url {AWAY}", "'stat' is none", "did you mean state?"),
    ("task update a", "Say what to change", "Try `onebeat task update --help`"),
    ("task show", "Name a task by its id", "Try `onebeat task show --help`"),
    ("task enqueue", "Name the task's type", "Try `onebeat task enqueue --help`"),
    (f"task ls stat:x --url {AWAY}", "'stat' is none", "did you mean state?"),
    ("demo --seconds 1", "'--seconds': 1", "6<=x<=3600"),
    ("demo --servers 1", "'--servers': 1", "2<=x<=20"),
]

REFUSED: list[tuple[str, str, str]] = [
    (f"run : --url {AWAY}", "application ':'", "write module:app"),
    (f"run :app --url {AWAY}", "application ':app'", "write module:app"),
    (f"run .shop:app --url {AWAY}", "application '.shop:app'", "write module:app"),
    (f"run ./shop.py:app --url {AWAY}", "application './shop.py:app'", "write module:app"),
    (f"run shop.py:app --url {AWAY}", "application 'shop.py:app'", "without .py"),
    (f"run nowhere:app --url {AWAY}", "application 'nowhere:app'", "there is no module 'nowhere'"),
    (f"run shop:number --url {AWAY}", "'number' is no Onebeat application", "did you mean shop:app?"),
    (f"run shop:nothing --url {AWAY}", "'nothing' is no Onebeat application", "did you mean shop:app?"),
    (f"run shop:app:app --url {AWAY}", "'app:app' is no Onebeat application", "did you mean shop:app?"),
    (f"run shop:empty --url {AWAY}", "application 'empty' has no tasks", "declare one with @app.task()"),
    ("run shop:app", "no store is named", "give --url redis://…, set ONEBEAT_URL, or add --embedded"),
    (f"run shop:app --url {AWAY} -c 99999", "concurrency is 99999", "give a whole number from 1 to 10000"),
    (f"run shop:app --url {AWAY} --lease 1", "lease is 1.0 s", "give 15 to 86400"),
    (f"run shop:app --url {AWAY} --lease nan", "lease is nan s", "give 15 to 86400"),
    (f"run shop:app --url {AWAY} -q low=0", "weight of queue 'low' is 0", "give a whole number from 1"),
    (f"run shop:app --url {AWAY} -q }}x", "queue name is '}x'", "leave out braces"),
    (f"run shop:app --url {AWAY} -q =3", "queue name is ''", "give a string"),
    (f"run shop:app --url {AWAY}", f"store {AWAY} cannot be used", "see that it runs there"),
    *(
        line
        for verb in ("stats", "queue ls", "task ls", "task run -q low a", "task cancel -q low a", "run shop:app")
        for line in [
            (f"{verb} --url http://h", "store 'http://h'", "start it with one of redis://"),
            (f"{verb} --url redis://[h", "store 'redis://[h'", "brackets"),
            (f"{verb} --url redis://h?colour=red", "option 'colour' is unknown", "there are db, username"),
            (f"{verb} --url redis://no-such-host.invalid", "store redis://no-such-host.invalid", "or name another"),
            (f"{verb} --url embedded:///dev/null", "embedded store /dev/null", "name a folder"),
        ]
    ),
]

ASKED: list[tuple[str, str, str]] = [
    ("task ls -q nope", "queue 'nope' is not known here", "nothing was enqueued"),
    ("task run -q nope a", "queue 'nope' is not known here", "nothing was enqueued"),
    ("task run -q nope -s archived", "queue 'nope' is not known here", "nothing was enqueued"),
    ("task cancel -q nope a", "queue 'nope' is not known here", "nothing was enqueued"),
]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder with an application, and with no store named anywhere."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "shop", raising=False)
    monkeypatch.delenv("ONEBEAT_URL", raising=False)


def ended(done: Result, status: int, *words: str) -> None:
    """Check that it ended with one line that has these words in it."""
    assert isinstance(done.exception, SystemExit), done.exception
    assert status == done.exit_code
    assert [] == [word for word in words if word not in done.output], done.output
    assert 1 == len(done.output.splitlines()), done.output
    assert done.output.startswith("onebeat: ")


def run(line: str) -> Result:
    return CliRunner().invoke(cli, line.split(), prog_name="onebeat")


@pytest.mark.parametrize(("line", "what", "remedy"), USAGE, ids=[line[:60] for line, _, _ in USAGE])
def test_a_wrong_word_is_named(line: str, what: str, remedy: str) -> None:
    """With status 2, and where to read more."""
    ended(run(line), 2, what, remedy)


@pytest.mark.parametrize(("line", "what", "remedy"), REFUSED, ids=[line[:60] for line, _, _ in REFUSED])
def test_what_cannot_work_is_refused(line: str, what: str, remedy: str) -> None:
    """With status 1, before a store is looked for if that is not what is wrong; with 4 if it is."""
    is_away = "no-such-host" in line or what == f"store {AWAY} cannot be used"
    ended(run(line), 4 if is_away else 1, what, remedy)


@pytest.mark.parametrize(("line", "what", "remedy"), ASKED, ids=[line for line, _, _ in ASKED])
def test_what_is_not_there_is_named(url: str, line: str, what: str, remedy: str) -> None:
    """With status 3."""
    ended(run(f"{line} --url {url}"), 3, what, remedy)


def test_a_blank_id_is_refused(url: str) -> None:
    """As a value, not as a task that is gone."""
    for verb in ("run", "cancel"):
        done = CliRunner().invoke(cli, ["task", verb, "--url", url, "-q", "low", " "], prog_name="onebeat")
        ended(done, 3, "queue 'low' is not known here")


def test_a_ledger_that_cannot_be_made_is_named() -> None:
    """Before the demo begins."""
    ended(run("demo --ledger shop.py/ledger"), 1, "ledger shop.py/ledger cannot be made", "name a folder")


@pytest.mark.parametrize("line", ["", "queue", "task"])
def test_a_group_without_a_verb_shows_its_help(line: str) -> None:
    """All of it, since nothing was said that could be wrong."""
    done = run(line)
    assert done.output.startswith(f"Usage: onebeat {line}".strip())
    assert ("Commands:" if line else "Look and steer:") in done.output
