"""The services some tests need, found where they usually are."""

from __future__ import annotations

import os
import shutil
from functools import cache

import psycopg
from redis import Redis, RedisError

DEFAULT_POSTGRES = "postgresql://postgres@127.0.0.1:5432/postgres"

DEFAULT_REDIS = "redis://127.0.0.1:6379"


@cache
def chromium() -> str | None:
    """The path of a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@cache
def postgres() -> str | None:
    """The address of a PostgreSQL server on which databases may be created."""
    address = os.environ.get("TEST_POSTGRES", DEFAULT_POSTGRES)
    try:
        psycopg.connect(address, connect_timeout=20).close()
    except psycopg.OperationalError:
        return None
    return address


def redis(number: int = 0) -> str | None:
    """The address of a database of a Redis server, the one with this *number*, in which nothing is counted yet."""
    address = f"{os.environ.get('TEST_REDIS', DEFAULT_REDIS)}/{number}"
    try:
        with Redis.from_url(address, socket_connect_timeout=20) as server:
            for key in server.scan_iter("LIMITS:*", count=1_000):  # ours; whatever else is there is somebody's
                server.delete(key)
    except RedisError:
        return None
    return address
