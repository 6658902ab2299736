"""The test of the test: each known mistake is put into the product, and the machine finds it within 300 stories.

That is less than a minute each on a quiet machine; the stories are the same every time. Those that take the longest
are looked for with ``MODEL_BUGS=all``.
"""

from __future__ import annotations

import os

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.model.bugs import BUGS
from tests.model.machine import Machine
from tests.model.stage import Scene
from tests.model.test_model import how_much

LONG = {"what_nobody_knows_is_left_there", "any_tab_answers_the_open_question", "no_look_before_an_answer"}
CHOSEN = [bug for bug in BUGS if bug not in LONG or os.environ.get("MODEL_BUGS") == "all"]


@pytest.mark.slow
@pytest.mark.parametrize("bug", CHOSEN)
def test_it_finds(scene: Scene, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, put_in = BUGS[bug]
    put_in(monkeypatch)
    Machine.scene = scene
    with pytest.raises(AssertionError, match=rf"^({promise}) "):
        run_state_machine_as_test(Machine, settings=how_much(300, shrinks=False))
