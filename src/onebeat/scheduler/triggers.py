"""stub: replaced by the triggers room."""
from __future__ import annotations
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, Literal
class Trigger(Protocol):
    @property
    def spec(self) -> str: ...
    def ticks_after(self, after_ms: int, count: int) -> list[int]: ...
@dataclass(frozen=True, init=False)
class Every:
    interval_ms: int
    def __init__(self, interval: float | timedelta) -> None:
        s = interval.total_seconds() if isinstance(interval, timedelta) else interval
        object.__setattr__(self, "interval_ms", round(s * 1000))
    @property
    def spec(self) -> str:
        return f"@every {self.interval_ms/1000:g}s"
    def ticks_after(self, after_ms: int, count: int) -> list[int]:
        k = after_ms // self.interval_ms + 1
        return [(k + i) * self.interval_ms for i in range(count)]
@dataclass(frozen=True)
class Cron:
    expr: str
    tz: str | None = None
    gap: str = "run_after"
    overlap: str = "first"
    @property
    def spec(self) -> str:
        return self.expr
    def ticks_after(self, after_ms: int, count: int) -> list[int]:
        k = after_ms // 60000 + 1
        return [(k + i) * 60000 for i in range(count)]
def parse_spec(spec: str, tz: str | None = None) -> Trigger:
    return Cron(spec, tz)
