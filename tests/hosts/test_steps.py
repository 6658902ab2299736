"""A company's server can follow what somebody did in their visit, step by step."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask
from sqlalchemy import select

from tests.companies import BANK, CARD, CODE, PASSWORD, Server, connects, follows
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.models import HostEvent, VisitEvent


def steps(company: Server, session_id: str) -> list[dict[str, Any]]:
    return list(company.reads(f"/connect/sessions/{session_id}/events")["data"])


def test_a_company_can_follow_what_kim_did(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    id = tidepool.invites()["session_id"]
    assert steps(tidepool, id) == []
    invited = tidepool.invites()
    follows(kim, invited)
    connects(kim, deck)
    found = steps(tidepool, invited["session_id"])
    assert [step["seq"] for step in found] == list(range(1, len(found) + 1))
    names = [step["name"] for step in found if step["name"] != "STATUS_CHANGED"]
    assert names == ["OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "MFA_REQUIRED", "SUBMIT_MFA", "HANDOFF"]
    moves = [step["metadata"]["status"] for step in found if step["name"] == "STATUS_CHANGED"]
    assert moves[-1] == "completed" and "interaction_required" in moves
    asked = next(step["metadata"] for step in found if step["name"] == "MFA_REQUIRED")
    assert (asked["mfa_type"], asked["attempt"], asked["source_name"]) == ("code", 1, BANK)


def test_choosing_accounts_is_no_proof(tidepool: Server, kim: Visitor, deck: Deck) -> None:
    invited = tidepool.invites(source_id="caisse-cote-claire")
    follows(kim, invited)
    kim.presses("Agree and continue")
    kim.presses("Sign in", username="778201", password="cote-claire-3")
    for answer in ({"f0": "Biscuit"}, {"f0": "sav-9921"}):
        deck.goes_on()
        kim.looks_again()
        ref = kim.page.url.path
        hidden = {str(i.get("name")): i.get("value", "") for i in kim.tree.iter("input") if i.get("type") == "hidden"}
        kim.posts(f"{ref}/answer", {**hidden, **answer})
    deck.goes_on()
    names = [s["name"] for s in steps(tidepool, invited["session_id"]) if s["name"] != "STATUS_CHANGED"]
    assert names[2:] == ["MFA_REQUIRED", "SUBMIT_MFA", "SELECT_ACCOUNT", "HANDOFF"]


def test_nothing_typed_is_in_what_is_told(app: Flask, tidepool: Server, kim: Visitor, deck: Deck) -> None:
    follows(kim, tidepool.invites())
    connects(kim, deck)
    kim.posts(kim.page.url.path + "/leave")
    with app.app_context():
        kept = json.dumps([e.details for e in db.session.scalars(select(VisitEvent))])
        kept += json.dumps([e.data for e in db.session.scalars(select(HostEvent))])
    assert "SUBMIT" not in kept and "connected" in kept
    for typed in (CARD, PASSWORD, CODE):
        assert typed not in kept


def test_steps_come_page_by_page(app: Flask, tidepool: Server, kim: Visitor) -> None:
    id = tidepool.invites()["session_id"]
    with app.app_context(), writing():
        for n in range(120):
            VisitEvent.add(1, "STATUS_CHANGED", {"n": n})
    seen: list[int] = []
    after, more = "", True
    while more:
        page = tidepool.reads(f"/connect/sessions/{id}/events{after}")
        seen += [step["metadata"]["n"] for step in page["data"]]
        after, more = f"?after={page['data'][-1]['event_id']}", page["has_more"]
    assert seen == list(range(120))
    for wrong in ("vev_0000000000000000", "7", "evt_x", "\u0000"):
        assert tidepool.http.get(f"/connect/sessions/{id}/events", params={"after": wrong}).status_code == 404
