"""A company's server catches up with what it was told, or missed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from flask import Flask
from sqlalchemy import select

from tests.companies import Server, founded
from tests.people import Deck
from webapp.db import db, writing
from webapp.models import Host, HostEvent

Later = Callable[..., None]


def test_a_company_catches_up_after_a_time_away(app: Flask, tidepool: Server, later: Later) -> None:
    def happens(count: int) -> None:
        with app.app_context(), writing():
            host = db.session.scalars(select(Host)).one()
            db.session.add_all([HostEvent(host_id=host.id, type="run.completed", data={}) for _ in range(count)])

    happens(3)
    later(hours=2)
    since = datetime.now(UTC).isoformat()
    happens(70)
    later(seconds=6)
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
    later(seconds=6)
    assert [event["type"] for event in tidepool.reads("/events")["data"]] == ["connect.session.abandoned"]
    later(days=31)
    deck.our_watchdog_looks()
    assert tidepool.reads("/events")["data"] == []
