"""Files that runs bring: shown, downloaded, read and kept only once."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from .planes import KIM, Control, Deck, Twin

STATEMENT = {"file_name": "may.pdf", "file_type": "application/pdf", "content": "Zażółć"}
BILL = {"type": "object", "properties": {"number": {"type": "string"}, "total": {"type": "number"}}}


def brought(deck: Deck, control: Control, **run: Any) -> Any:
    """The files a finished run has, oldest first."""
    run = deck.run(**run)
    control.post("/clock/run-until-idle")
    assert deck.see(run)["status"] == "completed"
    return deck.get(f"/task-runs/{run['id']}/storage")["data"][::-1]


def test_input_and_files_are_shown_only_when_asked_for(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [STATEMENT]})
    run = deck.run(task=deck.task(storage={"enabled": True}), input={"month": "May"})
    control.until("task_run.completed")

    plain, full = deck.see(run), deck.see(run, "input", "storage", "screenshots")
    assert (plain["input"], plain["storage"]) == (None, [])
    assert full["input"] == {"month": "May"}
    assert [file["file_name"] for file in full["storage"]] == ["may.pdf"]
    assert len(full["screenshots"]) == len(deck.see(run, "artifacts")["artifacts"]["screenshots"]) == 2
    assert not {"screenshots", "artifacts"} & plain.keys()
    (listed,) = deck.get("/task-runs")["data"]
    assert (listed["input"], listed["storage"]) == (None, [])


def test_a_task_that_wants_no_files_gets_none(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [STATEMENT]})
    run = deck.run()
    control.until("task_run.completed")

    assert deck.get(f"/task-runs/{run['id']}/storage")["data"] == []


def test_a_file_comes_through_its_signed_link_until_that_expires(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.site({**KIM, "files": [STATEMENT]})
    run = deck.run(task=deck.task(storage={"enabled": True}))
    control.until("task_run.completed")
    (listed,) = deck.get(f"/task-runs/{run['id']}/storage")["data"]

    item = deck.get(f"/storage/{listed['id']}")
    assert (item["object"], item["task_run_id"], item["file_size"]) == ("storage", run["id"], len("Zażółć".encode()))
    assert "updated_at" not in item
    file = twin.client.get(item["url"])  # no key: the link is the permission
    assert (file.status_code, file.text, file.content_type) == (200, "Zażółć", "application/pdf")

    control.advance("16m")
    assert twin.client.get(item["url"]).status_code == 403
    fresh = deck.get(f"/storage/{listed['id']}")["url"]
    assert twin.client.get(fresh).status_code == 200
    assert twin.client.get(fresh.replace("expires=", "expires=9")).status_code == 403
    assert twin.client.get(fresh.partition("?")[0]).status_code == 403
    assert twin.client.get("/files/stor_none").status_code == 404


def test_a_run_that_includes_its_files_has_their_links_and_what_they_say(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.site({**KIM, "files": [{**STATEMENT, "extraction": {"number": "7", "secret": 1}}]})
    task = deck.task(storage={"enabled": True, "extraction": True, "extraction_schema": BILL})
    run = deck.run(task=task)
    control.until("task_run.completed")

    (file,) = deck.see(run, "storage")["storage"]
    assert file["extraction"] == {"number": "7", "total": None}  # the file has no total: null, not absent
    assert twin.client.get(file["url"]).text == STATEMENT["content"]


def test_a_file_nobody_described_says_something_that_fits_the_schema(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [STATEMENT, {**STATEMENT, "content": "another"}]})
    task = deck.task(storage={"enabled": True, "extraction": True, "extraction_schema": BILL})

    may, another = brought(deck, control, task=task)

    Draft202012Validator(BILL).validate(may["extraction"])
    assert may["extraction"] != another["extraction"]
    assert (may["result"], may["purpose"]) == ("success", "output")


def test_a_file_that_cannot_be_read_is_kept_as_it_is(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.site({**KIM, "files": [{**STATEMENT, "result": "failure", "extraction": {"number": "7"}}]})
    task = deck.task(storage={"enabled": True, "extraction": True, "extraction_schema": BILL})

    (file,) = brought(deck, control, task=task)

    assert (file["result"], file["extraction"]) == ("failure", None)
    assert twin.client.get(file["url"]).text == STATEMENT["content"]


def test_nothing_is_read_unless_the_task_wants_it(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [{**STATEMENT, "extraction": {"number": "7"}}]})

    (file,) = brought(deck, control, task=deck.task(storage={"enabled": True, "extraction_schema": BILL}))

    assert file["extraction"] is None


def test_the_older_flag_of_a_task_has_its_files_read_too(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [{**STATEMENT, "extraction": {"number": "7"}}]})

    (file,) = brought(deck, control, task=deck.task(storage={"enabled": True}, extraction=True))

    assert file["extraction"] == {"number": "7"}


def test_the_same_file_is_kept_once_for_a_credential(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [STATEMENT, {**STATEMENT, "file_name": "copy.pdf"}]})
    task, credential = deck.task(storage={"enabled": True, "deduplication": True}), deck.credential()

    assert [file["file_name"] for file in brought(deck, control, task=task, credential=credential)] == ["may.pdf"]
    assert brought(deck, control, task=task, credential=credential) == []
    assert len(brought(deck, control, task=task)) == 1  # somebody else's
    assert control.events(type="storage.created") == ["storage.created"] * 2


def test_files_may_be_told_apart_by_what_they_say(deck: Deck, control: Control) -> None:
    first = {**STATEMENT, "extraction": {"number": "7", "total": 1}}
    corrected = {**first, "content": "corrected", "extraction": {"number": "7", "total": 2}}
    second = {**STATEMENT, "extraction": {"number": "8", "total": 1}}
    control.site({**KIM, "files": [first, corrected, second]})
    storage = {"enabled": True, "extraction": True, "extraction_schema": BILL, "deduplication": True}
    telling = {"type": "object", "properties": {"number": {"type": "string"}}}

    files = brought(deck, control, task=deck.task(storage={**storage, "deduplication_schema": telling}))

    assert [file["extraction"] for file in files] == [first["extraction"], second["extraction"]]


@pytest.mark.parametrize(
    ("storage", "at"),
    [
        ({"enabled": "yes"}, "storage.enabled"),
        ({"extraction": 1.5}, "storage.extraction"),
        ({"deduplication": "no"}, "storage.deduplication"),
        ({"extraction": True}, "storage.extraction_schema"),
        ({"extraction": True, "extraction_schema": {"type": "sack"}}, "storage.extraction_schema"),
        ({"deduplication_schema": ["number"]}, "storage.deduplication_schema"),
        ({"extraction_prompt": 7}, "storage.extraction_prompt"),
    ],
)
def test_a_wish_for_files_that_makes_no_sense_is_refused(deck: Deck, storage: dict[str, Any], at: str) -> None:
    agent = deck.post("/agents", {"name": "a"})

    response = deck.call("POST", "/tasks", {"name": "t", "agent_id": agent["id"], "storage": storage})

    assert response.status_code == 400
    assert list(response.json["errors"]) == [at]


def test_a_pinned_file_is_brought_instead_of_the_sites(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.site({**KIM, "files": [STATEMENT]})
    raw = b"\x00\xff not text"
    pinned = {"file_name": "scan.bin", "content_base64": base64.b64encode(raw).decode(), "purpose": "attachment"}
    control.post("/exogenous/pins", on="storage", path="file", value=pinned, mode="once")
    task = deck.task(storage={"enabled": True})

    (file,) = brought(deck, control, task=task)
    assert (file["file_name"], file["file_size"], file["purpose"]) == ("scan.bin", len(raw), "attachment")
    assert twin.client.get(file["url"]).data == raw
    assert [f["file_name"] for f in brought(deck, control, task=task)] == ["may.pdf"]


def test_several_files_can_be_pinned_for_one_run_and_none_for_the_next(deck: Deck, control: Control) -> None:
    control.site({**KIM, "files": [STATEMENT]})
    task = deck.task(storage={"enabled": True})
    files = [{"file_name": name, "content": name} for name in ("a", "b")]
    control.post("/exogenous/pins", on="storage.created", path="file", values=files, per="run")

    assert [file["file_name"] for file in brought(deck, control, task=task)] == ["a", "b"]
    control.post("/exogenous/pins", on="storage", path="file", value=None)
    assert brought(deck, control, task=task) == []


@pytest.mark.parametrize(
    "file",
    [
        "may.pdf",
        {"file_name": "a"},
        {"content": "a"},
        {**STATEMENT, "file_nmae": "b"},
        {**STATEMENT, "content_base64": ""},
        {"file_name": "a", "content_base64": "%%"},
        {**STATEMENT, "purpose": "fun"},
        {**STATEMENT, "result": "perhaps"},
        {**STATEMENT, "extraction": [1]},
    ],
)
def test_what_is_no_file_cannot_be_pinned(control: Control, file: object) -> None:
    assert control.refusal("/exogenous/pins", on="storage", path="file", value=file)[0] == 422
