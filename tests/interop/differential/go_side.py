"""asynq behind its driver: orders in our words, put into its own."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
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
        if do in SHOWING:
            return SHOWING[do](self, order)
        named = {WORDS[name]: value for name, value in order.items() if name in WORDS}
        options = _options(order["options"]) if "options" in order else {}
        return self.ask(do, DelayUs=DELAY_S * 1_000_000, **{**named, **options, **more})

    def close(self) -> None:
        self._in.close()
        self._process.wait()
        self._out.close()


def _server(order: dict[str, Any]) -> dict[str, Any]:
    record, workers = order["server"]
    shown = [
        {"ID": one.task_id, "Type": one.task_type, "Payload": base64.b64encode(one.task_payload).decode(),
         "Queue": one.queue, "StartNs": one.start_time, "DeadlineS": one.deadline // 10**9}
        for one in workers
    ]  # fmt: skip
    return {
        "Host": record.host, "PID": record.pid, "ID": record.server_id, "Concurrency": record.concurrency,
        "Queues": record.queues, "StartNs": record.start_time, "Workers": shown,
    }  # fmt: skip


def _entries(go: GoSide, order: dict[str, Any]) -> Any:
    entries = [
        {"ID": one.id, "Spec": one.spec, "Type": one.task_type, "Options": one.enqueue_options,
         "Payload": base64.b64encode(one.task_payload).decode(), "NextS": (one.next_enqueue_time or 0) // 10**9,
         "PrevS": (one.prev_enqueue_time or 0) // 10**9}
        for one in order["entries"]
    ]  # fmt: skip
    return go.ask("entries", Scheduler=order["queue"], Entries=entries, TTLs=20)


def _fire(go: GoSide, order: dict[str, Any]) -> Any:
    """Do what asynq's scheduler does at a tick, with the id and the header that ours gives its task."""
    task_id, tick = f"{order['schedule']}:{order['tick']}", {"tick": str(order["tick"])}
    task = {"type": order["type"], "payload": order["payload"]}
    answer = go.apply("enqueue", {**task, "options": {"queue": order["queue"], "task_id": task_id, "headers": tick}})
    go.ask("event", ID=task_id, EntryID=f"{{{order['queue']}}}:{order['schedule']}")
    return answer


SHOWING: dict[str, Callable[[GoSide, dict[str, Any]], Any]] = {
    "show": lambda go, order: go.ask("show", Server=_server(order)),
    "hide": lambda go, order: go.ask("hide", Server=_server(order)),
    "entries": _entries,
    "fire": _fire,
}


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
