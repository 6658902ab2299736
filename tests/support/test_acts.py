"""Staff act for somebody: they read what will happen, say why, it happens once, and it is on record."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from flask import Flask

from tests.companies import founded, listens, receiving
from tests.people import Deck, Visitor, said
from tests.support.conftest import Somebody
from tests.test_hosts import BANK, CARD, CODE, PASSWORD, connects, follows
from webapp.db import db, now, writing
from webapp.limits import ACTS_PER_STAFF
from webapp.models import (
    AuditEntry,
    Chore,
    Connection,
    ConnectSession,
    Delivery,
    Endpoint,
    Event,
    Host,
    HostEvent,
    Run,
    StaffSession,
)
from webapp.support.acts import ACTS

OnRecord = Callable[[], list[tuple[str, str, str]]]
WHY = "Ticket 4711: they called"
HERE = "here"


def only(app: Flask, model: Any) -> Any:
    with app.app_context():
        return db.session.scalars(db.select(model).order_by(model.id.desc()).limit(1)).one()


def ref_of(app: Flask, model: Any) -> str:
    return str(only(app, model).ref)


def does(staff: Visitor, act: str, ref: str, why: str = WHY, **fields: str) -> httpx.Response:
    """Open the act's page, say why, press its button."""
    staff.opens(f"/support/act/{act}/{ref}")
    return staff.presses(ACTS[act].button, reason=why, **fields)


def notice(staff: Visitor) -> str:
    return " ".join(said(div) for div in staff.tree.iter("div") if div.get("role") in ("status", "alert"))


@pytest.fixture
def connected(robin: Visitor, deck: Deck) -> Visitor:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Send code", f0=CODE)
    deck.goes_on()
    return robin


# --- connections and runs ----------------------------------------------------------------------------------------


def test_an_agent_runs_robins_connection_again(
    connected: Visitor, agent: Visitor, app: Flask, deck: Deck, on_record: OnRecord
) -> None:
    ref = ref_of(app, Connection)
    agent.opens(f"/support/act/run_again/{ref}")
    assert "One run starts at Maple & Main Bank" in agent.sees() and BANK in agent.sees()
    agent.presses("Run again", reason=WHY)
    assert agent.page.url.path == f"/support/connections/{ref}" and "A run has been started" in notice(agent)
    assert on_record()[-1] == ("run_again", f"conn_{ref}", WHY)
    deck.our_worker_works()
    deck.goes_on()
    assert len(deck.objects("task_runs")) == 2
    connected.opens(f"/connections/{ref}")
    assert "Waiting for you" in connected.sees()

    agent.opens(f"/support/act/run_again/{ref}")
    assert "A run is going on already." in agent.sees() and not list(agent.tree.iter("form"))[2:]


def test_a_double_click_and_a_reload_are_one_act(
    connected: Visitor, agent: Visitor, app: Flask, deck: Deck, on_record: OnRecord
) -> None:
    ref = ref_of(app, Connection)
    path = f"/support/act/run_again/{ref}"
    agent.opens(path)
    form = {"once": str(agent.field("once").get("value")), "reason": WHY}
    first, second = agent.posts(path, form), agent.posts(path, form)
    assert first.url == second.url and "A run has been started" in notice(agent)
    deck.our_worker_works()
    assert [act for act, *_ in on_record()] == ["run_again"] and len(deck.objects("task_runs")) == 2


def test_an_agent_cancels_a_run_and_asks_deck(
    robin: Visitor, agent: Visitor, app: Flask, deck: Deck, on_record: OnRecord
) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    run = ref_of(app, Run)
    does(agent, "look_again", run)
    assert "Deck is being asked" in notice(agent) and agent.page.url.path == f"/support/runs/{run}"
    assert only(app, Run).is_told
    does(agent, "cancel", run)
    assert "The run is being stopped" in notice(agent)
    agent.opens(f"/support/act/cancel/{run}")
    assert "It is being stopped already." in agent.sees()
    deck.our_worker_works()
    deck.lets_pass(minutes=1)
    assert robin.looks_again() == "outcome" and "You stopped this" in robin.sees()
    assert does_not(agent, "cancel", run) == "It is over already."
    assert on_record() == [("look_again", f"run_{run}", WHY), ("cancel", f"run_{run}", WHY)]


def does_not(staff: Visitor, act: str, ref: str, **fields: str) -> str:
    """Post the form though the page has none: what it says instead."""
    answer = staff.posts(f"/support/act/{act}/{ref}", {"once": "by hand", "reason": WHY, **fields})
    assert answer.status_code == 409
    return notice(staff)


def test_a_lead_disconnects_and_an_agent_may_not(
    connected: Visitor, agent: Visitor, lead: Visitor, app: Flask, deck: Deck, on_record: OnRecord
) -> None:
    ref = ref_of(app, Connection)
    assert agent.opens(f"/support/act/disconnect/{ref}").status_code == 403
    assert agent.posts(f"/support/act/disconnect/{ref}", {"once": "x", "reason": WHY}).status_code == 403
    lead.opens(f"/support/act/disconnect/{ref}")
    assert "This cannot be undone" in lead.sees()
    lead.presses("Disconnect", reason=WHY)
    assert [c["status"] for c in deck.objects("credentials")] == ["verified"], "the worker does it"
    deck.our_worker_works()
    assert [c["status"] for c in deck.objects("credentials")] == ["deleted"]
    assert does_not(lead, "disconnect", ref) == "It is disconnected already."
    assert does_not(agent, "run_again", ref) == "It is disconnected: its sign-in is destroyed."
    assert on_record() == [("refused", "", ""), ("refused", "", ""), ("disconnect", f"conn_{ref}", WHY)]


def test_an_agent_sends_a_companys_person_a_link(app: Flask, agent: Visitor, deck: Deck, on_record: OnRecord) -> None:
    tidepool, kim, again = founded(app), Visitor(app), Visitor(app)
    follows(kim, tidepool.invites())
    connects(kim, deck)
    ref = ref_of(app, Connection)
    does(agent, "reconnect_link", ref, days="7")
    link = shown(agent)
    again.opens(link.removeprefix("http://localhost"))
    again.presses("Continue")
    assert again.view() in ("consent", "sign_in") and "Tidepool Savings" in again.sees()
    assert on_record() == [("reconnect_link", f"conn_{ref}", WHY)]
    with app.app_context():
        details = db.session.scalars(db.select(AuditEntry)).one().details
    assert "ct_" not in str(details) and details["days"] == 7, "the link itself is nowhere"
    for days in ("0", "8", "x", "1e1", "١"):
        agent.opens(f"/support/act/reconnect_link/{ref}")
        assert agent.presses("Reconnect link", reason=WHY, days=days).status_code == 422
    assert "whole number from 1 to 7" in agent.sees()


def shown(staff: Visitor) -> str:
    return next(str(i.get("value")) for i in staff.tree.iter("input") if i.get("id") == "shown")


def test_people_of_our_own_get_the_address_of_their_page(connected: Visitor, agent: Visitor, app: Flask) -> None:
    ref = ref_of(app, Connection)
    does(agent, "reconnect_link", ref)
    assert shown(agent) == f"http://localhost/connections/{ref}"
    assert Visitor(app).opens(f"/connections/{ref}").url.path == "/sign-in", "it opens for nobody else"


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
        assert db.session.query(Event).count() > 3
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


# --- the rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["", "    ", "abcd", "x" * 501, "\u202e\u200b   "], ids=ascii)
def test_nothing_happens_without_a_reason(
    connected: Visitor, agent: Visitor, app: Flask, on_record: OnRecord, why: str
) -> None:
    does(agent, "run_again", ref_of(app, Connection), why)
    assert agent.page.status_code == 422 and "Say why" in agent.sees() and on_record() == []


def test_a_form_that_is_none_of_ours_is_refused(connected: Visitor, agent: Visitor, app: Flask) -> None:
    path = f"/support/act/run_again/{ref_of(app, Connection)}"
    assert agent.posts(path, {"reason": WHY}).status_code == 400
    assert agent.posts(path, {"reason": WHY, "once": "x"}, **{"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_sixty_acts_in_a_quarter_of_an_hour_are_enough(
    connected: Visitor, agent: Visitor, app: Flask, staff: Somebody
) -> None:
    path = f"/support/act/look_again/{ref_of(app, Connection)}"
    limits = app.extensions["gangway"].limits
    with app.app_context():
        me = db.session.scalars(db.select(StaffSession.staff_id)).first()
        for _ in range(ACTS_PER_STAFF.amount):
            limits.count(ACTS_PER_STAFF, "act", str(me))
    assert agent.posts(path, {"once": "one more", "reason": WHY}).status_code == 429
    assert staff("lead").posts(path, {"once": "one", "reason": WHY}).status_code == 200


def test_nobody_can_type_a_persons_password_or_code(
    connected: Visitor, app: Flask, staff: Somebody, lead: Visitor
) -> None:
    with app.app_context(), writing():
        run = db.session.query(Run).one()
        run.status, run.ended_at = "interaction_required", None
    admin, refs = staff("admin"), {"connection": ref_of(app, Connection), "run": ref_of(app, Run)}
    refs |= {"source": "maple-and-main", "deck": HERE, "hosts": HERE}
    for act in ACTS.values():
        for kind in act.kinds:
            if kind not in refs:
                continue
            admin.opens(f"/support/act/{act.name}/{refs[kind]}")
            names = {str(i.get("name")) for form in admin.tree.iter("form") for i in form.iter("input")}
            assert not any(re.search("pass|code|otp|answer|user", name) for name in names), (act.name, names)
            assert not [i for i in admin.tree.iter("input") if i.get("type") == "password"]
    for act in ACTS.values():
        assert not any(re.search("password|code|answer|username", asked.name) for asked in act.asks)


def test_what_an_act_says_afterwards_is_for_whoever_did_it(
    connected: Visitor, agent: Visitor, lead: Visitor, app: Flask, later: Callable[..., None]
) -> None:
    does(agent, "look_again", ref_of(app, Connection))
    address = str(agent.page.url).removeprefix("http://localhost")
    lead.opens(address)
    assert "Deck is being asked" not in lead.sees()
    later(minutes=11)
    agent.opens(address)
    assert "Deck is being asked" not in agent.sees(), "it is old by now"


def test_a_visit_that_support_began_says_so_nowhere_that_the_person_agreed(
    connected: Visitor, agent: Visitor, app: Flask
) -> None:
    does(agent, "run_again", ref_of(app, Connection))
    visit: ConnectSession = only(app, ConnectSession)
    assert (visit.purpose, visit.consented_at, visit.device) == ("refresh", None, "")
