"""The same random sequences of operations by asynq and by Onebeat leave the same behind (protocol §1–§4)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.interop.differential.machine import Machine
from tests.interop.differential.pair import Pair

pytestmark = pytest.mark.interop

SEQUENCES = int(os.environ.get("ONEBEAT_DIFFERENTIAL_SEQUENCES", "500"))
SEED = int(os.environ.get("ONEBEAT_DIFFERENTIAL_SEED", "26"))
STEPS = 40


@pytest.mark.timeout(1800)
def test_both_sides_stay_the_same(databases: Pair, record_property: Callable[[str, object], None]) -> None:
    """Key by key, after every operation, but for what is declared."""
    print(f"ONEBEAT_DIFFERENTIAL_SEED={SEED} ONEBEAT_DIFFERENTIAL_SEQUENCES={SEQUENCES}")
    Machine.pair = databases
    chosen = settings(
        max_examples=SEQUENCES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(seed(SEED)(Machine), settings=chosen)
    record_property("differential: seed, sequences, operations", (SEED, SEQUENCES, databases.compared.total()))
    record_property("differential: operations", dict(databases.compared.most_common()))
    record_property("differential: declared differences met", dict(databases.used.most_common()))
