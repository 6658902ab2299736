"""Says loudly, before the tests, what this machine lacks and what therefore cannot run. In CI nothing may be missing."""

from __future__ import annotations

import os
import sys

from tests.services import chromium, postgres, redis

MISSING = {
    "Chromium (apt-get install chromium)": (chromium, "the browser journeys"),
    "PostgreSQL (set TEST_POSTGRES to its address)": (postgres, "migrations and stories on PostgreSQL"),
    "Redis (set TEST_REDIS to its address)": (redis, "stories of several processes"),
}


def main() -> int:
    lacking = [(name, what) for name, (find, what) in MISSING.items() if not find()]
    for name, what in lacking:
        print(f"*** NOT HERE: {name}. NOT RUN: {what}.", file=sys.stderr)
    return 1 if lacking and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
