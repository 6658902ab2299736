"""The twin beside two well-known stand-ins for paid APIs, on calls that are alike: create one, read it, list twenty.

moto's server is in the development group. localstripe is in nobody's: it goes into a virtualenv that is thrown away.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.line import Line
from benchmarks.stage import GANGWAY, free_port, wait_for

LOCALSTRIPE = "localstripe==1.15.10"
OBJECTS, ROUNDS = 300, 3
FORM = "application/x-www-form-urlencoded"
SCOPE = "Credential=mock/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass(frozen=True)
class Peer:
    """How a server is started and called; `create` makes the nth object and gives the path to read it at."""

    name: str
    command: list[str]
    ready: str
    headers: dict[str, str]
    create: Callable[[Line, int], str]
    page: str
    prepare: Callable[[Line], object] = lambda line: None


def an_agent(line: Line, n: int) -> str:
    made = line.json("POST", "/v2/agents", b'{"name": "agent %d"}' % n)
    return f"/v2/agents/{made['id']}"


def a_customer(line: Line, n: int) -> str:
    made = line.json("POST", "/v1/customers", b"name=customer+%d" % n, FORM)
    return f"/v1/customers/{made['id']}"


def a_file(line: Line, n: int) -> str:
    line.call("PUT", f"/bench/file-{n}", b'{"name": "file %d"}' % n)
    return f"/bench/file-{n}"


TWIN = Peer(
    "the twin",
    [*GANGWAY, "twin", "--port", "{port}", "--frozen"],
    "/__admin__/health",
    {"Authorization": "Bearer sk_live_twin"},
    an_agent,
    "/v2/agents?limit=20",
)
MOTO = Peer(
    "moto's server (S3)",
    [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"],
    "/moto-api/",
    {"Authorization": f"AWS4-HMAC-SHA256 {SCOPE}"},
    a_file,
    "/bench?list-type=2&max-keys=20",
    lambda line: line.call("PUT", "/bench"),
)


def localstripe(python: Path) -> Peer:
    return Peer(
        "localstripe",
        [str(python), "-m", "localstripe", "--port", "{port}", "--from-scratch"],
        "/",
        {"Authorization": "Bearer sk_test_bench"},
        a_customer,
        "/v1/customers?limit=20",
    )


def measure() -> Iterator[Figure]:
    """Every server alone, one after the other; what cannot be had is said in a line of its own."""
    with tempfile.TemporaryDirectory(prefix="gangway-peers-") as folder:
        peers = [TWIN, MOTO]
        try:
            peers.append(localstripe(installed(Path(folder), LOCALSTRIPE)))
        except (OSError, subprocess.SubprocessError) as error:
            print(f"localstripe is not measured: {LOCALSTRIPE} cannot be installed ({reason(error)})", flush=True)
        for peer in peers:
            try:
                yield from figures(peer)
            except (OSError, ValueError, KeyError) as error:
                print(f"{peer.name} is not measured: {reason(error)}", flush=True)


def installed(folder: Path, package: str) -> Path:
    """The Python of a new virtualenv that has *package*."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=180)
    return python


def reason(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error) or type(error).__name__
    return str(said).strip().splitlines()[-1]


def figures(peer: Peer) -> Iterator[Figure]:
    with running(peer) as line:
        peer.prepare(line)
        wait = {"create": float("inf"), "read": float("inf"), "list": float("inf")}
        for round in range(ROUNDS):  # the best of several: the machine has other things to do, too
            with timed(wait, "create", OBJECTS):
                paths = [peer.create(line, round * OBJECTS + n) for n in range(OBJECTS)]
            with timed(wait, "read", OBJECTS):
                for path in paths:
                    line.call("GET", path)
            with timed(wait, "list", OBJECTS // 3):
                for _ in range(OBJECTS // 3):
                    line.call("GET", peer.page)
        note = "" if line.kept_alive else ", which hangs up after every answer"
        for what, shown in (("create", "create one"), ("read", "read one"), ("list", "list twenty")):
            yield Figure(f"{peer.name}{note}: {shown}", wait[what], float("inf"), "ms")


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[Line]:
    port = free_port()
    command = [part.format(port=port) for part in peer.command]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}{peer.ready}")
        with Line(port, peer.headers) as line:
            yield line
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def timed(best: dict[str, float], what: str, calls: int) -> Iterator[None]:
    """Keep in *best* the ms one of *calls* took, if it is less than before."""
    begun = time.perf_counter()
    yield
    best[what] = min(best[what], 1000 * (time.perf_counter() - begun) / calls)
