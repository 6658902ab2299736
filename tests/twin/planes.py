"""A twin in this process, and the three who deal with it: an app, a developer and a webhook receiver."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
from flask.testing import FlaskClient
from standardwebhooks import Webhook
from werkzeug.test import TestResponse

from webapp.twin.delivery import Deliverer
from webapp.twin.server import create_twin
from webapp.twin.world import ADMIN_KEY, API_KEY, World

HOOK = "https://app.example/hooks/deck"

KIM = {"username": "kim@example.test", "password": "correct horse"}
"""Someone with an account at every site the tests put up."""

CODE = {
    "type": "mfa",
    "message": "Enter the code we sent to your phone.",
    "fields": [{"name": "code", "type": "string", "label": "Code"}],
    "expect": {"code": "123456"},
    "reject_message": "That code was wrong. Try again.",
}

INVOICE = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "due": {"type": ["string", "null"], "format": "date"}},
    "required": ["total", "due"],
}


class Deck:
    """The vendor plane, as an app calls it."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def call(
        self, method: str, path: str, /, body: Any = None, *, key: str | None = None, **query: Any
    ) -> TestResponse:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.client.open(f"/v2{path}", method=method, json=body, headers=headers, query_string=query)

    def get(self, path: str, /, **query: Any) -> Any:
        """What is at *path*, which must be there."""
        response = self.call("GET", path, **query)
        assert response.status_code == 200, response.text
        return response.json

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """What became of a POST, which must be welcome."""
        response = self.call("POST", path, {} if body is None else body, key=key)
        assert response.status_code in (200, 201), response.text
        return response.json

    def patch(self, path: str, body: Any) -> Any:
        response = self.call("PATCH", path, body)
        assert response.status_code == 200, response.text
        return response.json

    def delete(self, path: str) -> Any:
        response = self.call("DELETE", path)
        assert response.status_code == 200, response.text
        return response.json

    # --- what most stories begin with ----------------------------------------------------------------------

    def agent(self, name: str = "a") -> Any:
        return self.post("/agents", {"name": name})

    def source(self, url: str = "https://bank.example/login") -> Any:
        return self.post("/sources", {"type": "website", "website": {"url": url}})

    def task(self, **fields: Any) -> Any:
        agent = self.post("/agents", {"name": "Billing"})
        return self.post("/tasks", {"name": "Fetch the invoice", "agent_id": agent["id"], **fields})

    def credential(self, source: Any = None, *, password: str = KIM["password"], **fields: Any) -> Any:
        secret = {"username": KIM["username"], "password": password}
        body = {"source_id": (source or self.source())["id"], "auth_method": "username_password"}
        return self.post("/credentials", {**body, "auth_credentials": secret, **fields})

    def run(self, *, task: Any = None, credential: Any = None, **fields: Any) -> Any:
        """A queued run of *task* for *credential*, both new unless given."""
        credential = credential or self.credential()
        body = {"credential_id": credential["id"], **fields}
        return self.post(f"/tasks/{(task or self.task())['id']}/run", body)

    def answer(self, run: Any, **fields: Any) -> TestResponse:
        return self.call("POST", f"/task-runs/{run['id']}/interaction", {"input": fields})

    def see(self, run: Any, *include: str) -> Any:
        """The run as it is now."""
        return self.get(f"/task-runs/{run['id']}", **({"include": ",".join(include)} if include else {}))

    def destination(self, url: str = HOOK, **fields: Any) -> Any:
        return self.post("/event-destinations", {"name": "app", "webhook": {"url": url}, **fields})

    def deliveries(self, destination: Any, **query: Any) -> Any:
        return self.get(f"/event-destinations/{destination['id']}/event-deliveries", **query)["data"]


class Control:
    """The control plane, as a developer drives it."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def call(self, method: str, path: str, /, body: Any = None, **query: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        return self.client.open(f"/__admin__{path}", method=method, json=body, headers=headers, query_string=query)

    def get(self, path: str, /, **query: Any) -> Any:
        response = self.call("GET", path, **query)
        assert response.status_code == 200, response.text
        return response.json

    def post(self, path: str, /, **body: Any) -> Any:
        response = self.call("POST", path, body)
        assert response.status_code in (200, 201), response.text
        return response.json

    def refusal(self, path: str, /, **body: Any) -> tuple[int, str]:
        """Status and code of a POST that must not be welcome."""
        response = self.call("POST", path, body)
        assert response.status_code >= 400, response.text
        return response.status_code, response.json["error"]["code"]

    def advance(self, by: str = "0s") -> Any:
        return self.post("/clock/advance", by=by)

    def until(self, event_type: str, **until: Any) -> Any:
        return self.post("/clock/advance", until={"event_type": event_type, **until}, max="24h")

    def site(self, *people: dict[str, Any], host: str = "bank.example", **fields: Any) -> Any:
        return self.post("/sites", host=host, people=list(people), **fields)

    def pin(self, path: str, /, value: Any = None, **fields: Any) -> Any:
        given = fields if "values" in fields else {"value": value, **fields}
        return self.post("/exogenous/pins", on="task_run", path=path, **given)

    def events(self, **query: Any) -> list[str]:
        """The types of the events that happened, oldest first."""
        return [event["type"] for event in self.get("/events", **query)["data"]]


class Receiver:
    """What is at the webhook addresses: it checks every signature and answers as told, 204 otherwise."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        self.secrets: dict[str, str] = {}
        self.answers: list[int | Exception] = []
        self.dead: set[str] = set()
        """Addresses where everything is answered with 500."""
        self.got: list[dict[str, Any]] = []
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.on_event: Callable[[dict[str, Any]], object] = lambda event: None

    def post(self, url: str, *, content: bytes, headers: dict[str, str], timeout: float) -> httpx.Response:
        self.posts.append((url, headers, content))
        answer = 500 if url in self.dead else self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        if answer != 204:
            return httpx.Response(answer)
        if secret := self.secrets.get(url):
            self.got.append(Webhook(secret).verify(content, headers))
        else:
            self.got.append(json.loads(content))
        self.on_event(self.got[-1])
        return httpx.Response(204)

    def types(self) -> list[str]:
        return [event["type"] for event in self.got]


class Twin:
    """One world with everyone around it."""

    def __init__(self, **world: Any) -> None:
        self.world = World(**world)
        self.receiver = Receiver()
        self.client = create_twin(self.world, Deliverer(self.world, self.receiver)).test_client()
        self.deck = Deck(self.client)
        self.control = Control(self.client)

    def start_over(self) -> None:
        """As good as a new twin. Its routes are kept: building them takes longer than most tests."""
        World.__init__(self.world)
        self.receiver.start_over()
