"""Counting who tried what in this process: exact, forgotten in time, and cheap however many people there are."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
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


def test_strangers_who_tried_long_ago_are_forgotten_even_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webapp.limits.SWEEP_EVERY", 0.0)
    with time_machine.travel("2026-11-20", tick=False) as clock:
        memory = Memory()
        for n in range(50):
            memory.acquire_entry(f"stranger-{n}", 5, 60)
        memory.timer.join()
        clock.shift(61)
        memory.acquire_entry("robin", 5, 60)
        memory.timer.join()
    assert [*memory.events] == ["robin"]
    assert {*memory.locks} <= {"robin"}


def test_nobodys_try_is_lost_while_others_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the worst moment: somebody is known by name, and the try is not written down yet."""
    monkeypatch.setattr(MemoryStorage, "_MemoryStorage__expire_events", lambda self: None)  # it has been through
    memory = Memory()
    forget, forgetting = memory._MemoryStorage__expire_events, []

    class Slow(dict[str, Any]):
        def setdefault(self, name: str, tries: Any = None) -> Any:
            known = super().setdefault(name, tries)
            forgetting.append(threading.Thread(target=forget))
            forgetting[-1].start()
            forgetting[-1].join(0.05)
            return known

    memory.events = Slow()
    assert [memory.acquire_entry("robin", 2, 60) for _ in range(3)] == [True, True, False]
    for thread in forgetting:
        thread.join()
    assert memory.get_moving_window("robin", 2, 60)[1] == 2


def test_one_too_many_is_one_too_many() -> None:
    limits = Limits(Window())
    assert [limits.allows(parse("3/minute"), "robin") for _ in range(5)] == [True] * 3 + [False] * 2
    assert limits.allows(parse("3/minute"), "kim")
