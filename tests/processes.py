"""Our own programs, started as their users start them, on loopback and bounded in time."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

PATIENCE = 120.0
"""Seconds until what is waited for is said to hang. A busy machine takes its time, and no story is about that."""

given_out: set[int] = set()


def free_ports(count: int = 1) -> int:
    """The first of *count* neighbouring ports nobody listens on, never given out before.

    Below the range the system takes the ports of calls from: a program that is started again finds its port still free.
    """
    for _ in range(100):
        first = random.randrange(20_000, 32_000)
        ports = set(range(first, first + count))
        if ports & given_out:
            continue
        with contextlib.suppress(OSError), contextlib.ExitStack() as held:
            for port in ports:
                held.enter_context(socket.create_server(("127.0.0.1", port)))
            given_out.update(ports)
            return first
    raise AssertionError(f"no {count} free ports in a row")


@contextlib.contextmanager
def running(command: list[str], log: Path, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The command until the block ends; what it printed is in *log*."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environ or {})})
    try:
        yield process
        process.terminate()
        process.wait(PATIENCE)
    finally:
        process.kill()  # whatever went wrong: nothing of it outlives the block
        process.wait()


def answering(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = PATIENCE) -> httpx.Response:
    """Its first answer; the log when it dies or stays silent."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url, timeout=PATIENCE)
    raise AssertionError(f"no answer from {url}:\n{log.read_text()}")
