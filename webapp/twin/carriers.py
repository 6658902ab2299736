"""How each type of destination is reached: webhooks over HTTP, queues by the clients of their own protocols.

The twin hosts none of them. Where a protocol can be spoken to a stand-in on this machine it really is (RabbitMQ; SQS,
Kinesis and S3 at any `endpoint_url`); for the others it records what would have been sent, and says so.

pika and boto3 come with the extra `twin` and are imported when first needed: webhooks do without.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import httpx

from .destinations import amqp_address
from .objects import Object

KEPT_BODY = 500


class Sender(Protocol):
    """What posts a webhook; the tests' in-process one needs no sockets."""

    def post(self, url: str, *, content: bytes, headers: dict[str, str], timeout: float) -> httpx.Response: ...


@dataclass(frozen=True)
class Parcel:
    """What is to be sent, and where to."""

    config: Object
    event: Object
    body: bytes
    headers: dict[str, str]
    timeout: float
    """Seconds of real time the destination has to answer."""


class NotDelivered(Exception):
    """Why an attempt failed: one of a few words, and what there is to add in plain words."""

    def __init__(self, error: str, note: str = "", response: Object | None = None) -> None:
        super().__init__(note or error)
        self.error, self.note, self.response = error, note, response


@dataclass(frozen=True)
class Carrier:
    """How one type is reached: its address, and the sending. Nothing is sent where there is no `send`."""

    address: Callable[[Parcel], str]
    send: Callable[[Parcel, Sender], Object] | None = None


# --- webhooks --------------------------------------------------------------------------------------------------------


def post(parcel: Parcel, sender: Sender) -> Object:
    try:
        response = sender.post(
            parcel.config["url"], content=parcel.body, headers=parcel.headers, timeout=parcel.timeout
        )
    except httpx.TimeoutException:
        raise NotDelivered("timeout") from None
    except (httpx.ConnectError, httpx.InvalidURL):
        raise NotDelivered("refused") from None
    except httpx.HTTPError:
        raise NotDelivered("reset") from None
    answer = {"status": response.status_code, "body": response.text[:KEPT_BODY]}
    if not response.is_success:
        raise NotDelivered("bad_status", response=answer)
    return answer


# --- RabbitMQ --------------------------------------------------------------------------------------------------------


def publish(parcel: Parcel, _: Sender) -> Object:
    """Publish to the exchange with the event's type as routing key, and wait for the broker's confirmation."""
    try:
        import pika
        from pika import exceptions
    except ImportError:
        raise missing("pika") from None
    config = parcel.config
    parts = urlsplit(amqp_address(config["server_url"]))
    secure = parts.scheme == "amqps"
    parameters = pika.URLParameters(f"{parts.scheme}://{parts.hostname}:{parts.port or (5671 if secure else 5672)}/")
    parameters.virtual_host = parts.path[1:] or "/"
    parameters.credentials = pika.PlainCredentials(config["username"], config["password"])
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = parcel.timeout
    parameters.connection_attempts = 1
    properties = pika.BasicProperties(
        content_type="application/json", message_id=parcel.event["id"], type=parcel.event["type"], delivery_mode=2
    )
    try:
        connection = pika.BlockingConnection(parameters)
        try:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(config["exchange"], parcel.event["type"], parcel.body, properties)
        finally:
            if connection.is_open:
                connection.close()
    except exceptions.ChannelClosedByBroker as error:
        answer = {"status": error.reply_code, "body": error.reply_text}
        raise NotDelivered("bad_status", error.reply_text, answer) from None
    except exceptions.ProbableAuthenticationError:
        raise NotDelivered("refused", "the broker does not accept this username and password") from None
    except exceptions.AMQPConnectionError as error:
        raise NotDelivered("refused", str(error) or "nobody answers there") from None
    except exceptions.AMQPError as error:
        raise NotDelivered("reset", str(error) or type(error).__name__) from None
    return {"status": 200, "body": "confirmed by the broker"}


# --- AWS -------------------------------------------------------------------------------------------------------------


def aws(service: str, call: Callable[[Any, Parcel], Any]) -> Callable[[Parcel, Sender], Object]:
    """A sender that lets *call* use a client of *service*."""

    def send(parcel: Parcel, _: Sender) -> Object:
        try:
            import boto3
            from botocore import exceptions
            from botocore.config import Config
        except ImportError:
            raise missing("boto3") from None
        config = parcel.config
        try:
            client = boto3.client(
                service,
                region_name=region(config),
                endpoint_url=aws_endpoint(service, config),
                aws_access_key_id=config["key"],
                aws_secret_access_key=config["secret"],
                aws_session_token=config.get("session") or None,
                config=Config(
                    connect_timeout=parcel.timeout,
                    read_timeout=parcel.timeout,
                    retries={"total_max_attempts": 1},
                    proxies={},
                    s3={"addressing_style": "path"},
                ),
            )
            answer = call(client, parcel)
        except exceptions.ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise NotDelivered("bad_status", str(error), {"status": status, "body": str(error)[:KEPT_BODY]}) from None
        except (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError):
            raise NotDelivered("timeout") from None
        except exceptions.ConnectionClosedError as error:
            raise NotDelivered("reset", str(error)) from None
        except (exceptions.BotoCoreError, ValueError) as error:
            raise NotDelivered("refused", str(error)) from None
        return {"status": answer["ResponseMetadata"]["HTTPStatusCode"], "body": ""}

    return send


def put_on_queue(client: Any, parcel: Parcel) -> Any:
    attributes = {
        name: {"DataType": "String", "StringValue": parcel.event[key]}
        for name, key in (("event-id", "id"), ("topic", "type"))
    }
    return client.send_message(
        QueueUrl=parcel.config["queue_url"], MessageBody=parcel.body.decode(), MessageAttributes=attributes
    )


def put_on_stream(client: Any, parcel: Parcel) -> Any:
    return client.put_record(StreamName=parcel.config["stream_name"], Data=parcel.body, PartitionKey=parcel.event["id"])


def put_in_bucket(client: Any, parcel: Parcel) -> Any:
    return client.put_object(
        Bucket=parcel.config["bucket"], Key=object_key(parcel), Body=parcel.body, ContentType="application/json"
    )


def object_key(parcel: Parcel) -> str:
    """One object an event, named so that a listing is in the order things happened."""
    return f"{parcel.event['created_at']}_{parcel.event['id']}.json"


def region(config: Object) -> str:
    """The one given, or the one in the address of an SQS queue."""
    host = urlsplit(config.get("queue_url", "")).hostname or ""
    named = host.split(".")[1] if host.startswith("sqs.") and host.endswith(".amazonaws.com") else "us-east-1"
    return str(config.get("region") or named)


def aws_endpoint(service: str, config: Object) -> str:
    if config.get("endpoint_url"):
        return str(config["endpoint_url"])
    if "queue_url" in config:
        parts = urlsplit(config["queue_url"])
        return f"{parts.scheme}://{parts.netloc}"
    return f"https://{service}.{region(config)}.amazonaws.com"


# --- every type ------------------------------------------------------------------------------------------------------


CARRIERS = {
    "webhook": Carrier(lambda p: str(p.config["url"]), post),
    "rabbitmq": Carrier(lambda p: f"{amqp_address(p.config['server_url'])}#{quote(p.config['exchange'])}", publish),
    "aws_sqs": Carrier(lambda p: str(p.config.get("endpoint_url") or p.config["queue_url"]), aws("sqs", put_on_queue)),
    "aws_kinesis": Carrier(
        lambda p: f"{aws_endpoint('kinesis', p.config)}#{quote(p.config['stream_name'])}",
        aws("kinesis", put_on_stream),
    ),
    "aws_s3": Carrier(
        lambda p: f"{aws_endpoint('s3', p.config)}/{quote(p.config['bucket'])}/{quote(object_key(p))}",
        aws("s3", put_in_bucket),
    ),
    "aws_eventbridge": Carrier(lambda p: f"events:{p.config['region']}:{p.config['event_bus_name']}"),
    "gcp_pubsub": Carrier(lambda p: f"projects/{p.config['project_id']}/topics/{p.config['topic']}"),
    "azure_servicebus": Carrier(lambda p: f"servicebus:{p.config['name']}"),
    "hookdeck": Carrier(lambda p: "hookdeck"),
}


def carry(type: str, parcel: Parcel, sender: Sender, may_reach: Callable[[str], bool]) -> Object:
    """One attempt: `url`, `response`, `error` and perhaps a `note`."""
    carrier = CARRIERS[type]
    attempt: Object = {"url": carrier.address(parcel), "response": None, "error": None}
    if carrier.send is None:
        wanted = json.loads(parcel.body)
        return {**attempt, "sent": wanted, "note": f"recorded, not sent: the twin does not host {type}"}
    host = urlsplit(attempt["url"]).hostname or ""
    if not may_reach(host):
        return {
            **attempt,
            "error": "egress_blocked",
            "note": f"{host} is not on this machine: allow it with --allow-host",
        }
    try:
        return {**attempt, "response": carrier.send(parcel, sender)}
    except NotDelivered as failure:
        note = {"note": failure.note} if failure.note else {}
        return {**attempt, "response": failure.response, "error": failure.error, **note}


def egress(allowed: Collection[str]) -> Callable[[str], bool]:
    """Which hosts may be reached: this machine, and those *allowed* by name or glob."""
    return lambda host: is_loopback(host) or any(fnmatchcase(host, pattern.lower()) for pattern in allowed)


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def missing(library: str) -> NotDelivered:
    return NotDelivered("missing_library", f"{library} is not installed: pip install 'gangway[twin]'")
