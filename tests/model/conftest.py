"""One scene for all examples of a test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.model.stage import Scene


@pytest.fixture(scope="package")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("model"))
    with scene.nothing_left_to_chance():
        yield scene
