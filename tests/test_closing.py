"""Somebody deletes their account: Deck destroys every sign-in, whatever happens meanwhile, and then nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import func, select

from tests.deck.line import Line
from tests.deck.once import BANK, CARD, PASSWORD
from tests.people import Deck, Visitor
from webapp.cli import cli
from webapp.db import db
from webapp.live import version_for
from webapp.models import BrowserSession, Connection, ConnectSession, Event, Run

Later = Callable[..., None]

EMAIL, OURS = "robin@sample.example", "correct horse battery"
CREATE, DELETE, SEE = "POST /v2/credentials", "DELETE /v2/credentials/.*", "GET /v2/credentials/.*"
OF_A_PERSON = {"person", "browser_session", "connection", "connect_session", "run", "move", "prompt", "intent"}
OF_A_PERSON |= {"invitation"}  # of people hosts send us
OF_A_PERSON |= {"visit_event", "follow", "error_report", "staff_note"}
"""Tables whose rows are about somebody. That they are forgotten is told to their host, so what it is told stays."""


@pytest.fixture
def connected(robin: Visitor, deck: Deck, line: Line) -> Visitor:
    """Robin, with a connection that works."""
    robin.signs_in_at("Northlight Power", EMAIL, "bright-light-7")
    deck.goes_on()
    return robin


@pytest.fixture
def asked(connected: Visitor, deck: Deck) -> Visitor:
    """The same, and in front of another site's question."""
    connected.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    assert connected.looks_again() == "interaction"
    return connected


def deletes_the_account(robin: Visitor) -> None:
    robin.opens("/connections")
    robin.presses("Delete my account")
    robin.presses("Delete my account", password=OURS)
    assert "Your account is being deleted" in robin.sees()


def minutes_pass(deck: Deck, later: Later, minutes: int = 4) -> None:
    for _ in range(minutes):
        deck.our_worker_works()
        deck.our_watchdog_looks()
        later(minutes=1, seconds=1)
        deck.lets_pass(seconds=1)
    deck.our_watchdog_looks()


def rows(app: Flask) -> dict[str, int]:
    """How many rows are left that belong to people, by table."""
    with app.app_context():
        tables = [table for table in db.metadata.tables.values() if table.name in OF_A_PERSON]
        counts = {table.name: db.session.scalar(select(func.count()).select_from(table)) or 0 for table in tables}
    return {name: count for name, count in counts.items() if count}


def kept_at_deck(deck: Deck) -> list[str]:
    return [credential["id"] for credential in deck.objects("credentials") if credential["status"] != "deleted"]


def operator(app: Flask, *words: str) -> Result:
    return CliRunner().invoke(cli, words, obj=FakeScript(app))


class FakeScript:
    """Stands for Flask's way to the app: this one."""

    def __new__(cls, app: Flask) -> FakeScript:
        from flask.cli import ScriptInfo

        return ScriptInfo(create_app=lambda: app)  # type: ignore[return-value]


# --- what people see ---------------------------------------------------------------------------------------------


def test_the_page_says_what_will_happen_and_wants_the_password(connected: Visitor, deck: Deck) -> None:
    connected.opens("/connections")
    connected.presses("Delete my account")
    for words in ("cannot be undone", "sign-in for Northlight Power is destroyed", "keep trying until it confirms"):
        assert words in connected.sees()
    connected.presses("Delete my account", password="a wrong guess")
    assert connected.page.status_code == 422
    assert "This is not your password here" in connected.sees()
    assert "a wrong guess" not in connected.page.text
    connected.opens("/connections")
    assert "Northlight Power" in connected.sees()
    assert len(kept_at_deck(deck)) == 1


def test_a_stranger_is_sent_to_sign_in(app: Flask) -> None:
    stranger = Visitor(app)
    stranger.opens("/account/delete")
    assert stranger.page.url.path == "/sign-in"
    assert stranger.posts("/account/delete", {"password": OURS}).status_code == 401


def test_guessing_the_password_ends_soon(connected: Visitor) -> None:
    for _ in range(10):
        connected.posts("/account/delete", {"password": "a guess"})
    assert connected.posts("/account/delete", {"password": OURS}).status_code == 429


def test_in_the_end_nothing_is_left(app: Flask, asked: Visitor, deck: Deck, later: Later) -> None:
    deletes_the_account(asked)
    minutes_pass(deck, later)
    assert rows(app) == {}
    assert kept_at_deck(deck) == []
    assert [run["status"] for run in deck.objects("task_runs")] == ["completed", "canceled"]
    with app.app_context():
        assert {(event.subject, event.body) for event in db.session.scalars(select(Event))} == {("", b"")}


def test_not_even_in_what_the_file_has_forgotten(
    app: Flask, connected: Visitor, deck: Deck, later: Later, database_url: str
) -> None:
    if not database_url.startswith("sqlite"):
        pytest.skip("PostgreSQL overwrites when it vacuums")
    with app.app_context():
        about = [EMAIL, *db.session.scalars(select(Connection.ref)), *db.session.scalars(select(Run.sealed_output))]
    kept = lambda: Path(database_url.removeprefix("sqlite:///")).read_bytes()  # noqa: E731
    settle(app)
    assert all(str(text)[:60].encode() in kept() for text in about)
    deletes_the_account(connected)
    minutes_pass(deck, later)
    settle(app)
    assert not [text for text in about if str(text)[:60].encode() in kept()]


def settle(app: Flask) -> None:
    """What is in SQLite's log goes into its file."""
    with app.app_context():
        connection = db.engine.raw_connection()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[attr-defined]
        connection.close()


def test_nobody_gets_in_from_the_first_moment_on(app: Flask, connected: Visitor) -> None:
    phone = Visitor(app)
    phone.opens("/sign-in")
    phone.presses("Sign in", email=EMAIL, password=OURS)
    assert phone.page.url.path == "/connections"
    deletes_the_account(connected)
    for browser in (connected, phone):
        browser.opens("/connections")
        assert browser.page.url.path == "/sign-in"
    phone.presses("Sign in", email=EMAIL, password=OURS)
    assert phone.page.status_code == 403
    assert "is being deleted" in phone.sees()
    phone.opens("/connections")
    assert phone.page.url.path == "/sign-in"


def test_who_only_knows_the_address_learns_nothing_at_the_sign_in(app: Flask, connected: Visitor) -> None:
    deletes_the_account(connected)
    connected.opens("/sign-in")
    connected.presses("Sign in", email=EMAIL, password="a wrong guess")
    assert connected.page.status_code == 401
    assert "do not go together" in connected.sees()


def test_open_streams_end(app: Flask, asked: Visitor) -> None:
    with app.app_context():
        (ref, owner), browser = (
            db.session.execute(select(ConnectSession.ref, ConnectSession.person_id)).all()[-1],
            db.session.scalars(select(BrowserSession.id)).one(),
        )
        with app.extensions["gangway"].bus.listen(f"person/{owner}") as bell:
            assert version_for(ref, owner, browser) is not None
            db.session.rollback()
            deletes_the_account(asked)
            assert bell.wait(0), "nobody told the stream"
        assert version_for(ref, owner, browser) is None


def test_the_address_is_free_again_when_it_is_done_and_not_before(
    app: Flask, connected: Visitor, deck: Deck, later: Later
) -> None:
    deletes_the_account(connected)
    again = Visitor(app)
    again.opens("/sign-up")
    again.presses("Create account", email=EMAIL, password="a whole new phrase")
    assert again.page.status_code == 422
    assert "is being deleted. When that is done" in again.sees()
    minutes_pass(deck, later)
    again.signs_up(EMAIL, "a whole new phrase")
    assert "Nothing connected yet" in again.sees()


def test_somebody_elses_things_stay(app: Flask, connected: Visitor, deck: Deck, later: Later) -> None:
    sam = Visitor(app)
    sam.signs_up("sam@sample.example")
    sam.signs_in_at("Northlight Power", EMAIL, "bright-light-7")
    deck.goes_on()
    deletes_the_account(connected)
    minutes_pass(deck, later)
    sam.opens("/connections")
    assert "Northlight Power" in sam.sees() and "Connected" in sam.sees()
    assert len(kept_at_deck(deck)) == 1
    assert rows(app)["person"] == 1


# --- for operators -----------------------------------------------------------------------------------------------


def test_an_operator_deletes_somebody(app: Flask, connected: Visitor, deck: Deck, later: Later) -> None:
    told = operator(app, "person", "delete", EMAIL, "--yes")
    assert (told.exit_code, "It is closed" in told.output) == (0, True), told.output
    connected.opens("/connections")
    assert connected.page.url.path == "/sign-in"
    assert "connections Deck has not confirmed yet: 1" in operator(app, "person", "delete", EMAIL).output
    minutes_pass(deck, later)
    assert rows(app) == {}
    assert "no account" in operator(app, "person", "delete", EMAIL).output


def test_an_operator_is_asked_first(app: Flask, connected: Visitor) -> None:
    assert operator(app, "person", "delete", EMAIL).exit_code == 1
    connected.opens("/connections")
    assert "Northlight Power" in connected.sees()


def test_every_table_about_people_is_looked_at() -> None:
    about = {"person"}
    while more := {
        table.name
        for table in db.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name in about and table.name not in about and key.ondelete != "SET NULL"
    }:
        about |= more
    assert about == OF_A_PERSON
