"""The API for hosts as an OpenAPI 3.1 document. A test holds it against the routes, another throws nonsense at both."""

from __future__ import annotations

from ..models.delivery import WAITS
from .events import TYPES
from .shapes import Object, id_of, json_of, moment, ref, schemas, text, words


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
        "paths": {**source_paths(), **session_paths(), **connection_paths(), **news_paths()},
        "webhooks": {type: {"post": webhook(type)} for type in TYPES},
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A secret key, `sk_…`."}},
            "schemas": schemas(),
        },
    }


# --- addresses -------------------------------------------------------------------------------------------------


def source_paths() -> Object:
    listed = call("What your people can connect, popular first", "Sources", refuses=(404,))
    listed["parameters"] = [
        query("after", "The last page's last `source_id`."),
        query("q", "As people search: part of a name, an address, with a typo."),
    ]
    return {"/v1/sources": {"get": listed}}


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
        f"{one}/runs": {"get": about("conn", paged(call("Runs, newest first", "Runs", refuses=(404,)), "run"))},
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
