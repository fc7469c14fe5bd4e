"""
What the processes under a parent count, added up: the reading half of prometheus_client's multi-process mode.

What a process that has ended had counted stays, or counters would fall; how much it was doing does not.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

_COUNTED = re.compile(r"(counter|histogram|summary)_(\d+)\.db")
ENDED = "ended"


class Processes(Collector):
    """
    Adds up what is in a folder of prometheus_client's multi-process mode.

    The counters of processes that have ended are put together in one file, so that a parent that has replaced its
    processes a thousand times does not read a thousand files.

    Args:
        folder: The folder.

        is_private: Whether all who write there are processes of this machine that we can see, and nobody else reads
            it. Else nothing there is touched.
    """

    def __init__(self, folder: str, *, is_private: bool = True) -> None:
        self._folder = Path(folder)
        self._is_private = is_private
        self._lock = threading.Lock()

    def collect(self) -> Iterable[Metric]:
        """Yield the series of all processes."""
        with self._lock:
            if self._is_private:
                self._forget()
            files = [str(path) for path in sorted(self._folder.glob("*.db"))]
            return list(MultiProcessCollector.merge(files, accumulate=True))

    def _forget(self) -> None:
        """Let go of processes that have ended."""
        for path in self._folder.glob("*.db"):
            pid = path.stem.rpartition("_")[2]
            if pid.isdecimal() and not _runs(int(pid)):
                mark_process_dead(int(pid), str(self._folder))  # gauges of the living
                if (counted := _COUNTED.fullmatch(path.name)) is not None:
                    _add(path, self._folder / f"{counted[1]}_{ENDED}.db")
                    path.unlink()


def _add(source: Path, target: Path) -> None:
    sums = MmapedDict(str(target))
    try:
        for key, value, _, _ in MmapedDict.read_all_values_from_file(str(source)):
            sums.write_value(key, sums.read_value(key)[0] + value, 0.0)
    finally:
        sums.close()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # there is one, of somebody else
    return True
