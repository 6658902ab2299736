"""The test of the test: each known mistake is put into the product, and the machine finds it within 120 stories.

The stories are the same every time; most mistakes show in the first ten, and all in less than a quarter of a minute of
one quiet core.
"""

from __future__ import annotations

import pytest

from tests.model.bugs import BUGS
from tests.model.machine import Machine
from tests.model.stage import Scene
from tests.model.test_model import tells


@pytest.mark.slow
@pytest.mark.parametrize("bug", BUGS)
def test_it_finds(scene: Scene, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    promise, put_in = BUGS[bug]
    put_in(monkeypatch)
    Machine.scene = scene
    with pytest.raises(AssertionError, match=rf"^({promise}) "):
        tells(120, shrinks=False)
