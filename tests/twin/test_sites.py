"""Simulated websites: what people, passwords and weather make of a run."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import CODE, KIM, Control, Deck


def outcome(deck: Deck, control: Control, **credential: Any) -> tuple[str, list[str]]:
    """Status and error codes of a finished run with a new credential."""
    run = deck.run(credential=deck.credential(**credential))
    control.post("/clock/run-until-idle")
    run = deck.see(run)
    return run["status"], [error["code"] for error in run["errors"]]


def test_only_the_right_password_gets_in(deck: Deck, control: Control) -> None:
    control.site(KIM)

    assert outcome(deck, control) == ("completed", [])
    assert outcome(deck, control, password="Correct Horse") == ("failed", ["auth_invalid"])


def test_a_user_name_may_be_written_in_any_case(deck: Deck, control: Control) -> None:
    control.site(KIM)
    body = {"source_id": deck.source()["id"], "auth_method": "username_password"}
    secret = {**KIM, "username": KIM["username"].upper()}
    run = deck.run(credential=deck.post("/credentials", {**body, "auth_credentials": secret}))
    control.until("task_run.completed")

    assert deck.see(run)["result"] == "success"


def test_a_site_nobody_described_lets_everyone_in(deck: Deck, control: Control) -> None:
    assert outcome(deck, control, password="anything") == ("completed", [])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("bank.example", "https://www.bank.example/login?x=1"),
        ("www.bank.example", "https://bank.example"),
        ("Bank.Example", "https://BANK.example:8443/"),
    ],
)
def test_a_source_leads_to_the_site_of_its_host(deck: Deck, control: Control, host: str, url: str) -> None:
    control.site(host=host, status="down")

    run = deck.run(credential=deck.credential(deck.source(url)))
    control.until("task_run.failed")

    assert deck.see(run)["errors"][0]["code"] == "source_not_available"


@pytest.mark.parametrize(
    ("status", "code"),
    [("down", "source_not_available"), ("blocked", "blocked"), ("blocklisted", "source_blocked")],
)
def test_a_site_in_trouble_fails_the_run_and_says_nothing_about_the_password(
    deck: Deck, control: Control, status: str, code: str
) -> None:
    control.site(KIM, status=status)

    assert outcome(deck, control) == ("failed", [code])
    assert deck.get("/credentials")["data"][0]["status"] == "unverified"
    control.site(KIM)
    assert outcome(deck, control) == ("completed", [])


def test_people_at_one_site_have_their_own_fate(deck: Deck, control: Control) -> None:
    lee = {"username": "lee", "password": "pw", "branch": "failed"}
    control.site({**KIM, "output": {"total": 1}}, lee)
    source, task = deck.source(), deck.task()
    body = {"source_id": source["id"], "auth_method": "username_password"}
    secret = {"username": "lee", "password": "pw"}
    lees = deck.run(task=task, credential=deck.post("/credentials", {**body, "auth_credentials": secret}))
    kims = deck.run(task=task, credential=deck.credential(source))
    control.post("/clock/run-until-idle")

    assert [error["code"] for error in deck.see(lees)["errors"]] == ["task_failed"]
    assert deck.see(kims)["output"] == {"total": 1}


def test_a_slow_person_makes_slow_runs(deck: Deck, control: Control) -> None:
    control.site({**KIM, "durations": {"auth": "60s"}})
    slow = deck.run()
    quick = deck.run(credential=deck.credential(deck.source("https://elsewhere.example")))
    control.advance("30s")

    assert deck.see(quick)["status"] == "completed"
    assert deck.see(slow)["status"] == "running"


def test_a_run_changes_nothing_at_its_site(deck: Deck, control: Control) -> None:
    control.site({**KIM, "output": {"total": 1}, "asks": [CODE]})
    control.pin("output.total", 99, mode="once")
    outputs = []
    for _ in range(2):
        run = deck.run()
        control.until("task_run.interaction_required")
        deck.answer(run, code="123456")
        control.until("task_run.completed")
        outputs.append(deck.see(run)["output"])

    assert outputs == [{"total": 99}, {"total": 1}]


def test_sites_are_listed_without_passwords(control: Control) -> None:
    control.site(KIM)
    control.site(host="other.example")

    bank, other = control.get("/sites")["data"]
    assert bank["people"] == [{"username": KIM["username"]}]
    assert (other["host"], other["status"], other["people"]) == ("other.example", "up", [])


@pytest.mark.parametrize(
    "site",
    [
        {},
        {"host": "bank.example", "typo": 1},
        {"host": "bank.example", "status": "asleep"},
        {"host": "bank.example", "people": ["kim"]},
        {"host": "bank.example", "people": [{"username": "kim"}]},
        {"host": "bank.example", "people": [{**KIM, "asks": [{"type": "mfa"}]}]},
        {"host": "bank.example", "people": [{**KIM, "branch": "nowhere"}]},
        {"host": "bank.example", "people": [{**KIM, "files": [{"file_name": "a"}]}]},
        {"host": "bank.example", "people": [{**KIM, "durations": {"nap": "1s"}}]},
        {"host": "bank.example", "people": [{**KIM, "durations": {"auth": "soon"}}]},
    ],
)
def test_a_site_that_would_fail_in_the_middle_of_a_run_is_refused_now(control: Control, site: dict[str, Any]) -> None:
    status, _ = control.refusal("/sites", **site)

    assert status == 422
    assert control.get("/sites")["data"] == []
