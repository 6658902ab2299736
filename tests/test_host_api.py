"""What a company's server reads from us: steps of a visit, events, the reference; and the reference is true."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError
from werkzeug.serving import make_server

from tests.companies import founded, listens
from tests.people import Deck, Visitor
from tests.test_hosts import BANK, CARD, CODE, PASSWORD, Server, connects, follows
from webapp import frame
from webapp.db import db, writing
from webapp.deliveries import PROBLEMS
from webapp.host_events import STEPS, TYPES
from webapp.host_openapi import ERROR_CODES, STATUSES, document
from webapp.models import Host, HostEvent, VisitEvent
from webapp.models.delivery import new_secret

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/hosts.md").read_text()
Later = Callable[..., None]


@pytest.fixture
def tidepool(app: Flask) -> Server:
    return founded(app)


@pytest.fixture
def kim(app: Flask) -> Visitor:
    return Visitor(app)


def steps(company: Server, session_id: str) -> list[dict[str, Any]]:
    return list(company.reads(f"/connect/sessions/{session_id}/events")["data"])


# --- what Kim did ------------------------------------------------------------------------------------------------


def test_a_company_can_follow_what_kim_did(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    id = tidepool.invites()["session_id"]
    assert steps(tidepool, id) == []
    invited = tidepool.invites()
    follows(kim, invited)
    connects(kim, deck)
    found = steps(tidepool, invited["session_id"])
    assert [step["seq"] for step in found] == list(range(1, len(found) + 1))
    names = [step["name"] for step in found if step["name"] != "STATUS_CHANGED"]
    assert names == ["OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "MFA_REQUIRED", "SUBMIT_MFA", "HANDOFF"]
    moves = [step["metadata"]["status"] for step in found if step["name"] == "STATUS_CHANGED"]
    assert moves[-1] == "completed" and "interaction_required" in moves
    asked = next(step["metadata"] for step in found if step["name"] == "MFA_REQUIRED")
    assert (asked["mfa_type"], asked["attempt"], asked["source_name"]) == ("code", 1, BANK)


def test_choosing_accounts_is_no_proof(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    invited = tidepool.invites(source_id="caisse-cote-claire")
    follows(kim, invited)
    kim.presses("Agree and continue")
    kim.presses("Sign in", username="778201", password="cote-claire-3")
    for answer in ({"f0": "Biscuit"}, {"f0": "sav-9921"}):
        deck.goes_on()
        kim.looks_again()
        ref = kim.page.url.path
        hidden = {str(i.get("name")): i.get("value", "") for i in kim.tree.iter("input") if i.get("type") == "hidden"}
        kim.posts(f"{ref}/answer", {**hidden, **answer})
    deck.goes_on()
    names = [s["name"] for s in steps(tidepool, invited["session_id"]) if s["name"] != "STATUS_CHANGED"]
    assert names[2:] == ["MFA_REQUIRED", "SUBMIT_MFA", "SELECT_ACCOUNT", "HANDOFF"]


def test_nothing_typed_is_in_what_is_told(app: Flask, tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    kim.posts(kim.page.url.path + "/leave")
    with app.app_context():
        kept = json.dumps([e.details for e in db.session.scalars(select(VisitEvent))])
        kept += json.dumps([e.data for e in db.session.scalars(select(HostEvent))])
    assert "SUBMIT" not in kept and "connected" in kept
    for typed in (CARD, PASSWORD, CODE):
        assert typed not in kept


def test_steps_come_page_by_page(app: Flask, tidepool: Server, kim: Visitor) -> None:
    id = tidepool.invites()["session_id"]
    with app.app_context(), writing():
        for n in range(120):
            VisitEvent.add(1, "STATUS_CHANGED", {"n": n})
    seen: list[int] = []
    after, more = "", True
    while more:
        page = tidepool.reads(f"/connect/sessions/{id}/events{after}")
        seen += [step["metadata"]["n"] for step in page["data"]]
        after, more = f"?after={page['data'][-1]['event_id']}", page["has_more"]
    assert seen == list(range(120))
    for wrong in ("vev_0000000000000000", "7", "evt_x", "\u0000"):
        assert tidepool.http.get(f"/connect/sessions/{id}/events", params={"after": wrong}).status_code == 404


# --- catching up -------------------------------------------------------------------------------------------------


def test_a_company_catches_up_after_a_time_away(app: Flask, tidepool: Server, later: Later) -> None:
    def happens(count: int) -> None:
        with app.app_context(), writing():
            host = db.session.scalars(select(Host)).one()
            db.session.add_all([HostEvent(host_id=host.id, type="run.completed", data={}) for _ in range(count)])

    happens(3)
    later(hours=2)
    since = datetime.now(UTC).isoformat()
    happens(70)
    assert len(tidepool.reads("/events")["data"]) == 50
    page = tidepool.http.get("/events", params={"since": since}).json()
    assert page["has_more"]
    rest = tidepool.http.get("/events", params={"since": since, "after": page["data"][-1]["id"]}).json()
    assert len({event["id"] for event in page["data"] + rest["data"]}) == 70 and not rest["has_more"]
    assert founded(app, "Somebody Else").reads("/events")["data"] == []


@pytest.mark.parametrize(
    "since", ["yesterday", "2026-11-21", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1e9"]
)
def test_a_time_that_is_none_is_named(tidepool: Server, since: str) -> None:
    answer = tidepool.http.get("/events", params={"since": since})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "since")


def test_events_are_kept_for_a_month(tidepool: Server, deck: Deck, later: Later) -> None:
    tidepool.invites()
    later(minutes=31)
    deck.our_watchdog_looks()
    assert [event["type"] for event in tidepool.reads("/events")["data"]] == ["connect.session.abandoned"]
    later(days=31)
    deck.our_watchdog_looks()
    assert tidepool.reads("/events")["data"] == []


# --- the reference -----------------------------------------------------------------------------------------------


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
    assert asked == 10
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


def block(kind: str) -> str:
    return "\n".join(re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL))


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
    for name in ("hosts", "host_requests", "host_news", "request_fields", "wishes"):
        for node in ast.walk(ast.parse((ROOT / f"webapp/{name}.py").read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("BadRequest", "problem"):
                used |= {a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)}
    codes = {word for word in used if re.fullmatch(r"[a-z_]+", word)}
    handled = {"method_not_allowed", "request_too_large", "api_error"}
    assert codes | handled == set(ERROR_CODES)


def test_the_statuses_are_those_the_code_gives() -> None:
    from webapp import hosts

    tree = ast.parse(Path(hosts.__file__).read_text())
    function = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "status_of")
    given = [n.value for n in ast.walk(function) if isinstance(n, ast.Return)]
    words = {n.value for value in given for n in ast.walk(value) if isinstance(n, ast.Constant)}
    assert words - {None, "unknown"} == set(STATUSES)


def test_the_message_shown_is_a_message() -> None:
    spec = document("")
    shape = {"$ref": "#/components/schemas/Event", "components": spec["components"]}
    jsonschema.validate(json.loads(block("json")), shape, jsonschema.Draft202012Validator)


@pytest.fixture
def installation(app: Flask) -> Iterator[str]:
    """The app on loopback."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def filled_in(code: str, address: str, company: Server) -> str:
    return code.replace("http://localhost:5050", address).replace("sk_test_your_key", company.key)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_example_works(installation: str, tidepool: Server) -> None:
    if not shutil.which("curl"):
        pytest.skip("no curl on this machine")
    told = json.loads(run("sh", "-c", filled_in(block("sh"), installation, tidepool)))
    assert told["hosted_url"].startswith("http://localhost/go/")


def test_the_python_example_works(
    installation: str, tidepool: Server, kim: Visitor, deck: Deck, capsys: pytest.CaptureFixture[str]
) -> None:
    follows(kim, tidepool.invites("user-7"))
    connects(kim, deck)
    exec(compile(filled_in(block("python"), installation, tidepool), "docs/hosts.md", "exec"), {})
    said = capsys.readouterr().out
    assert "send the user to http://localhost/go/ct_test_" in said
    assert "requires_consent" in said and f"{BANK} completed" in said


def test_the_javascript_example_works(installation: str, tidepool: Server, tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    script = tmp_path / "example.mjs"
    script.write_text(filled_in(block("js"), installation, tidepool))
    said = run(node, str(script))
    assert "send the user to http://localhost/go/ct_test_" in said and "requires_consent" in said


def signed(secret: str, body: str, when: datetime) -> dict[str, str]:
    signature = Webhook(secret).sign("evt_1", when, body)
    stamp = str(int(when.timestamp()))
    return {"webhook-id": "evt_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,AAAA v1a,x {signature}"}


def test_the_python_verification_works() -> None:
    room: dict[str, Any] = {}
    exec(compile(block("python webhook"), "docs/hosts.md", "exec"), room)
    secret, body = new_secret(), '{"type": "run.completed"}'
    headers = signed(secret, body, datetime.now(UTC))
    assert room["verified"](body, headers, secret) == {"type": "run.completed"}
    with pytest.raises(WebhookVerificationError):
        room["verified"](body + " ", headers, secret)


def test_the_javascript_verification_works(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on this machine")
    secret, body = new_secret(), '{"type":"run.completed"}'
    good, old = signed(secret, body, datetime.now(UTC)), signed(secret, body, datetime(2026, 1, 1, tzinfo=UTC))
    tries = [
        [body, good, secret],
        [body + " ", good, secret],
        [body, old, secret],
        [body, good, new_secret()],
        [body, {}, secret],
    ]
    (tmp_path / "verified.mjs").write_text(block("js webhook"))
    script = tmp_path / "try.mjs"
    script.write_text(
        'import { verified } from "./verified.mjs";\n'
        f"console.log(JSON.stringify({json.dumps(tries)}.map((one) => verified(...one))));\n"
    )
    assert json.loads(run(node, str(script))) == [{"type": "run.completed"}, None, None, None, None]
