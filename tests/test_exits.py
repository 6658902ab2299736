"""How a run ended, as hosts read it: one answer for the frame, the API and the webhooks."""

from __future__ import annotations

import pytest

from webapp.exits import error_of, exit_status, kind_of
from webapp.models import Prompt, Run


@pytest.mark.parametrize(
    ("run", "status", "error"),
    [
        ({"status": "completed"}, "connected", None),
        ({"status": "canceled"}, "requires_credentials", None),
        ({"codes": ["auth_invalid"]}, "requires_credentials", ("CREDENTIALS_ERROR", "auth_invalid")),
        ({"codes": ["mfa_timeout"]}, "timed_out", ("INTERACTION_ERROR", "mfa_timeout")),
        ({"codes": ["timeout"]}, "timed_out", ("SOURCE_ERROR", "timeout")),
        ({"codes": ["blocked"]}, "source_unavailable", ("SOURCE_ERROR", "blocked")),
        ({"codes": ["task_failed"]}, "source_unavailable", ("SOURCE_ERROR", "task_failed")),
        ({"codes": ["new_at_deck"]}, "source_unavailable", ("API_ERROR", "new_at_deck")),
        ({"codes": ["new_at_deck", "timeout"]}, "timed_out", ("SOURCE_ERROR", "timeout")),
        ({"codes": []}, "source_unavailable", ("SOURCE_ERROR", "task_failed")),
        ({"codes": [], "result": "unknown"}, "result_unknown", ("API_ERROR", "task_result_unknown")),
    ],
)
def test_it_is_said_in_one_way(run: dict[str, object], status: str, error: tuple[str, str] | None) -> None:
    codes = run.pop("codes", [])
    errors = [{"type": "", "code": code} for code in codes]  # type: ignore[attr-defined]
    over = Run(**{"status": "failed", "result": "", "errors": errors, **run})
    assert exit_status(over) == status
    assert error_of(over) == (error and {"error_type": error[0], "error_code": error[1]})


def test_a_run_that_goes_on_has_no_error_yet() -> None:
    assert error_of(Run(status="running", result="", errors=[])) is None


@pytest.mark.parametrize(
    ("type", "options", "kind"),
    [
        ("mfa", [], "code"),
        ("mfa", [{"value": "sms"}], "device"),
        ("security_question", [], "questions"),
        ("security_question", [{"value": "Biscuit"}], "selections"),
        ("something_new", [], "questions"),
        ("account_selection", [{"value": "1"}], "selections"),
    ],
)
def test_what_a_site_asks_for_has_one_name(type: str, options: list[dict[str, str]], kind: str) -> None:
    assert kind_of(Prompt(type=type, fields=[{"name": "f", "options": options}])) == kind
