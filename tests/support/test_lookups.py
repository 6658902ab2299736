"""The lists stay quick when there are millions of rows: a filter and the order together are one walk along an index."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from tests.companies import connects, follows, founded
from tests.people import Deck, Visitor, said
from tests.plans import plan_of
from webapp.db import db, writing
from webapp.models import Connection, Host, Person, Source
from webapp.support.lists import LISTINGS, PAGE


@pytest.fixture
def host(app: Flask) -> str:
    with app.app_context():
        with writing():
            host, source = Host(name="Longwater Savings"), db.session.scalars(select(Source).limit(1)).one()
            db.session.add(host)
            db.session.flush()
            person = Person(host=host, client_user_id="kim")
            db.session.add(Connection(person=person, host_id=host.id, source=source, status="verified"))
            ref = host.ref
        db.session.remove()
    return ref


@pytest.mark.parametrize(
    ("name", "filter", "index"),
    [
        ("inbox", "type", "ix_event_type_id (type=?)"),
        ("inbox", "subject", "ix_event_subject (subject=?)"),
        ("connections", "host", "ix_connection_host_id_id (host_id=?"),
        ("connections", "source", "ix_connection_source_id (source_id=?)"),
    ],
)
@pytest.mark.sqlite
def test_a_filter_and_the_order_are_one_index(app: Flask, host: str, name: str, filter: str, index: str) -> None:
    it = LISTINGS[name]
    (chosen,) = (one for one in it.filters if one.name == filter)
    with app.app_context():
        values = {"host": host, "source": db.session.scalars(select(Source.slug).limit(1)).one()}
        condition = chosen.condition(values.get(filter, "x"))
        assert condition is not None
        query = it.query().where(condition).order_by(it.key.desc()).limit(PAGE)
        plan = plan_of(query)
    assert any(index in step for step in plan), plan
    assert not [step for step in plan if "TEMP B-TREE" in step or step.startswith("SCAN")], plan


def test_a_companys_people_and_our_own_are_told_apart(app: Flask, robin: Visitor, agent: Visitor, deck: Deck) -> None:
    tidepool, kim = founded(app), Visitor(app)
    follows(kim, tidepool.invites())
    connects(kim, deck)
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    with app.app_context():
        ref = db.session.scalars(select(Host.ref)).one()
    agent.opens(f"/support/connections?host={ref}")
    assert "Maple & Main Bank" in table(agent) and "Northlight Power" not in table(agent)
    agent.opens("/support/connections?host=own")
    assert "Northlight Power" in table(agent) and "Maple & Main Bank" not in table(agent)
    assert "Nothing fits these filters" in agent.opens("/support/connections?host=no-such-company").text


def table(staff: Visitor) -> str:
    return said(next(staff.tree.iter("tbody")))
