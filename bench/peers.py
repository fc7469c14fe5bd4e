"""Other Python task queues, each in an environment of its own, and how each starts a worker with one task."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "build" / "weight"
"""Not in the repository."""


@dataclass(frozen=True)
class Peer:
    """
    A task queue.

    Attributes:
        install: What pip is told.

        shown: The packages whose versions are printed.

        usual: The line with which its users begin.

        app: The module `app.py`, with URL for the store's address.

        workers: Name of a setting → the command that starts a worker so.

        ready: What its worker prints once it is ready.
    """

    name: str
    install: tuple[str, ...]
    shown: tuple[str, ...]
    usual: str
    app: str
    workers: dict[str, str]
    ready: str

    @property
    def folder(self) -> Path:
        return FOLDER / self.name

    @property
    def python(self) -> str:
        return str(self.folder / "venv" / "bin" / "python")

    def prepare(self, url: str) -> None:
        """Make its environment and its application."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "app.py").write_text(self.app.replace("URL", url))
        if not Path(self.python).exists():
            subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
        pip = [self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *self.install], check=True, cwd=ROOT)

    def versions(self) -> str:
        """Name what is installed."""
        code = f"from importlib.metadata import version\nfor name in {self.shown!r}: print(name, version(name))"
        done = subprocess.run([self.python, "-c", code], capture_output=True, text=True, check=True)
        return ", ".join(done.stdout.splitlines())


PEERS = [
    Peer(
        "onebeat", ("--upgrade", ".[cli]"), ("onebeat", "redis", "uvloop"),
        "from onebeat import Onebeat",
        'from onebeat import Onebeat\napp = Onebeat(url="URL")\n\n@app.task("noop")\nasync def noop() -> None: ...\n',
        {
            "run, 1 process, 64 slots": "onebeat run app:app -c 64",
            "run --processes 2, 64 slots each": "onebeat run app:app -c 64 --processes 2",
        },
        "serving queues",
    ),
    Peer(
        "streaq", ("streaq",), ("streaq", "coredis"),
        "from streaq import Worker",
        'from streaq import Worker\nworker = Worker(redis_url="URL", concurrency=64)\n\n'
        "@worker.task()\nasync def noop() -> None: ...\n",
        {"default, 1 process, 64 slots": "streaq run app:worker"},
        "starting",
    ),
    Peer(
        "taskiq", ("taskiq", "taskiq-redis"), ("taskiq", "taskiq-redis", "redis"),
        "from taskiq_redis import RedisStreamBroker",
        'from taskiq_redis import RedisStreamBroker\nbroker = RedisStreamBroker("URL")\n\n'
        "@broker.task\nasync def noop() -> None: ...\n",
        {
            "default, 2 workers, 64 slots each": "taskiq worker app:broker --max-async-tasks 64",
            "1 worker, 64 slots": "taskiq worker app:broker --max-async-tasks 64 --workers 1",
        },
        "Listening started",
    ),
    Peer(
        "dramatiq", ("dramatiq[redis]",), ("dramatiq", "redis"),
        "import dramatiq; from dramatiq.brokers.redis import RedisBroker",
        'import dramatiq\nfrom dramatiq.brokers.redis import RedisBroker\n\n'
        'dramatiq.set_broker(RedisBroker(url="URL"))\n\n@dramatiq.actor\ndef noop() -> None: ...\n',
        {
            "default, 2 processes of 8 threads": "dramatiq app",
            "1 process of 8 threads": "dramatiq app --processes 1",
        },
        "is ready for action",
    ),
    Peer(
        "celery", ("celery[redis]",), ("celery", "kombu", "redis"),
        "from celery import Celery",
        'from celery import Celery\napp = Celery("app", broker="URL")\n\n@app.task\ndef noop() -> None: ...\n',
        {
            "default, prefork, concurrency 2": "celery -A app worker --loglevel INFO",
            "prefork, concurrency 1": "celery -A app worker --loglevel INFO --concurrency 1",
        },
        "ready.",
    ),
]  # fmt: skip
