"""Staff act for somebody: they read what will happen, say why, it happens once, and it is on record."""

from __future__ import annotations

from flask import Flask

from tests.companies import BANK, CARD, PASSWORD, connects, follows, founded, revokes_the_key
from tests.people import Deck, Visitor
from tests.support.acting import WHY, OnRecord, does, does_not, notice, only, ref_of, shown
from webapp.db import db
from webapp.models import (
    AuditEntry,
    Connection,
    Run,
)


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
    assert "Copy it now. Nobody can read it again" in agent.sees(), "it opens for whoever has it"
    link = shown(agent)
    revokes_the_key(app, tidepool)  # which made no such link
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


def test_people_of_our_own_get_an_address_that_is_no_secret_and_leads_to_the_sign_in(
    connected: Visitor, agent: Visitor, lead: Visitor, app: Flask, deck: Deck
) -> None:
    ref = ref_of(app, Connection)
    does(agent, "reconnect_link", ref)
    link = shown(agent)
    assert "signs in again at Maple & Main Bank" in agent.sees() and "Copy it now" not in agent.sees()
    path = link.removeprefix("http://localhost")
    assert Visitor(app).opens(path).url.path == "/sign-in", "it opens for nobody else"
    connected.opens(path)
    assert "Support asked you to sign in there once more" in connected.sees()
    connected.presses("Sign in again")
    assert connected.view() == "sign_in"
    connected.presses("Sign in", password=PASSWORD)
    deck.goes_on()
    does(lead, "disconnect", ref)
    deck.our_worker_works()
    assert connected.opens(path).url.path == f"/connections/{ref}", "there is nothing to sign in to any more"
