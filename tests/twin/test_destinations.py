"""The types of destination, what of them can be read back, and their signing secrets."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from .planes import HOOK, Control, Deck, Receiver

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four!").decode()
AWS = {"key": "AKIA", "secret": "hush"}

CONFIGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "webhook": ({"url": HOOK}, {"secret": SECRET, "custom_headers": '{"X-Token": "t"}'}),
    "aws_sqs": ({"queue_url": "https://sqs.eu-west-1.amazonaws.com/1/q"}, AWS),
    "aws_kinesis": ({"stream_name": "s", "region": "eu-west-1"}, AWS),
    "aws_s3": ({"bucket": "b", "region": "eu-west-1"}, {**AWS, "session": "token"}),
    "aws_eventbridge": ({"event_bus_name": "bus", "region": "eu-west-1"}, AWS),
    "gcp_pubsub": ({"project_id": "p", "topic": "t"}, {"service_account_json": "{}"}),
    "rabbitmq": ({"exchange": "x", "server_url": "localhost:5672"}, {"username": "guest", "password": "guest"}),
    "azure_servicebus": ({"name": "queue"}, {"connection_string": "Endpoint=sb://x"}),
    "hookdeck": ({}, {"token": "hd"}),
}
"""Every type: what is shown of it, and what is not."""


def create(deck: Deck, type: str, **fields: Any) -> Any:
    shown, hidden = CONFIGS[type]
    return deck.post("/event-destinations", {"name": "app", "type": type, type: {**shown, **hidden}, **fields})


# --- types -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("type", CONFIGS)
def test_every_type_shows_only_its_visible_part(deck: Deck, type: str) -> None:
    made = create(deck, type)
    shown = CONFIGS[type][0]

    once = {**shown, "secret": SECRET} if type == "webhook" else shown
    assert (made["type"], made["status"], made[type]) == (type, "active", once)
    assert deck.get(f"/event-destinations/{made['id']}")[type] == shown
    assert deck.get("/event-destinations")["data"][0][type] == shown
    assert deck.patch(f"/event-destinations/{made['id']}", {"name": "new"})[type] == shown


@pytest.mark.parametrize("type", CONFIGS)
def test_all_three_ways_to_write_a_configuration_come_to_the_same(deck: Deck, type: str) -> None:
    shown, hidden = CONFIGS[type]
    ways = [{type: {**shown, **hidden}}, {"type_config": {**shown, **hidden}}, {"config": shown, "credentials": hidden}]
    made = [deck.post("/event-destinations", {"name": "app", "type": type, **way})[type] for way in ways]

    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("type", CONFIGS)
def test_what_a_type_needs_cannot_be_left_out(deck: Deck, type: str) -> None:
    shown, hidden = CONFIGS[type]
    needed = [*shown, *(name for name in hidden if type != "webhook" and name != "session")]
    for missing in needed:
        config = {name: value for name, value in {**shown, **hidden}.items() if name != missing}
        answer = deck.call("POST", "/event-destinations", {"name": "app", "type": type, type: config})
        assert answer.status_code == 400
        assert list(answer.json["errors"]) == [f"{type}.{missing}"]


@pytest.mark.parametrize(
    ("type", "change", "complaint"),
    [
        ("aws_sqs", {"queue_url": "my-queue"}, "aws_sqs.queue_url"),
        ("aws_s3", {"endpoint_url": "here"}, "aws_s3.endpoint_url"),
        ("aws_s3", {"session": 5}, "aws_s3.session"),
        ("aws_kinesis", {"region": 5}, "aws_kinesis.region"),
        ("rabbitmq", {"server_url": "http://localhost"}, "rabbitmq.server_url"),
        ("rabbitmq", {"server_url": "amqp://guest:guest@localhost"}, "rabbitmq.server_url"),
        ("rabbitmq", {"server_url": "localhost:port"}, "rabbitmq.server_url"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(
    deck: Deck, type: str, change: dict[str, Any], complaint: str
) -> None:
    shown, hidden = CONFIGS[type]
    body = {"name": "app", "type": type, type: {**shown, **hidden, **change}}

    answer = deck.call("POST", "/event-destinations", body)

    assert answer.status_code == 400
    assert list(answer.json["errors"]) == [complaint]


def test_a_configuration_of_another_type_is_not_ignored(deck: Deck) -> None:
    body = {"name": "app", "webhook": {"url": HOOK}, "hookdeck": {"token": "t"}}

    assert list(deck.call("POST", "/event-destinations", body).json["errors"]) == ["hookdeck"]


@pytest.mark.parametrize("type", CONFIGS)
def test_the_type_of_a_destination_cannot_change(deck: Deck, type: str) -> None:
    path = f"/event-destinations/{create(deck, type)['id']}"
    other = "webhook" if type == "hookdeck" else "hookdeck"

    assert list(deck.call("PATCH", path, {"type": other}).json["errors"]) == ["type"]
    config = CONFIGS[other]
    assert list(deck.call("PATCH", path, {other: {**config[0], **config[1]}}).json["errors"]) == [other]
    assert deck.patch(path, {"type": type})["type"] == type


def test_a_part_of_a_configuration_can_change(deck: Deck) -> None:
    made = create(deck, "rabbitmq")
    path = f"/event-destinations/{made['id']}"

    assert deck.patch(path, {"rabbitmq": {"exchange": "y"}})["rabbitmq"] == {**CONFIGS["rabbitmq"][0], "exchange": "y"}
    assert deck.patch(path, {"type_config": {"exchange": "z"}})["rabbitmq"]["exchange"] == "z"
    assert deck.patch(path, {"credentials": {"password": "new"}})["rabbitmq"]["exchange"] == "z"
    assert deck.call("PATCH", path, {"rabbitmq": {"exchange": ""}}).status_code == 400


def test_secrets_are_nowhere_to_be_read(deck: Deck, control: Control) -> None:
    for type in CONFIGS:
        create(deck, type)

    seen = str(control.get("/state")) + str(control.get("/events")) + str(deck.get("/event-destinations"))
    for _, hidden in CONFIGS.values():
        for name, value in hidden.items():
            assert value in ("{}", "guest", "hd", "token") or value not in seen, name
    assert "'token'" not in seen and "guest" not in seen


# --- signing secrets ---------------------------------------------------------------------------------------------


def signers(receiver: Receiver, *secrets: str) -> list[list[int]]:
    """For each webhook that came: which of *secrets* signed it, in the order of its signatures."""
    found = []
    for _, headers, body in receiver.posts:
        order = []
        for signature in headers["webhook-signature"].split():
            for nth, secret in enumerate(secrets):
                try:
                    Webhook(secret).verify(body, {**headers, "webhook-signature": signature})
                    order.append(nth)
                except WebhookVerificationError:
                    pass
        found.append(order)
    return found


@pytest.fixture
def endpoint(control: Control, receiver: Receiver) -> Any:
    made = control.post("/webhooks/endpoints", url=HOOK, subscribe=["agent.*"])
    control.advance()
    receiver.posts.clear()
    return made


def test_a_rotated_secret_is_joined_by_the_old_one_for_a_while(
    deck: Deck, control: Control, receiver: Receiver, endpoint: Any
) -> None:
    new = control.post(f"/webhooks/endpoints/{endpoint['id']}/rotate-secret", rollover="2h")["secret"]
    for wait in ("0s", "119m", "2m"):
        control.advance(wait)
        deck.post("/agents", {"name": "a"})
        control.advance()

    assert new != endpoint["secret"]
    assert signers(receiver, new, endpoint["secret"]) == [[0, 1], [0, 1], [0]]


def test_a_secret_patched_in_rolls_over_for_a_day(
    deck: Deck, control: Control, receiver: Receiver, endpoint: Any
) -> None:
    deck.patch(f"/event-destinations/{endpoint['id']}", {"webhook": {"secret": SECRET}})
    for wait in ("23h", "2h"):
        control.advance(wait)
        deck.post("/agents", {"name": "a"})
        control.advance()

    assert signers(receiver, SECRET, endpoint["secret"]) == [[0, 1], [0]]


def test_the_rollover_of_a_patched_secret_can_be_set(
    deck: Deck, control: Control, receiver: Receiver, endpoint: Any
) -> None:
    control.post("/clock/durations", secret_rollover="0s")
    deck.patch(f"/event-destinations/{endpoint['id']}", {"webhook": {"secret": SECRET}})
    deck.post("/agents", {"name": "a"})
    control.advance()

    assert signers(receiver, SECRET, endpoint["secret"]) == [[0]]


def test_writing_the_same_secret_again_is_no_rotation(
    deck: Deck, control: Control, receiver: Receiver, endpoint: Any
) -> None:
    deck.patch(f"/event-destinations/{endpoint['id']}", {"webhook": {"url": HOOK, "secret": endpoint["secret"]}})
    deck.post("/agents", {"name": "a"})
    control.advance()

    assert signers(receiver, endpoint["secret"]) == [[0]]


def test_every_rotation_gives_another_secret(control: Control, endpoint: Any) -> None:
    path = f"/webhooks/endpoints/{endpoint['id']}/rotate-secret"
    secrets = {control.post(path)["secret"] for _ in range(3)}

    assert len(secrets | {endpoint["secret"]}) == 4


def test_only_a_webhook_has_a_secret_to_rotate(deck: Deck, control: Control, endpoint: Any) -> None:
    queue = create(deck, "hookdeck")

    assert control.refusal(f"/webhooks/endpoints/{queue['id']}/rotate-secret") == (409, "precondition_failed")
    assert control.refusal("/webhooks/endpoints/evtd_none/rotate-secret") == (404, "unknown_field")
    path = f"/webhooks/endpoints/{endpoint['id']}/rotate-secret"
    assert control.refusal(path, rollover="a day") == (422, "invalid_duration")
    assert control.refusal(path, secret="x") == (422, "unknown_field")


# --- endpoints of the control plane --------------------------------------------------------------------------------


def test_an_endpoint_subscribes_to_globs(deck: Deck, control: Control, receiver: Receiver) -> None:
    made = control.post("/webhooks/endpoints", url=HOOK, subscribe=["agent.*", "source.created"], secret=SECRET)
    receiver.secrets[HOOK] = SECRET
    agent = deck.post("/agents", {"name": "a"})
    deck.source()
    deck.patch(f"/agents/{agent['id']}", {"name": "b"})
    deck.task()
    control.advance()

    assert made == {"id": made["id"], "secret": SECRET}
    assert receiver.types() == ["agent.created", "source.created", "agent.updated", "agent.created"]
    shown = deck.get(f"/event-destinations/{made['id']}")
    assert shown["events"] == ["agent.created", "agent.updated", "agent.deleted", "source.created"]


def test_an_endpoint_hears_everything_unless_it_says(deck: Deck, control: Control) -> None:
    made = control.post("/webhooks/endpoints", url=HOOK)

    assert deck.get(f"/event-destinations/{made['id']}")["events"] == ["*"]
    assert made["secret"] == deck.destination()["webhook"]["secret"]  # same address, same secret


def test_a_removed_endpoint_gets_nothing_more(deck: Deck, control: Control, receiver: Receiver, endpoint: Any) -> None:
    assert control.call("DELETE", f"/webhooks/endpoints/{endpoint['id']}").json == {"deleted": 1}
    deck.post("/agents", {"name": "a"})
    control.advance()

    assert receiver.posts == []
    assert control.call("DELETE", f"/webhooks/endpoints/{endpoint['id']}").status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "unknown_field"),
        ({"url": "nowhere"}, "unknown_field"),
        ({"url": HOOK, "secret": "swordfish"}, "unknown_field"),
        ({"url": HOOK, "subscribe": []}, "unknown_field"),
        ({"url": HOOK, "subscribe": "agent.*"}, "unknown_field"),
        ({"url": HOOK, "subscribe": ["agnet.*"]}, "unknown_event"),
        ({"url": HOOK, "events": ["*"]}, "unknown_field"),
    ],
)
def test_an_endpoint_that_could_hear_nothing_is_refused(control: Control, body: dict[str, Any], code: str) -> None:
    assert control.refusal("/webhooks/endpoints", **body) == (422, code)
