"""What goes wrong on purpose: what is done of a call, and what the caller sees of it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from webapp.twin.delivery import Deliverer
from webapp.twin.line import LineClosed, LineHung, LineReset
from webapp.twin.server import create_twin
from webapp.twin.world import API_KEY, World

from .orders import ERROR, arm, statuses
from .planes import Control, Deck, Receiver

# --- before and after --------------------------------------------------------------------------------------------


def test_before_nothing_is_done_and_after_everything_is(deck: Deck, control: Control) -> None:
    arm(control, ERROR, resource="agents", operation="create", count=1)
    assert deck.call("POST", "/agents", {"name": "before"}).status_code == 500
    arm(control, ERROR, resource="agents", operation="create", count=1, when="after")
    assert deck.call("POST", "/agents", {"name": "after"}).status_code == 500

    assert [agent["name"] for agent in deck.get("/agents")["data"]] == ["after"]
    assert control.events() == ["agent.created"]


def test_the_same_key_gets_the_answer_that_was_lost(deck: Deck, control: Control) -> None:
    arm(control, {"type": "drop", "how": "reset"}, resource="agents", operation="create", count=1, when="after")
    with pytest.raises(LineReset):
        deck.call("POST", "/agents", {"name": "a"}, key="k")
    again = deck.post("/agents", {"name": "a"}, key="k")

    assert [agent["id"] for agent in deck.get("/agents")["data"]] == [again["id"]]
    assert control.events() == ["agent.created"]


def test_an_error_is_never_kept_for_its_key(deck: Deck, control: Control) -> None:
    arm(control, status=500, count=1, resource="agents", operation="create")
    assert deck.call("POST", "/agents", {"name": "a"}, key="k").status_code == 500

    assert deck.post("/agents", {"name": "a"}, key="k")["name"] == "a"


# --- effects -----------------------------------------------------------------------------------------------------


def test_a_rate_limit_in_virtual_time(deck: Deck, control: Control) -> None:
    arm(control, {"type": "rate_limit", "limit": 2, "per": "10s"}, resource="agents", operation="list")
    assert statuses(deck, 3) == [200, 200, 429]
    refused = deck.call("GET", "/agents")
    assert refused.json["errors"][0]["code"] == "rate_limit_exceeded"
    assert refused.headers["Retry-After"] == "5"

    control.advance("5s")
    assert statuses(deck, 2) == [200, 429]


def test_a_rate_limit_can_be_each_operations_own(deck: Deck, control: Control) -> None:
    arm(control, {"type": "rate_limit", "limit": 1, "per": "1m", "scope": "operation", "retry_after": "7s"})

    assert [deck.call("GET", path).status_code for path in ("/agents", "/tasks", "/agents")] == [200, 200, 429]
    assert deck.call("GET", "/tasks").headers["Retry-After"] == "7"


def test_virtual_latency_lets_time_pass(deck: Deck, control: Control) -> None:
    run = deck.run()
    arm(control, {"type": "latency", "delay": "1h", "clock": "virtual"}, count=1)

    assert deck.see(run)["status"] == "completed"
    assert control.get("/clock")["now"] >= "2025-01-01T01:00:00.000Z"


def test_real_latencies_add_up_and_their_jitter_is_seeded() -> None:
    def waited() -> list[float]:
        naps: list[float] = []
        world = World()
        app = create_twin(world, Deliverer(world, Receiver()), sleep=naps.append)
        deck, control = Deck(app.test_client()), Control(app.test_client())
        arm(control, {"type": "latency", "delay": "2s"}, count=1)
        arm(control, {"type": "latency", "delay": "500ms"}, count=1)
        arm(control, {"type": "latency", "delay": "3s", "jitter": "1s"}, count=1, when="after")
        assert statuses(deck, 2) == [200, 200]
        return naps

    before, after = waited()
    assert before == 2.5
    assert 3 < after < 4
    assert waited() == [before, after]


def test_a_request_held_up_over_a_reset_does_nothing(control: Control) -> None:
    world = World()
    app = create_twin(world, Deliverer(world, Receiver()), sleep=lambda _: world.reset())
    deck, control = Deck(app.test_client()), Control(app.test_client())
    arm(control, {"type": "latency", "delay": "1s"})

    with pytest.raises(LineClosed):
        deck.post("/agents", {"name": "late"})
    assert deck.get("/agents")["data"] == []
    assert len(control.get("/requests")["data"]) == 1


def malformed(deck: Deck, control: Control, how: str, **effect: Any) -> Any:
    arm(control, {"type": "malformed", "how": how, **effect}, count=1)
    return deck.call("GET", "/agents")


def test_malformed_answers(deck: Deck, control: Control) -> None:
    torn = malformed(deck, control, "invalid_json")
    with pytest.raises(ValueError):
        json.loads(torn.text)
    assert torn.status_code == 200

    assert malformed(deck, control, "empty_body").data == b""
    page = malformed(deck, control, "html", status=503)
    assert (page.status_code, page.mimetype) == (503, "text/html")
    assert malformed(deck, control, "html").status_code == 502
    plain = malformed(deck, control, "wrong_content_type")
    assert (plain.mimetype, json.loads(plain.text)["data"]) == ("text/plain", [])
    assert "data" not in malformed(deck, control, "missing_fields", fields=["data"]).json
    assert malformed(deck, control, "extra_fields", fields={"news": 1}).json["news"] == 1
    with pytest.raises(LineClosed):
        malformed(deck, control, "garbage")


@pytest.mark.parametrize(
    ("effect", "seen"),
    [
        ({"type": "drop", "how": "reset"}, httpx.ReadError),
        ({"type": "drop", "how": "close"}, httpx.RemoteProtocolError),
        ({"type": "drop", "how": "truncate"}, httpx.RemoteProtocolError),
        ({"type": "malformed", "how": "garbage"}, httpx.RemoteProtocolError),
        ({"type": "hang"}, httpx.ReadTimeout),
    ],
)
def test_a_client_mounted_in_process_sees_transport_errors(effect: Any, seen: type[Exception]) -> None:
    world = World()
    world.faults.arm({"effect": effect})
    transport = httpx.WSGITransport(create_twin(world, Deliverer(world, Receiver())))
    headers = {"Authorization": f"Bearer {API_KEY}"}

    client = httpx.Client(transport=transport, base_url="http://twin", headers=headers)
    with client, pytest.raises(seen) as error:
        client.get("/v2/agents")
    assert isinstance(error.value, LineReset | LineClosed | LineHung)
    assert isinstance(error.value, ConnectionResetError)
