"""The real product on loopback: a twin in one process, `gangway serve` in another, and a visitor with an open run."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.databases import PostgresDatabases, throw_away
from tests.many_browsers import many_browsers
from tests.services import postgres, redis

GANGWAY = [sys.executable, "-m", "webapp"]
CATALOG = Path(__file__).parent.parent / "webapp/demo/catalog.toml"
SECRET = "whsec_" + base64.b64encode(b"a webhook secret of 32 bytes....").decode()


@dataclass
class Stage:
    """What is running, and how to reach it."""

    url: str
    twin_url: str
    process: subprocess.Popen[bytes]
    database: str
    secret_key: str

    def control(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Authorization": "Bearer twa_twin"}
        answer = httpx.request(method, f"{self.twin_url}/__admin__{path}", json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    @property
    def worker_pid(self) -> int:
        """gunicorn's one worker, which is the app."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])

    def cpu_seconds(self) -> float:
        """What the app itself has computed so far."""
        fields = Path(f"/proc/{self.worker_pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """The app's own memory in bytes (PSS)."""
        text = Path(f"/proc/{self.worker_pid}/smaps_rollup").read_text()
        return 1024 * int(next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:")))


@contextlib.contextmanager
def stage(*, realtime: bool = True, processes: int = 1, shared: bool = False) -> Iterator[Stage]:
    """With several *processes*, or when *shared*, on a PostgreSQL database and a Redis."""
    with tempfile.TemporaryDirectory(prefix="gangway-bench-") as folder, contextlib.ExitStack() as running:
        app_port, twin_port = free_port(), free_port()
        big = shared_database(running) if shared or processes > 1 else {}
        environ = {
            **os.environ,
            "SECRET_KEY": secrets.token_urlsafe(32),
            "VAULT_KEYS": "bench:" + base64.b64encode(os.urandom(32)).decode(),
            "PUBLIC_URL": f"http://127.0.0.1:{app_port}",
            "DECK_API_KEY": "sk_live_twin",
            "DECK_BASE_URL": f"http://127.0.0.1:{twin_port}/v2",
            "DECK_WEBHOOK_SECRETS": SECRET,
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "CATALOG": str(CATALOG),
            **big,
        }
        mode = "--realtime" if realtime else "--frozen"
        running.enter_context(process(["twin", "--port", str(twin_port), "--demo-sites", mode], environ))
        wait_for(f"http://127.0.0.1:{twin_port}/__admin__/health")
        subprocess.run([*GANGWAY, "db", "upgrade"], env=environ, check=True, capture_output=True)
        subprocess.run([*GANGWAY, "deck", "sync"], env=environ, check=True, capture_output=True)
        serve = ["serve", "--bind", f"127.0.0.1:{app_port}", "--processes", str(processes)]
        app = running.enter_context(process(serve, environ))
        wait_for(f"http://127.0.0.1:{app_port}/")
        urls = f"http://127.0.0.1:{app_port}", f"http://127.0.0.1:{twin_port}"
        yield Stage(*urls, app, environ["DATABASE_URL"], environ["SECRET_KEY"])


def shared_database(running: contextlib.ExitStack) -> dict[str, str]:
    server, bell = postgres(), redis(15)
    if server is None or bell is None:
        raise RuntimeError("several processes need PostgreSQL and Redis (TEST_POSTGRES, TEST_REDIS)")
    address = running.enter_context(throw_away(PostgresDatabases(server)))
    return {"DATABASE_URL": address.replace("+psycopg", ""), "REDIS_URL": bell}


@contextlib.contextmanager
def process(arguments: list[str], environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(
        [*GANGWAY, *arguments], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(20)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(url: str, seconds: float = 20) -> float:
    """Until *url* answers; how long that took, in seconds."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=2).status_code < 500:
                return time.monotonic() - started
        time.sleep(0.02)
    raise TimeoutError(url)


def visitor(stage: Stage) -> httpx.Client:
    """Somebody signed in."""
    headers = {"Sec-Fetch-Site": "same-origin"}
    client = httpx.Client(base_url=stage.url, headers=headers, follow_redirects=True, timeout=30)
    email = f"{secrets.token_hex(6)}@sample.example"
    client.post("/sign-up", data={"email": email, "password": "correct horse battery"}).raise_for_status()
    return client


def browsers(stage: Stage, client: httpx.Client, count: int) -> list[str]:
    """The Cookie headers of so many more browsers of the same person: each may have a few streams only."""
    database = stage.database.replace("postgresql://", "postgresql+psycopg://")
    cookies = many_browsers(database, stage.secret_key, str(client.cookies["gangway"]), count)
    return [f"gangway={cookie}" for cookie in cookies]


def open_run(client: httpx.Client, source: str, username: str, password: str) -> str:
    """Start a run at *source*; the path of its page."""
    path = client.post("/connect/start").url.path
    client.post(f"{path}/agree")
    client.post(f"{path}/source", data={"source": source})
    form = {"username": username, "password": password, "once": secrets.token_hex(8), "source": source}
    client.post(f"{path}/sign-in", data=form).raise_for_status()
    return path
