"""Chromium, and the stage that it is shown: one of each for a worker of the session."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from onebeat import SyncInspector
from tests.web.browser import scene
from tests.web.browser.stage import Stage, apart
from tests.web.browser.visitor import PATIENCE_MS, Visitor, visiting

NAMES = ("chromium", "chromium-browser", "google-chrome")
HERE = Path(__file__).parent

expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what stands here."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("browser")
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Return Chromium; where there is none the tests are skipped, or fail if CI says that there must be one."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        said = f"no Chromium ({', '.join(NAMES)}): `make browser` installs it, or apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """Return the scene, played."""
    with tempfile.TemporaryDirectory(prefix="onebeat-stage-") as folder, Stage(Path(folder)) as opened:
        apart(lambda: scene.play(opened))
        yield opened


@pytest.fixture(scope="session")
def origin(stage: Stage) -> str:
    """Return the address of a console of the scene."""
    return stage.console()


@pytest.fixture(scope="session")
def names(stage: Stage) -> dict[str, str]:
    """Return ids of the scene that are different every time, for addresses of pages."""

    def known(inspector: SyncInspector) -> dict[str, str]:
        tasks = {
            "archived": ("default", "archived"), "retry": ("default", "retry"), "running": ("low", "active"),
            "completed": ("critical", "completed"), "scheduled": ("critical", "scheduled"),
            "waiting": ("mail", "pending"),
        }  # fmt: skip
        found = {name: next(inspector.tasks(queue, state=state)).id for name, (queue, state) in tasks.items()}
        found["aggregating"] = next(inspector.tasks("default", state="aggregating", group="sales:oslo")).id
        return found | {one.host: one.id for one in inspector.servers()}

    return stage.look(known)


@pytest.fixture(scope="session")
def bare() -> Iterator[str]:
    """Return the address of a console of a store where nothing ever was."""
    with tempfile.TemporaryDirectory(prefix="onebeat-bare-") as folder, Stage(Path(folder)) as opened:
        yield opened.console()


@pytest.fixture(scope="module")
def desk() -> Iterator[Stage]:
    """Return a store for what a module changes: who looks at the scene next would see it for a second more."""
    with tempfile.TemporaryDirectory(prefix="onebeat-desk-") as folder, Stage(Path(folder)) as opened:
        yield opened


@pytest.fixture(scope="module")
def front(desk: Stage) -> str:
    """Return the address of a console of the desk."""
    return desk.console()


@pytest.fixture
def visitor(chromium: Browser, origin: str) -> Iterator[Visitor]:
    """Return somebody with a browser of 1,360 pixels."""
    with visiting(chromium, origin) as opened:
        yield opened
