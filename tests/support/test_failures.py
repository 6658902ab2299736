"""When something fails in the dashboard, staff stay in it; whoever is not signed in learns what everybody learns."""

from __future__ import annotations

import re

import httpx
import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from tests.people import Visitor
from tests.security.tools import OURS, ask
from webapp.support.gate import needs

MISSING = "/support/connections/kR3vQ0sZp1xw8A2c"


def is_in_the_frame(answer: httpx.Response) -> bool:
    return 'aria-label="Dashboard"' in answer.text and "Sign out" in answer.text


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        (MISSING, 404, "There is nothing here"),
        ("/support/no/such/page", 404, "There is nothing here"),
        ("/support/mine/password", 405, "There is nothing here"),
        ("/support/runs?before=nonsense", 400, "We could not read that"),
    ],
)
def test_staff_stay_in_the_dashboard(agent: Visitor, path: str, status: int, words: str) -> None:
    answer = agent.opens(path)
    assert answer.status_code == status and is_in_the_frame(answer)
    assert words in agent.sees() and re.search(r"Reference \w{6,}", agent.sees())
    agent.presses("Go to Now")
    assert agent.page.url.path == "/support"


def test_the_way_back_leads_to_where_they_were_and_nowhere_else(agent: Visitor) -> None:
    came = {"Referer": "http://localhost/support/runs?status=failed"}
    assert '<a class="button" href="/support/runs">Go back</a>' in agent.http.get(MISSING, headers=came).text
    for elsewhere in ("http://localhost/connections", "http://evil.example//support", f"http://localhost{MISSING}"):
        assert "Go back" not in agent.http.get(MISSING, headers={"Referer": elsewhere}).text, elsewhere


def test_a_form_from_elsewhere_and_a_form_too_large(agent: Visitor) -> None:
    answer = agent.posts("/support/mine/tokens", {"name": "x"}, **{"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403 and is_in_the_frame(answer)
    answer = agent.posts("/support/mine/tokens", {"name": "x" * 20_000})
    assert answer.status_code == 413 and is_in_the_frame(answer)


def test_a_database_that_is_busy(agent: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_busy() -> None:
        raise OperationalError("", {}, Exception("database is locked"))

    monkeypatch.setitem(agent.app.view_functions, "support.runs", needs("viewer")(is_busy))
    answer = agent.opens("/support/runs")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert is_in_the_frame(answer) and "busy for a moment" in agent.sees()


def test_who_is_not_signed_in_learns_what_everybody_learns(app: Flask, robin: Visitor) -> None:
    for path in ("/support/no/such/page", "/support/second-factor/x"):
        for cookie in ("", "gangway-staff=", "gangway-staff=made-up", "gangway-staff=" + "x" * 43):
            assert ask(app, "GET", path, cookie=cookie).essence == ask(app, "GET", "/no/such/page").essence
        assert ask(app, "POST", path, headers=OURS, form={}).essence == ask(app, "POST", "/no/x", headers=OURS).essence
    assert not is_in_the_frame(robin.opens("/support/no/such/page"))


def test_a_page_outside_the_dashboard_is_nobodys_frame(agent: Visitor) -> None:
    for path in ("/no/such/page", "/supports", "/support/api/no-such-page"):
        assert not is_in_the_frame(agent.opens(path)), path


def test_programs_get_json(agent: Visitor) -> None:
    answer = agent.http.get("/support/api/runs?before=nonsense")
    assert answer.headers["Content-Type"] == "application/json"
