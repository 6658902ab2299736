"""Somebody a company sends, in acts: begins on a computer, goes on on the phone, and leaves from there."""

from __future__ import annotations

from tests.crash.acts import Act, Goal
from tests.crash.browsers import Customer
from tests.crash.town import Town, there_are
from tests.deck.once import BANK

PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 16) Mobile Chrome/140"}


def invited(town: Town) -> str:
    """The link the company's server gets, as a path."""
    body = {"user": {"client_user_id": "user-7"}}
    answer = town.company.http.post("/v1/connect/sessions", json=body, headers={"Authorization": f"Bearer {town.key}"})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["hosted_url"]).removeprefix("http://localhost")


def visit(town: Town) -> str:
    """The address of the visit Kim is in; "" outside of one."""
    path = town.person.page.url.path if town.person.has_come else ""
    return "/".join(path.split("/")[:3]) if path.startswith("/connect/") else ""


# --- getting there, from wherever it stands ------------------------------------------------------------------------


def be_in_front_of_the_bank(town: Town) -> None:
    """Here or on the phone: both show the same visit."""
    kim = town.person
    if not visit(town):
        kim.opens(invited(town))
        kim.presses("Continue")
    for _ in range(4):
        match kim.looks():
            case "consent":
                kim.presses("Agree and continue")
            case "pick":
                kim.presses(BANK)
            case _:
                break
    assert kim.view() == "sign_in", kim.sees()
    assert there_are(town, "visit_event WHERE name = 'HANDOFF_DEVICE'") <= 1, "a link works once"


def be_gone(town: Town) -> None:
    if there_are(town, "connect_session WHERE ended_at IS NULL"):
        leaves(town, town.person)
    assert not there_are(town, "connect_session WHERE ended_at IS NULL")


# --- the acts ------------------------------------------------------------------------------------------------------


def goes_on_on_the_phone(town: Town) -> None:
    town.person.presses("Continue on your phone")
    town.phone.http.headers.update(PHONE)
    town.phone.opens(str(town.life.does("code")).removeprefix("http://localhost"))
    town.phone.presses("Continue here")
    assert town.phone.view() == "sign_in", town.phone.sees()


def leaves(town: Town, browser: Customer) -> None:
    browser.http.post(f"{visit(town)}/leave", headers={"Sec-Fetch-Site": "same-origin"})


HERE = Goal(be_in_front_of_the_bank, runs=0, live=0)

ACTS = [
    Act("a company sends Kim", be_in_front_of_the_bank, HERE, instead_of="signs up"),
    Act("Kim goes on on the phone", goes_on_on_the_phone, HERE),
    Act("Kim leaves by phone", lambda town: leaves(town, town.phone), Goal(be_gone, runs=0, live=0)),
]
