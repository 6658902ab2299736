"""Setting up where webhooks go."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import HOOK, Control, Deck, Receiver


def test_a_new_destination_is_active_and_says_so(deck: Deck, control: Control) -> None:
    destination = deck.destination(events=["task_run.completed"])

    assert destination["id"].startswith("evtd_")
    assert (destination["object"], destination["type"]) == ("event_destination", "webhook")
    assert (destination["status"], destination["events"]) == ("active", ["task_run.completed"])
    assert control.events() == ["event_destination.activated"]


def test_all_events_is_what_you_get_unless_you_say(deck: Deck) -> None:
    assert deck.destination()["events"] == ["*"]


@pytest.mark.parametrize("config", ["type_config", "config"])
def test_the_older_ways_to_write_one_work(deck: Deck, config: str) -> None:
    body = {"name": "app", "type": "webhook", config: {"url": HOOK}}

    assert deck.post("/event-destinations", body)["webhook"]["url"] == HOOK


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": ""}, "name"),
        ({"type": "pigeon"}, "type"),
        ({"events": []}, "events"),
        ({"events": ["*", "agent.created"]}, "events"),
        ({"events": ["agent.exploded"]}, "events"),
        ({"webhook": None}, "webhook.url"),
        ({"webhook": {"url": "ftp://app.example"}}, "webhook.url"),
        ({"webhook": {"url": "https://"}}, "webhook.url"),
        ({"webhook": {"url": "http://[app"}}, "webhook.url"),
        ({"webhook": {"url": HOOK, "secret": "swordfish"}}, "webhook.secret"),
        ({"webhook": {"url": HOOK, "secret": "whsec_not base64!"}}, "webhook.secret"),
        ({"webhook": {"url": HOOK, "custom_headers": {"X": "y"}}}, "webhook.custom_headers"),
        ({"webhook": {"url": HOOK, "custom_headers": "X: y"}}, "webhook.custom_headers"),
        ({"webhook": {"url": HOOK, "custom_headers": '{"X": 1}'}}, "webhook.custom_headers"),
        ({"webhook": {"url": HOOK, "custom_headers": '{"Host": "evil.example"}'}}, "webhook.custom_headers"),
    ],
)
def test_a_destination_that_could_never_be_reached_is_refused(
    deck: Deck, fields: dict[str, Any], complaint: str
) -> None:
    body = {"name": "app", "webhook": {"url": HOOK}, **fields}

    response = deck.call("POST", "/event-destinations", body)

    assert response.status_code == 400
    assert list(response.json["errors"]) == [complaint]


def test_an_unlawful_change_changes_nothing(deck: Deck, hook: Any) -> None:
    path = f"/event-destinations/{hook['id']}"

    assert deck.call("PATCH", path, {"name": "new", "events": []}).status_code == 400
    assert deck.call("PATCH", path, {"name": "new", "webhook": {"url": "nowhere"}}).status_code == 400
    assert deck.get(path)["name"] == "app"


def test_a_destination_can_move(deck: Deck, control: Control, receiver: Receiver, hook: Any) -> None:
    moved = deck.patch(
        f"/event-destinations/{hook['id']}", {"webhook": {"url": "https://new.example"}, "events": ["*"]}
    )
    deck.agent()
    control.advance()

    assert moved["webhook"] == {"url": "https://new.example"}
    assert [url for url, _, _ in receiver.posts] == ["https://new.example"]
