"""How each type of destination is reached: real brokers and stand-ins where there are some."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
import pika
import pytest
from moto.server import ThreadedMotoServer
from pika.exceptions import AMQPConnectionError
from standardwebhooks import Webhook

from webapp.twin.carriers import CARRIERS, is_loopback
from webapp.twin.delivery import Deliverer
from webapp.twin.destinations import TYPES
from webapp.twin.server import create_twin
from webapp.twin.world import World

from .planes import HOOK, Control, Deck, Receiver

NOBODY = "127.0.0.1:9"
AWS = {"key": "AKIAIOSFODNN7EXAMPLE", "secret": "hush"}


def events_to(deck: Deck, type: str, **config: str) -> Any:
    """A destination of *type* for agents."""
    body = {"name": "q", "type": type, "events": ["agent.created"], type: config}
    return deck.post("/event-destinations", body)


def attempts(control: Control) -> list[Any]:
    return [attempt for row in control.get("/deliveries")["data"] for attempt in row["attempts"]]


def happen(deck: Deck, control: Control) -> Any:
    """An event, delivered: the event, and the only attempt."""
    deck.post("/agents", {"name": "Zażółć"})
    control.advance()
    (event,) = deck.get("/events", type="agent.created")["data"]
    (attempt,) = attempts(control)
    return {k: event[k] for k in ("id", "object", "type", "data", "created_at")}, attempt


# --- RabbitMQ ----------------------------------------------------------------------------------------------------


@pytest.fixture
def exchange() -> Iterator[tuple[Any, str, str]]:
    """A channel to the broker of this machine, an exchange there, and a queue that gets what it is told."""
    address = os.environ.get("TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672")
    try:
        connection = pika.BlockingConnection(pika.URLParameters(address))
    except AMQPConnectionError:
        if os.environ.get("CI") == "true":
            pytest.fail(f"no RabbitMQ at {address}, and CI must have one")
        pytest.skip(f"NO RABBITMQ at {address}: publishing to a broker was not tested")
    channel = connection.channel()
    name = f"twin-{os.getpid()}"
    channel.exchange_declare(name, "topic", auto_delete=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, name, "agent.*")
    yield channel, name, queue
    connection.close()


BROKER = {"server_url": "127.0.0.1:5672", "username": "guest", "password": "guest"}


def test_rabbitmq_gets_the_event_under_its_type(deck: Deck, control: Control, exchange: Any) -> None:
    channel, name, queue = exchange
    events_to(deck, "rabbitmq", exchange=name, **BROKER)
    event, attempt = happen(deck, control)

    method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert json.loads(body) == event
    assert (method.routing_key, properties.message_id) == ("agent.created", event["id"])
    assert (attempt["error"], attempt["response"]["status"]) == (None, 200)
    assert attempt["url"] == f"amqp://127.0.0.1:5672#{name}"


def test_rabbitmq_says_when_there_is_no_such_exchange(deck: Deck, control: Control, exchange: Any) -> None:
    events_to(deck, "rabbitmq", exchange="nowhere-at-all", **BROKER)
    _, attempt = happen(deck, control)

    assert (attempt["error"], attempt["response"]["status"]) == ("bad_status", 404)


def test_rabbitmq_says_when_the_password_is_wrong(deck: Deck, control: Control, exchange: Any) -> None:
    events_to(deck, "rabbitmq", exchange=exchange[1], **{**BROKER, "password": "wrong"})
    _, attempt = happen(deck, control)

    assert (attempt["error"], attempt["note"]) == ("refused", "the broker does not accept this username and password")


# --- AWS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of a stand-in for AWS."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(service: str, aws: str) -> Any:
    return boto3.client(
        service, "eu-west-1", endpoint_url=aws, aws_access_key_id=AWS["key"], aws_secret_access_key=AWS["secret"]
    )


def test_sqs_gets_the_event_as_a_message(deck: Deck, control: Control, aws: str) -> None:
    queue = client("sqs", aws).create_queue(QueueName="events")["QueueUrl"]
    queue = f"{aws}/{queue.split('/', 3)[3]}"
    events_to(deck, "aws_sqs", queue_url=queue, region="eu-west-1", **AWS)
    event, attempt = happen(deck, control)

    got = client("sqs", aws).receive_message(QueueUrl=queue, MessageAttributeNames=["All"])
    (message,) = got["Messages"]
    assert json.loads(message["Body"]) == event
    assert message["MessageAttributes"]["event-id"]["StringValue"] == event["id"]
    assert message["MessageAttributes"]["topic"]["StringValue"] == "agent.created"
    assert (attempt["error"], attempt["response"]["status"]) == (None, 200)


def test_kinesis_gets_the_event_as_a_record(deck: Deck, control: Control, aws: str) -> None:
    kinesis = client("kinesis", aws)
    kinesis.create_stream(StreamName="events", ShardCount=1)
    events_to(deck, "aws_kinesis", stream_name="events", region="eu-west-1", endpoint_url=aws, **AWS)
    event, attempt = happen(deck, control)

    shard = kinesis.list_shards(StreamName="events")["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="events", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    (record,) = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert (json.loads(record["Data"]), record["PartitionKey"]) == (event, event["id"])
    assert attempt["error"] is None


def test_s3_gets_an_object_for_each_event(deck: Deck, control: Control, aws: str) -> None:
    s3 = client("s3", aws)
    s3.create_bucket(Bucket="events", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    events_to(deck, "aws_s3", bucket="events", region="eu-west-1", endpoint_url=aws, **AWS)
    event, attempt = happen(deck, control)

    (listed,) = s3.list_objects_v2(Bucket="events")["Contents"]
    assert listed["Key"] == f"{event['created_at']}_{event['id']}.json"
    assert json.loads(s3.get_object(Bucket="events", Key=listed["Key"])["Body"].read()) == event
    assert attempt["error"] is None


MISSING = {
    "aws_sqs": {"queue_url": "{aws}/123456789012/nowhere"},
    "aws_kinesis": {"stream_name": "nowhere", "region": "eu-west-1", "endpoint_url": "{aws}"},
    "aws_s3": {"bucket": "nowhere", "region": "eu-west-1", "endpoint_url": "{aws}"},
}


@pytest.mark.parametrize("type", MISSING)
def test_aws_says_when_there_is_no_such_place(deck: Deck, control: Control, aws: str, type: str) -> None:
    events_to(deck, type, **{k: v.format(aws=aws) for k, v in MISSING[type].items()}, **AWS)
    _, attempt = happen(deck, control)

    assert attempt["error"] == "bad_status"
    assert attempt["response"]["status"] in (400, 404)
    assert attempt["note"]


# --- the same rule for all -------------------------------------------------------------------------------------------

UNREACHABLE = {
    "rabbitmq": {**BROKER, "exchange": "x", "server_url": NOBODY},
    "aws_sqs": {**AWS, "queue_url": f"http://{NOBODY}/1/q"},
    "aws_kinesis": {**AWS, "stream_name": "s", "region": "eu-west-1", "endpoint_url": f"http://{NOBODY}"},
    "aws_s3": {**AWS, "bucket": "bucket", "region": "eu-west-1", "endpoint_url": f"http://{NOBODY}"},
}


@pytest.mark.parametrize("type", UNREACHABLE)
def test_a_queue_nobody_answers_at_is_retried_and_switched_off(deck: Deck, control: Control, type: str) -> None:
    destination = events_to(deck, type, **UNREACHABLE[type])
    deck.post("/agents", {"name": "a"})
    for wait in ("0s", "30s", "60s", "120s"):
        control.advance(wait)

    assert [attempt["error"] for attempt in attempts(control)] == ["refused"] * 4
    assert deck.get(f"/event-destinations/{destination['id']}")["status"] == "inactive"
    assert control.events()[-1] == "event_destination.deactivated"


RECORDED = {
    "aws_eventbridge": {**AWS, "event_bus_name": "bus", "region": "eu-west-1"},
    "gcp_pubsub": {"project_id": "p", "topic": "t", "service_account_json": "{}"},
    "azure_servicebus": {"name": "n", "connection_string": "Endpoint=sb://x"},
    "hookdeck": {"token": "hd"},
}


@pytest.mark.parametrize("type", RECORDED)
def test_what_the_twin_does_not_host_is_recorded_and_it_says_so(deck: Deck, control: Control, type: str) -> None:
    events_to(deck, type, **RECORDED[type])
    event, attempt = happen(deck, control)

    assert (attempt["error"], attempt["response"]) == (None, None)
    assert attempt["note"] == f"recorded, not sent: the twin does not host {type}"
    assert attempt["sent"] == event
    assert control.get("/deliveries")["data"][0]["status"] == "success"


def test_every_type_has_a_carrier() -> None:
    assert set(CARRIERS) == set(TYPES)
    assert set(TYPES) == {"webhook", *UNREACHABLE, *RECORDED}


@pytest.mark.parametrize(
    ("type", "library"), [("rabbitmq", "pika"), ("aws_sqs", "boto3"), ("aws_kinesis", "boto3"), ("aws_s3", "boto3")]
)
def test_a_missing_library_is_named(
    deck: Deck, control: Control, monkeypatch: pytest.MonkeyPatch, type: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    events_to(deck, type, **UNREACHABLE[type])
    _, attempt = happen(deck, control)

    assert attempt["error"] == "missing_library"
    assert attempt["note"] == f"{library} is not installed: pip install 'gangway[twin]'"


# --- where deliveries may go --------------------------------------------------------------------------------------------


def planes(deliverer: Deliverer) -> tuple[Deck, Control]:
    app = create_twin(deliverer.world, deliverer).test_client()
    return Deck(app), Control(app)


def test_a_webhook_leaves_by_real_http_and_verifies() -> None:
    got: list[tuple[dict[str, str], bytes]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        _, control = planes(Deliverer(World()))
        made = control.post("/webhooks/endpoints", url=f"http://127.0.0.1:{server.server_port}/hook")
        assert control.advance()["deliveries"]["succeeded"] == 1
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

    ((headers, body),) = got
    assert Webhook(made["secret"]).verify(body, headers)["type"] == "event_destination.activated"


def test_nothing_leaves_this_machine_unless_it_is_allowed() -> None:
    deck, control = planes(Deliverer(World()))
    destination = deck.destination(events=["agent.created"])
    deck.post("/agents", {"name": "a"})
    for wait in ("0s", "30s", "60s", "120s"):
        control.advance(wait)

    tried = attempts(control)
    assert [attempt["error"] for attempt in tried] == ["egress_blocked"] * 4
    assert "--allow-host" in tried[0]["note"]
    assert tried[0]["response"] is None
    assert deck.get(f"/event-destinations/{destination['id']}")["status"] == "inactive"


@pytest.mark.parametrize(
    ("type", "config"),
    [
        ("rabbitmq", {**BROKER, "exchange": "x", "server_url": "mq.example:5672"}),
        ("aws_sqs", {**AWS, "queue_url": "https://sqs.eu-west-1.amazonaws.com/1/q"}),
        ("aws_sqs", {**AWS, "queue_url": "http://127.0.0.1/1/q", "endpoint_url": "https://sqs.example"}),
        ("aws_kinesis", {**AWS, "stream_name": "s", "region": "eu-west-1"}),
        ("aws_s3", {**AWS, "bucket": "b", "region": "eu-west-1"}),
    ],
)
def test_queues_elsewhere_are_out_of_bounds_too(
    deck: Deck, control: Control, type: str, config: dict[str, str]
) -> None:
    events_to(deck, type, **config)
    _, attempt = happen(deck, control)

    assert attempt["error"] == "egress_blocked"


@pytest.mark.parametrize(
    ("allowed", "error"),
    [
        (["app.example"], None),
        (["*.example"], None),
        (["*"], None),
        (["APP.example"], None),
        ([], "egress_blocked"),
        (["example"], "egress_blocked"),
        (["app.example.org"], "egress_blocked"),
    ],
)
def test_hosts_are_allowed_by_name_or_glob(allowed: list[str], error: str | None) -> None:
    receiver = Receiver()
    deck, control = planes(Deliverer(World(), receiver, allow_hosts=allowed))
    deck.destination(HOOK)
    control.advance()

    assert [attempt["error"] for attempt in attempts(control)] == [error]
    assert len(receiver.posts) == (0 if error else 1)


@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine_has_many_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "localhost.example", "10.0.0.1", "0.0.0.0", "::", "127.0.0.1.example", "2130706433"]
)
def test_other_machines_do_not_pass_for_it(host: str) -> None:
    assert not is_loopback(host)
