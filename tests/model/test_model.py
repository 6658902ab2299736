"""Whatever happens, in whatever order, the promises hold; and when the dust settles, we and Deck agree."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.stage import Scene

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "120"))
"""More of them make a night's run, which is random as well: MODEL_EXAMPLES=10000."""

STEPS = 30


def how_much(examples: int, *, random: bool = False, shrinks: bool = True) -> settings:
    return settings(
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        max_examples=examples,
        stateful_step_count=STEPS,
        derandomize=not random,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
def test_the_promises_hold_whatever_happens(scene: Scene) -> None:
    Machine.scene = scene
    run_state_machine_as_test(
        Machine,
        settings=how_much(EXAMPLES, random="MODEL_EXAMPLES" in os.environ, shrinks="MODEL_QUICK" not in os.environ),
    )
