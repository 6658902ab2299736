"""One box: whatever somebody reads out leads to the place it means."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from limits import parse

from tests.companies import follows, founded
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.models import (
    Connection,
    ConnectSession,
    ErrorReport,
    Event,
    Intent,
    Invitation,
    Person,
    Run,
    Staff,
    StaffToken,
    refs,
)
from webapp.support import search
from webapp.support.words import CONNECTION_WORDS, RUN_WORDS


@pytest.fixture
def known(robin: Visitor, deck: Deck, app: Flask) -> Callable[[str], tuple[str, str]]:
    """What names Robin's connection in many ways: the query, and where it has to lead."""
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()

    def look(what: str) -> tuple[str, str]:
        with app.app_context():
            connection, run = db.session.scalars(db.select(Connection)).one(), db.session.scalars(db.select(Run)).one()
            visit = db.session.scalars(db.select(ConnectSession)).one()
            intent = db.session.scalars(db.select(Intent).filter_by(kind="run.start")).one()
            event = db.session.scalars(db.select(Event).filter_by(subject=run.deck_id)).first()
            assert event is not None
            with writing():
                db.session.get_one(Intent, intent.id).request_id = "req_of_deck_7"
            here, there = f"/support/connections/{connection.ref}", f"/support/runs/{run.ref}"
            person = f"/support/people/{connection.person_id}"
            return {
                "code": (visit.support_code, here),
                "code, small and without dash": (visit.support_code.lower().replace("-", ""), here),
                "code with a space": (visit.support_code.replace("-", " "), here),
                "email": (" Robin@Sample.example ", person),
                "connection": (f"conn_{connection.ref}", here),
                "bare reference": (connection.ref, here),
                "run": (f"run_{run.ref}", there),
                "visit": (f"visit_{visit.ref}", f"/support/visits/{visit.ref}"),
                "person": (f"person_{connection.person_id}", person),
                "Deck's run": (run.deck_id or "", there),
                "Deck's credential": (connection.deck_id or "", here),
                "Deck's event": (event.deck_id, here),
                "Deck's webhook": (event.webhook_id, here),
                "Deck's request": ("req_of_deck_7", here),
                "key of a write": (intent.key, here),
                "source": ("northlight power", "/support/sources/northlight-power"),
                "source's id": ("src_northlight-power", "/support/sources/northlight-power"),
                "status": ("verified", "/support/connections"),
                "status as we say it": ("in review at deck", "/support/runs"),
                "status as people read it": ("Waiting for you", "/support/runs"),
                "error code": ("auth_invalid", "/support/runs"),
            }[what]

    return look


WAYS = (
    "code",
    "code, small and without dash",
    "code with a space",
    "email",
    "connection",
    "bare reference",
    "run",
    "visit",
    "person",
    "Deck's run",
    "Deck's credential",
    "Deck's event",
    "Deck's webhook",
    "Deck's request",
    "key of a write",
    "source",
    "source's id",
    "status",
    "status as we say it",
    "status as people read it",
    "error code",
)


def test_every_name_leads_straight_to_its_place(agent: Visitor, known: Callable[[str], tuple[str, str]]) -> None:
    for way in WAYS:
        query, place = known(way)
        agent.page = agent.http.get("/support/search", params={"q": query})
        assert agent.page.status_code == 303, f"{way}: {agent.page.text}"
        assert agent.page.headers["Location"].partition("?")[0].partition("#")[0] == place, way


def test_a_hosts_names_for_its_user_and_its_session(app: Flask, agent: Visitor, deck: Deck) -> None:
    server = founded(app)
    invited = server.invites("user-7")
    follows(Visitor(app), invited)
    with app.app_context():
        person = db.session.scalars(db.select(Person).filter_by(client_user_id="user-7")).one().id
        ref = db.session.scalars(db.select(Invitation)).one().connect_session.ref
    agent.opens("/support/search?q=user-7")
    assert agent.page.url.path == f"/support/people/{person}"
    agent.opens(f"/support/search?q={invited['session_id']}")
    assert agent.page.url.path == f"/support/visits/{ref}"
    founded(app, "Copper Kettle").invites("user-7")
    agent.opens("/support/search?q=user-7")
    assert "Found for “user-7”" in agent.sees()
    assert "Tidepool Savings" in agent.sees() and "Copper Kettle" in agent.sees()


def test_a_state_that_two_lists_have_leads_to_both_and_the_help_names_every_state(agent: Visitor) -> None:
    agent.opens("/support/search?q=starting")
    assert "Connections: not signed in yet" in agent.sees() and "Runs: starting" in agent.sees()
    agent.opens("/support/search")
    for words in (CONNECTION_WORDS, RUN_WORDS):
        assert ", ".join(words.values()) in agent.sees()


def error_page(app: Flask, request_id: str) -> int:
    with app.app_context(), writing():
        person = db.session.query(Person).one().id
        seen = ErrorReport(person_id=person, status=502, page="connect.show", request_id=request_id)
        db.session.add(seen)
        db.session.flush()
        return person


@pytest.mark.parametrize("kept", ["a1b2c3d4e5", "req_a1b2c3d4e5"])
def test_an_error_page_is_found_by_its_request_in_either_form(
    app: Flask, robin: Visitor, agent: Visitor, kept: str
) -> None:
    person = error_page(app, kept)
    for asked in ("a1b2c3d4e5", "req_a1b2c3d4e5"):
        agent.opens(f"/support/search?q={asked}")
        assert agent.page.url.path == f"/support/people/{person}", asked


def test_a_request_only_the_log_knows_is_told_as_what_it_is(agent: Visitor) -> None:
    agent.opens("/support/search?q=req_0f9e8d7c6b")
    assert "req_0f9e8d7c6b is the name of one request" in agent.sees()
    assert "the lines whose request_id is 0f9e8d7c6b" in agent.sees()
    agent.opens("/support/search?q=0f9e8d7c6b")
    assert "the name of one request" not in agent.sees()


def test_part_of_a_name_is_a_list_grouped_by_kind(agent: Visitor) -> None:
    agent.opens("/support/search?q=light")
    assert "Found for “light”" in agent.sees()
    assert "Sources" in agent.sees()
    agent.presses("Northlight Power")
    assert agent.page.url.path == "/support/sources/northlight-power"


def test_when_the_short_codes_run_out_people_get_longer_ones(
    robin: Visitor, agent: Visitor, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs, "LETTERS", "K")  # so there are 10,000 short ones instead of five million
    with app.app_context(), writing():
        robins = db.session.scalars(db.select(Person.id)).one()
        one = {"person_id": robins, "status": 500, "page": "connect.show", "request_id": ""}
        db.session.execute(db.insert(ErrorReport), [one | {"support_code": f"KK-{n:04d}"} for n in range(10_000)])
        db.session.add(ErrorReport(**one))
    with app.app_context():
        code = db.session.scalars(db.select(ErrorReport).order_by(ErrorReport.id.desc()).limit(1)).one().support_code
    assert re.fullmatch(r"KKK\d{4}", code)
    for written in (code, code.lower(), f"{code[:3]}-{code[3:]}", f"{code[:3]} {code[3:]}"):
        agent.opens(f"/support/search?q={written}")
        assert agent.page.url.path == f"/support/people/{robins}"
        assert code in agent.sees()


def test_the_code_of_an_earlier_visit_opens_that_visit(robin: Visitor, deck: Deck, agent: Visitor, app: Flask) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    with app.app_context():
        first = db.session.scalars(db.select(ConnectSession)).one()
    robin.opens("/connections")
    robin.presses("Northlight Power")
    robin.presses("Refresh")
    agent.opens(f"/support/search?q={first.support_code}")
    assert agent.page.url.path == f"/support/visits/{first.ref}"
    assert f"Visit {first.support_code}" in agent.sees()
    agent.presses("See the connection")
    assert agent.page.url.path.startswith("/support/connections/")


@pytest.mark.parametrize("query", ["", "zz-9999999", "KX-0000", "conn_kR3vQ0sZp1xw8A2c", "nobody@sample.example"])
def test_nothing_found_teaches_what_can_be_typed(agent: Visitor, query: str) -> None:
    agent.page = agent.http.get("/support/search", params={"q": query})
    assert agent.page.status_code == 200
    assert "A support code" in agent.sees()


@pytest.mark.parametrize(
    "query", ["x" * 10_000, "%", "_%_", "\0", "a\0b@c.example", "'; --", "\udcff", "9" * 400, "<b>", "person_999999999"]
)
def test_what_looks_like_an_attack_finds_nothing(agent: Visitor, query: str) -> None:
    agent.page = agent.http.get("/support/search", params={"q": query.encode("utf-8", "surrogateescape")})
    assert agent.page.status_code == 200
    assert "<b>" not in agent.page.text.partition("<main")[2].partition("</h1>")[0]


def test_programs_get_the_same_as_data_and_no_redirect(agent: Visitor, app: Flask, robin: Visitor) -> None:
    with app.app_context(), writing():
        staff = Staff.by_email("agent@desk.example")
        assert staff is not None
        token = StaffToken.issue(staff, "tests")
    answer = Visitor(app).http.get(
        "/support/api/search", params={"q": "robin@sample.example"}, headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200
    assert answer.json()["groups"][0]["hits"][0]["title"] == "r•••@s•••"


def test_codes_cannot_be_tried_one_after_the_other(agent: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SEARCHES_PER_STAFF", parse("3/minute"))
    for _ in range(3):
        agent.http.get("/support/search?q=zzzz")
    agent.opens("/support/search?q=KX-0001")
    assert agent.page.status_code == 429
