"""The API for hosts as an OpenAPI 3.1 document. A test holds it against the routes, another throws nonsense at both."""

from __future__ import annotations

from typing import Any

from .host_events import STEPS, TYPES
from .models.delivery import WAITS
from .wishes import LONGEST_WORDS, WIDEST_CORNER, WORDS

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
    "token_expired",
)


def document(public_url: str) -> Object:
    """The document, for the installation people reach at *public_url*."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Gangway for hosts",
            "version": "1",
            "description": "People of your company connect their accounts at other websites. See docs/hosts.md.",
        },
        "servers": [{"url": public_url}],
        "security": [{"key": []}],
        "paths": {**session_paths(), **connection_paths(), **news_paths()},
        "webhooks": {type: {"post": webhook(type)} for type in TYPES},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A secret key, `sk_…`."}},
            "schemas": schemas(),
        },
    }


# --- addresses -------------------------------------------------------------------------------------------------


def session_paths() -> Object:
    create = call("Create a connect session", "CreatedSession", status=201, body="SessionRequest", refuses=(404, 409))
    create["parameters"] = [header("Idempotency-Key", "The same request with the same key is the same session.")]
    exchange = call("Exchange a public token", "Exchanged", body="PublicToken", refuses=(409, 410))
    return {
        "/v1/connect/sessions": {"post": create},
        "/v1/connect/sessions/{id}": {"get": about("cs", call("Read a session", "Session", refuses=(404,)))},
        "/v1/connect/sessions/{id}/expire": {"post": about("cs", call("Revoke a session", "Session", refuses=(404,)))},
        "/v1/connect/sessions/{id}/events": {
            "get": about("cs", paged(call("What the person did", "VisitEvents", refuses=(404,)), "vev"))
        },
        "/v1/connect/public_token/exchange": {"post": exchange},
    }


def connection_paths() -> Object:
    listed = paged(call("Connections, newest first", "Connections", refuses=(404,)), "conn")
    listed["parameters"].append(query("client_user_id", "Only this user's."))
    run = about("conn", call("One run, with what it brought", "RunWithOutput", refuses=(404,)))
    run["parameters"].append(in_path("run_id", "run"))
    one = "/v1/connections/{id}"
    refresh = about("conn", call("Read a connection once more", "Run", status=202, refuses=(404, 409)))
    refresh["parameters"].append(header("Idempotency-Key", "The same request with the same key is the same run."))
    return {
        "/v1/connections": {"get": listed},
        one: {"get": about("conn", call("Read a connection", "Connection", refuses=(404,)))},
        f"{one}/refresh": {"post": refresh},
        f"{one}/disconnect": {"post": about("conn", call("End a connection", "Connection", refuses=(404,)))},
        f"{one}/runs": {"get": about("conn", call("Runs, newest first", "Runs", refuses=(404,)))},
        f"{one}/runs/{{run_id}}": {"get": run},
    }


def news_paths() -> Object:
    events = paged(call("Events, oldest first", "Events", refuses=(404,)), "evt")
    events["parameters"].append({**query("since", "Only from this time on."), "schema": moment()})
    log = paged(call("Deliveries, newest first", "Deliveries", refuses=(404,)), "dlv")
    log["parameters"].append({**query("state", "Only these."), "schema": words("pending", "delivered", "failed")})
    resend = call("Deliver once more", "Delivery", status=202, refuses=(404, 409))
    return {
        "/v1/events": {"get": events},
        "/v1/deliveries": {"get": log},
        "/v1/deliveries/{id}/resend": {"post": about("dlv", resend)},
        "/v1/openapi.json": {
            "get": {
                "summary": "This document",
                "security": [],
                "responses": {"200": {"description": "OpenAPI 3.1", "content": json_of({"type": "object"})}},
            }
        },
    }


def call(summary: str, answer: str, *, status: int = 200, body: str = "", refuses: tuple[int, ...] = ()) -> Object:
    codes = {401, 429, *refuses, *((400, 413) if body else (400,))}
    responses: Object = {str(status): {"description": summary, "content": json_of(ref(answer))}}
    problem = {"description": "See `error_code`.", "content": json_of(ref("Problem"))}
    responses |= {str(code): problem for code in sorted(codes)}
    found: Object = {"summary": summary, "parameters": [], "responses": responses}
    if body:
        found["requestBody"] = {"required": True, "content": json_of(ref(body))}
    return found


def about(kind: str, operation: Object) -> Object:
    operation["parameters"].insert(0, in_path("id", kind))
    return operation


def paged(operation: Object, kind: str) -> Object:
    operation["parameters"].append({**query("after", "The last id of the page before."), "schema": id_of(kind)})
    return operation


def in_path(name: str, kind: str) -> Object:
    return {"name": name, "in": "path", "required": True, "schema": id_of(kind)}


def query(name: str, description: str) -> Object:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


def header(name: str, description: str) -> Object:
    return {"name": name, "in": "header", "description": description, "schema": text(256)}


def webhook(type: str) -> Object:
    retries = f"Answer 2xx within five seconds; otherwise it comes again, {len(WAITS)} more times over a day."
    return {
        "summary": type,
        "security": [],
        "requestBody": {"content": json_of(ref("Event"))},
        "responses": {"2XX": {"description": retries}},
    }


# --- shapes ----------------------------------------------------------------------------------------------------


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
    event = {"id": id_of("evt"), "type": words(*TYPES), "created_at": moment(), "data": an_object(data)}
    endpoint = {"url": {"type": "string"}, "failing_since": maybe(moment()), "paused_at": maybe(moment())}
    created = {
        "session_id": id_of("cs"),
        "connect_token": {"type": "string"},
        "expires_at": moment(),
        "hosted_url": {"type": "string"},
    }
    return {
        "SessionRequest": session_request(),
        "PublicToken": closed({"public_token": text(200)}, needs=["public_token"]),
        "CreatedSession": answered(created),
        "Session": answered(session),
        "Exchanged": answered({"connection_id": id_of("conn"), "session_id": id_of("cs")}),
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
        "return_url": {**text(2_000), "description": "Where the person comes back to: a registered one."},
        "state": {**text(500), "description": "Comes back with the person."},
        "source_id": {**slug, "description": "The only source: nothing is picked."},
        "allowed_source_ids": {**list_of(slug), "minItems": 1, "description": "What may be picked."},
        "connection_id": {**id_of("conn"), "description": "Repair this connection instead of making a new one."},
        "hosted": {"type": "object", "properties": {"lifetime_seconds": lifetime}},
        "tags": {**tags(), "description": "At most 20; echoed everywhere."},
        "allowed_origins": {**list_of(text(300)), "minItems": 1, "description": "Only these of your origins."},
        "language": {
            **text(35),
            "description": "Such as fr-CA, for a task that takes one. Our words are English.",
        },
        "appearance": {
            **optional({"accent": text(7), "radius": {"type": "integer", "minimum": 0, "maximum": WIDEST_CORNER}}),
            "description": "An accent that can be read, such as #7a3413, and how round corners are, in pixels.",
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
