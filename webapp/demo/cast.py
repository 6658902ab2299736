"""The demo's cast: data, read into a world's sites."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CATALOG = HERE / "catalog.toml"

PACE = {"run_queue": "800ms", "auth": "1500ms", "answer_check": "900ms", "run_settle": "2500ms"}
"""Quick enough to watch, slow enough to see."""


def sites() -> list[dict[str, Any]]:
    """Every website of the demo, with what it shows."""
    found: list[dict[str, Any]] = tomllib.loads((HERE / "cast.toml").read_text(encoding="utf-8"))["sites"]
    return found


def furnish(world: Any) -> None:
    """Put the cast's websites into a twin's world."""
    with world.lock:
        world.set_durations(PACE)
        for site in sites():
            world.sites.put({name: value for name, value in site.items() if name != "shows"})
