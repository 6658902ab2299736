"""Each part as a process of its own: people's pages, Deck's door and the worker share a database and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from html import escape
from pathlib import Path

import httpx
import pytest

from tests.databases import PostgresDatabases, throw_away
from tests.deck.once import BANK, CARD, CODE, PASSWORD
from tests.faults.redis_server import redis_server
from tests.processes import PATIENCE, answering, free_ports, running
from tests.services import postgres
from tests.test_programs import GANGWAY, gangway, settings

pytestmark = pytest.mark.slow


@pytest.fixture
def on_sqlite() -> dict[str, str]:
    return {}


@pytest.fixture
def on_postgres(tmp_path: Path) -> Iterator[dict[str, str]]:
    server = postgres()
    if server is None:
        pytest.skip("no PostgreSQL server")
    with throw_away(PostgresDatabases(server)) as database, redis_server(tmp_path) as redis:
        yield {"DATABASE_URL": database, "REDIS_URL": redis.url}


@pytest.mark.parametrize("stack", ["on_sqlite", pytest.param("on_postgres", marks=pytest.mark.postgres)])
def test_an_account_is_connected_through_three_programs(
    tmp_path: Path, stack: str, request: pytest.FixtureRequest
) -> None:
    """Everybody knows the address of the door, where a balancer would be; the pages answer elsewhere by that name."""
    door, pages, twin_port = free_ports(), free_ports(), free_ports()
    environ = settings(tmp_path, door, twin_port) | request.getfixturevalue(stack)
    parts = {
        "serve --webhooks": ["serve", "--webhooks", "--bind", f"127.0.0.1:{door}"],
        "serve --web": ["serve", "--web", "--bind", f"127.0.0.1:{pages}"],
        "worker": ["worker"],
    }
    twin = [*GANGWAY, "twin", "--port", str(twin_port), "--api-key", "sk_live_another_key", "--demo-sites"]
    logs = {name: tmp_path / f"{name}.log" for name in parts}
    with ExitStack() as town:
        twin_log = tmp_path / "twin.log"
        process = town.enter_context(running(twin, twin_log))
        answering(f"http://127.0.0.1:{twin_port}/__admin__/health", process, twin_log)
        for command in (["db", "upgrade"], ["deck", "sync"]):
            done = gangway(*command, environ=environ)
            assert done.returncode == 0, done.stderr
        running_parts = {
            name: town.enter_context(running([*GANGWAY, *command], logs[name], environ))
            for name, command in parts.items()
        }
        for name, port in (("serve --webhooks", door), ("serve --web", pages)):
            answering(f"http://127.0.0.1:{port}/readyz", running_parts[name], logs[name])
        robin = town.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{pages}",
                headers={"Host": f"127.0.0.1:{door}", "Sec-Fetch-Site": "same-origin"},
                follow_redirects=True,
                timeout=PATIENCE,
            )
        )
        robin.post("/sign-up", data={"email": "robin@sample.example", "password": "correct horse battery"})
        visit = robin.post("/connect/start").url.path
        robin.post(f"{visit}/agree")
        robin.post(f"{visit}/source", data={"source": "maple-and-main"})
        robin.post(f"{visit}/sign-in", data={"source": "maple-and-main", "username": CARD, "password": PASSWORD})
        asked = until_shown(robin, visit, "interaction")
        prompt = re.search(r'name="prompt" value="([^"]+)"', asked)
        assert prompt is not None
        robin.post(f"{visit}/answer", data={"prompt": prompt[1], "f0": CODE})
        assert f"{escape(BANK)} is connected" in until_shown(robin, visit, "outcome")
        told = httpx.get(f"http://127.0.0.1:{twin_port}/v2/event-destinations", headers=bearer(environ)).json()["data"]
        assert [destination["status"] for destination in told] == ["active"]
    for name, log in logs.items():
        assert "Traceback" not in log.read_text(), f"{name}: {log.read_text()}"
    assert '"POST /webhooks/deck"' not in logs["serve --web"].read_text()


def until_shown(browser: httpx.Client, visit: str, view: str) -> str:
    """What the stream has told up to that view."""
    text = ""
    with browser.stream("GET", f"{visit}/live") as stream:
        for chunk in stream.iter_text():
            text += chunk
            if f'data-view="{view}"' in text:
                return text
    raise AssertionError(f"{view} never came:\n{text}")


def bearer(environ: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {environ['DECK_API_KEY']}"}
