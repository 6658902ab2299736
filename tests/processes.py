"""Our own programs, started as their users start them, on loopback and bounded in time."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx


def free_ports(count: int = 1) -> int:
    """The first of *count* neighbouring ports nobody listens on."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as server:
            first = int(server.getsockname()[1])
        with contextlib.suppress(OSError, OverflowError):
            for port in range(first, first + count):
                socket.create_server(("127.0.0.1", port)).close()
            return first


@contextlib.contextmanager
def running(command: list[str], log: Path, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The command until the block ends; what it printed is in *log*."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environ or {})})
    try:
        yield process
        process.terminate()
        process.wait(20)
    finally:
        process.kill()  # whatever went wrong: nothing of it outlives the block
        process.wait()


def answering(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 30) -> httpx.Response:
    """Its first answer; the log when it dies or stays silent."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(url, timeout=5)
    raise AssertionError(f"no answer from {url}:\n{log.read_text()}")
