"""The page to look at: what a developer sees there, and what its buttons do."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from webapp.twin.world import ADMIN_KEY

from .planes import CODE, KIM, Deck, Twin

UI = "/__admin__/ui"
HERE = {"Sec-Fetch-Site": "same-origin"}


class Page:
    """A browser at the twin's page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def opens(self, path: str = "") -> TestResponse:
        return self.client.get(UI + path, headers=HERE)

    def presses(self, path: str, **fields: str) -> TestResponse:
        return self.client.post(UI + path, data=fields, headers=HERE, follow_redirects=True)

    def sees(self, text: str) -> bool:
        return text in self.opens().text


@pytest.fixture
def page(twin: Twin) -> Page:
    page = Page(twin.control.client.application.test_client())
    page.presses("/key", key=ADMIN_KEY)
    return page


def test_it_asks_for_the_admin_key_once(twin: Twin) -> None:
    stranger = Page(twin.control.client.application.test_client())
    assert stranger.opens().status_code == 401
    assert "That is not the admin key." in stranger.presses("/key", key="guess").text
    assert stranger.presses("/key", key=ADMIN_KEY).status_code == 200
    assert stranger.opens().status_code == 200


def test_an_empty_world_says_how_to_begin(page: Page) -> None:
    assert page.sees("Point a Deck client at")
    assert page.sees("There is no event destination.")


def test_a_run_is_watched_and_moved_along(page: Page, twin: Twin, deck: Deck) -> None:
    twin.control.site({**KIM, "asks": [CODE]})
    run = deck.run()
    assert page.sees(run["id"])
    page.presses("/run-until-idle")
    assert page.sees("interaction_required")
    assert page.sees("task_run.interaction_expired"), "what can happen next"
    page.presses("/happen", event="task_run.interaction_expired", subject=run["id"])
    assert page.sees("interaction_timeout")


def test_time_is_moved_by_buttons_and_a_wrong_span_is_explained(page: Page, twin: Twin) -> None:
    before = twin.control.get("/clock")["now"]
    page.presses("/advance", by="1h")
    assert twin.control.get("/clock")["now"] > before
    refused = page.presses("/advance", by="soon")
    assert refused.status_code == 422
    assert "invalid_duration" in refused.text


def test_a_fault_is_armed_and_cleared(page: Page, deck: Deck) -> None:
    page.presses("/faults", operation="test.get", status="500", code="api_error", count="1")
    assert page.sees("flt_")
    assert deck.call("GET", "/test").status_code == 500
    page.presses("/faults", operation="test.get", status="503", code="api_error", count="9")
    page.presses("/faults/clear")
    assert deck.call("GET", "/test").status_code == 200


def test_the_page_knows_when_it_is_out_of_date(page: Page, deck: Deck) -> None:
    before = page.opens("/version").json
    assert page.opens("/version").json == before
    deck.call("POST", "/agents", {"name": "Billing"})
    assert page.opens("/version").json != before


def test_an_object_is_shown_as_the_api_shows_it(page: Page, deck: Deck) -> None:
    agent = deck.call("POST", "/agents", {"name": "<script>"}).json
    shown = page.opens(f"/objects/agents/{agent['id']}").text
    assert "<script>" not in shown.split("<main>")[1]
    assert page.opens("/objects/agents/agt_nobody").status_code == 404
    assert page.opens("/objects/nonsense/x").status_code == 404


def test_another_site_cannot_press_the_buttons(page: Page) -> None:
    assert (
        page.client.post(f"{UI}/advance", data={"by": "1h"}, headers={"Sec-Fetch-Site": "cross-site"}).status_code
        == 403
    )
