"""The companies whose people connect accounts here, and their keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from tests.companies import Server, founded, listens
from tests.people import Visitor
from tests.support.acting import shown
from tests.support.conftest import Somebody
from webapp.db import db, now, writing
from webapp.models import AuditEntry, Endpoint, Host

WHY = "Contract signed, ticket 99"


def ref_of(app: Flask, name: str = "Tidepool Savings") -> str:
    with app.app_context():
        return db.session.query(Host).filter_by(name=name).one().ref


@pytest.fixture
def admin(staff: Somebody) -> Visitor:
    return staff("admin")


def test_the_list_and_the_page_of_a_host(app: Flask, agent: Visitor) -> None:
    server = founded(app, origins=["https://shop.example"], return_urls=["https://shop.example/back"], is_test=False)
    listens(app, "https://hooks.example/in")
    with app.app_context(), writing():
        db.session.query(Endpoint).one().paused_at = now()
    agent.opens("/support/hosts")
    assert "Tidepool Savings live" in agent.sees() and "paused 0 0" in agent.sees()
    assert "Add a host" not in agent.sees()
    assert "Tidepool Savings" in agent.opens("/support/hosts?name=tide&webhook=paused").text
    assert "Nothing fits" in agent.opens("/support/hosts?name=%25").text
    agent.opens(f"/support/hosts/{ref_of(app)}")
    for words in (
        "https://shop.example",
        "https://shop.example/back",
        "https://hooks.example/in",
        "…" + server.key[-4:],
    ):
        assert words in agent.sees()
    assert server.key not in agent.page.text and "whsec" not in agent.page.text


def test_an_admin_adds_a_host_whose_server_can_call_at_once(
    app: Flask, admin: Visitor, on_record: Callable[[], list[tuple[str, str, str]]]
) -> None:
    admin.opens("/support/hosts")
    admin.presses("Add a host")
    admin.presses(
        "Add a host",
        name="Lantern Loans",
        origins="https://lantern.example https://www.lantern.example",
        return_urls="https://lantern.example/back",
        reason=WHY,
    )
    key = shown(admin)
    assert Server(app, key).invites()["session_id"].startswith("cs_")
    assert on_record() == [("add_host", "hosts", WHY)]
    with app.app_context():
        assert key not in str(db.session.scalars(db.select(AuditEntry)).one().details), "only its end is written down"
        assert len(db.session.query(Host).one().origins) == 2
    admin.opens("/support/hosts")
    assert "Lantern Loans" in admin.sees() and key not in admin.page.text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": ""}, "at most 40 characters"),
        ({"name": "x" * 41}, "at most 40 characters"),
        ({"name": "Tidepool Savings"}, "There is a host with this name already"),
        ({"origins": "https://*.example"}, "no origin"),
        ({"origins": "http://localhost:5000"}, "no origin"),
        ({"return_urls": "javascript:alert(1)"}, "no https address"),
        ({"sources": "no-such-bank"}, "there is no source"),
    ],
)
def test_what_cannot_be_a_host_is_told_at_its_field(
    app: Flask, admin: Visitor, wrong: dict[str, str], words: str
) -> None:
    founded(app)
    admin.opens("/support/act/add_host/here")
    assert admin.presses("Add a host", **{"name": "Lantern Loans", "reason": WHY, **wrong}).status_code == 422
    assert words in admin.sees()
    with app.app_context():
        assert db.session.query(Host).count() == 1


def test_a_new_key_is_shown_once_and_an_old_one_is_revoked(app: Flask, admin: Visitor) -> None:
    old, ref = founded(app), ref_of(app)
    path = f"/support/act/new_key/{ref}"
    admin.opens(path)
    form = {"once": str(admin.field("once").get("value")), "reason": WHY}
    admin.posts(path, form)
    assert "The secret key of Tidepool Savings" in admin.sees() and "Copy it now" in admin.sees()
    new = Server(app, shown(admin))
    assert new.reads("/connections") and new.key not in admin.posts(path, form).text, "a reload does not show it again"
    waiting, kim = old.invites()["hosted_url"].removeprefix("http://localhost"), Visitor(app)
    assert kim.opens(waiting).status_code == 200
    admin.opens(f"/support/act/revoke_key/{ref}")
    assert "Links made with it that nobody has opened run out at once" in admin.sees()
    admin.presses("Revoke a key", ending=old.key[-4:], reason=WHY)
    assert "1 link ran out with it" in admin.sees()
    assert kim.opens(waiting).status_code == 410
    assert old.asks("GET", "/connections").status_code == 401 and new.asks("GET", "/connections").status_code == 200
    admin.opens(f"/support/act/revoke_key/{ref}")
    assert "It is the only one Tidepool Savings has" in admin.sees()
    assert admin.presses("Revoke a key", ending="zzzz", reason=WHY).status_code == 422


def test_keys_want_an_admin_who_proved_both_factors_a_moment_ago(
    app: Flask, lead: Visitor, admin: Visitor, later: Callable[..., None]
) -> None:
    founded(app)
    ref = ref_of(app)
    for path in ("/support/act/add_host/here", f"/support/act/new_key/{ref}", f"/support/act/revoke_key/{ref}"):
        assert lead.opens(path).status_code == 403
    later(minutes=11)
    path = f"/support/act/new_key/{ref}"
    assert "/support/prove" in str(admin.http.get(path).headers["Location"])
    answer = admin.http.post(path, data={"once": "x", "reason": WHY}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 401 and "Is it still you?" in answer.text and WHY in answer.text
    with app.app_context():
        assert db.session.query(AuditEntry).filter_by(act="new_key").count() == 0
