"""The shapes in the OpenAPI document for hosts: what they send, and what they are told."""

from __future__ import annotations

from typing import Any

from .events import STEPS, TYPES
from .facts import LONGEST_URL
from .wishes import FEATURES, LONGEST_LABEL, LONGEST_WORDS, WIDEST_CORNER, WORDS

Object = dict[str, Any]

ERROR_CODES = {
    "invalid_api_key": "There is no key, or it is not valid.",
    "rate_limit_exceeded": "Too many calls; slow down.",
    "not_found": "There is no such thing, or it is not yours.",
    "method_not_allowed": "This address does not take this verb.",
    "request_too_large": "The body is larger than 32 kB.",
    "invalid_json": "The body is no JSON object.",
    "missing_field": "A field that is needed is not there.",
    "invalid_field": "A field is not what it should be.",
    "unknown_field": "There is no field of that name.",
    "webhook_url_not_allowed": "This address lies at no origin of yours, or you have no webhook yet.",
    "return_url_not_allowed": "This address is not registered for you, letter for letter.",
    "source_not_supported": "There is no such source for you.",
    "idempotency_error": "The same Idempotency-Key came with another request.",
    "idempotency_key_error": "The Idempotency-Key is longer than 256 characters.",
    "token_invalid": "There is no such token.",
    "token_already_used": "This token was used already.",
    "token_expired": "This token ran out.",
    "endpoint_paused": "Your webhook endpoint is paused.",
    "connection_ended": "The connection is over.",
    "reconnect_required": "The person has to act: make a session with the connection's id.",
    "no_task": "This installation offers nothing to connect for yet.",
    "unknown_host": "This installation answers at another address, which the message names.",
    "api_error": "Something went wrong on our side.",
}
"""Every `error_code` of an answer that is no 2xx."""

STATUSES = (
    "requires_consent",
    "requires_source_selection",
    "requires_credentials",
    "in_progress",
    "connected",
    "result_unknown",
    "source_unavailable",
    "timed_out",
    "token_expired",
)


SOURCE_STATUSES = ("up", "unsteady", "down", "stopped")
"""How a source fares, and `stopped` while the operator takes no new sign-ins there."""


def schemas() -> Object:
    source = an_object({"source_id": text(64), "name": text(80)})
    error = an_object({"error_type": text(40), "error_code": text(200)})
    run = {
        "run_id": id_of("run"),
        "status": {"type": "string", "description": "Deck's word; treat one you do not know as in progress."},
        "result": maybe({"type": "string"}),
        "errors": list_of(an_object({"type": {"type": "string"}, "code": {"type": "string"}})),
        "created_at": moment(),
        "ended_at": maybe(moment()),
    }
    connection = {
        "connection_id": id_of("conn"),
        "client_user_id": text(200),
        "source": source,
        "status": words("unverified", "verified", "invalid", "deleting", "deleted"),
        "status_since": moment(),
        "created_at": moment(),
    }
    session = {
        "session_id": id_of("cs"),
        "status": words(*STATUSES),
        "client_user_id": text(200),
        "source": maybe(source),
        "connection_id": maybe(id_of("conn")),
        "connection_ids": list_of(id_of("conn")),
        "run": maybe(an_object(run)),
        "support_code": {"type": "string"},
        "tags": tags(),
        "created_at": moment(),
        "expires_at": moment(),
        "opened_at": maybe(moment()),
    }
    attempt = {"at": moment(), "status": maybe(whole()), "problem": maybe({"type": "string"}), "milliseconds": whole()}
    delivery = {
        "delivery_id": id_of("dlv"),
        "event_id": id_of("evt"),
        "type": words(*TYPES),
        "state": words("pending", "delivered", "failed"),
        "url": {"type": "string", "description": "Where it goes."},
        "created_at": moment(),
        "next_attempt_at": maybe(moment()),
        "settled_at": maybe(moment()),
        "attempts": list_of(an_object(attempt)),
    }
    visit_event = {
        "event_id": id_of("vev"),
        "seq": whole(),
        "name": words(*STEPS),
        "timestamp": moment(),
        "session_id": id_of("cs"),
        "metadata": {"type": "object"},
    }
    data = {
        "session_id": maybe(id_of("cs")),
        "connection_id": maybe(id_of("conn")),
        "run_id": maybe(id_of("run")),
        "client_user_id": text(200),
        "tags": tags(),
        "status": {"type": "string"},
        "error": maybe(error),
    }
    told = an_object(data)
    told["properties"]["connection_ids"] = {
        **list_of(id_of("conn")),
        "description": "For a session: all of them.",
    }
    told["properties"]["source"] = {**source, "description": "In `source.available`."}
    event = {"id": id_of("evt"), "type": words(*TYPES), "created_at": moment(), "data": told}
    endpoint = {"url": {"type": "string"}, "failing_since": maybe(moment()), "paused_at": maybe(moment())}
    created = {
        "session_id": id_of("cs"),
        "connect_token": {"type": "string"},
        "expires_at": moment(),
        "hosted_url": {"type": "string"},
    }
    found = {
        "source_id": text(64),
        "name": text(80),
        "domain": text(253),
        "status": words(*SOURCE_STATUSES),
    }
    return {
        "Sources": page_of(an_object(found)),
        "SessionRequest": session_request(),
        "PublicToken": closed({"public_token": text(200)}, needs=["public_token"]),
        "CreatedSession": answered(created),
        "Session": answered(session),
        "Exchanged": answered(
            {"connection_id": id_of("conn"), "connection_ids": list_of(id_of("conn")), "session_id": id_of("cs")}
        ),
        "Connection": answered(connection),
        "Connections": page_of(an_object(connection)),
        "Run": answered(run),
        "Runs": page_of(an_object(run)),
        "RunWithOutput": answered({**run, "output": {"description": "By the task's output schema; null for none."}}),
        "VisitEvents": page_of(an_object(visit_event)),
        "Event": an_object(event),
        "Events": page_of(ref("Event")),
        "Delivery": answered(delivery),
        "Deliveries": page_of(an_object(delivery), endpoint=maybe(an_object(endpoint))),
        "Problem": answered(
            {
                "error": {
                    "type": "object",
                    "required": ["error_code", "error_message"],
                    "properties": {
                        "error_code": words(*ERROR_CODES),
                        "error_message": {"type": "string", "description": "For developers, not for people."},
                        "param": {"type": "string", "description": "The field it is about."},
                    },
                }
            }
        ),
    }


def session_request() -> Object:
    slug = text(200)
    user = {"type": "object", "required": ["client_user_id"], "properties": {"client_user_id": text(200, least=1)}}
    lifetime = {"type": "integer", "minimum": 60, "maximum": 21 * 86_400, "default": 1_800}
    fields = {
        "user": {**user, "description": "Who it is, in your own words and not as an email address."},
        "user_label": {
            **text(LONGEST_LABEL, least=1),
            "description": "By what this user knows their account with you, such as a masked email: they are shown it.",
        },
        "return_url": {**text(2_000), "description": "Where the person comes back to: a registered one."},
        "state": {**text(500), "description": "Comes back with the person."},
        "source_id": {**slug, "description": "The only source: nothing is picked."},
        "allowed_source_ids": {**list_of(slug), "minItems": 1, "description": "What may be picked."},
        "connection_id": {**id_of("conn"), "description": "Repair this connection instead of making a new one."},
        "hosted": {"type": "object", "properties": {"lifetime_seconds": lifetime}},
        "tags": {**tags(), "description": "At most 20, with names of at most 40 characters; echoed everywhere."},
        "allowed_origins": {**list_of(text(300)), "minItems": 1, "description": "Only these of your origins."},
        "language": {
            **text(35),
            "description": "Such as fr-CA, for a task that takes one. Our words are English.",
        },
        "appearance": {
            **optional({"accent": text(7), "radius": {"type": "integer", "minimum": 0, "maximum": WIDEST_CORNER}}),
            "description": "An accent that can be read, such as #7a3413, and how round corners are, in pixels.",
        },
        "features": {
            **optional({name: {"type": "boolean", "default": False} for name in FEATURES}),
            "description": "What the visit can do beyond connecting one account.",
        },
        "webhook_url": {
            **text(LONGEST_URL),
            "description": "Where this session is told of instead: at one of your origins.",
        },
        "text": {**optional({name: text(LONGEST_WORDS) for name in WORDS}), "description": "Plain text beside ours."},
    }
    return closed(fields, needs=["user"])


def answered(properties: Object) -> Object:
    return an_object({**properties, "request_id": {"type": "string"}})


def page_of(item: Object, **more: Object) -> Object:
    return answered({"data": list_of(item), "has_more": {"type": "boolean"}, **more})


def an_object(properties: Object) -> Object:
    """All of these are always there. More may come one day."""
    return {"type": "object", "required": list(properties), "properties": properties}


def closed(properties: Object, *, needs: list[str]) -> Object:
    return {"type": "object", "required": needs, "properties": properties, "additionalProperties": False}


def optional(properties: Object) -> Object:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def list_of(item: Object) -> Object:
    return {"type": "array", "items": item}


def maybe(schema: Object) -> Object:
    return {"anyOf": [schema, {"type": "null"}]}


def text(longest: int, *, least: int = 0) -> Object:
    return {"type": "string", "maxLength": longest, **({"minLength": least} if least else {})}


def words(*known: str) -> Object:
    return {"type": "string", "enum": list(known)}


def id_of(kind: str) -> Object:
    return {"type": "string", "pattern": f"^{kind}_[A-Za-z0-9_-]{{16}}$"}


def moment() -> Object:
    return {"type": "string", "format": "date-time"}


def whole() -> Object:
    return {"type": "integer"}


def tags() -> Object:
    return {"type": "object", "maxProperties": 20, "additionalProperties": text(200)}


def ref(name: str) -> Object:
    return {"$ref": f"#/components/schemas/{name}"}


def json_of(schema: Object) -> Object:
    return {"application/json": {"schema": schema}}
