"""Each integration loads its own framework and no other; without it, it says what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

FRAMEWORKS = {
    "asgi": (),
    "starlette": ("starlette",),
    "litestar": ("litestar",),
    "flask": ("flask",),
    "django": ("django",),
}
ALL = ("starlette", "fastapi", "litestar", "flask", "django")


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("module", FRAMEWORKS)
def test_it_loads_no_other_framework(module: str) -> None:
    """What `sys.modules` holds after the import."""
    code = f"import sys, onebeat.integrations.{module}; print(*sorted(set(sys.modules) & {set(ALL)!r}))"
    assert set(python(code).split()) <= set(FRAMEWORKS[module])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "command"),
    [("starlette", "starlette"), ("litestar", "litestar"), ("flask", "flask"), ("django", "django")],
)
def test_a_missing_framework_is_named(module: str, command: str) -> None:
    """MissingExtra, which is an ImportError, with the command."""
    code = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from onebeat import MissingExtra\n"
        f"try:\n import onebeat.integrations.{module}\nexcept MissingExtra as error: print(error)"
    )
    assert python(code).endswith(f": pip install {command}")
