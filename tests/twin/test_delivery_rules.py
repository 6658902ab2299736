"""Which deliveries a rule is for, how long it is there, and which rules are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .orders import agents, names, rule
from .planes import Control, Deck, Receiver, Twin

# --- which deliveries -----------------------------------------------------------------------------------------------


def test_a_rule_matches_by_type_and_destination(deck: Deck, control: Control, receiver: Receiver) -> None:
    one, _ = (deck.destination(f"https://{host}.example", events=["agent.created", "source.created"]) for host in "ab")
    rule(control, "drop", match={"event_type": "agent.*", "destination_id": one["id"]})
    agents(deck, "x")
    deck.source()
    control.advance()

    got = sorted((url, json.loads(body)["type"]) for url, _, body in receiver.posts)
    assert got == [
        ("https://a.example", "source.created"),
        ("https://b.example", "agent.created"),
        ("https://b.example", "source.created"),
    ]


def test_several_rules_add_up_but_the_first_detour_wins(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any
) -> None:
    rule(control, "delay", by="5s")
    dropping = rule(control, "drop")
    rule(control, "duplicate")
    agents(deck, "a")
    control.advance("5s")

    assert names(receiver) == ["a", "a"]
    assert control.get(f"/delivery-rules/{dropping['id']}")["hits"] == 0


def test_probability_is_rolled_by_label_and_seed(twin: Twin) -> None:
    def survivors(label: str, noise: bool = False) -> str:
        twin.start_over()
        twin.deck.destination(events=["agent.created"])
        if noise:
            rule(twin.control, "duplicate", match={"event_type": "task.*"})
        action = {"type": "drop"}
        twin.control.post("/delivery-rules", action=action, probability=0.5, label=label)
        agents(twin.deck, *"abcdefghijklmnop")
        twin.control.advance()
        return "".join(names(twin.receiver))

    first = survivors("x")
    assert 2 < len(first) < 14
    assert survivors("x", noise=True) == first != survivors("y")


@pytest.mark.parametrize(("probability", "arrives"), [(0, True), (1, False)])
def test_never_and_always_are_probabilities_too(
    deck: Deck, control: Control, receiver: Receiver, agents_hook: Any, probability: float, arrives: bool
) -> None:
    control.post("/delivery-rules", action={"type": "drop"}, probability=probability)
    agents(deck, "a")
    control.advance()

    assert bool(receiver.posts) is arrives


def test_rules_can_be_listed_and_cleared(deck: Deck, control: Control, receiver: Receiver, agents_hook: Any) -> None:
    first = rule(control, "drop", match={"event_type": "agent.*"})
    rule(control, "hold")

    assert first["id"] == "rule_0001"
    assert (first["match"], first["remaining"], first["state"]) == ({"event_type": "agent.*"}, None, "armed")
    assert [row["action"]["type"] for row in control.get("/delivery-rules")["data"]] == ["drop", "hold"]
    assert control.call("DELETE", "/delivery-rules").json == {"deleted": 2}
    agents(deck, "a")
    control.advance()
    assert names(receiver) == ["a"]


def test_a_reset_forgets_rules_unless_it_keeps_them(deck: Deck, control: Control) -> None:
    rule(control, "drop")
    control.post("/reset", keep=["delivery_rules"])
    assert len(control.get("/delivery-rules")["data"]) == 1
    control.post("/reset")
    assert control.get("/delivery-rules")["data"] == []


# --- refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": {"type": "explode"}},
        {"action": {"type": ["drop"]}},
        {"action": {"type": "drop", "times": 2}},
        {"action": {"type": "duplicate", "times": 0}},
        {"action": {"type": "duplicate", "times": 101}},
        {"action": {"type": "duplicate", "concurrent": "yes"}},
        {"action": {"type": "duplicate", "concurrent": True, "spacing": "1s"}},
        {"action": {"type": "reorder"}},
        {"action": {"type": "reorder", "window": True}},
        {"action": {"type": "reorder", "window": 3, "order": [0, 1]}},
        {"action": {"type": "reorder", "window": 3, "order": "sideways"}},
        {"action": {"type": "tamper"}},
        {"action": {"type": "tamper", "what": {"body": True}}},
        {"action": {"type": "treat_as_failed", "times": "twice"}},
        {"action": {"type": "sign"}},
        {"action": {"type": "sign", "timestamp": "stale"}},
        {"action": {"type": "drop"}, "match": {"operation": "agents.create"}},
        {"action": {"type": "drop"}, "match": {"kind": "toaster"}},
        {"action": {"type": "drop"}, "match": {"event_type": 1}},
        {"action": {"type": "drop"}, "match": []},
        {"action": {"type": "drop"}, "count": 0},
        {"action": {"type": "drop"}, "probability": 2},
        {"action": {"type": "drop"}, "probability": "often"},
        {"action": {"type": "drop"}, "label": 7},
        {"action": {"type": "drop"}, "when": "now"},
    ],
)
def test_a_rule_nobody_could_follow_is_refused(control: Control, body: dict[str, Any]) -> None:
    assert control.refusal("/delivery-rules", **body) == (422, "unknown_field")
    assert control.get("/delivery-rules")["data"] == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"action": {"type": "delay"}}, "invalid_duration"),
        ({"action": {"type": "delay", "by": "soon"}}, "invalid_duration"),
        ({"action": {"type": "reorder", "window": 2, "max_hold": -1}}, "invalid_duration"),
        ({"action": {"type": "drop"}, "match": {"event_type": "agnet.*"}}, "unknown_event"),
    ],
)
def test_a_typo_in_a_rule_is_named(control: Control, body: dict[str, Any], code: str) -> None:
    assert control.refusal("/delivery-rules", **body) == (422, code)


def test_a_rule_that_is_not_there_cannot_be_looked_at_or_deleted(control: Control) -> None:
    for method in ("GET", "DELETE"):
        assert control.call(method, "/delivery-rules/rule_9999").status_code == 404
