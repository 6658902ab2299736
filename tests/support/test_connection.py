"""The page an agent has open while somebody is on the phone."""

from __future__ import annotations

import re
from collections.abc import Callable

from flask import Flask

from tests.companies import connects, follows, founded
from tests.people import Deck, Visitor
from webapp.db import db, writing
from webapp.models import Connection, ConnectSession, Person, Staff, StaffNote, StaffToken
from webapp.public_ids import public_id

CARD, PASSWORD = "4500123412341234", "maple-leaf-9"
Record = Callable[[], list[tuple[str, str, str]]]


def the_connection(app: Flask) -> Connection:
    with app.app_context():
        return db.session.scalars(db.select(Connection).order_by(Connection.id.desc())).first() or Connection()


def opens_the_connection(agent: Visitor, app: Flask) -> str:
    agent.opens(f"/support/connections/{the_connection(app).ref}")
    assert agent.page.status_code == 200
    return agent.sees()


def test_it_says_whose_turn_it_is_from_the_first_step_to_the_last(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask
) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, PASSWORD)
    assert "Deck’s turn In line at Deck since" in opens_the_connection(agent, app)
    deck.goes_on()
    seen = opens_the_connection(agent, app)
    assert "The person’s turn Waiting for a code since" in seen
    assert "Ask them to look at their phone" in seen
    robin.looks_again()
    robin.presses("Continue", f0="246810")
    assert "The source’s turn" in opens_the_connection(agent, app)
    deck.goes_on()
    seen = opens_the_connection(agent, app)
    assert "Nobody’s turn Done: everything is fine, last read just now" in seen
    assert "statement-2026-10.txt" in seen


def test_a_refused_password_is_told_as_it_is(robin: Visitor, deck: Deck, agent: Visitor, app: Flask) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, "wrong-once-5f0b")
    deck.goes_on()
    seen = opens_the_connection(agent, app)
    assert "Maple & Main Bank refused the password once" in seen
    assert "wrong-once-5f0b" not in agent.page.text


def test_nobody_is_named_in_full_and_nothing_typed_is_shown(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask
) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="246810")
    deck.goes_on()
    connection = the_connection(app)
    pages = [
        "/support/connections",
        "/support/runs",
        f"/support/connections/{connection.ref}",
        f"/support/people/{connection.person_id}",
    ]
    for path in pages:
        agent.opens(path)
        assert agent.page.status_code == 200
        for secret in ("robin@sample.example", CARD, PASSWORD, "246810", "4821"):
            assert not is_on(agent.page.text, secret), f"{secret} on {path}"
    assert "r•••@s•••" in agent.sees()


def test_what_a_company_calls_its_user_is_not_for_staff(agent: Visitor, app: Flask, deck: Deck) -> None:
    """It is shown to the person alone, and to no program of theirs either."""
    kim, program = Visitor(app), Visitor(app)
    follows(kim, founded(app).invites(user_label="kim.sample@mail.example"))
    assert "kim.sample@mail.example" in kim.sees()
    connects(kim, deck)
    connection = the_connection(app)
    with app.app_context():
        (visit,) = db.session.scalars(db.select(ConnectSession.ref)).all()
        with writing():
            token = StaffToken.issue(db.session.query(Staff).one(), "tests")
    program.http.headers["Authorization"] = f"Bearer {token}"
    for page in (f"connections/{connection.ref}", f"people/{connection.person_id}", f"visits/{visit}"):
        for answer in (agent.opens(f"/support/{page}"), program.opens(f"/support/api/{page}")):
            assert answer.status_code == 200 and "kim.sample" not in answer.text, page


def is_on(html: str, secret: str) -> bool:
    """Digits alone also turn up inside random ids, support codes and fractions of seconds: they count as a word."""
    edges = (r"(?<![\w.-])", r"(?![\w-])") if secret.isdigit() else ("", "")
    return re.search(edges[0] + re.escape(secret) + edges[1], html) is not None


def test_a_code_is_found_where_somebody_could_read_it_and_not_inside_an_id() -> None:
    for html in ("<p>246810</p>", 'value="246810"', "the code 246810, again", ">246810<", "=246810&"):
        assert is_on(html, "246810"), html
    for html in ("conn_a246810b", "conn_-246810", "12:00:00.246810+00:00", "gangway-9246810c", "KX-4821"):
        assert not is_on(html, "246810") and not is_on(html, "4821"), html


def test_the_block_for_engineers_has_the_ids_and_says_nothing_of_the_person(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    opens_the_connection(agent, app)
    block = next(i for i in agent.tree.iter("pre")).text or ""
    run = deck.objects("task_runs")[-1]
    assert run["id"] in block
    assert public_id("conn", the_connection(app).ref) in block
    assert "queued -> running" in block
    assert "write run.start done" in block
    assert "robin" not in block


def test_staff_leave_each_other_notes_on_record(
    robin: Visitor, deck: Deck, agent: Visitor, app: Flask, on_record: Record
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    page = opens_the_connection(agent, app)
    assert "No notes yet" in page
    path = agent.page.url.path
    agent.posts(f"{path}/notes", {"text": "Called twice.\0 <b>Wants</b> a call back."})
    assert agent.page.url.path == path
    assert "Called twice. <b>Wants</b> a call back." in agent.sees()
    assert on_record()[-1][:2] == ("note", f"conn_{path.rpartition('/')[2]}")
    agent.posts(f"{path}/notes", {"text": "  "})
    agent.posts(f"{path}/notes", {"text": "Called twice.\0 <b>Wants</b> a call back."})  # pressed twice
    with app.app_context():
        assert db.session.query(StaffNote).count() == 1
    agent.posts(f"{path}/notes", {"text": "Called again."})
    with app.app_context():
        assert db.session.query(StaffNote).count() == 2


def test_a_viewer_sees_the_page_and_can_neither_act_nor_write(
    robin: Visitor, staff: Callable[[str], Visitor], app: Flask
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    viewer = staff("viewer")
    seen = opens_the_connection(viewer, app)
    assert "Add a note" not in seen
    assert "Run again" not in seen
    viewer.posts(f"{viewer.page.url.path}/notes", {"text": "I was here"})
    assert viewer.page.status_code == 403


def test_the_page_offers_what_this_role_may_do_now(
    robin: Visitor, deck: Deck, agent: Visitor, lead: Visitor, app: Flask
) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, PASSWORD)
    deck.goes_on()
    opens_the_connection(agent, app)
    assert acts_offered(agent) == {"cancel", "look_again", "reconnect_link"}
    robin.looks_again()
    robin.presses("Continue", f0="246810")
    deck.goes_on()
    opens_the_connection(agent, app)
    assert acts_offered(agent) == {"run_again", "look_again", "reconnect_link"}
    opens_the_connection(lead, app)
    assert acts_offered(lead) == {"run_again", "look_again", "reconnect_link", "disconnect"}


def acts_offered(agent: Visitor) -> set[str]:
    links = {str(link.get("href")) for link in agent.tree.iter("a") if "/act/" in str(link.get("href"))}
    return {link.split("/")[3] for link in links}


def test_an_email_is_revealed_for_a_reason_once_and_on_record(
    robin: Visitor, agent: Visitor, app: Flask, on_record: Record
) -> None:
    with app.app_context():
        id = db.session.query(Person).filter_by(email="robin@sample.example").one().id
    agent.opens(f"/support/people/{id}")
    agent.presses("Show it once", reason="no")
    assert agent.page.status_code == 422
    assert "Say why" in agent.sees()
    agent.presses("Show it once", reason="Sending the form by mail")
    assert "robin@sample.example" in agent.sees()
    assert on_record() == [("reveal", f"person_{id}", "Sending the form by mail")]
    agent.opens(f"/support/people/{id}")
    assert "robin@sample.example" not in agent.page.text


def test_whoever_has_no_name_still_signs_what_they_do(robin: Visitor, deck: Deck, agent: Visitor, app: Flask) -> None:
    """Nobody asks for one where people come by single sign-on."""
    robin.signs_in_at("Maple & Main Bank", CARD, PASSWORD)
    deck.goes_on()
    with app.app_context(), writing():
        db.session.query(Staff).one().name = ""
    opens_the_connection(agent, app)
    place = agent.page.url.path
    agent.posts(f"{place}/notes", {"text": "Called at nine."})
    agent.presses("Look again")
    agent.presses("Ask Deck", reason="Ticket 4711")
    assert "a•••@d•••: look again" in agent.sees() and "a•••@d•••: note" in agent.sees()
    assert "command line" not in agent.sees() and "desk.example" not in agent.sees()


def test_nobody_reveals_one_email_after_the_other(robin: Visitor, agent: Visitor, app: Flask, lead: Visitor) -> None:
    with app.app_context():
        id = db.session.query(Person).filter_by(email="robin@sample.example").one().id
    path, why = f"/support/people/{id}/reveal", {"reason": "Sending the form by mail"}
    assert [agent.posts(path, why).status_code for _ in range(21)] == [200] * 20 + [429]
    assert "robin@sample.example" not in agent.page.text
    assert lead.posts(path, why).status_code == 200


def test_a_run_is_told_stage_by_stage(robin: Visitor, deck: Deck, agent: Visitor, app: Flask) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    robin.presses("Continue", f0="246810")
    deck.goes_on()
    opens_the_connection(agent, app)
    run = next(str(a.get("href")) for a in agent.tree.iter("a") if "/support/runs/" in str(a.get("href")))
    agent.opens(run)
    seen = agent.sees()
    for words in ("Starting", "In line", "Waiting for the person", "Checking the answer", "The person took"):
        assert words in seen


def test_lists_are_narrowed_and_their_rows_lead_to_pages(robin: Visitor, deck: Deck, agent: Visitor) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    robin.signs_in_at("Maple & Main Bank", CARD, "wrong-once-5f0b")
    deck.goes_on()
    agent.opens("/support/connections?status=verified&source=northlight-power&host=own")
    assert "Northlight Power" in agent.sees()
    agent.presses("r•••@s•••")
    assert agent.page.url.path.startswith("/support/connections/")
    agent.opens("/support/runs?trouble=auth_invalid")
    assert "auth_invalid/site" in agent.sees()
    agent.presses("run_")
    assert agent.page.url.path.startswith("/support/runs/")
    for nobody in ("connections?source=no-such", "connections?host=no-such", "runs?trouble=auth_invalid/queue"):
        agent.opens(f"/support/{nobody}")
        assert "Nothing fits these filters" in agent.sees()


def test_programs_read_the_same_pages_as_data(robin: Visitor, deck: Deck, agent: Visitor, app: Flask) -> None:
    robin.signs_in_at("Maple & Main Bank", CARD, PASSWORD)
    deck.goes_on()
    opens_the_connection(agent, app)
    with app.app_context(), writing():
        somebody = Staff.by_email("agent@desk.example")
        assert somebody is not None
        token = {"Authorization": f"Bearer {StaffToken.issue(somebody, 'tests')}"}
    program, connection = Visitor(app), the_connection(app)
    told = program.http.get(f"/support/api/connections/{connection.ref}", headers=token).json()
    assert told["standing"]["words"] == "Waiting for a code"
    assert told["timeline"]["entries"][0]["who"] == "source"
    for page in (told["runs"][0]["href"], told["person_href"], told["visit_href"]):
        answer = program.http.get(page.replace("/support/", "/support/api/"), headers=token)
        assert answer.status_code == 200
        assert "robin@sample.example" not in answer.text


def test_what_is_not_there_is_not_found(agent: Visitor) -> None:
    for path in ("connections", "runs", "visits"):
        agent.opens(f"/support/{path}/kR3vQ0sZp1xw8A2c")
        assert agent.page.status_code == 404
    for id in ("7", "99999999999999999999"):
        agent.opens(f"/support/people/{id}")
        assert agent.page.status_code == 404
