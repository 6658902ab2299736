"""The reference for companies' servers is true: the document for programs, and docs/hosts.md."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx
import jsonschema
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.companies import Server, connects, follows, listens
from tests.people import Deck, Visitor
from webapp import frame
from webapp.hosts.deliveries import PROBLEMS
from webapp.hosts.events import STEPS, TYPES
from webapp.hosts.openapi import document
from webapp.hosts.shapes import ERROR_CODES, STATUSES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/hosts.md").read_text()


def test_asked_under_another_name_it_says_where_it_answers(app: Flask, tidepool: Server) -> None:
    elsewhere = httpx.Client(transport=httpx.WSGITransport(app=app), base_url="http://127.0.0.1:5050")
    call = elsewhere.post("/v1/connect/sessions", json={}, headers={"Authorization": f"Bearer {tidepool.key}"})
    assert (call.status_code, call.json()["error"]["error_code"]) == (400, "unknown_host")
    assert call.json()["error"]["error_message"] == "This installation answers at http://localhost."
    assert call.json()["request_id"].startswith("req_")
    page = elsewhere.get("/")
    assert (page.status_code, page.text) == (400, "This installation answers at http://localhost.\n")


def test_a_wrong_verb_is_told_from_a_wrong_address(tidepool: Server) -> None:
    for verb, path, allowed in (("GET", "/connect/sessions", "POST"), ("PUT", "/connections", "GET")):
        refused = tidepool.asks(verb, path)
        assert (refused.status_code, refused.json()["error"]["error_code"]) == (405, "method_not_allowed")
        assert refused.headers["Allow"] == allowed
    assert tidepool.asks("GET", "/nothing").json()["error"]["error_code"] == "not_found"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("", "Give a secret key"),
        ("Bearer pk_live_what_is_this", "Give a secret key"),
        ("Bearer sk_test_cut", "This key is cut off."),
        ("Bearer sk_test_0123456789abcdefghijklmnop", "No key of ours ends in …mnop"),
    ],
)
def test_a_wrong_key_is_named_by_its_end(tidepool: Server, sent: str, told: str) -> None:
    refused = tidepool.asks("GET", "/connections", Authorization=sent)
    assert refused.status_code == 401
    assert refused.json()["error"]["error_message"].startswith(told)


def test_in_a_crowd_programs_are_answered_in_json_too(
    app: Flask, tidepool: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.ops.crowd.PAGES_AT_ONCE", 0)
    refused = tidepool.asks("GET", "/connections")
    assert (refused.status_code, refused.json()["error"]["error_code"]) == (503, "api_error")
    assert int(refused.headers["Retry-After"]) >= 1
    assert refused.headers["X-Request-Id"] == refused.json()["request_id"]


def test_the_document_needs_no_key_and_everything_else_does(app: Flask, tidepool: Server) -> None:
    told = tidepool.http.get("/openapi.json", headers={"Authorization": ""})
    assert told.status_code == 200 and told.json()["openapi"].startswith("3.1")
    assert tidepool.http.get("/openapi.json/x", headers={"Authorization": ""}).status_code == 401


def test_every_route_is_in_the_document_and_none_else(app: Flask) -> None:
    routes = set()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("hosts.") and rule.endpoint != "hosts.nowhere":
            path = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule)
            routes |= {(method, path) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    documented = {(m.upper(), path) for path, verbs in document("")["paths"].items() for m in verbs}
    assert documented == routes


def test_answers_are_as_the_document_says(app: Flask, tidepool: Server, kim: Visitor, deck: Deck) -> None:
    listens(app, "http://127.0.0.1:9/hooks")
    invited = tidepool.invites(tags={"a": "b"})
    follows(kim, invited)
    connects(kim, deck)
    deck.worker.courier.deliver()
    (connection,) = tidepool.reads("/connections")["data"]
    (run,) = tidepool.reads(f"/connections/{connection['connection_id']}/runs")["data"]
    delivery = tidepool.reads("/deliveries")["data"][0]
    ids = {"sessions": invited["session_id"], "connections": connection["connection_id"]}
    ids["deliveries"] = delivery["delivery_id"]
    spec = document("http://localhost")
    checker = jsonschema.FormatChecker()
    asked = 0
    for path, verbs in spec["paths"].items():
        for verb, operation in verbs.items():
            if path == "/v1/openapi.json" or "requestBody" in operation or path.endswith(("/expire", "/disconnect")):
                continue
            real = path.replace("{run_id}", run["run_id"])
            real = real.replace("{id}", ids.get(path.split("{id}")[0].strip("/").split("/")[-1], ""))
            answer = tidepool.asks(verb.upper(), real.removeprefix("/v1"))
            shape = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
            whole = {**shape, "components": spec["components"]}
            jsonschema.validate(answer.json(), whole, jsonschema.Draft202012Validator, format_checker=checker)
            asked += 1
    assert asked == 11
    shape = {"$ref": "#/components/schemas/CreatedSession", "components": spec["components"]}
    jsonschema.validate(tidepool.invites(), shape)
    refused = tidepool.asks("POST", "/connect/sessions", {}).json()
    jsonschema.validate(refused, {"$ref": "#/components/schemas/Problem", "components": spec["components"]})


def test_nonsense_is_refused_and_never_our_fault(app: Flask, tidepool: Server, kim: Visitor, deck: Deck) -> None:
    """Three hundred calls no sane server would make, built from the document."""
    follows(kim, tidepool.invites())
    connects(kim, deck)
    schema = schemathesis.openapi.from_wsgi("/v1/openapi.json", app, base_url="http://localhost")
    cases = st.one_of(*(schema.as_strategy(generation_mode=mode) for mode in GenerationMode))

    @settings(max_examples=300, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=cases)
    def calls(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {tidepool.key}"})
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["error_code"] in ERROR_CODES

    calls()


# --- docs/hosts.md is true ---------------------------------------------------------------------------------------


def table(heads: str) -> set[str]:
    """The first column of the table with this heading."""
    rows = PAGE.partition(f"| {heads} |\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", rows, re.MULTILINE))


def test_every_call_is_documented() -> None:
    documented = {f"{m.upper()} {path}" for path, verbs in document("")["paths"].items() for m in verbs}
    assert table("call | is") == documented


def test_every_word_of_ours_is_explained() -> None:
    assert table("type | means | `status` is") == set(TYPES)
    assert table("name | when | also") == set(STEPS)
    assert table("status | means") == set(STATUSES)
    assert table("problem | means") == set(PROBLEMS)
    assert table("error code | means") == set(ERROR_CODES)
    fields = document("")["components"]["schemas"]["SessionRequest"]["properties"]
    assert table("field | is") == set(fields)


def test_every_word_a_page_may_hear_is_explained_and_typed() -> None:
    types = (ROOT / "static/connect.d.ts").read_text()

    def union(name: str) -> set[str]:
        return set(re.findall(r'"(\w+)"', types.partition(f"export type {name} =")[2].partition(";")[0]))

    assert table("event | when | kept") == union("EventName") >= set(STEPS)
    assert table("exit status | the person has not") == union("ExitStatus")
    scripts = "".join((ROOT / path).read_text() for path in ("static/connect.js", "static/frame.js"))
    said = set(re.findall(r'(?:tell|emit)\("([A-Z_]+)"', scripts))
    assert said <= union("EventName")
    failed = set(re.findall(r'(?:problem|sessionError)\(\s*(?:nested \? )?"(\w+)"', scripts)) | {"frame_blocked"}
    assert table("session error | means") == failed | set(frame.REFUSALS)


def test_every_error_code_in_the_code_is_known() -> None:
    """Whatever is raised as a BadRequest or told as a problem has its line in the table."""
    used = set()
    for path in (ROOT / "webapp/hosts").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("BadRequest", "problem"):
                used |= {a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    codes = {word for word in used if re.fullmatch(r"[a-z_]+", word)}
    handled = {"method_not_allowed", "request_too_large", "api_error", "unknown_host"}
    assert codes | handled == set(ERROR_CODES)


def test_the_statuses_are_those_the_code_gives() -> None:
    given = []
    tree = ast.parse((ROOT / "webapp/exits.py").read_text())
    for function in ("status_of", "exit_status"):
        found = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function)
        given += [n.value for n in ast.walk(found) if isinstance(n, ast.Return)]
    words = {n.value for value in given for n in ast.walk(value) if isinstance(n, ast.Constant)}
    assert words - {None, "unknown"} == set(STATUSES)
