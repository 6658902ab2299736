"""What a fault does to an answer: the effects, and which of them make sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from .budget import check_rate
from .clock import duration
from .errors import ControlError, VendorError
from .objects import Object

FIELDS = {
    "error": {"status", "code", "error_type", "message", "field", "headers", "body"},
    "rate_limit": {"limit", "per", "scope", "retry_after"},
    "latency": {"delay", "jitter", "clock"},
    "hang": {"max"},
    "drop": {"how", "after_bytes"},
    "malformed": {"how", "status", "fields"},
}
DROPS = ("reset", "close", "truncate")
DRESSED = ("wrong_content_type", "missing_fields", "extra_fields")
"""Ways to be malformed that need a real answer to begin with."""
MALFORMED = ("invalid_json", "empty_body", "html", "garbage", *DRESSED)
LONGEST_BODY = 20_000
"""The journal keeps only the length of a longer one."""
LONGEST_WAIT = timedelta(minutes=5)
"""Nobody waits longer in real time."""

CODES: dict[str, tuple[int, str, str]] = {
    "api_error": (500, "api", "Something went wrong."),
    "timeout": (500, "api", "The request timed out."),
    "endpoint_deprecated": (400, "api", "This endpoint is deprecated."),
    "idempotency_error": (
        409,
        "idempotency",
        "Idempotency key has already been used with different parameters.",
    ),
    "idempotency_key_error": (400, "idempotency", "Idempotency key must be at most 256 characters"),
    "rate_limit_exceeded": (429, "rate_limit", "Too many requests."),
    "session_limit_exceeded": (429, "rate_limit", "Agent sandbox limit exceeded."),
    "source_error": (503, "source", "The source did not work as expected."),
    "source_invalid": (400, "source", "The source is not valid."),
    "source_not_available": (503, "source", "The source is not available."),
    "source_blocked": (403, "source", "The source is not allowed."),
    "input_missing": (400, "request", "A required input is missing."),
    "api_key_invalid": (401, "request", "The API key is not valid."),
    "auth_invalid": (401, "auth", "The source did not accept the credentials."),
    "interaction_timeout": (408, "interaction", "Nobody answered in time."),
    "mfa_timeout": (408, "interaction", "Nobody answered in time."),
}
"""Status, type and message of Deck's codes for calls. Messages Deck does not publish are ours."""
OF_STATUS = {401: "api_key_invalid", 403: "source_blocked", 429: "rate_limit_exceeded", 500: "api_error"}
"""The code for a status that comes alone; every other 5xx is an `api_error`."""


@dataclass
class Reply:
    """What goes back to the caller: an answer, or instead of it something done to the line."""

    status: int | None
    body: Any = None
    text: str | None = None
    """The bytes to send, where they are not simply *body* as JSON."""
    content_type: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    line: Object | None = None
    """`{how, max?, status?, length?, part?}`: what happens to the connection (line.py)."""

    def content(self) -> str:
        if self.text is None:
            self.text = json.dumps(self.body, ensure_ascii=False)
        return self.text

    def kept_body(self) -> Any:
        """What was answered, as far as the journal keeps it."""
        if self.line:
            return None
        length = len(self.content())
        return f"[{length} characters]" if length > LONGEST_BODY else self.text if self.body is None else self.body


def spoil(effect: Object, reply: Reply | None, request_id: str) -> Reply:
    """What the caller gets instead of *reply*, which is None when nothing was done."""
    kind = effect["type"]
    if kind == "error":
        return _error(effect, request_id)
    if kind == "hang":
        return Reply(None, line={"how": "hang", "max": duration(effect["max"]).total_seconds()})
    if effect["how"] == "truncate":
        whole = reply or Reply(200, {"id": request_id})
        content = whole.content().encode()
        part = content[: min(effect["after_bytes"], len(content) - 1)]
        return Reply(None, line={"how": "truncate", "status": whole.status, "length": len(content), "part": part})
    if kind == "drop" or effect["how"] == "garbage":
        return Reply(None, line={"how": effect["how"]})
    return _malformed(effect, reply or Reply(200, {"id": request_id}))


def _error(effect: Object, request_id: str) -> Reply:
    if "body" in effect:
        return Reply(effect["status"], effect["body"], headers=effect.get("headers", {}))
    error = VendorError(effect["status"], effect["error_type"], effect["code"], effect["message"], effect.get("field"))
    body = {"errors": [error.element()], "request_id": request_id}
    return Reply(effect["status"], body, headers=effect.get("headers", {}))


def _malformed(effect: Object, reply: Reply) -> Reply:
    how, status = effect["how"], effect.get("status", reply.status)
    content = reply.content()
    if how == "invalid_json":
        return Reply(status, text=content[: max(1, len(content) // 2)])
    if how == "empty_body":
        return Reply(status, text="")
    if how == "html":
        page = "<!doctype html><title>Bad gateway</title><h1>Bad gateway</h1>"
        return Reply(effect.get("status", 502), text=page, content_type="text/html; charset=utf-8")
    if how == "wrong_content_type":
        return Reply(status, reply.body, content_type="text/plain; charset=utf-8")
    body = reply.body if isinstance(reply.body, dict) else {}
    if how == "missing_fields":
        return Reply(status, {name: value for name, value in body.items() if name not in effect["fields"]})
    return Reply(status, {**body, **effect["fields"]})


# --- what may be armed -----------------------------------------------------------------------------------------


def check_effect(given: object) -> Object:
    """The effect with everything that goes without saying filled in; 422 for one that cannot be."""
    if not isinstance(given, dict) or given.get("type") not in FIELDS:
        raise ControlError(422, "unknown_field", "effect is {type, …}", hint=f"types: {', '.join(FIELDS)}")
    kind = given["type"]
    if unknown := set(given) - FIELDS[kind] - {"type"}:
        text = f"{kind} has no field {sorted(unknown)[0]!r}"
        raise ControlError(422, "unknown_field", text, hint=f"known: {', '.join(sorted(FIELDS[kind]))}")
    status = given.get("status", 500)
    if type(status) is not int or not 200 <= status <= 599:
        raise ControlError(422, "unknown_field", f"status is a number from 200 to 599, not {status!r}")
    checks: dict[str, Callable[[Object], Object]] = {
        "error": _check_error,
        "rate_limit": _check_rate_limit,
        "latency": _check_latency,
        "hang": lambda e: {"max": "30s"} | e,
        "drop": _check_drop,
        "malformed": _check_malformed,
    }
    effect = checks[kind](given)
    real = effect.get("clock") == "real" or kind == "hang"
    for name in ("delay", "jitter", "max", "retry_after"):
        if name in effect and _wait(effect[name]) > LONGEST_WAIT and real:
            raise ControlError(422, "invalid_duration", f"nobody waits {effect[name]} in real time", hint="at most 5m")
    return effect


def _wait(value: object) -> timedelta:
    try:
        return duration(value)
    except ValueError as error:
        raise ControlError(422, "invalid_duration", str(error)) from error


def _check_error(given: Object) -> Object:
    headers = given.get("headers", {})
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ControlError(422, "unknown_field", "headers is an object of texts")
    if any(mark in text for pair in headers.items() for text in pair for mark in "\r\n"):
        raise ControlError(422, "unknown_field", "a header is one line")
    if "body" in given:
        return {"status": 500, **given}
    for name in ("code", "error_type", "message", "field"):
        if not isinstance(given.get(name, ""), str):
            raise ControlError(422, "unknown_field", f"{name} is a text")
    status = given.get("status")
    code = given.get("code") or OF_STATUS.get(status or 0) or ("api_error" if status and status >= 500 else None)
    if code is None:
        raise ControlError(422, "unknown_field", "an error needs a code or a body", hint=f"known: {', '.join(CODES)}")
    if code.endswith("_not_found"):
        noun = code.removesuffix("_not_found").replace("_", " ")
        known: tuple[int, str, str] | None = (404, "request", f"No such {noun}.")
    else:
        known = CODES.get(code)
    if known is None and not {"error_type", "status"} <= set(given):
        text = f"{code!r} is not a code of Deck's: say its error_type and status"
        raise ControlError(422, "unknown_field", text, hint=f"known: {', '.join(CODES)}")
    usual = dict(zip(("status", "error_type", "message"), known or (500, "api", code), strict=True))
    return {**usual, **given, "code": code}


def _check_rate_limit(given: Object) -> Object:
    effect = {"scope": "world", **given}
    check_rate(effect.get("limit"), effect.get("per"))
    if effect["scope"] not in ("key", "operation", "world"):
        raise ControlError(422, "unknown_field", "scope is key, operation or world")
    return effect


def _check_latency(given: Object) -> Object:
    effect = {"jitter": "0s", "clock": "real", **given}
    if "delay" not in effect:
        raise ControlError(422, "invalid_duration", "a latency needs a delay")
    if effect["clock"] not in ("real", "virtual"):
        raise ControlError(422, "unknown_field", "clock is real or virtual")
    return effect


def _check_drop(given: Object) -> Object:
    if given.get("how") not in DROPS:
        raise ControlError(422, "unknown_field", "how does it drop?", hint=f"known: {', '.join(DROPS)}")
    after = given.get("after_bytes", 1)
    if type(after) is not int or after < 0:
        raise ControlError(422, "unknown_field", "after_bytes is a whole number")
    return {**given, "after_bytes": after}


def _check_malformed(given: Object) -> Object:
    how, fields = given.get("how"), given.get("fields")
    if how not in MALFORMED:
        raise ControlError(422, "unknown_field", "how is it malformed?", hint=f"known: {', '.join(MALFORMED)}")
    if how == "missing_fields" and not (isinstance(fields, list) and all(isinstance(name, str) for name in fields)):
        raise ControlError(422, "unknown_field", "fields is a list of the names that are missing")
    if how == "extra_fields":
        fields = {"unexpected": True} if fields is None else fields
        if not isinstance(fields, dict):
            raise ControlError(422, "unknown_field", "fields is an object of what is there too")
        return {**given, "fields": fields}
    return given
