"""Counting who tried what in this process: exact, forgotten in time, and cheap however many people there are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from limits import parse
from limits.storage import MemoryStorage

from webapp.limits import SWEEP_EVERY, Limits, Memory, Window


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When everything known was looked through."""
    seen: list[float] = []
    schedule: Callable[[Any], None] = MemoryStorage._MemoryStorage__schedule_expiry  # type: ignore[attr-defined]

    def noted(self: Any) -> None:
        seen.append(time.monotonic())
        schedule(self)

    monkeypatch.setattr(MemoryStorage, "_MemoryStorage__schedule_expiry", noted)
    return seen


def test_many_tries_are_one_look_through_everybody(sweeps: list[float]) -> None:
    limits = Limits(Window())
    for n in range(200):
        assert limits.allows(parse("5/hour"), f"person-{n}")
    assert len(sweeps) == 1


def test_what_is_long_ago_is_looked_for_again(sweeps: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    memory.acquire_entry("robin", 5, 60)
    began = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: began + SWEEP_EVERY + 1)
    memory.acquire_entry("kim", 5, 60)
    assert len(sweeps) == 2


def test_one_too_many_is_one_too_many() -> None:
    limits = Limits(Window())
    assert [limits.allows(parse("3/minute"), "robin") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limits.allows(parse("3/minute"), "kim")
