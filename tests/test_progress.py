"""What somebody reads while a run goes on: what happens now, and how far it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from webapp.db import now
from webapp.models import Connection, ConnectSession, Prompt, Run, Source
from webapp.progress import progress_of

BANK = Source(name="Maple & Main Bank", slug="maple", url="https://maplemain.example/", words={})


def told(status: str, *, asked: str = "", credential: str = "unverified", stopping: bool = False) -> tuple[str, str]:
    """The title, and the stage that is marked as the present one."""
    began = now() - timedelta(minutes=1)
    connection = Connection(status=credential, status_since=now())
    run = Run(status=status, created_at=began, is_stopping=stopping)
    run.prompts = [Prompt(type=asked)] if asked else []
    shown = progress_of(ConnectSession(source=BANK, connection=connection), run, "Saltmarsh Savings")
    (present,) = [stage.words for stage in shown.stages if stage.is_now]
    return shown.title, present


@pytest.mark.parametrize(
    ("run", "title", "stage"),
    [
        ({"status": "new"}, "You are in line", "Connecting to Maple & Main Bank"),
        ({"status": "queued"}, "Connecting to Maple & Main Bank", "Connecting to Maple & Main Bank"),
        ({"status": "running"}, "Signing in to Maple & Main Bank", "Signing in"),
        ({"status": "running", "asked": "mfa"}, "Checking your answer", "Maple & Main Bank asked for a code"),
        (
            {"status": "running", "asked": "security_question"},
            "Checking your answer",
            "Maple & Main Bank asked for an answer",
        ),
        ({"status": "running", "credential": "verified"}, "Reading your accounts", "Reading your accounts"),
        ({"status": "running", "asked": "mfa", "credential": "verified"},) + ("Reading your accounts",) * 2,
        ({"status": "review_required"}, "A person at Saltmarsh Savings is checking this", "Reading your accounts"),
        ({"status": "queued", "stopping": True}, "Stopping", "Connecting to Maple & Main Bank"),
        ({"status": "cancelling", "asked": "mfa"}, "Stopping", "Maple & Main Bank asked for a code"),
    ],
)
def test_it_says_what_happens_now(run: dict[str, object], title: str, stage: str) -> None:
    assert told(**run) == (title, stage)  # type: ignore[arg-type]


def test_before_deck_has_the_sign_in_it_is_connecting() -> None:
    shown = progress_of(ConnectSession(source=BANK), None, "Gangway")
    assert shown.title == "Connecting to Maple & Main Bank"
    assert [stage.words for stage in shown.stages] == [shown.title, "Signing in", "Reading your accounts"]
