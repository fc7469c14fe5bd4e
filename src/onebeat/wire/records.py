"""stub"""
from __future__ import annotations
class EntryRecord:
    def __init__(self, **kw: object) -> None: ...
    def encode(self) -> bytes: return b"x"
