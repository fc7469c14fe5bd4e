"""Back-offs to choose from: how long a failed task waits for its next attempt."""

from __future__ import annotations

import random
from collections.abc import Callable

from onebeat.errors import ConfigurationError, InvalidTask
from onebeat.options import Duration, seconds


def exponential(
    first: Duration,
    *,
    factor: float = 2.0,
    cap: Duration | None = None,
    jitter: float = 0.0,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Callable[[int], float]:
    """
    Wait `first` seconds after the first failure, and `factor` times as long after each further one.

    Args:
        cap: The longest wait, in seconds; default: none but a century.

        jitter: The share by which each wait is made longer or shorter at random, 0 to 1, so that what failed
            together does not come back together. Default: not at all.

    Raises:
        ConfigurationError: A value makes no sense.
    """
    try:
        begin, longest = seconds("first", first), seconds("cap", cap) if cap is not None else float("inf")
    except InvalidTask as error:
        raise ConfigurationError(str(error).replace("option", "exponential()")) from None
    if not 1 <= factor < float("inf"):
        raise ConfigurationError(f"exponential() factor is {factor!r}: give a number from 1")
    if not 0 <= jitter <= 1:
        raise ConfigurationError(f"exponential() jitter is {jitter!r}: give a share from 0 to 1")

    def wait(failures: int) -> float:
        try:
            grown = begin * factor**failures
        except OverflowError:
            grown = float("inf")
        share = uniform(1 - jitter, 1 + jitter) if jitter else 1.0
        return min(grown, longest) * share

    return wait
