"""OpenTelemetry is an extra: nothing loads it unasked, and who asks without it is told what to install."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def python(code: str) -> str:
    """Run a program of its own and return what it prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_missing_api_is_named() -> None:
    """MissingExtra, which is an ImportError, with the command."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from onebeat import MissingExtra\n"
        "try:\n import onebeat.observe.otel\nexcept MissingExtra as error: print(error)"
    )
    assert 'onebeat.observe.otel needs OpenTelemetry: pip install "onebeat[otel]"' == python(code)


def test_nothing_else_loads_it() -> None:
    """Neither the client nor the server, the command line nor the other kinds of metrics."""
    code = (
        "import sys\n"
        "import onebeat.app.app, onebeat.server.server, onebeat.sync, onebeat.observe.recording, onebeat.cli.main\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert "[]" == python(code)


def test_it_needs_the_api_alone() -> None:
    """The SDK, the exporters and the names of the conventions are the user's to install."""
    code = (
        "import sys\n"
        "for name in ('sdk', 'exporter', 'semconv', 'instrumentation'): sys.modules['opentelemetry.' + name] = None\n"
        "from onebeat.observe.otel import OpenTelemetry; print(type(OpenTelemetry()).__name__)"
    )
    assert "OpenTelemetry" == python(code)
