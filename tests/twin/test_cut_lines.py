"""Faults below HTTP, on the connections of a twin as the product serves it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from webapp.twin.world import ADMIN_KEY, API_KEY

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A twin as the product serves it: `gangway twin`, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "webapp", "twin", "--frozen", "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout and served.stdout.readline().startswith("url=")
        yield f"http://127.0.0.1:{port}"
        served.terminate()


@pytest.fixture
def wire(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {API_KEY}"}, timeout=5) as client:
        yield client
    admin(address, "POST", "/reset")


def admin(address: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
    answer = httpx.request(method, f"{address}/__admin__{path}", json=body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("effect", "seen"),
    [
        ({"type": "drop", "how": "reset"}, httpx.ReadError),
        ({"type": "drop", "how": "close"}, httpx.RemoteProtocolError),
        ({"type": "drop", "how": "truncate", "after_bytes": 5}, httpx.RemoteProtocolError),
        ({"type": "malformed", "how": "garbage"}, httpx.RemoteProtocolError),
        ({"type": "hang", "max": "50ms"}, httpx.RemoteProtocolError),
    ],
)
def test_the_line_is_cut(address: str, wire: httpx.Client, effect: Any, seen: type[Exception], when: str) -> None:
    admin(address, "POST", "/faults", {"effect": effect, "count": 1, "when": when})
    with pytest.raises(seen):
        wire.post("/v2/agents", json={"name": "a"})

    agents = wire.get("/v2/agents").json()["data"]  # it keeps serving
    assert len(agents) == (1 if when == "after" else 0)


def test_a_client_that_does_not_wait_for_a_hanging_answer(address: str, wire: httpx.Client) -> None:
    admin(address, "POST", "/faults", {"effect": {"type": "hang", "max": "300ms"}, "count": 1})
    with pytest.raises(httpx.ReadTimeout):
        wire.get("/v2/agents", timeout=0.1)

    assert wire.get("/v2/agents").status_code == 200


def test_the_socket_waits_and_others_do_not(address: str, wire: httpx.Client) -> None:
    effect = {"type": "latency", "delay": "150ms"}
    admin(address, "POST", "/faults", {"effect": effect, "resource": "agents", "operation": "list"})

    began = time.monotonic()
    assert wire.get("/v2/agents").status_code == 200
    assert time.monotonic() - began >= 0.15
