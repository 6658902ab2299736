"""What really happened at Deck, read from the twin's own log: each run's statuses, each with its moment."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from datetime import datetime
from typing import Any

from webapp.twin.world import World

OVER = ("completed", "failed", "canceled")


class Truth:
    """The histories of all runs, kept up to date cheaply."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._seen = 0
        self._moments: dict[str, list[datetime]] = defaultdict(list)
        self._statuses: dict[str, list[str]] = defaultdict(list)

    def read(self) -> None:
        history = self.world.events.history
        for event in history.since(self._seen):
            self._seen += 1
            if event["type"].startswith("task_run."):
                self._moments[event["_subject"]].append(datetime.fromisoformat(event["data"]["updated_at"]))
                self._statuses[event["_subject"]].append(event["data"]["status"])

    def status_at(self, run: str, moment: datetime) -> str:
        """What *run* was at Deck at that moment; "" before it was anything."""
        before = bisect_right(self._moments[run], moment)
        return self._statuses[run][before - 1] if before else ""

    def run(self, id: str) -> dict[str, Any]:
        return self.world.stores["task_runs"][id]

    @property
    def credentials(self) -> dict[str, dict[str, Any]]:
        return self.world.stores["credentials"]  # type: ignore[return-value]

    @property
    def runs(self) -> dict[str, dict[str, Any]]:
        return self.world.stores["task_runs"]  # type: ignore[return-value]
