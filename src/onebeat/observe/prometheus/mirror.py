"""
The multi-process mode of prometheus_client: figures of each process in files that another serves.

Every change goes to memory, as always (see `tally`), and from there to the file once a second: to write a mapped file
for each task would cost that ten times as much. Who is killed loses what it counted in its last second.
"""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

from prometheus_client import values
from prometheus_client.utils import floatToGoString

from onebeat.observe.instruments import INSTRUMENTS, Instrument, Kind
from onebeat.observe.tally import Series, Tally

PERIOD_S = 1.0


def is_multiprocess() -> bool:
    """Whether prometheus_client was loaded in its multi-process mode."""
    return bool(getattr(values.ValueClass, "_multiprocess", False))


class Mirror:
    """
    Writes a tally to the files of this process, once a second and at its end.

    Args:
        count: Called before, so that the tally has all there is.
    """

    def __init__(self, tally: Tally, count: Callable[[], None]) -> None:
        self._tally = tally
        self._count = count
        self._cells: dict[tuple[Instrument, tuple[str, ...]], list[Any]] = {}
        self._begin()
        os.register_at_fork(after_in_child=_once_forked(weakref.ref(self)))
        atexit.register(self.flush)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[tuple[Instrument, tuple[str, ...]], Series] = {}
        threading.Thread(target=_keep_on, args=(weakref.ref(self),), name="onebeat-metrics", daemon=True).start()

    def flush(self) -> None:
        """Write what has changed."""
        self._count()
        with self._lock:
            for instrument in INSTRUMENTS:
                for each in self._tally.series(instrument):
                    key = instrument, each.labels
                    if self._written.get(key) != each:
                        for cell, value in zip(self._of(*key), (each.value, *each.counts), strict=True):
                            cell.set(value)
                        self._written[key] = each

    def _of(self, instrument: Instrument, labels: tuple[str, ...]) -> list[Any]:
        cells = self._cells.get((instrument, labels))
        if cells is None:
            cells = self._cells[instrument, labels] = _cells(instrument, labels)
        return cells


def _cells(instrument: Instrument, labels: tuple[str, ...]) -> list[Any]:
    """Return where the file has a series, as prometheus_client's own instruments lay it out."""
    name, kind = instrument.series.removesuffix("_total"), instrument.kind

    def cell(type_: str, suffix: str, more: tuple[tuple[str, str], ...] = (), **mode: str) -> Any:
        names = (*instrument.labels, *(label for label, _ in more))
        return values.ValueClass(
            type_, name, name + suffix, names, (*labels, *(value for _, value in more)), instrument.help, **mode
        )

    if kind is Kind.HISTOGRAM:
        bounds = [*map(floatToGoString, instrument.buckets), "+Inf"]
        return [cell("histogram", "_sum"), *(cell("histogram", "_bucket", (("le", bound),)) for bound in bounds)]
    if kind is Kind.COUNTER:
        return [cell("counter", "_total")]
    return [cell("gauge", "", multiprocess_mode="livesum")]


def _keep_on(known: weakref.ref[Mirror]) -> None:
    pause = threading.Event()
    while True:
        pause.wait(PERIOD_S)
        mirror = known()
        if mirror is None:
            return
        mirror.flush()
        del mirror


def _once_forked(known: weakref.ref[Mirror]) -> Any:
    def begin() -> None:
        mirror = known()
        if mirror is not None:
            mirror._begin()

    return begin
