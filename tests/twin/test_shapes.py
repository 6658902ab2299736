"""Every object has the fields of its table, no more and no less, and each of them its type."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from .planes import CODE, INVOICE, KIM, Control, Deck, Twin

FILE = {"file_name": "may.pdf", "file_type": "application/pdf", "content": "May"}

Check = Callable[[Any], bool]


def id_of(prefix: str) -> Check:
    return lambda v: isinstance(v, str) and re.fullmatch(rf"{prefix}_[0-9A-Za-z]{{16}}", v) is not None


def word(*words: str) -> Check:
    return lambda v: v in words


def maybe(check: Check) -> Check:
    return lambda v: v is None or check(v)


def each(check: Check) -> Check:
    return lambda v: isinstance(v, list) and all(map(check, v))


def shape(checks: dict[str, Check]) -> Check:
    return lambda v: not misfits(v, checks)


def text(v: Any) -> bool:
    return isinstance(v, str)


def link(v: Any) -> bool:
    return isinstance(v, str) and v.startswith("http")


def whole(v: Any) -> bool:
    return type(v) is int and v >= 0


def flag(v: Any) -> bool:
    return isinstance(v, bool)


def obj(v: Any) -> bool:
    return isinstance(v, dict)


def anything(v: Any) -> bool:
    return True


def when(v: Any) -> bool:
    return isinstance(v, str) and v.endswith("Z") and datetime.fromisoformat(v).tzinfo is not None


def misfits(found: Any, checks: dict[str, Check]) -> dict[str, Any]:
    """The keys that are missing, or are there and should not be, or have a wrong value."""
    if not isinstance(found, dict):
        return {"": found}
    wrong = dict.fromkeys(found.keys() ^ checks.keys(), "missing or not expected")
    return wrong | {key: found[key] for key in found.keys() & checks.keys() if not checks[key](found[key])}


BOTH_TIMES: dict[str, Check] = {"created_at": when, "updated_at": when}
INTERACTION = shape({"type": text, "message": text, "fields": each(shape({"name": text, "type": text, "label": text}))})
SUMMARY: dict[str, Check] = {
    "id": id_of("stor"),
    "object": word("storage"),
    "file_name": text,
    "file_type": text,
    "file_size": whole,
    "created_at": when,
}
RUN_STATUSES = [
    "queued",
    "running",
    "cancelling",
    "interaction_required",
    "review_required",
    "completed",
    "canceled",
    "failed",
]
SCREENSHOT: dict[str, Check] = {"url": link, "reasoning": text, "created_at": when}

SHAPES: dict[str, dict[str, Check]] = {
    "agent": {
        "id": id_of("agt"),
        "object": word("agent"),
        "name": text,
        "description": maybe(text),
        "tasks": each(shape({"id": id_of("task"), "object": word("task"), "name": text, "status": text})),
        **BOTH_TIMES,
    },
    "source": {
        "id": id_of("src"),
        "object": word("source"),
        "name": maybe(text),
        "type": word("website"),
        "website": shape({"url": link}),
        **BOTH_TIMES,
    },
    "credential": {
        "id": id_of("cred"),
        "object": word("credential"),
        "status": word("unverified", "verified", "invalid", "deleted"),
        "external_id": maybe(text),
        "source_id": id_of("src"),
        "auth_method": word("username_password", "none"),
        "auth_credentials": shape({"username": maybe(text), "key": maybe(text)}),
        **BOTH_TIMES,
    },
    "task": {
        "id": id_of("task"),
        "object": word("task"),
        "name": text,
        "prompt": maybe(text),
        "status": word("learning", "test", "live"),
        "agent_id": id_of("agt"),
        "input_schema": maybe(obj),
        "output_schema": maybe(obj),
        "storage": maybe(obj),
        "extraction": flag,
        "settings": maybe(obj),
        **BOTH_TIMES,
    },
    "task_run": {
        "id": id_of("trun"),
        "object": word("task_run"),
        "status": word(*RUN_STATUSES),
        "result": maybe(word("success", "failure", "unknown")),
        "task_id": id_of("task"),
        "agent_id": id_of("agt"),
        "credential_id": maybe(id_of("cred")),
        "session_id": id_of("sess"),
        "source_id": id_of("src"),
        "workflow_id": lambda v: v is None,
        "runtime_ms": whole,
        "input": anything,
        "output": anything,
        "storage": each(shape({**SUMMARY, "url": link, "extraction": maybe(obj)})),
        "errors": each(shape({"type": text, "code": text, "message": text})),
        "interaction": maybe(INTERACTION),
        "canceled_at": maybe(when),
        **BOTH_TIMES,
    },
    "session": {
        "id": id_of("sess"),
        "object": word("session"),
        "status": word("queued", "running", "idle", "completing", "completed", "failed"),
        "runtime_ms": whole,
        "task_runs": each(
            shape(
                {
                    "id": id_of("trun"),
                    "task_id": id_of("task"),
                    "agent_id": id_of("agt"),
                    "credential_id": maybe(id_of("cred")),
                }
            )
        ),
        **BOTH_TIMES,
    },
    "storage": {
        **SUMMARY,
        "url": link,
        "fetch_date": when,
        "metadata": maybe(obj),
        "extraction": maybe(obj),
        "task_run_id": id_of("trun"),
        "result": word("success", "failure"),
        "purpose": word("output", "attachment", "extraction"),
    },
    "event": {
        "id": id_of("evt"),
        "object": word("event"),
        "type": text,
        "data": obj,
        "created_at": when,
        "request_id": maybe(text),
    },
    "screenshot": SCREENSHOT,
    "artifact": {"file_name": text, "file_type": word("image/png"), "file_size": whole, **SCREENSHOT},
    "token": {
        "id": id_of("tok"),
        "object": word("token"),
        "token": lambda v: v.startswith("tk_"),
        "expires_at": when,
        "created_at": when,
    },
}


@pytest.fixture
def furnished(twin: Twin) -> Deck:
    """A world in which every kind of object is there, runs in every state among them."""
    deck, control = twin.deck, twin.control
    control.site({**KIM, "asks": [CODE], "files": [FILE], "output": {"total": 1}})
    control.pin("branch", values=["auth_invalid", "review"])
    task = deck.task(output_schema=INVOICE, storage={"enabled": True}, settings={"timeout_seconds": 900})
    kim = deck.credential(external_id="u-1")
    for moves in (["advance"], ["advance", "answer"], ["advance", "answer"], ["cancel"], ["advance"], []):
        run = deck.run(task=task, credential=kim, input={"a": 1})
        for move in moves:
            if move == "answer":
                deck.answer(run, code="123456")
            elif move == "cancel":
                deck.post(f"/task-runs/{run['id']}/cancel")
            control.advance("1m")
    deck.post(f"/tasks/{task['id']}/run", {"source_id": kim["source_id"]})
    deck.post("/credentials", {"source_id": kim["source_id"]})
    return deck


@pytest.mark.parametrize(
    ("noun", "path"),
    [
        ("agent", "/agents"),
        ("source", "/sources"),
        ("credential", "/credentials"),
        ("task", "/tasks"),
        ("task_run", "/task-runs"),
        ("session", "/sessions"),
        ("event", "/events"),
    ],
)
def test_an_object_has_the_same_shape_in_lists_and_alone(furnished: Deck, noun: str, path: str) -> None:
    listed = furnished.get(path, limit=100)["data"]

    assert listed
    for item in listed:
        assert misfits(item, SHAPES[noun]) == {}
        alone = furnished.get(f"{path}/{item['id']}")
        assert misfits(alone, {**SHAPES[noun], "request_id": maybe(text)}) == {}


def test_runs_were_seen_in_many_states(furnished: Deck) -> None:
    seen = {run["status"] for run in furnished.get("/task-runs", limit=100)["data"]}

    assert seen == {"failed", "review_required", "completed", "canceled", "interaction_required", "queued"}


def test_a_run_with_everything_included(furnished: Deck) -> None:
    (done,) = furnished.get("/task-runs", status="completed")["data"]
    every = {**SHAPES["task_run"], "screenshots": each(shape(SCREENSHOT)), "request_id": text}
    artifacts = {"screenshots": each(shape(SHAPES["artifact"]))}

    run = furnished.see(done, "input", "storage", "screenshots", "artifacts")

    assert misfits(run, {**every, "artifacts": shape(artifacts)}) == {}
    assert run["input"] and run["storage"] and run["screenshots"] and run["artifacts"]["screenshots"]


def test_what_a_run_brings(furnished: Deck) -> None:
    (done,) = furnished.get("/task-runs", status="completed")["data"]

    for noun, path in (("storage", "storage"), ("screenshot", "screenshots")):
        items = furnished.get(f"/task-runs/{done['id']}/{path}")["data"]
        assert items
        assert [misfits(item, SHAPES[noun]) for item in items] == [{}] * len(items)
    (file,) = furnished.get(f"/task-runs/{done['id']}/storage")["data"]
    assert misfits(furnished.get(f"/storage/{file['id']}"), {**SHAPES["storage"], "request_id": text}) == {}


def test_a_token_lives_half_an_hour(deck: Deck) -> None:
    token = deck.post("/token")

    assert misfits(token, {**SHAPES["token"], "request_id": text}) == {}
    life = datetime.fromisoformat(token["expires_at"]) - datetime.fromisoformat(token["created_at"])
    assert abs(life.total_seconds() - 30 * 60) < 1
    assert deck.post("/token", {"anything": 1})["token"] != token["token"]
    assert deck.call("POST", "/token", [1]).status_code == 400


def test_every_event_says_what_it_should_and_never_null(furnished: Deck, control: Control) -> None:
    """The subsets of 4.9, `""` for null."""
    fields = {
        "agent": "name description",
        "source": "name type website",
        "credential": "status external_id source_id auth_method",
        "session": "status runtime_ms",
        "task": "name status agent_id",
        "task_run": "status result task_id credential_id agent_id source_id workflow_id runtime_ms",
        "storage": "file_name file_type file_size task_run_id",
    }
    for event in control.get("/events")["data"]:
        noun = event["type"].split(".")[0]
        times = {"created_at"} if noun == "storage" else {"created_at", "updated_at"}
        assert event["data"].keys() == {"id", "object", *fields[noun].split(), *times}, event["type"]
        assert None not in event["data"].values()
