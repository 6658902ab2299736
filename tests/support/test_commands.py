"""`gangway staff` and `gangway audit`: how it begins, and whether the record holds."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from tests.support.entering import comes_in, is_in, joins
from tests.support.test_audit import TRIGGERS
from tests.test_closing import operator
from webapp.db import db, writing
from webapp.models import AuditEntry
from webapp.support.audit import verify


def test_an_invitation_needs_an_address_and_for_somebody_new_a_role(app: Flask) -> None:
    assert "Enter an email address" in operator(app, "staff", "invite", "nobody", "--role", "admin").output
    told = operator(app, "staff", "invite", "ash@desk.example")
    assert told.exit_code == 1 and "--role" in told.output
    assert operator(app, "staff", "invite", "ash@desk.example", "--role", "owner").exit_code == 2


def test_a_second_invitation_begins_anew_and_changes_no_role(app: Flask) -> None:
    member = joins(app)
    visitor = comes_in(app, member)
    assert operator(app, "staff", "invite", member.email, "--role", "admin").exit_code == 1
    assert is_in(visitor)
    assert operator(app, "staff", "invite", member.email).exit_code == 0
    assert not is_in(visitor)
    assert f"{member.email}: agent, invited" in operator(app, "staff", "list").output


def test_somebody_is_disabled_but_never_the_last_admin(app: Flask) -> None:
    admin, agent = joins(app, "boss@desk.example", "admin"), joins(app)
    visitor = comes_in(app, agent)
    assert operator(app, "staff", "disable", agent.email).exit_code == 0
    assert not is_in(visitor)
    refused = operator(app, "staff", "disable", admin.email)
    assert refused.exit_code == 1 and "the last admin" in refused.output
    assert operator(app, "staff", "disable", "nobody@desk.example").exit_code == 1
    assert operator(app, "staff", "invite", agent.email).exit_code == 1, "a link does not let them back in"
    assert f"{agent.email}: agent, disabled" in operator(app, "staff", "list").output


def test_the_record_holds_and_says_how_many(app: Flask) -> None:
    joins(app)
    told = operator(app, "audit", "verify")
    assert told.exit_code == 0 and "2 entries, and all of them hold" in told.output


def test_a_seal_kept_elsewhere_tells_that_the_end_was_cut_off(app: Flask) -> None:
    joins(app)
    seal = operator(app, "audit", "verify").output.split()[-1]
    joins(app, "fern@desk.example")
    assert operator(app, "audit", "verify", "--seal", seal).exit_code == 0
    with app.app_context(), writing():
        for drop in TRIGGERS[db.engine.dialect.name]:
            db.session.execute(text(drop))
        db.session.execute(text("DELETE FROM audit_entry WHERE id > 1"))
    assert operator(app, "audit", "verify").exit_code == 0, "what is left is a chain"
    told = operator(app, "audit", "verify", "--seal", seal)
    assert told.exit_code == 1 and "none has this seal" in told.output


def test_an_entry_that_does_not_hold_is_named(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if somebody had got past the triggers that refuse every change."""
    joins(app)
    with app.app_context():
        second = db.session.scalars(db.select(AuditEntry.id).order_by(AuditEntry.id)).all()[1]
    sealed = AuditEntry.sealed
    monkeypatch.setattr(AuditEntry, "sealed", lambda self: "changed" if self.id == second else sealed(self))
    told = operator(app, "audit", "verify")
    assert told.exit_code == 1 and f"entry {second} (welcome" in told.output and "1 entries hold" in told.output
    with app.app_context():
        assert verify()[0] == 1
