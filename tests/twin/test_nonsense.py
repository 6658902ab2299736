"""A thousand calls no sane client would make, built from the twin's own OpenAPI documents: no 5xx, no hang."""

from __future__ import annotations

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from webapp.twin.server import create_twin
from webapp.twin.world import ADMIN_KEY, API_KEY, World

APP = create_twin(World())
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
VENDOR = {"Authorization": f"Bearer {API_KEY}"}
CALLS = settings(max_examples=500, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))

DECK = schemathesis.openapi.from_wsgi("/__admin__/openapi/deck.json", APP, headers=ADMIN)
CONTROL = schemathesis.openapi.from_wsgi("/__admin__/openapi.json", APP, headers=ADMIN)


def cases(schema: schemathesis.BaseSchema) -> st.SearchStrategy[schemathesis.Case]:
    return st.one_of(*(schema.as_strategy(generation_mode=mode) for mode in GenerationMode))


@given(case=cases(DECK))
@CALLS
def test_deck_refuses_nonsense_as_deck_would(case: schemathesis.Case) -> None:
    answer = case.call(headers=VENDOR)
    assert answer.status_code < 500, (case.as_curl_command(), answer.text)
    if answer.status_code == 400 and answer.content:
        assert "errors" in answer.json()


@given(case=cases(CONTROL))
@CALLS
def test_the_control_plane_names_what_is_wrong(case: schemathesis.Case) -> None:
    if case.path.endswith("/stream"):  # it has no end unless one is asked for
        case.query = {**(case.query or {}), "wait": "0s"}
    answer = case.call(headers=ADMIN)
    assert answer.status_code < 500 or answer.json()["error"]["code"] == "drain_limit", case.as_curl_command()
    if answer.status_code >= 400:
        assert answer.json()["error"]["code"]
