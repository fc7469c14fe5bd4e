"""asynq behind its driver: orders in our words, put into its own."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

DELAY_S = 20
"""How long a task waits for its retry on both sides; asynq's recoverer is told the same."""

UNITS = {"timeout": "TimeoutUs", "unique": "UniqueUs", "process_in": "InUs", "retention": "RetentionUs"}
WORDS = {
    "queue": "Queue", "id": "ID", "state": "State", "group": "Group", "page": "Page", "size": "Size", "force": "Force",
    "payload": "Payload", "type": "Type", "task_id": "ID", "max_retry": "MaxRetry", "headers": "Headers",
    "kind": "Kind", "error": "Error", "result": "Result", "grace": "GraceS", "max_delay": "MaxDelayS",
    "max_size": "MaxSize", "set_id": "SetID",
}  # fmt: skip


class GoSide:
    """asynq, one process for all."""

    def __init__(self, program: Path, socket: str) -> None:
        words = [str(program), socket]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def ask(self, do: str, **order: Any) -> Any:
        """Give one order; what is asynq's own answer comes back."""
        coded = {
            key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in order.items()
        }
        self._in.write(json.dumps({"Do": do, **coded}).encode() + b"\n")
        self._in.flush()
        line = self._out.readline()
        assert line, f"the driver ended at {do} {order}"
        return json.loads(line)

    def apply(self, do: str, order: dict[str, Any], **more: Any) -> Any:
        """Apply an operation, given in our words."""
        named = {WORDS[name]: value for name, value in order.items() if name in WORDS}
        options = _options(order["options"]) if "options" in order else {}
        return self.ask(do, DelayUs=DELAY_S * 1_000_000, **{**named, **options, **more})

    def close(self) -> None:
        self._in.close()
        self._process.wait()
        self._out.close()


def _options(options: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"MaxRetry": 25}
    for name, value in options.items():
        if name in UNITS:
            found[UNITS[name]] = round(value * 1_000_000)
        elif name == "deadline":
            found["DeadlineS"] = int(value.timestamp())
        elif name == "process_at":
            found["AtUs"] = round(value.timestamp() * 1_000_000)
        else:
            found[WORDS[name]] = value
    return found
