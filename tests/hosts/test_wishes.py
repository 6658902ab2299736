"""A company wishes for one visit: fewer of its pages, its colour and corners, a few words, a language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select

from tests.companies import Server, connects, follows, founded
from tests.framed import SHOP, Frame, refused
from tests.log_reader import Reader
from tests.people import Deck, Visitor
from webapp.catalog import read_catalog
from webapp.db import db, writing
from webapp.demo import cast
from webapp.hosts.wishes import LIGHT_GROUNDS, contrast, is_readable, lightened, shades, style_sheet
from webapp.models import ConnectSession, Invitation
from webapp.sync import sync

HELP = "https://help.shop.example"
LABEL = "k•••@mail.example"


@pytest.fixture
def tidepool(app: Flask) -> Server:
    return founded(app, origins=[SHOP, HELP])


def look_of(kim: Visitor) -> str:
    """The wished style sheet of the page."""
    found = re.search(r'href="(/look/[^"]+)" integrity="(sha384-[^"]+)"', kim.page.text)
    assert found
    sheet = kim.http.get(found[1])
    assert sheet.status_code == 200 and sheet.headers["Content-Type"].startswith("text/css")
    return sheet.text


def test_it_opens_only_where_it_was_wished(tidepool: Server, app: Flask) -> None:
    token = tidepool.invites(allowed_origins=[HELP])["connect_token"]
    refused(Frame(app).is_given(token), 403, "origin_not_allowed")
    Frame(app, HELP).opens_with(token)


def test_the_companys_colour_and_corners(tidepool: Server, app: Flask) -> None:
    wished = {"accent": "#7A3413", "radius": 0}
    framed, hosted = Frame(app), Visitor(app)
    framed.opens_with(tidepool.invites(appearance=wished)["connect_token"])
    follows(hosted, tidepool.invites(appearance=wished))
    for kim in (framed, hosted):
        sheet = look_of(kim)
        assert "--accent:#7a3413" in sheet and "--corner:0px" in sheet and "prefers-color-scheme:dark" in sheet
        assert "style=" not in kim.page.text
    plain = Frame(app)
    plain.opens_with(tidepool.invites()["connect_token"])
    assert "/look/" not in plain.page.text


def test_the_companys_words_stand_beside_ours(tidepool: Server, app: Flask, deck: Deck) -> None:
    kim = Frame(app)
    words = {"consent_note": "We use it to <b>plan</b> your savings.", "success_note": "See you on Monday."}
    kim.opens_with(tidepool.invites(text=words)["connect_token"])
    assert "We use it to <b>plan</b> your savings." in kim.sees() and "How your sign-in is used" in kim.sees()
    connects(kim, deck)
    assert "See you on Monday." in kim.sees() and "Tidepool Savings can now read" in kim.sees()


def test_kim_is_told_whose_account_it_is_for_before_anything_is_typed(tidepool: Server, app: Flask) -> None:
    """Whoever is sent a link to somebody else's visit sees a name that is not theirs."""
    told = f"For the account {LABEL} at Tidepool Savings . Not yours? Close this page."
    hosted, framed = Visitor(app), Frame(app)
    invited = tidepool.invites(user_label=LABEL)
    hosted.opens(invited["hosted_url"].removeprefix("http://localhost"))
    assert told in hosted.sees(), "before the link is used up"
    hosted.presses("Continue")
    assert hosted.view() == "consent" and told in hosted.sees()
    framed.opens_with(tidepool.invites(user_label=LABEL)["connect_token"])
    assert framed.view() == "consent" and told in framed.sees()


def test_a_company_need_not_say_whose_account_it_is_for(tidepool: Server, app: Flask) -> None:
    for wish in ({}, {"user_label": None}):
        kim = Visitor(app)
        follows(kim, tidepool.invites(**wish))
        assert kim.view() == "consent" and "For the account" not in kim.page.text


def test_whose_account_it_is_for_is_between_the_company_and_kim(
    tidepool: Server, app: Flask, deck: Deck, reader: Reader
) -> None:
    """It is in no log, and nobody who may read about the visit is told."""
    kim, invited = Visitor(app), tidepool.invites(user_label=LABEL)
    follows(kim, invited)
    connects(kim, deck)
    deck.our_watchdog_looks()
    for path in (f"/connect/sessions/{invited['session_id']}", "/connections", "/events"):
        assert "mail.example" not in str(tidepool.reads(path))
    assert reader.of("request") and "mail.example" not in str(reader.raw)


def test_whose_account_it_is_for_goes_with_the_visit(tidepool: Server, app: Flask) -> None:
    tidepool.invites(user_label=LABEL)
    with app.app_context(), writing():
        assert db.session.scalars(select(Invitation.wishes)).all() == [{"user_label": LABEL}]
        db.session.execute(delete(ConnectSession))
        assert not db.session.scalars(select(Invitation)).all()


def test_the_language_reaches_a_task_that_takes_one(tidepool: Server, app: Flask, deck: Deck, tmp_path: Path) -> None:
    asks = """files = true

[tasks.input_schema]
type = "object"
required = ["language"]
properties = { language = { type = "string", title = "Language" } }
"""
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(cast.CATALOG.read_text().replace("files = true\n", asks, 1))
    with app.app_context():
        sync(read_catalog(catalog), lambda step: None)
    kim = Frame(app)
    kim.opens_with(tidepool.invites(language="fr-CA", source_id="northlight-power")["connect_token"])
    kim.presses("Agree and continue")
    kim.presses("Sign in", username="robin@sample.example", password="bright-light-7")
    assert kim.field("language").get("value") == "fr-CA"
    kim.presses("Start")
    (run,) = deck.objects("task_runs")
    assert run["input"] == {"language": "fr-CA"}


@pytest.mark.parametrize(
    ("wish", "code", "param"),
    [
        ({"allowed_origins": ["https://evil.example"]}, "invalid_field", "allowed_origins"),
        ({"allowed_origins": [SHOP + "/"]}, "invalid_field", "allowed_origins"),
        ({"allowed_origins": []}, "invalid_field", "allowed_origins"),
        ({"allowed_origins": SHOP}, "invalid_field", "allowed_origins"),
        ({"user_label": ""}, "invalid_field", "user_label"),
        ({"user_label": "  "}, "invalid_field", "user_label"),
        ({"user_label": "k" * 41}, "invalid_field", "user_label"),
        ({"user_label": "kim\nand nobody else"}, "invalid_field", "user_label"),
        ({"user_label": "kim\tsample"}, "invalid_field", "user_label"),
        ({"user_label": "moc.elpmaxe\u202e"}, "invalid_field", "user_label"),
        ({"user_label": ["kim"]}, "invalid_field", "user_label"),
        ({"language": "French"}, "invalid_field", "language"),
        ({"language": "fr_CA"}, "invalid_field", "language"),
        ({"appearance": {"accent": "#ffcc00"}}, "invalid_field", "appearance.accent"),
        ({"appearance": {"accent": "red; } body { display: none"}}, "invalid_field", "appearance.accent"),
        ({"appearance": {"accent": 7}}, "invalid_field", "appearance.accent"),
        ({"appearance": {"radius": 25}}, "invalid_field", "appearance.radius"),
        ({"appearance": {"radius": True}}, "invalid_field", "appearance.radius"),
        ({"appearance": {"font": "Papyrus"}}, "unknown_field", "appearance.font"),
        ({"text": {"button": "Give us all"}}, "unknown_field", "text.button"),
        ({"text": {"consent_note": "x" * 201}}, "invalid_field", "text.consent_note"),
        ({"text": {"consent_note": "a\u202eb"}}, "invalid_field", "text.consent_note"),
    ],
)
def test_a_wish_that_cannot_be_is_named(tidepool: Server, wish: dict[str, Any], code: str, param: str) -> None:
    answer = tidepool.asks("POST", "/connect/sessions", {"user": {"client_user_id": "u"}, **wish})
    error = answer.json()["error"]
    assert (answer.status_code, error["error_code"], error["param"]) == (400, code, param)


@pytest.mark.parametrize("look", ["ffcc00-8", "7a3413-25", "-", "7a3413", "7A3413-1", "7a3413-8;x", "../app"])
def test_looks_nobody_wished(app: Flask, look: str) -> None:
    answer = Visitor(app).http.get(f"/look/{look}.css")
    assert answer.status_code == 404 or (look == "-" and "accent" not in answer.text)


@given(st.integers(0, 0xFFFFFF).map(lambda n: f"#{n:06x}"))
def test_any_accent_that_is_taken_can_be_read_in_both_themes(accent: str) -> None:
    if not is_readable(accent, LIGHT_GROUNDS):
        return
    night = lightened(accent)
    assert contrast(night, "#161f1e") >= 4.5 and contrast(night, "#000000") >= 4.5
    assert contrast(accent, "#ffffff") >= 4.5
    for line in shades(accent, "#ffffff", "#000000")[:2]:
        assert contrast(line.partition(":")[2], "#ffffff") >= 4.5
    assert style_sheet(accent, None).count("{") == style_sheet(accent, None).count("}")


def test_the_grounds_are_those_of_the_style_sheet() -> None:
    css = Path("static/app.css").read_text()
    light, dark = css.split("prefers-color-scheme: dark", 1)
    assert "--ground: #f1f4f3" in light and "--surface: #ffffff" in light
    assert "--ground: #0d1413" in dark and "--surface: #161f1e" in dark
