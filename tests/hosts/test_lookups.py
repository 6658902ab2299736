"""What waits at one company's paused endpoint, thousands of deliveries for weeks, costs the others nothing."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.companies import owe_one
from tests.plans import plans
from webapp.db import writing
from webapp.models import Delivery, Endpoint

pytestmark = pytest.mark.sqlite


def test_what_is_due_is_found_by_the_endpoint(app: Flask, secret: str) -> None:
    owe_one(app)
    with app.app_context(), plans() as steps:
        assert Endpoint.is_any_due()
        with writing():
            (endpoint,) = Endpoint.claim_due(1)
        assert Delivery.next_due(endpoint)
    about_deliveries = [step for step in steps if step.split()[1] == "delivery"]
    assert len(about_deliveries) == 3
    assert all("ix_delivery_endpoint_id_due_at (endpoint_id=? AND due_at<?)" in step for step in about_deliveries)
