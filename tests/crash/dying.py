"""Plays the story act by act, and dies in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.crash import bad_days, checks, desk, guest, stories
from tests.crash.acts import Act
from tests.crash.program import Step
from tests.crash.town import Died, Scene, Town
from tests.databases import Databases

ACTS = [*stories.ACTS, *desk.ACTS, *guest.ACTS, *bad_days.ACTS]

LEASE = 31.0
"""Seconds after which somebody else may go on with what a dead process was at."""

CHORE_LEASE = 121.0


class Theatre:
    """The whole story, played once without trouble: a scene before each act, and every step that was passed."""

    def __init__(self, first: Scene, databases: Databases, folder: Path) -> None:
        self.databases, self.folder = databases, folder
        self.scenes: dict[str, Scene] = {}
        self.steps: dict[str, list[Step]] = {}
        self._left: dict[tuple[str, str], dict[str, Counter[Any]]] = {}
        parts: list[list[Act]] = []
        for act in ACTS:
            if not parts or act.instead_of:
                parts.append([])
            parts[-1].append(act)
        for part in parts:
            self._play(self.scenes.get(part[0].instead_of, first), part)

    def _play(self, scene: Scene, acts: list[Act]) -> None:
        with Town(scene, self.databases, self.folder) as town:
            for act in acts:
                self.scenes[act.name] = town.scene()
                town.begins()
                act.play(town)
                self.steps[act.name] = list(town.life.steps)
            acts[-1].goal.reach(town)
            checks.in_the_end(come_to_rest(town), acts[-1].goal)

    def deaths(self, act: Act) -> list[list[Step]]:
        """Where *act* dies, in groups of steps whose deaths leave the same behind."""
        groups = alike(self.steps[act.name])
        return [group for group in groups if any(part in group[0].name for part in act.dies_in)]

    def plays(self, act: Act, *, bug: str = "") -> list[Step]:
        """One act without trouble."""
        with Town(self.scenes[act.name], self.databases, self.folder, bug=bug) as town:
            town.begins()
            act.play(town)
            return list(town.life.steps)

    def leaves(self, act: Act, name: str) -> dict[str, Counter[Any]]:
        """What there is in the minute after a death in *act*."""
        if (act.name, name) in self._left:
            return self._left[act.name, name]
        with Town(self.scenes[act.name], self.databases, self.folder) as town:
            dies_in(act, town, name)
            checks.always(town)
            return checks.left_behind(town)

    def dies(self, act: Act, *names: str, bug: str = "") -> list[Step]:
        """One case: die in *act* at the first name, in the recovery at the second; the steps of the last recovery."""
        with Town(self.scenes[act.name], self.databases, self.folder, bug=bug) as town:
            dies_in(act, town, names[0])
            checks.always(town)
            if not bug:
                self._left[act.name, names[0]] = checks.left_behind(town)
            for name in names[1:]:
                town.starts()
                town.begins(dies_at=name)
                try:
                    recovers(town)
                except Died:
                    checks.always(town)
                    continue
                raise AssertionError(f"it never came to {name}")
            town.starts()
            town.begins()
            recovers(town)
            steps = list(town.life.steps)
            checks.always(town)
            town.clicked.clicks_again()
            act.goal.reach(town)
            checks.in_the_end(come_to_rest(town), act.goal)
            return steps


def dies_in(act: Act, town: Town, name: str) -> None:
    town.begins(dies_at=name)
    try:
        act.play(town)
    except Died:
        return
    raise AssertionError(f"it never came to {name}")


def recovers(town: Town) -> None:
    """Nobody does anything: half a minute passes, here and at Deck, and what is due is done."""
    town.later(LEASE)
    town.deck_lets_pass(LEASE)
    town.our_watchdog_looks()


def come_to_rest(town: Town) -> Town:
    """Some quiet minutes, as many as it takes up to ten."""
    for _ in range(5):
        town.later(CHORE_LEASE)
        town.deck_lets_pass(5)
        town.our_watchdog_looks()
        if not checks.unfinished(town.database) and not checks.missing_events(town):
            break
    return town


def alike(steps: Sequence[Step]) -> list[list[Step]]:
    """The steps in groups whose deaths leave the same behind: a new one begins after each step that lasts.

    Within a group nothing changes in the database, at Deck or before anybody's eyes; memory is lost in any case.
    """
    groups: list[list[Step]] = []
    for step in steps:
        if not groups or step.lasting:
            groups.append([])
        groups[-1].append(step)
    return groups


def apart(steps: Sequence[Step]) -> list[Step]:
    """One step of each group."""
    return [group[0] for group in alike(steps)]
