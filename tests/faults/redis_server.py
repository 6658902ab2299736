"""A Redis of one's own, to be stopped, frozen and emptied."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis, RedisError

from tests.processes import PATIENCE, free_ports


class RedisServer:
    """A `redis-server` process on loopback that keeps nothing."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program, self.folder, self.port = program, folder, free_ports()
        self.url = f"redis://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(RedisError):
                self.says("PING")
                return
            time.sleep(0.01)
        raise AssertionError((self.folder / "redis.log").read_text())

    def says(self, *command: str) -> None:
        with Redis.from_url(self.url, socket_timeout=2) as client:
            client.execute_command(*command)

    def stop(self) -> None:
        if self.process is not None:
            self.goes_on()
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def hangs(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def goes_on(self) -> None:
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)


@contextlib.contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """Running until the block ends; skips the test where there is no such program."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server")
    server = RedisServer(program, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()
