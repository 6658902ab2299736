"""What hosts were told, attempt by attempt."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from tests.companies import founded, listens
from tests.people import Visitor
from tests.support.conftest import Somebody
from webapp.db import db, now, writing
from webapp.models import Attempt, Delivery, Endpoint, Host, HostEvent


def tells(app: Flask, name: str, type: str = "run.completed", *problems: str, state: str = "pending") -> str:
    """Something happened, and this is what came of telling *name*; the delivery's reference."""
    with app.app_context(), writing():
        host = db.session.query(Host).filter_by(name=name).one()
        event = HostEvent(host_id=host.id, type=type, data={"run_id": "run_kR3vQ0sZp1xw8A2c"})
        delivery = Delivery(event=event, endpoint=Endpoint.of(host.id), state=state, tries=len(problems))
        db.session.add_all([event, delivery])
        for problem in problems:
            status = 500 if problem == "not_2xx" else None
            db.session.add(Attempt(delivery=delivery, problem=problem, status=status, milliseconds=12, at=now()))
        db.session.flush()
        return delivery.ref


@pytest.fixture
def two_hosts(app: Flask) -> Flask:
    for name in ("Tidepool Savings", "Lantern Loans"):
        founded(app, name)
        listens(app, "https://hooks.example/in", name)
    return app


def test_the_list_tells_what_came_of_each_and_narrows(two_hosts: Flask, agent: Visitor) -> None:
    failed = tells(two_hosts, "Tidepool Savings", "run.failed", "timeout", "not_2xx", state="failed")
    tells(two_hosts, "Lantern Loans")
    agent.opens("/support/deliveries")
    assert "Tidepool Savings run.failed failed 2 not taken (500)" in agent.sees()
    assert "Lantern Loans run.completed waiting 0" in agent.sees()
    agent.opens("/support/deliveries?state=failed")
    rows = agent.page.text.partition("<tbody>")[2]
    assert "Tidepool Savings" in rows and "Lantern Loans" not in rows and failed in rows
    agent.opens("/support/deliveries?type=run.completed")
    assert "Tidepool Savings" not in agent.page.text.partition("<tbody>")[2]
    agent.opens("/support/deliveries?host=nobody")
    assert "Nothing fits these filters" in agent.sees()


def test_one_delivery_shows_every_attempt_and_what_it_is_about(two_hosts: Flask, agent: Visitor) -> None:
    ref = tells(two_hosts, "Tidepool Savings", "run.failed", "address_refused", "not_2xx")
    agent.opens(f"/support/deliveries/{ref}")
    assert f"dlv_{ref}" in agent.sees() and "run_kR3vQ0sZp1xw8A2c" in agent.sees()
    assert "not a public address" in agent.sees() and "not taken (500)" in agent.sees()
    assert "Resend" in agent.sees()


def test_a_viewer_reads_and_is_offered_nothing(two_hosts: Flask, staff: Somebody) -> None:
    ref, viewer = tells(two_hosts, "Tidepool Savings"), staff("viewer")
    assert viewer.opens(f"/support/deliveries/{ref}").status_code == 200
    assert "Resend" not in viewer.sees()
    assert viewer.opens(f"/support/act/resend/{ref}").status_code == 403


def test_a_list_of_two_hundred_is_a_handful_of_queries(two_hosts: Flask, agent: Visitor) -> None:
    for _ in range(3):
        tells(two_hosts, "Tidepool Savings", "run.failed", "timeout")
    few = queries_of(agent, "/support/deliveries")
    for _ in range(20):
        tells(two_hosts, "Tidepool Savings", "run.failed", "timeout")
    assert queries_of(agent, "/support/deliveries") == few


def queries_of(visitor: Visitor, path: str) -> int:
    from sqlalchemy import event

    seen: list[Any] = []
    with visitor.app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    visitor.opens(path)
    return len(seen)
