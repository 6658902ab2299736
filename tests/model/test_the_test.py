"""The test of the test: each known mistake is put into the product, and the machine finds it within 300 stories.

That is less than a minute each on a busy machine; the stories are the same every time.
"""

from __future__ import annotations

import pytest
from hypothesis.stateful import run_state_machine_as_test

from tests.model.bugs import BUGS
from tests.model.machine import Machine
from tests.model.stage import Scene
from tests.model.test_model import how_much


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_it_finds(scene: Scene, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, put_in = BUGS[bug]
    put_in(monkeypatch)
    Machine.scene = scene
    with pytest.raises(AssertionError, match=rf"^({promise}) "):
        run_state_machine_as_test(Machine, settings=how_much(300, shrinks=False))
