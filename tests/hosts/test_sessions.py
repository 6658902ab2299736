"""A company makes many sessions, at once and again: each costs little, and the same request is the same session."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from tests.companies import Server
from tests.log_reader import Reader
from webapp.db import db
from webapp.models import ConnectSession, Person


@contextmanager
def overheard(app: Flask) -> Iterator[list[str]]:
    """What is said to the database meanwhile, commits included."""
    said: list[str] = []

    def statement(connection: Any, cursor: Any, text: str, *more: Any) -> None:
        said.append(text.split()[0])

    def committed(connection: Any) -> None:
        said.append("COMMIT")

    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", committed)
    yield said
    event.remove(engine, "before_cursor_execute", statement)
    event.remove(engine, "commit", committed)


def test_a_session_costs_five_statements_and_one_commit(app: Flask, tidepool: Server) -> None:
    tidepool.invites()
    with overheard(app) as said:
        tidepool.invites()
    assert said == ["SELECT"] * 3 + ["INSERT"] * 2 + ["COMMIT"]


@pytest.mark.parametrize("key", ["k1", ""])
def test_many_servers_at_once_for_somebody_new(app: Flask, tidepool: Server, key: str) -> None:
    """One person, whatever the race; and one session, if it is the same request."""
    body = {"user": {"client_user_id": "user-new"}, "features": {"background": True}}

    def asks(n: int) -> dict[str, Any]:
        answer = Server(app, tidepool.key).asks("POST", "/connect/sessions", body, **{"Idempotency-Key": key})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(asks, range(8)))
    assert len({one["session_id"] for one in made}) == (1 if key else 8)
    with app.app_context():
        assert db.session.query(Person).filter_by(client_user_id="user-new").count() == 1
        assert db.session.query(ConnectSession).count() == (1 if key else 8)


def test_the_same_fields_in_another_order_are_the_same_request(tidepool: Server) -> None:
    bodies = [
        {"user": {"client_user_id": "u"}, "tags": {"a": "1", "b": "2"}, "features": {"background": True}},
        {"features": {"background": True}, "tags": {"b": "2", "a": "1"}, "user": {"client_user_id": "u"}},
    ]
    made = [tidepool.asks("POST", "/connect/sessions", body, **{"Idempotency-Key": "k"}).json() for body in bodies]
    assert made[0]["session_id"] == made[1]["session_id"], json.dumps(made)


def test_a_call_is_named_as_in_the_log(tidepool: Server, reader: Reader) -> None:
    """Who quotes a request's id to support is found."""
    answer = tidepool.asks("POST", "/connect/sessions", {})
    named = answer.json()["request_id"]
    assert answer.headers["X-Request-Id"] == named
    (line,) = reader.of("request")
    assert named == f"req_{line['request_id']}"


# --- nonsense ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "param"),
    [
        ({"source_id": "\0"}, "source_not_supported", "source_id"),
        ({"source_id": "\ud800"}, "source_not_supported", "source_id"),
        ({"allowed_source_ids": ["maple-and-main", "a\0b"]}, "source_not_supported", "allowed_source_ids"),
        ({"allowed_source_ids": ["\ud800"] * 3_000}, "source_not_supported", "allowed_source_ids"),
        ({"tags": {"": "x"}}, "invalid_field", "tags"),
        ({"tags": {"a" * 41: "x"}}, "invalid_field", "tags"),
        ({"tags": {"a\0": "x"}}, "invalid_field", "tags"),
        ({"user": {"client_user_id": "u", "email": "kim@sample.example"}}, "unknown_field", "user.email"),
        ({"hosted": {"lifetime": 60}}, "unknown_field", "hosted.lifetime"),
        ({"hosted": {"a" * 5_000: 1}}, "unknown_field", "hosted." + "a" * 80),
        ({"connection_id": "conn_" + "\0" * 16}, "invalid_field", "connection_id"),
        ({"connection_id": "conn_" + "\u00e9" * 16}, "not_found", "connection_id"),
    ],
)
def test_nonsense_is_named(tidepool: Server, more: dict[str, Any], code: str, param: str) -> None:
    body = json.dumps({"user": {"client_user_id": "u"}, **more}).encode()
    error = tidepool.http.post("/connect/sessions", content=body).json()["error"]
    assert (error["error_code"], error["param"]) == (code, param)


def test_a_source_named_twice_is_one_source(tidepool: Server) -> None:
    invited = tidepool.invites(allowed_source_ids=["maple-and-main"] * 500)
    assert tidepool.reads(f"/connect/sessions/{invited['session_id']}")["source"]["source_id"] == "maple-and-main"


def test_nobody_is_called_by_a_character_no_database_keeps(tidepool: Server) -> None:
    assert tidepool.http.get("/connections", params={"client_user_id": "\0"}).json()["data"] == []


def test_a_busy_database_is_told_as_everything_is(
    app: Flask, tidepool: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webapp.db import busy
    from webapp.hosts import sessions

    def full(*given: Any) -> None:
        raise busy()

    monkeypatch.setattr(sessions, "met_again", full)
    answer = tidepool.asks("POST", "/connect/sessions", {"user": {"client_user_id": "u"}})
    assert (answer.status_code, answer.json()["error"]["error_code"]) == (503, "api_error")
    assert answer.headers["Retry-After"] == "2"
