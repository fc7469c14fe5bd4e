"""What a server keeps of attempts that have ended, for whoever looks at their task later."""

from __future__ import annotations

from collections.abc import Sequence

from onebeat.broker.consume import Finished, Outcome
from onebeat.server.outcome import error_text, error_type
from onebeat.server.running import Running
from onebeat.server.traces import trace_text
from onebeat.wire.attempts import AttemptRecord


class History:
    """
    Says what is to be kept of attempts.

    Args:
        keeps: "failures"; "all", those as well that succeeded or were put back; or "none".

        server: The tag of the server that makes them.
    """

    def __init__(self, keeps: str, server: str) -> None:
        self._server = server
        self.keeps_any: bool = keeps != "none"
        self._keeps_all = keeps == "all"

    def of(self, batch: Sequence[Running]) -> list[tuple[int, str]]:
        """
        Return what is kept of some attempts whose outcomes are written: the place of each among them, from 1, and a
        record. A task that is done leaves none, nor anything to keep it in.
        """
        if not self.keeps_any:
            return []
        kept, done = [], Outcome.DONE
        for place, attempt in enumerate(batch, 1):
            finished = attempt.finished
            if finished is not None and finished.outcome is not done and self._is_kept(attempt, finished):
                kept.append((place, self._about(attempt).encode().decode()))
        return kept

    def _is_kept(self, attempt: Running, finished: Finished) -> bool:
        if finished.blob in ("waits", "apart"):
            return False  # it did not fail: it waits for its turn
        return attempt.failure is not None or finished.outcome is Outcome.ARCHIVED or self._keeps_all

    def _about(self, attempt: Running) -> AttemptRecord:
        failure = attempt.failure
        error, kind, trace = "", "", ""
        if failure is not None:
            error, kind, trace = error_text(failure), error_type(failure), trace_text(failure)
        elif attempt.message is None and attempt.finished is not None:
            error, kind = str(attempt.finished.blob), "UndecodableMessage"
        return AttemptRecord(
            started=attempt.taken_us // 1000,
            waited=max(0, attempt.taken_us // 1000 - attempt.since_ns // 1_000_000) if attempt.since_ns else None,
            ended=attempt.store_us(attempt.ended) // 1000,
            server=self._server,
            error=error,
            kind=kind,
            trace=trace,
        )
