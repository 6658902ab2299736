"""The team: admins invite, change and disable; nobody can leave it without an admin."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask

from tests.people import Visitor
from tests.support.conftest import Somebody
from tests.support.entering import Member, accepts, comes_in, gives_password, is_in, joins
from webapp.db import db
from webapp.models import Staff

Record = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def boss(app: Flask) -> Visitor:
    """The only admin."""
    return comes_in(app, joins(app, "boss@desk.example", "admin"))


@pytest.fixture
def ash(app: Flask) -> Member:
    return joins(app)


def ref_of(app: Flask, email: str) -> str:
    with app.app_context():
        return Staff.by_email(email).ref  # type: ignore[union-attr]


def test_an_admin_invites_somebody_by_a_link_that_is_shown_once(app: Flask, boss: Visitor, on_record: Record) -> None:
    boss.posts("/support/team/invite", {"email": "Fern@desk.example", "role": "lead"})
    (link,) = re.findall(r"<code>http://localhost(/support/welcome/[\w-]{43})</code>", boss.page.text)
    assert link not in boss.opens("/support/team").text and "invited" in boss.sees()
    accepts(Visitor(app), link, "fern@desk.example")
    boss.opens("/support/team")
    assert "fern@desk.example" in boss.sees() and "invited" not in boss.sees()
    assert "staff_invite" in [act for act, *_ in on_record()]


@pytest.mark.parametrize(
    ("email", "role", "problem"),
    [
        ("boss@desk.example", "agent", "on the team already"),
        ("no address", "agent", "Enter an email address"),
        ("fern@desk.example", "owner", "Choose one of the roles"),
    ],
)
def test_an_invitation_that_makes_no_sense_is_refused(boss: Visitor, email: str, role: str, problem: str) -> None:
    boss.posts("/support/team/invite", {"email": email, "role": role})
    assert boss.page.status_code == 422 and problem in boss.sees()


def test_a_new_role_ends_sessions_and_counts_at_once(app: Flask, boss: Visitor, ash: Member, on_record: Record) -> None:
    visitor = comes_in(app, ash)
    boss.posts(f"/support/team/{ref_of(app, ash.email)}/role", {"role": "viewer"})
    assert not is_in(visitor)
    with app.app_context():
        assert Staff.by_email(ash.email).role == "viewer"  # type: ignore[union-attr]
    assert on_record()[-1][:2] == ("staff_role", f"staff_{ref_of(app, ash.email)}")


def test_disabled_is_out_and_enabled_may_sign_in_again(app: Flask, boss: Visitor, ash: Member) -> None:
    visitor, ref = comes_in(app, ash), ref_of(app, ash.email)
    boss.posts(f"/support/team/{ref}/disable")
    assert not is_in(visitor) and gives_password(visitor, ash).status_code == 401
    boss.posts(f"/support/team/{ref}/reset")
    assert boss.page.status_code == 422 and "Enable them first" in boss.sees()
    boss.opens("/support/team")
    boss.presses("Enable")
    assert gives_password(visitor, ash).url.path == "/support/second-factor"


def test_a_new_link_begins_anew(app: Flask, boss: Visitor, ash: Member) -> None:
    visitor = comes_in(app, ash)
    visitor.posts("/support/mine/tokens", {"name": "report"})
    (token,) = re.findall(r"<code>(st_[\w-]{43})</code>", visitor.page.text)
    program = {"Authorization": f"Bearer {token}"}
    assert visitor.http.get("/support/api/mine", headers=program).status_code == 200
    boss.posts(f"/support/team/{ref_of(app, ash.email)}/reset")
    (link,) = re.findall(r"<code>http://localhost(/support/welcome/[\w-]{43})</code>", boss.page.text)
    assert not is_in(visitor) and gives_password(visitor, ash).status_code == 401
    assert visitor.http.get("/support/api/mine", headers=program).status_code == 401, "nor does a program get in"
    anew = accepts(Visitor(app), link, ash.email)
    assert anew.seed != ash.seed and not set(anew.recovery) & set(ash.recovery)


def test_the_last_admin_can_neither_go_nor_step_down(app: Flask, boss: Visitor, ash: Member) -> None:
    mine = ref_of(app, "boss@desk.example")
    for path, form in (("disable", {}), ("role", {"role": "viewer"})):
        boss.posts(f"/support/team/{mine}/{path}", form)
        assert boss.page.status_code == 422 and "the last admin" in boss.sees()
    boss.posts(f"/support/team/{mine}/reset")
    assert boss.page.status_code == 422 and "to yourself" in boss.sees()
    boss.posts("/support/team/invite", {"email": "fern@desk.example", "role": "admin"})
    boss.posts(f"/support/team/{mine}/disable")
    assert "the last admin" in boss.sees(), "somebody who has only been invited cannot take over"
    boss.posts(f"/support/team/{ref_of(app, ash.email)}/role", {"role": "admin"})
    boss.posts(f"/support/team/{mine}/role", {"role": "agent"})
    assert boss.page.url.path == "/support/sign-in"


def test_only_admins_see_the_team_and_changes_ask_who_they_are(
    app: Flask, staff: Somebody, later: Callable[..., None]
) -> None:
    for role in ("viewer", "agent", "lead"):
        visitor = staff(role)
        assert visitor.opens("/support/team").status_code == 403
        assert visitor.posts("/support/team/invite", {"email": "x@desk.example", "role": "admin"}).status_code == 403
    boss = staff("admin")
    later(minutes=11)
    ref = ref_of(app, "lead@desk.example")
    for path in ("invite", f"{ref}/role", f"{ref}/disable", f"{ref}/enable", f"{ref}/reset"):
        assert boss.posts(f"/support/team/{path}").url.path == "/support/prove", path


def test_nobody_called_so_is_not_found(boss: Visitor) -> None:
    for act in ("role", "disable", "enable", "reset"):
        assert boss.posts(f"/support/team/nobody/{act}", {"role": "lead"}).status_code == 404


def test_the_team_as_json_says_who_it_is_and_no_secret(app: Flask, boss: Visitor, ash: Member) -> None:
    boss.posts("/support/mine/tokens", {"name": "report"})
    (token,) = re.findall(r"<code>(st_[\w-]{43})</code>", boss.page.text)
    told = boss.http.get("/support/api/team", headers={"Authorization": f"Bearer {token}"}).json()
    assert [m["email"] for m in told["members"]] == [ash.email, "boss@desk.example"]
    with app.app_context():
        everything = [str(value) for row in db.session.scalars(db.select(Staff)) for value in row.recovery]
    assert not [secret for secret in everything if secret in str(told)]
