"""When the fault is ours or Deck's: nobody is told that what they typed was wrong, and nobody else waits for it."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.deck.line import Line
from tests.deck.once import BANK, CARD, CODE, PASSWORD
from tests.people import Deck, Visitor
from webapp import limits
from webapp.db import db, now, writing
from webapp.guard import Caution
from webapp.limits import RateLimitItem
from webapp.models import Intent, Run, person
from webapp.models.person import hash_password
from webapp.pages import size
from webapp.twin.world import World

REVOKED = {"status": 401, "code": "api_key_invalid"}


def test_a_key_that_deck_no_longer_takes_is_not_blamed_on_robins_password(
    robin: Visitor, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    robin.picks(BANK)
    world.faults.arm({"resource": "credentials", "operation": "create", **REVOKED})
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert robin.page.status_code == 502
    assert "We cannot reach our provider" in robin.sees()
    assert "not accepted" not in robin.sees()
    said = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert any("401 api_key_invalid" in record.getMessage() for record in said), "the operator learns of it"


def test_nor_is_it_blamed_on_the_code(robin: Visitor, deck: Deck, world: World) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    world.faults.arm({"resource": "task_runs", "operation": "interaction", "count": 1, **REVOKED})
    robin.presses("Continue", f0=CODE)
    assert robin.page.status_code == 502
    assert "type it once more" not in robin.sees()

    robin.opens(robin.page.url.path)
    assert robin.view() == "interaction", "the question is still open"
    robin.presses("Continue", f0=CODE)
    deck.goes_on()
    robin.looks_again()
    assert f"{BANK} is connected" in robin.sees()


def test_what_deck_says_of_the_username_stands_at_the_username(robin: Visitor, world: World) -> None:
    robin.picks(BANK)
    world.faults.arm({"resource": "credentials", "operation": "create", "status": 400, "code": "input_missing"})
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert robin.page.status_code == 422
    assert "This was not accepted. Check it, and try again." in robin.sees()


def test_when_nobody_knows_whether_an_answer_arrived_nobody_is_asked_for_it(
    robin: Visitor, deck: Deck, app: Flask, world: World
) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    deck.goes_on()
    robin.looks_again()
    line = Line(app, world)
    line.trouble("POST /v2/task-runs/[^/]+/interaction", "answer is lost")
    line.trouble("GET /v2/task-runs/.*", "fails", after=1)
    robin.presses("Continue", f0=CODE)
    assert robin.view() == "progress"
    assert "We do not know yet whether your answer arrived" in robin.sees()
    assert "type it once more" not in robin.sees()


def test_the_remembered_username_is_asked_for_when_it_is_shown_and_only_then(
    robin: Visitor, deck: Deck, app: Flask, world: World
) -> None:
    robin.signs_in_at(BANK, CARD, "wrong-9")
    deck.goes_on()
    line = Line(app, world)
    assert robin.looks_again() == "sign_in"
    assert robin.field("username").get("value") == CARD
    assert len(line.calls) == 1

    line.calls.clear()
    robin.presses("Sign in", username=CARD, password=PASSWORD)
    assert line.calls[0].startswith("PATCH /v2/credentials/"), "what is typed goes to Deck at once"


def test_a_result_that_cannot_be_opened_any_more_takes_nothing_else_away(
    robin: Visitor, deck: Deck, app: Flask
) -> None:
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    robin.looks_again()
    with app.app_context(), writing():
        db.session.execute(update(Run).values(sealed_output="v1.gone.AAAA"))
    robin.presses("Done")
    assert robin.page.status_code == 200
    robin.presses("Disconnect")
    assert "Disconnect Northlight Power?" in robin.sees()


def test_stopping_twice_tells_deck_once(robin: Visitor, app: Flask, world: World) -> None:
    robin.signs_in_at(BANK, CARD, PASSWORD)
    Line(app, world).trouble("POST /v2/task-runs/[^/]+/cancel", "fails", times=6)
    visit = robin.page.url.path
    robin.posts(f"{visit}/stop")
    robin.posts(f"{visit}/stop")
    with app.app_context():
        assert len(db.session.scalars(select(Intent).filter_by(kind="run.cancel")).all()) == 1


def test_one_person_downloads_so_many_files_in_an_hour_and_no_more(
    robin: Visitor, deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.connections.DOWNLOADS_PER_PERSON", limits.limit("downloads/person", "2/hour"))
    robin.signs_in_at("Northlight Power", "robin@sample.example", "bright-light-7")
    deck.goes_on()
    robin.looks_again()
    robin.presses("Done")
    file = next(str(a.get("href")) for a in robin.tree.iter("a") if "/files/" in str(a.get("href")))
    assert [robin.opens(file).status_code for _ in range(3)] == [200, 200, 429]


def test_no_two_limits_share_a_counter() -> None:
    items = [item for item in vars(limits).values() if isinstance(item, RateLimitItem)]
    assert len(items) >= 10
    assert len({item.namespace for item in items}) == len(items)


def test_a_password_is_hashed_while_everybody_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    where: list[int] = []

    class Slow:
        def hash(self, password: str) -> str:
            where.append(threading.get_ident())
            return "hashed"

    monkeypatch.setattr(person, "HASHER", Slow())
    monkeypatch.setattr(person, "is_module_patched", lambda name: True)  # as it is when serving
    assert hash_password("correct horse battery") == "hashed"
    assert where != [threading.get_ident()], "the thread of all greenlets is not the one that hashes"


def test_printing_the_settings_shows_no_secret(app: Flask) -> None:
    parts = app.extensions["gangway"]
    for shown in (repr(parts.config), repr(parts)):
        assert "sk_live" not in shown
        assert "whsec_" not in shown
        assert parts.config.secret_key not in shown


@pytest.mark.parametrize(
    ("left", "words"), [(20, "1 minute"), (61, "2 minutes"), (60 * 60, "60 minutes"), (3 * 3600 + 5, "4 hours")]
)
def test_a_pause_is_told_in_words(left: int, words: str) -> None:
    assert Caution(3, now() + timedelta(seconds=left)).time_left == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_999, "2.0 kB"), (48_230, "48 kB"), (1_540_000, "1.5 MB")],
)
def test_a_size_is_told_in_words(count: int, words: str) -> None:
    assert size(count) == words
