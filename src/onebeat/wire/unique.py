"""stub"""
from __future__ import annotations
import hashlib
def unique_key(queue: str, type: str, payload: bytes | None) -> str:
    return f"asynq:{{{queue}}}:unique:{type}:" + ("" if payload is None else hashlib.md5(payload, usedforsecurity=False).hexdigest())
