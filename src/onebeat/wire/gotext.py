"""stub"""
from __future__ import annotations
def option(name: str, value: object) -> str:
    return f"{name}({value})"
