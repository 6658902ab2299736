"""Both planes as OpenAPI documents: for readers, for generators, and for tests that send nonsense."""

from __future__ import annotations

import re
from typing import Any

from flask import Flask

from .objects import EVENT_TYPES, Object
from .vendor import OPERATIONS, Operation

TEXT: Object = {"type": "string"}
TEXT_OR_NULL: Object = {"type": ["string", "null"]}
ANY_OBJECT: Object = {"type": "object"}
SCHEMA: Object = {"type": ["object", "null"], "description": "a JSON Schema"}

CREDENTIALS: Object = {
    "type": "object",
    "properties": {
        "username": TEXT,
        "password": TEXT,
        "source_fields": {"type": "object", "maxProperties": 10, "additionalProperties": TEXT},
    },
}
TASK: Object = {
    "name": TEXT,
    "prompt": TEXT_OR_NULL,
    "input_schema": SCHEMA,
    "output_schema": SCHEMA,
    "storage": {"type": ["object", "null"]},
    "extraction": {"type": "boolean"},
    "settings": {"type": ["object", "null"], "properties": {"timeout_seconds": {"type": "integer"}}},
}
EVENTS: Object = {"type": "array", "minItems": 1, "items": {"enum": ["*", *EVENT_TYPES]}}
WEBHOOK: Object = {"type": "object", "properties": {"url": TEXT, "secret": TEXT, "custom_headers": TEXT}}


def shape(required: tuple[str, ...] = (), **properties: Object) -> Object:
    return {"type": "object", "properties": properties, "required": list(required)}


BODIES: dict[str, Object] = {
    "agents.create": shape(("name",), name=TEXT, description=TEXT_OR_NULL),
    "agents.update": shape(name=TEXT, description=TEXT_OR_NULL),
    "sources.create": shape(
        ("type", "website"), type={"enum": ["website"]}, website=shape(("url",), url=TEXT), name=TEXT_OR_NULL
    ),
    "sources.update": shape(website=shape(url=TEXT), name=TEXT_OR_NULL),
    "credentials.create": shape(
        ("source_id",),
        source_id=TEXT,
        auth_method={"enum": ["username_password", "none"]},
        auth_credentials=CREDENTIALS,
        external_id={"type": ["string", "null"], "maxLength": 255},
    ),
    "credentials.update": shape(auth_credentials=CREDENTIALS, external_id=TEXT_OR_NULL),
    "tasks.create": shape(("name", "agent_id"), agent_id=TEXT, id=TEXT_OR_NULL, **TASK),
    "tasks.update": shape(**TASK),
    "task_runs.create": shape(
        credential_id=TEXT_OR_NULL, source_id=TEXT_OR_NULL, session_id=TEXT_OR_NULL, request_id=TEXT_OR_NULL, input={}
    ),
    "task_runs.interaction": shape(("input",), input=ANY_OBJECT),
    "event_destinations.create": shape(("name",), name=TEXT, type=TEXT, events=EVENTS, webhook=WEBHOOK),
    "event_destinations.update": shape(
        name=TEXT, status={"enum": ["active", "inactive"]}, events=EVENTS, webhook=WEBHOOK
    ),
}
"""What each call takes. The other calls take nothing."""

QUERY = {
    "task_runs.list": ("status", "source_id", "outcome", "agent_id", "credential_id", "task_id", "created_after"),
    "task_runs.get": ("include",),
    "credentials.list": ("source_id", "status", "external_id"),
    "tasks.list": ("agent_id", "status"),
    "events.list": ("type", "created_after", "created_before"),
    "event_deliveries.list": ("status", "type"),
    "sessions.list": ("status",),
}

PROBLEM: Object = shape(title=TEXT, status={"type": "integer"}, errors=ANY_OBJECT, traceId=TEXT)
ENVELOPE: Object = shape(errors={"type": "array", "items": ANY_OBJECT}, request_id=TEXT)


def vendor() -> Object:
    """Deck's API as the twin speaks it."""
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        path = "/v2" + operation.path.replace("<", "{").replace(">", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _vendor_call(operation)
    return document("Deck v2, as the twin speaks it", "2.0.0", "the vendor key, sk_live_…", paths)


def _vendor_call(operation: Operation) -> Object:
    names = list(QUERY.get(operation.name, ()))
    if operation.name.endswith(".list") and operation.name != "event_types.list":
        names += ["limit", "cursor"]
    doc = (operation.handler.__doc__ or "").strip().splitlines()
    call: Object = {
        "operationId": operation.name,
        "summary": doc[0] if doc else operation.name.replace(".", ": ").replace("_", " "),
        "parameters": [*_path_parameters(operation.path), *(_parameter("query", name) for name in names)],
        "responses": {
            "2XX": _answer(ANY_OBJECT),
            "400": _answer({"anyOf": [PROBLEM, ENVELOPE]}),
            "4XX": _answer(ENVELOPE),
        },
    }
    if operation.method != "GET":
        call["parameters"].append(_parameter("header", "Idempotency-Key"))
    if operation.name in BODIES:
        call["requestBody"] = {"required": True, "content": {"application/json": {"schema": BODIES[operation.name]}}}
    return call


def control(app: Flask) -> Object:
    """The control plane, read off the app's own routes."""
    paths: dict[str, Any] = {}
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("control.") or rule.endpoint == "control.unknown":
            continue
        path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            call: Object = {
                "operationId": f"{rule.endpoint.removeprefix('control.')}_{method.lower()}_{len(rule.arguments)}",
                "parameters": _path_parameters(re.sub(r"<\w+:", "<", rule.rule)),
                "responses": {"2XX": _answer(ANY_OBJECT), "4XX": _answer(shape(error=ANY_OBJECT))},
            }
            if method == "POST":
                call["requestBody"] = {"content": {"application/json": {"schema": ANY_OBJECT}}}
            paths.setdefault(path, {})[method.lower()] = call
    return document("The twin's control plane", "1", "the admin key, twa_…", paths)


def document(title: str, version: str, key: str, paths: Object) -> Object:
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "security": [{"key": []}],
        "components": {"securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": key}}},
        "paths": paths,
    }


def _path_parameters(path: str) -> list[Object]:
    return [_parameter("path", name) for name in re.findall(r"<(\w+)>", path)]


def _parameter(where: str, name: str) -> Object:
    return {"in": where, "name": name, "required": where == "path", "schema": TEXT}


def _answer(schema: Object) -> Object:
    return {"description": "", "content": {"application/json": {"schema": schema}}}
