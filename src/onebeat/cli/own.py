"""Whether this process is the command's own and ends with it, or goes on, as one does that called it from Python."""

from __future__ import annotations

process: bool = False
