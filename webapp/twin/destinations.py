"""Where events can go: the types of destination, what each is set up with and what of that can be read back.

Types and their visible fields are Deck's. It does not publish the names of the secret ones: those
are the ones of hookdeck/outpost, whose field names coincide with Deck's elsewhere. `endpoint_url` is ours: it points
an AWS destination at a stand-in for AWS, where the address of a queue does not tell its `region` either.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .bodies import Body
from .objects import Object

NOT_YOURS = ("content-type", "content-length", "host", "connection", "user-agent")
"""Headers a destination cannot set for itself."""


@dataclass(frozen=True)
class DestinationType:
    """What a destination of one type is set up with; all of it is text."""

    visible: tuple[str, ...] = ()
    """Required, and shown on read."""
    secret: tuple[str, ...] = ()
    """Required, and never shown."""
    optional: tuple[str, ...] = ()
    """May be left out, and is never shown."""

    @property
    def known(self) -> tuple[str, ...]:
        return self.visible + self.secret + self.optional


AWS_KEYS = ("key", "secret")
AWS_EXTRAS = ("session", "endpoint_url")

TYPES = {
    "webhook": DestinationType(("url",), (), ("secret", "custom_headers")),
    "aws_sqs": DestinationType(("queue_url",), AWS_KEYS, (*AWS_EXTRAS, "region")),
    "aws_kinesis": DestinationType(("stream_name", "region"), AWS_KEYS, AWS_EXTRAS),
    "aws_s3": DestinationType(("bucket", "region"), AWS_KEYS, AWS_EXTRAS),
    "aws_eventbridge": DestinationType(("event_bus_name", "region"), AWS_KEYS, AWS_EXTRAS),
    "gcp_pubsub": DestinationType(("project_id", "topic"), ("service_account_json",)),
    "rabbitmq": DestinationType(("exchange", "server_url"), ("username", "password")),
    "azure_servicebus": DestinationType(("name",), ("connection_string",)),
    "hookdeck": DestinationType((), ("token",)),
}


def read_config(body: Body, type: str, before: Object | None = None) -> Object | None:
    """The configuration *body* gives a destination of *type*, over the one it had *before*; None when it gives none.

    Three ways to write it are known: under the name of the type, as `type_config`, or split into `config` and
    `credentials`. A block for another type is a mistake, never ignored.
    """
    for other in TYPES:
        if other != type and body.given.get(other) is not None:
            body.complain(other, f"does not fit the type {type}")
    blocks = [body.object(name) for name in (type, "type_config", "config", "credentials")]
    if before is not None and not any(block is not None for block in blocks):
        return None
    typed, free, config, credentials = blocks
    given = typed or free or {**(config or {}), **(credentials or {})}
    shape = TYPES[type]
    merged = {**(before or {}), **{name: value for name, value in given.items() if name in shape.known}}
    for name in shape.visible + shape.secret:
        if not isinstance(merged.get(name), str) or not merged[name]:
            what = "must be an http or https address" if name == "url" else f"The {name} field is required."
            body.complain(f"{type}.{name}", what)
    for name, text_is_good, complaint in CHECKS:
        value = merged.get(name)
        if name in shape.known and value not in (None, "") and (text := text_is_good(value, complaint)):
            body.complain(f"{type}.{name}", text)
    if type == "webhook" and merged.get("secret") is not None and not is_signing_secret(merged["secret"]):
        body.complain("webhook.secret", "must be whsec_ followed by base64")
    return {name: value for name, value in merged.items() if value is not None}


def visible(type: str, config: Object) -> Object:
    """The part of a configuration that reads show."""
    return {name: config[name] for name in TYPES[type].visible}


def wants(destination: Object, type: str) -> bool:
    return "*" in destination["events"] or type in destination["events"]


def custom_headers(config: Object) -> dict[str, str]:
    """The extra headers of a webhook, which it was given as a string of JSON."""
    return dict(json.loads(config.get("custom_headers") or "{}"))


# --- signing secrets ---------------------------------------------------------------------------------------------


def change_secret(destination: Object, secret: str, *, old_until: str) -> None:
    """A new signing secret; the one before it signs along until *old_until*."""
    destination["_previous"] = {"secret": destination["_config"]["secret"], "until": old_until}
    destination["_config"] = {**destination["_config"], "secret": secret}


def valid_secrets(destination: Object, now: str) -> list[str]:
    """The secrets that sign at *now*: the current one first, then the one it replaced while that is still good."""
    previous = destination.get("_previous")
    current = [destination["_config"]["secret"]]
    return [*current, previous["secret"]] if previous and now < previous["until"] else current


def is_signing_secret(secret: object) -> bool:
    if not isinstance(secret, str) or not secret.startswith("whsec_"):
        return False
    try:
        return bool(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    except ValueError:
        return False


def forged_secret(secret: str) -> str:
    """A well-formed secret that nobody was ever given."""
    return "whsec_" + base64.b64encode(hashlib.sha256(secret.encode()).digest()[:24]).decode()


# --- checking what was given -------------------------------------------------------------------------------------


def is_web_address(url: object) -> bool:
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def web_address(value: object, complaint: str) -> str:
    return "" if is_web_address(value) else complaint


def broker_address(value: object, complaint: str) -> str:
    """`host`, `host:port` or an amqp address; who logs in is written beside it, because reads show the address."""
    try:
        parts = urlsplit(amqp_address(value if isinstance(value, str) else ""))
        good = parts.scheme in ("amqp", "amqps") and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        good = False
    return "" if good else complaint


def amqp_address(server_url: str) -> str:
    return server_url if "://" in server_url else f"amqp://{server_url}"


def headers_text(value: object, complaint: str) -> str:
    """`custom_headers` is a string that holds JSON."""
    try:
        headers: Any = json.loads(value) if isinstance(value, str) else None
    except (ValueError, RecursionError):
        headers = None
    if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
        return complaint
    taken = [name for name in headers if name.lower() in NOT_YOURS]
    return f"{taken[0]} cannot be set" if taken else ""


def plain_text(value: object, complaint: str) -> str:
    return "" if isinstance(value, str) else complaint


CHECKS = (
    ("url", web_address, "must be an http or https address"),
    ("queue_url", web_address, "must be an http or https address"),
    ("endpoint_url", web_address, "must be an http or https address"),
    ("server_url", broker_address, "must be host:port, with the user under username and password"),
    ("custom_headers", headers_text, "must be a JSON-encoded string of an object of strings"),
    ("session", plain_text, "must be a string"),
    ("region", plain_text, "must be a string"),
)
"""Which field is looked at more closely, how, and what is said of it."""
