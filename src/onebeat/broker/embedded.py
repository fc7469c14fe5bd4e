"""stub"""
from __future__ import annotations
from dataclasses import dataclass
from pathlib import Path
@dataclass(frozen=True, slots=True)
class StoreConfig:
    path: Path
class EmbeddedStore:
    socket: Path
    def close(self) -> None: ...
def parse_url(url: str) -> StoreConfig:
    return StoreConfig(Path("x"))
def open_store(config: StoreConfig, *, timeout: float = 15.0) -> EmbeddedStore:
    raise RuntimeError
