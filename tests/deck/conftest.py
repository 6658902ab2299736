"""A Deck that answers from a script and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import pytest

from webapp.deck import DeckClient

RUN = {"id": "trun_1", "object": "task_run", "status": "queued", "updated_at": "2026-11-20T10:00:00Z"}
CREDENTIAL = {"id": "cred_1", "object": "credential", "status": "unverified", "external_id": "k"}

Line = tuple[int, Any] | httpx.Response | Exception


class Script:
    """Answers in turn; the last one stays."""

    def __init__(self) -> None:
        self.lines: list[Line] = [(200, {})]
        self.asked: list[httpx.Request] = []

    def says(self, *lines: Line) -> None:
        self.lines = list(lines)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        line = self.lines.pop(0) if len(self.lines) > 1 else self.lines[0]
        if isinstance(line, Exception):
            raise line
        if isinstance(line, httpx.Response):
            return httpx.Response(line.status_code, headers=line.headers, stream=httpx.ByteStream(line.content))
        status, body = line
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, stream=httpx.ByteStream(content))

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.asked]


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def client(script: Script) -> DeckClient:
    return DeckClient(
        api_key="sk_live_canary", base_url="https://deck.example/v2/", transport=httpx.MockTransport(script)
    )


def writes(client: DeckClient) -> Iterable[tuple[str, str, dict[str, Any] | None, Line, Callable[[], Any]]]:
    """Every write: method, path, body, an answer, and the call, which uses the key `k`."""
    named, run, credential = (200, {"id": "x_1", "name": "n"}), (200, RUN), (201, CREDENTIAL)
    sign_in = {"username": "robin", "password": " p w ", "source_fields": {}}
    extra = {**sign_in, "source_fields": {"company": "5150"}}
    hook = {"url": "https://us.example/hook", "secret": "whsec_x"}
    website = {"name": "Bank", "website": {"url": "https://b.example"}}
    yield "POST", "agents", {"name": "A"}, named, lambda: client.create_agent(name="A", key="k")
    yield (
        "POST",
        "sources",
        {"type": "website", **website},
        named,
        lambda: client.create_source(name="Bank", url="https://b.example", key="k"),
    )
    yield (
        "PATCH",
        "sources/src_1",
        website,
        named,
        lambda: client.update_source("src_1", name="Bank", url="https://b.example", key="k"),
    )
    yield "POST", "tasks", {"name": "T"}, named, lambda: client.create_task({"name": "T"}, key="k")
    yield "PATCH", "tasks/task_1", {"name": "T"}, named, lambda: client.update_task("task_1", {"name": "T"}, key="k")
    yield (
        "POST",
        "credentials",
        {
            "source_id": "src_1",
            "auth_method": "username_password",
            "auth_credentials": extra,
            "external_id": "mine",
        },
        credential,
        lambda: client.create_credential(source_id="src_1", external_id="mine", key="k", **extra),
    )
    yield (
        "PATCH",
        "credentials/cred_1",
        {"auth_credentials": {"username": "robin", "password": " p w "}},
        credential,
        lambda: client.update_credential("cred_1", key="k", **sign_in),
    )
    yield (
        "DELETE",
        "credentials/cred_1",
        None,
        (200, CREDENTIAL),
        lambda: client.delete_credential("cred_1", key="k"),
    )
    yield (
        "POST",
        "tasks/task_1/run",
        {"credential_id": "cred_1"},
        run,
        lambda: client.run_task("task_1", credential_id="cred_1", input=None, key="k"),
    )
    yield (
        "POST",
        "tasks/task_1/run",
        {"credential_id": "cred_1", "input": {"year": 2026}},
        run,
        lambda: client.run_task("task_1", credential_id="cred_1", input={"year": 2026}, key="k"),
    )
    yield (
        "POST",
        "task-runs/trun_1/interaction",
        {"input": {"code": "246810"}},
        run,
        lambda: client.answer("trun_1", {"code": "246810"}, key="k"),
    )
    yield "POST", "task-runs/trun_1/cancel", None, run, lambda: client.cancel_run("trun_1", key="k")
    yield (
        "POST",
        "event-destinations",
        {"name": "D", "type": "webhook", "events": ["a"], "webhook": hook},
        named,
        lambda: client.create_destination(name="D", events=["a"], key="k", **hook),
    )
    yield (
        "PATCH",
        "event-destinations/evtd_1",
        {"status": "active", "events": ["a"], "webhook": hook},
        named,
        lambda: client.update_destination("evtd_1", events=["a"], key="k", **hook),
    )
