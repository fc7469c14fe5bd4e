"""The server of `tests.server`, for tasks that hold tokens."""

from __future__ import annotations

from tests.server.conftest import bench

__all__ = ["bench"]
