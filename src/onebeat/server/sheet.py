"""The server's own record of itself: what it handles, and how it fares. For those who ask what is wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from onebeat import __version__
from onebeat.broker.presence import Reading
from onebeat.server.aggregation import rule
from onebeat.server.config import ServerConfig
from onebeat.server.mux import Mux
from onebeat.server.watchdog import Watchdog
from onebeat.wire.sheet import SheetRecord, fitting

READINGS = 3
"""Signs of life of which the shortest round trip counts: a longer one tells of a busy machine, not of the way."""


class Sheet:
    """
    Fills in the sheet of one server, in the keeper's thread.

    Args:
        given_up: How many handlers do not end although they were stopped.
    """

    def __init__(
        self,
        mux: Mux,
        config: ServerConfig,
        watchdog: Watchdog,
        *,
        application: str,
        given_up: Callable[[], int],
    ) -> None:
        self._mux = mux
        self._config = config
        self._watchdog = watchdog
        self._application = application
        self._given_up = given_up
        self._readings: deque[Reading] = deque(maxlen=READINGS)

    def heard(self, reading: Reading) -> None:
        """Take what a sign of life told of the clocks and the way to the store."""
        self._readings.append(reading)

    def record(self, *, is_draining: bool) -> SheetRecord:
        """Return the server as it is now."""
        rules = [rule(one, self._config) for one in self._mux.aggregations]
        patterns, groups = self._mux.patterns(), [one.start for one in rules]
        shown, shown_groups = fitting(patterns), fitting(groups)
        archive = self._config.archive
        reading = min(self._readings, key=lambda one: one.round_trip_ms, default=None)
        return SheetRecord(
            version=__version__,
            application=self._application,
            patterns=shown,
            groups=shown_groups,
            rules=tuple((one.grace_ms, one.delay_ms, one.size) for one in rules[: len(shown_groups)]),
            is_cut=len(shown) < len(patterns) or len(shown_groups) < len(groups),
            takes_all=self._mux.takes_all,
            is_draining=is_draining,
            given_up=self._given_up(),
            clock_ahead_ms=None if reading is None else round(reading.ahead_ms, 1),
            round_trip_ms=None if reading is None else round(reading.round_trip_ms, 2),
            loop_lag_ms=round(self._watchdog.lag * 1000, 1),
            loop_blocked_ms=round(self._watchdog.blocked * 1000, 1),
            lease_ms=self._config.lease_ms,
            archive_size=archive.size,
            archive_age_s=archive.age_s,
        )
