"""Run every benchmark, or those named, and print a table of what was promised and what was measured.

`--peers` adds two other stand-ins for paid APIs, of which one is downloaded for it.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    demo_start,
    first_view,
    frame,
    live,
    million,
    peers,
    sessions,
    streams,
    support,
    support_sign_in,
    twin,
    webhooks,
)
from benchmarks.figures import Figure

BENCHMARKS: dict[str, Callable[[], Iterator[Figure]]] = {
    "demo": demo_start.measure,
    "view": first_view.measure,
    "frame": frame.measure,
    "sessions": sessions.measure,
    "webhooks": webhooks.measure,
    "flood": webhooks.flood,
    "live": live.measure,
    "apart": live.across_processes,
    "million": million.measure,
    "streams": streams.measure,
    "support": support.measure,
    "support-postgres": support.on_postgres,
    "support-sign-in": support_sign_in.measure,
    "twin": twin.measure,
}


def main(asked: list[str]) -> int:
    names = [name for name in asked if name != "--peers"] or list(BENCHMARKS)
    chosen = [BENCHMARKS[name] for name in names] + [peers.measure] * ("--peers" in asked)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print(f"{'what':<66}{'promised':>14}{'measured':>14}")
    missed = 0
    for measure in chosen:
        for figure in measure():
            missed += not figure.kept
            print(
                f"{figure.what:<66}{figure.promise:>14}{figure.shown:>14}{'' if figure.kept else '  MISSED'}",
                flush=True,
            )
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
