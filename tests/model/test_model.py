"""Whatever happens, in whatever order, the promises hold; and when the dust settles, we and Deck agree."""

from __future__ import annotations

import os
from math import ceil
from random import SystemRandom

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.stage import Scene

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "200"))
"""More of them make a night's run, whose searches are new ones each time: MODEL_EXAMPLES=10000."""
FIRST = int(os.environ.get("MODEL_FIRST", SystemRandom().randrange(10**9) if "MODEL_EXAMPLES" in os.environ else 0))
"""The number of the first search: repeats a night's run."""

STEPS = 30
EACH = 15
"""Stories of one search. Each is much like those before it, so many short searches see more than a long one."""


def tells(examples: int, *, first: int = 0, shrinks: bool = True) -> None:
    """So many stories, in searches of their own: each is the same every time."""
    for search in range(first, first + ceil(examples / EACH)):
        seed(search)(Machine)
        run_state_machine_as_test(Machine, settings=how_much(EACH, shrinks=shrinks))


def how_much(examples: int, *, shrinks: bool = True) -> settings:
    return settings(
        phases=(Phase.generate, Phase.shrink) if shrinks else (Phase.generate,),
        max_examples=examples,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        print_blob=True,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
def test_the_promises_hold_whatever_happens(scene: Scene) -> None:
    Machine.scene = scene
    print(f"MODEL_FIRST={FIRST} MODEL_EXAMPLES={EXAMPLES}")  # shown when it fails
    tells(EXAMPLES, first=FIRST, shrinks="MODEL_QUICK" not in os.environ)
