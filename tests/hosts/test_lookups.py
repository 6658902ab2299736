"""What is looked for every second or minute is found by an index, however much waits or lies behind."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.companies import owe_one
from tests.plans import plan_of, plans
from webapp.db import writing
from webapp.hosts.events import find_abandoned
from webapp.models import Chore, Delivery, Endpoint
from webapp.support import hosts

pytestmark = pytest.mark.sqlite


def test_what_is_due_is_found_by_the_endpoint(app: Flask, secret: str) -> None:
    """What waits at one company's paused endpoint, thousands of deliveries for weeks, costs the others nothing."""
    owe_one(app)
    with app.app_context(), plans() as steps:
        assert Endpoint.is_any_due()
        with writing():
            (endpoint,) = Endpoint.claim_due(1)
        assert Delivery.next_due(endpoint)
    about_deliveries = [step for step in steps if step.split()[1] == "delivery"]
    assert len(about_deliveries) == 3
    assert all("ix_delivery_endpoint_id_due_at (endpoint_id=? AND due_at<?)" in step for step in about_deliveries)


def test_visits_gone_silent_are_found_among_all_there_ever_were(app: Flask) -> None:
    with app.app_context(), plans() as steps:
        find_abandoned(Chore(name="abandoned"))
    assert [step.partition(" (")[2] for step in steps if step.split()[1] == "invitation"] == [
        "opened_at=? AND expires_at>? AND expires_at<?)",
        "opened_at>? AND opened_at<?)",
    ]


def test_a_companys_open_visits_are_counted_among_all_it_ever_had(app: Flask) -> None:
    with app.app_context():
        steps = plan_of(hosts.rows())
    assert "SEARCH invitation USING INDEX ix_invitation_host_id_opened_at (host_id=? AND opened_at>?)" in steps
