"""Staff see to it that companies hear of us, and we of Deck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Flask

from tests.companies import BANK, CARD, PASSWORD, founded, listens, receiving
from tests.people import Deck, Visitor
from tests.support.acting import HERE, WHY, OnRecord, does, does_not, notice, only, ref_of
from webapp.db import db, now, writing
from webapp.models import (
    Chore,
    Delivery,
    Endpoint,
    Event,
    Host,
    HostEvent,
)

# --- what hosts are told -----------------------------------------------------------------------------------------


def owe(app: Flask, count: int, state: str = "failed") -> None:
    with app.app_context(), writing():
        host = db.session.query(Host).one()
        for _ in range(count):
            event = HostEvent(host_id=host.id, type="run.completed", data={})
            db.session.add_all([event, Delivery(event=event, endpoint=Endpoint.of(host.id), state=state)])
        if state == "failed":
            db.session.flush()
            db.session.query(Delivery).update({"due_at": None})


def the_post_goes(deck: Deck) -> None:
    while deck.worker.courier.deliver():
        pass


def test_an_agent_resends_and_a_lead_recovers_what_failed(
    app: Flask, agent: Visitor, lead: Visitor, deck: Deck, on_record: OnRecord
) -> None:
    founded(app)
    with receiving() as receiver:
        listens(app, receiver.url)
        owe(app, 3)
        delivery, host = ref_of(app, Delivery), ref_of(app, Host)
        does(agent, "resend", delivery)
        assert "on its way again" in notice(agent)
        the_post_goes(deck)
        assert len(receiver.got) == 1
        lead.opens(f"/support/act/recover/{host}")
        assert "2 deliveries that failed since then go to Tidepool Savings again" in lead.sees()
        lead.presses("Resend what failed", reason=WHY)
        assert "2 deliveries are on the way again" in notice(lead)
        the_post_goes(deck)
        assert len(receiver.got) == 3
    assert "Nothing failed since then." in lead.opens(f"/support/act/recover/{host}").text
    assert lead.opens(f"/support/act/recover/{host}?since=2999-01-01T00:00").status_code == 200
    assert "Give a day and a time" in lead.opens(f"/support/act/recover/{host}?since=yesterday").text
    assert [act for act, *_ in on_record()] == ["resend", "recover"]


def test_a_lead_resumes_a_paused_webhook(app: Flask, lead: Visitor, agent: Visitor, on_record: OnRecord) -> None:
    founded(app)
    listens(app, "https://tidepool.example/hooks")
    owe(app, 1, "pending")
    host, delivery = ref_of(app, Host), ref_of(app, Delivery)
    assert does_not(lead, "resume", host) == "It is not paused."
    with app.app_context(), writing():
        db.session.query(Endpoint).one().paused_at = now()
    assert "is paused, because it failed for a day" in does_not(agent, "resend", delivery)
    assert "Resume it first" in does_not(lead, "recover", host, since="2026-11-21T00:00")
    lead.opens(f"/support/act/resume/{host}")
    assert "1 waiting delivery goes out now" in lead.sees()
    lead.presses("Resume webhook", reason=WHY)
    assert only(app, Endpoint).paused_at is None and on_record()[-1] == ("resume", f"host_{host}", WHY)


# --- Deck's events -----------------------------------------------------------------------------------------------


def test_a_lead_fetches_what_deck_never_delivered(
    robin: Visitor, lead: Visitor, app: Flask, deck: Deck, on_record: OnRecord
) -> None:
    deck.world.clock.now = datetime.now(UTC)
    deck.our_watchdog_looks()
    deck.losing_webhooks = True
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    since = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    lead.opens(f"/support/act/replay/here?since={since}")
    assert "0 events since then came already" in lead.sees()
    lead.presses("Replay events", reason=WHY)
    assert lead.page.url.path == "/support/inbox" and "The events are being fetched" in notice(lead)
    deck.our_watchdog_looks()
    with app.app_context():
        assert db.session.query(Event).count() >= 3, "of the kinds we subscribed to"
    assert on_record() == [("replay", "deck", WHY)]
    lead.opens("/support/act/replay/here?since=2001-01-01T00:00")
    assert "Deck keeps events for 30 days" in lead.page.text


def test_a_lead_has_decks_webhook_looked_after(
    connected: Visitor, lead: Visitor, app: Flask, deck: Deck, on_record: OnRecord
) -> None:
    deck.our_watchdog_looks()
    assert not is_due(app, "destination")
    does(lead, "reactivate_destination", HERE)
    assert is_due(app, "destination") and on_record() == [("reactivate_destination", "deck", WHY)]


def is_due(app: Flask, chore: str) -> bool:
    with app.app_context():
        return bool(db.session.get_one(Chore, chore).due_at <= now())
