"""Deck knocks. Whatever it signed is kept, once; whatever it did not sign leaves no trace."""

from __future__ import annotations

import base64
import hmac
import io
import itertools
import json
import logging
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from standardwebhooks import Webhook

import webapp.db
import webapp.webhooks
from tests.conftest import SECRET
from tests.people import Deck, Visitor
from webapp.db import db
from webapp.logs import Seldom
from webapp.models import Event, Run

CARD, CARD_PASSWORD = "4500123412341234", "maple-leaf-9"
AT = "2026-11-20T10:00:00.0000000Z"


class Knocker:
    """Somebody at the webhook's door, who may know the secret."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def knocks(self, body: bytes, headers: dict[str, Any], method: str = "POST", path: str = "/webhooks/deck") -> Any:
        with self.app.test_client() as client:
            return client.open(path, method=method, data=body, headers=headers)

    def signs(self, event: dict[str, Any] | bytes, webhook_id: str = "evt_1", ago: int = 0) -> dict[str, str]:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        at = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) - ago, UTC)
        signature = Webhook(SECRET).sign(webhook_id, at, body.decode())
        stamp = str(int(at.timestamp()))
        return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": signature}

    def delivers(self, event: dict[str, Any] | bytes, webhook_id: str = "evt_1") -> int:
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        return int(self.knocks(body, self.signs(body, webhook_id)).status_code)

    def kept(self) -> list[Event]:
        with self.app.app_context():
            return list(db.session.scalars(select(Event).order_by(Event.id)))


@pytest.fixture
def door(app: Flask) -> Knocker:
    return Knocker(app)


def event(
    id: str = "evt_1", type: str = "task_run.running", about: str = "trun_unknown", **data: Any
) -> dict[str, Any]:
    return {"id": id, "object": "event", "type": type, "created_at": AT, "data": {"id": about, **data}}


def test_a_signed_event_is_kept_byte_for_byte_and_thanked_for(door: Knocker) -> None:
    body = json.dumps(event(), indent=1).encode() + b"\n"
    answer = door.knocks(body, {**door.signs(body), "Content-Type": "text/plain"})
    assert (answer.status_code, answer.data) == (204, b"")
    (kept,) = door.kept()
    assert (kept.body, kept.deck_id, kept.webhook_id, kept.parked, kept.handled_at) == (
        body,
        "evt_1",
        "evt_1",
        "",
        None,
    )
    assert (kept.type, kept.subject) == ("task_run.running", "trun_unknown")


HEADERS = [
    {},
    {"webhook-id": "evt_1"},
    {"webhook-signature": "garbage"},
    {"webhook-signature": "v1,a,b"},
    {"webhook-signature": "v1,abc"},
    {"webhook-signature": "v1,\xe9"},
    {"webhook-signature": "v1," + "A" * 43 + "="},
    {"webhook-signature": "A" * 8_000},
    {"webhook-timestamp": "nan"},
    {"webhook-timestamp": "1e9"},
    {"webhook-timestamp": "1700000000"},
    {"webhook-id": ""},
]


BODIES = [b"", b"{}", b"\xff\xfe", b"[" * 100_000, json.dumps(event()).encode()]


def test_what_deck_did_not_sign_is_refused_in_silence(door: Knocker, caplog: pytest.LogCaptureFixture) -> None:
    now = str(int(datetime.now(UTC).timestamp()))
    almost = {"webhook-id": "evt_1", "webhook-timestamp": now, "webhook-signature": "v1,AAAA"}
    for body, headers in itertools.product(BODIES, HEADERS):
        answer = door.knocks(body, {**almost, **headers} if headers else {})
        assert (answer.status_code, answer.data) == (401, b""), (body[:40], headers)
    assert door.kept() == []
    loud = [record.fields["reason"] for record in caplog.records if record.levelno > logging.INFO]
    assert len(loud) == len(set(loud)), "however often strangers knock, each reason is told once in a while"


def test_a_header_given_twice_is_not_a_signature(door: Knocker, app: Flask) -> None:
    body = json.dumps(event()).encode()
    with app.test_client() as client:
        answer = client.post("/webhooks/deck", data=body, headers=[*door.signs(body).items()] * 2)
    assert answer.status_code == 401


def test_an_old_recording_is_refused(door: Knocker) -> None:
    body = json.dumps(event()).encode()
    assert door.knocks(body, door.signs(body, ago=290)).status_code == 204
    assert door.knocks(body, door.signs(body, ago=302)).status_code == 401


any_header = st.text(st.characters(max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(body=st.binary(max_size=50), headers=st.lists(any_header, min_size=3, max_size=3))
def test_nobody_can_make_the_door_fall_over(door: Knocker, body: bytes, headers: list[str]) -> None:
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    assert door.knocks(body, dict(zip(names, headers, strict=True))).status_code == 401
    assert door.kept() == []


def test_too_much_is_not_even_read(door: Knocker, app: Flask) -> None:
    for size, status in ((255_999, 401), (256_000, 401), (256_001, 413)):
        assert door.knocks(b"{" * size, {}).status_code == status
    signed = json.dumps(event(x="a" * 256_000)).encode()
    assert door.delivers(signed) == 413
    with app.test_client() as client:  # in chunks, so that nobody says how long it is
        chunks, chunked = io.BytesIO(signed), {"wsgi.input_terminated": True}
        headers = door.signs(signed)
        answer = client.post("/webhooks/deck", input_stream=chunks, headers=headers, environ_overrides=chunked)
    assert (answer.status_code, answer.data) == (413, b"")
    assert door.kept() == []


def test_the_door_takes_posts_at_one_address_and_never_redirects(door: Knocker) -> None:
    body = json.dumps(event()).encode()
    for method in ("GET", "HEAD", "OPTIONS"):
        assert door.knocks(b"", {}, method=method).status_code == (200 if method == "OPTIONS" else 405)
    for method in ("PUT", "DELETE", "PATCH"):
        assert door.knocks(body, door.signs(body), method=method).status_code in (403, 405)
    for path in ("/webhooks/deck/", "/webhooks//deck", "/webhooks/Deck"):
        assert door.knocks(body, door.signs(body), path=path).status_code in (403, 404)
    assert door.kept() == []


def test_a_question_mark_changes_nothing(door: Knocker) -> None:
    body = json.dumps(event()).encode()
    assert door.knocks(body, door.signs(body), path="/webhooks/deck?x=%ff&x").status_code == 204


POISON = [
    b"{",
    b"{}",
    b'{"id": "evt_1"',
    b'{"id": 7, "created_at": "2026-11-20T10:00:00Z"}',
    b'{"id": ["x"], "created_at": "2026-11-20T10:00:00Z"}',
    b'{"id": "evt_1"}',
    b'{"id": "evt_1", "created_at": "soon"}',
    b'{"id": "evt_1", "created_at": 7}',
    b'{"id": "evt_1", "id": "evt_2", "created_at": "2026-11-20T10:00:00Z"}',
    b'{"id": "evt_1", "x": NaN}',
    b'{"id": "evt_1", "x": 1e999}',
    b'{"id": "evt_1", "x": %s}' % (b"9" * 5_000),
    b'{"x":' * 40_000,
    json.dumps({"id": "evt_1", "created_at": AT, **{str(i): 1 for i in range(20_001)}}).encode(),
    b'{"id": "evt_1", "created_at": "2026-11-20T10:00:00Z", "data": {"updated_at": "soon"}}',
]


def test_an_authentic_message_nobody_can_read_is_kept_and_put_aside(door: Knocker, deck: Deck) -> None:
    for i, body in enumerate(POISON * 2):
        assert door.delivers(body, webhook_id=f"evt_{i % len(POISON)}") == 204, body[:80]
    kept = door.kept()
    assert [row.body for row in kept] == POISON
    assert {row.parked for row in kept} == {"unreadable"}
    assert None not in {row.handled_at for row in kept}
    deck.our_worker_works()


STRANGE = [None, "text", [], 7, {}, {"id": None}, {"id": 7}, {"id": ["x"]}, {"id": "\ud800\x00", "status": {"a": 1}}]
TYPES = ["task_run.completed", "task_run.levitated", "credential.verified", "martian.landed", "", "x" * 5_000]


def test_an_event_about_nothing_we_know_is_put_aside_by_the_worker(door: Knocker, deck: Deck) -> None:
    events = [{**event(f"evt_d{i}"), "data": data, "future_field": {"x": [1]}} for i, data in enumerate(STRANGE)]
    events += [event(f"evt_t{i}", type, status="completed") for i, type in enumerate(TYPES)]
    assert {door.delivers(one, webhook_id=one["id"]) for one in events} == {204}
    assert {row.handled_at for row in door.kept()} == {None}
    deck.our_worker_works()
    assert [row.parked for row in door.kept()] == ["unknown"] * len(events)
    assert None not in {row.handled_at for row in door.kept()}


# --- once ------------------------------------------------------------------------------------------------------


def test_the_same_event_twice_is_one(door: Knocker, deck: Deck) -> None:
    assert [door.delivers(event()), door.delivers(event())] == [204, 204]
    assert door.delivers(event(), webhook_id="msg_other") == 204, "the same event in a new envelope"
    assert door.delivers(event("evt_other"), webhook_id="evt_1") == 204, "the same envelope, whatever is in it"
    assert len(door.kept()) == 1
    deck.our_worker_works()
    assert door.delivers(event()) == 204
    assert [kept.handled_at is not None for kept in door.kept()] == [True]


def test_the_same_event_in_eight_threads_is_one(door: Knocker) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: door.delivers(event(), webhook_id=f"msg_{i % 2}"), range(8)))
    assert answers == [204] * 8
    assert len(door.kept()) == 1


def test_different_events_in_eight_threads_are_all_kept(door: Knocker) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: door.delivers(event(f"evt_{i}"), webhook_id=f"evt_{i}"), range(16)))
    assert answers == [204] * 16
    assert sorted(kept.deck_id for kept in door.kept()) == sorted(f"evt_{i}" for i in range(16))


# --- not before it is on disk ------------------------------------------------------------------------------------


@pytest.mark.sqlite
def test_no_thanks_before_it_is_kept(
    app: Flask, database_url: str, door: Knocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webapp.db, "BUSY_MS", 20)
    with app.app_context():
        db.engine.dispose()  # connections made from now on give up soon
    somebody_else = sqlite3.connect(database_url.removeprefix("sqlite:///"), isolation_level=None)
    somebody_else.execute("BEGIN IMMEDIATE")
    assert door.delivers(event()) == 503
    somebody_else.execute("ROLLBACK")
    somebody_else.close()
    assert door.kept() == []
    assert door.delivers(event()) == 204
    assert len(door.kept()) == 1


# --- hints, not truth --------------------------------------------------------------------------------------------


def test_a_lying_event_is_not_believed(robin: Visitor, deck: Deck, door: Knocker, app: Flask) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, CARD_PASSWORD)
    deck.goes_on()
    (run,) = deck.objects("task_runs")
    later = "2999-01-01T00:00:00Z"
    for i, status in enumerate(["completed", "failed", "canceled", "review_required"]):
        lie = event(f"evt_lie{i}", f"task_run.{status}", run["id"], status=status, result="success", output={"a": 1})
        lie |= {"created_at": later}
        lie["data"]["updated_at"] = later
        assert door.delivers(lie, webhook_id=f"evt_lie{i}") == 204
        assert robin.looks_again() == "interaction"
        deck.our_worker_works()
        assert robin.looks_again() == "interaction"
    with app.app_context():
        stored = db.session.scalars(select(Run)).one()
        assert (stored.status, stored.sealed_output, stored.result) == ("interaction_required", None, "")


def test_a_run_that_is_over_hears_nothing_more(robin: Visitor, deck: Deck, door: Knocker, app: Flask) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    (run,) = deck.objects("task_runs")
    late = event("evt_late", "task_run.running", run["id"], status="running", updated_at="2999-01-01T00:00:00Z")
    assert door.delivers(late, webhook_id="evt_late") == 204
    deck.our_worker_works()
    robin.looks_again()
    assert "Northlight Power is connected" in robin.sees()
    with app.app_context():
        stored = db.session.scalars(select(Run)).one()
        assert (stored.status, stored.due_at) == ("completed", None)


def test_the_twins_own_deliveries_get_in(robin: Visitor, deck: Deck, door: Knocker) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    kept = door.kept()
    assert {"task_run.queued", "task_run.completed", "credential.verified"} <= {event.type for event in kept}
    assert [event.parked for event in kept] == [""] * len(kept)
    assert {d["_state"] for d in deck.objects("event_deliveries")} == {"success"}
    assert isinstance(robin.http, httpx.Client)


# --- what the operator is told ------------------------------------------------------------------------------------


def test_the_operator_is_told_why_deck_is_refused_and_deck_is_not(
    door: Knocker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four refusals and Deck never knocks again, so each reason is told at once; but junk cannot fill the log."""
    monkeypatch.setattr(webapp.webhooks, "seldom", Seldom(10.0))
    body = json.dumps(event()).encode()
    wrong = door.signs(body) | {"webhook-signature": "v1," + "A" * 43 + "="}
    for _ in range(50):
        for headers in (wrong, door.signs(body, ago=400), door.signs(body) | {"webhook-id": "\xe9"}):
            answer = door.knocks(body, headers)
            assert (answer.status_code, answer.data) == (401, b"")
    told = [record.fields["reason"] for record in caplog.records if record.getMessage() == "webhook_refused"]
    assert told == ["bad_signature", "clock", "malformed"]


def test_an_authentic_message_that_is_no_text_is_kept_and_put_aside(door: Knocker) -> None:
    """Refused four times, it would have Deck switch the whole webhook off."""
    body = b'{"id": "\xff"}'
    stamp = str(int(datetime.now(UTC).timestamp()))
    mac = hmac.digest(base64.b64decode(SECRET.removeprefix("whsec_")), f"evt_9.{stamp}.".encode() + body, "sha256")
    signature = "v1," + base64.b64encode(mac).decode()
    headers = {"webhook-id": "evt_9", "webhook-timestamp": stamp, "webhook-signature": signature}
    assert [door.knocks(body, headers).status_code for _ in range(2)] == [204, 204]
    (kept,) = door.kept()
    assert (kept.body, kept.parked) == (body, "unreadable")
