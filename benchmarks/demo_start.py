"""How soon `gangway demo` answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from statistics import median

from benchmarks.figures import Figure
from benchmarks.stage import free_port, process, wait_for

RUNS = 3


def measure() -> Iterator[Figure]:
    waits = []
    for _ in range(RUNS):
        port = free_port()
        with process(["demo", "--port", str(port)], dict(os.environ)):
            waits.append(wait_for(f"http://127.0.0.1:{port}/"))
    yield Figure("gangway demo: start to first answer, median of 3", median(waits), 3, "s")
