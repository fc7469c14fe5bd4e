"""Which queue gets which free slot: smooth weighted round-robin, or strictly by weight (mechanism-rules 24). Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class Shares:
    """
    Divides free slots between queues that are believed to have work.

    With weights 6, 3 and 1 ten slots go 6 : 3 : 1, interleaved, and the remainder is remembered, so single
    slots add up to the same proportion. A queue without work costs the others nothing.

    Args:
        weights: Queue → weight.

        strict: All slots to the heaviest queue that has work, the rest in order of weight.
    """

    def __init__(self, weights: Mapping[str, int], *, strict: bool) -> None:
        self._weights = dict(sorted(weights.items(), key=lambda item: (-item[1], item[0])))
        self._rank = {queue: rank for rank, queue in enumerate(self._weights)}
        self._strict = strict
        self._credit = dict.fromkeys(self._weights, 0)

    @property
    def queues(self) -> list[str]:
        """All queues, heaviest first."""
        return list(self._weights)

    def divide(self, slots: int, working: Collection[str]) -> list[tuple[str, int]]:
        """Return (queue, slots) for the queues to ask, in the order to ask them; together no more than `slots`."""
        queues = sorted((queue for queue in working if queue in self._rank), key=self._rank.__getitem__)
        if not queues or slots < 1:
            return []
        if self._strict or len(queues) == 1:
            return [(queues[0], slots)]
        total = sum(self._weights[queue] for queue in queues)
        whole, rest = divmod(slots, total)
        quota = {queue: whole * self._weights[queue] for queue in queues}
        for _ in range(rest):
            quota[self._next(queues, total)] += 1
        return [(queue, number) for queue, number in quota.items() if number]

    def _next(self, queues: list[str], total: int) -> str:
        for queue in queues:
            self._credit[queue] += self._weights[queue]
        chosen = max(queues, key=self._credit.__getitem__)
        self._credit[chosen] -= total
        return chosen
