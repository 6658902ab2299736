"""The vault and its four statuses."""

from __future__ import annotations

from typing import Any

import pytest

from .planes import CODE, KIM, Control, Deck


def test_a_new_credential_is_unverified_and_shows_no_password(deck: Deck, control: Control) -> None:
    source = deck.source()

    credential = deck.credential(source, external_id="u-17")

    assert credential["id"].startswith("cred_")
    assert (credential["object"], credential["status"]) == ("credential", "unverified")
    assert (credential["source_id"], credential["external_id"]) == (source["id"], "u-17")
    assert credential["auth_credentials"] == {"username": KIM["username"], "key": None}
    assert control.events(subject=credential["id"]) == ["credential.created"]


def test_the_password_is_shown_nowhere(deck: Deck, control: Control) -> None:
    control.site(KIM)
    deck.destination()
    credential = deck.credential()
    deck.run(credential=credential)
    control.post("/clock/run-until-idle")

    for path in ("/credentials", f"/credentials/{credential['id']}", "/events", "/task-runs"):
        assert KIM["password"] not in deck.call("GET", path).text
    for path in ("/state", "/events", "/deliveries", "/sites"):
        assert KIM["password"] not in control.call("GET", path).text


def test_creating_one_does_not_contact_the_site(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential(password="wrong")
    control.advance("1d")

    assert deck.get(f"/credentials/{credential['id']}")["status"] == "unverified"


def test_a_user_can_be_linked_without_a_sign_in(deck: Deck) -> None:
    credential = deck.post("/credentials", {"source_id": deck.source()["id"], "external_id": "u-1"})

    assert credential["auth_method"] == "none"
    assert credential["auth_credentials"] == {"username": None, "key": None}


def test_the_same_external_id_may_be_there_twice(deck: Deck) -> None:
    first, second = (deck.credential(external_id="u-1") for _ in range(2))

    assert first["id"] != second["id"]


def test_the_first_successful_run_verifies_it_and_says_so_once(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential()
    for _ in range(2):
        deck.run(credential=credential)
        control.post("/clock/run-until-idle")

    assert deck.get(f"/credentials/{credential['id']}")["status"] == "verified"
    assert control.events(subject=credential["id"]) == ["credential.created", "credential.verified"]


def test_a_wrong_password_comes_to_light_in_a_run(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential(password="wrong")
    run = deck.run(credential=credential)
    control.until("task_run.failed")

    assert deck.get(f"/credentials/{credential['id']}")["status"] == "invalid"
    (error,) = deck.see(run)["errors"]
    assert (error["type"], error["code"]) == ("auth", "auth_invalid")
    assert control.events(type="credential.*") == ["credential.created", "credential.invalid"]


def test_a_verified_one_may_be_refused_later(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential()
    deck.run(credential=credential)
    control.until("task_run.completed")
    control.site({**KIM, "password": "changed meanwhile"})
    deck.run(credential=credential)
    control.until("task_run.failed")

    assert deck.get(f"/credentials/{credential['id']}")["status"] == "invalid"


@pytest.mark.parametrize("password", ["correct horse", "wrong"])
def test_a_new_password_puts_it_back_to_unverified(deck: Deck, control: Control, password: str) -> None:
    control.site(KIM)
    credential = deck.credential(password=password)
    run = deck.run(credential=credential)
    control.advance("10s")
    assert deck.see(run)["status"] in ("running", "failed")

    secret = {"password": KIM["password"]}
    changed = deck.patch(f"/credentials/{credential['id']}", {"auth_credentials": secret})

    assert changed["status"] == "unverified"
    assert changed["auth_credentials"]["username"] == KIM["username"]
    assert control.events(type="credential.unverified") == ["credential.unverified"]
    again = deck.run(credential=credential)
    control.post("/clock/run-until-idle")
    assert deck.see(again)["result"] == "success"


def test_a_change_before_the_first_run_is_not_announced(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    deck.patch(f"/credentials/{credential['id']}", {"auth_credentials": {"password": "another"}})

    assert control.events(type="credential.*") == ["credential.created"]


def test_only_what_was_sent_changes(deck: Deck, control: Control) -> None:
    control.site(KIM)
    credential = deck.credential(external_id="u-1")
    path = f"/credentials/{credential['id']}"
    deck.run(credential=credential)
    control.until("credential.verified")

    renamed = deck.patch(path, {"external_id": "u-2"})
    assert (renamed["external_id"], renamed["status"]) == ("u-2", "verified")
    assert deck.patch(path, {})["external_id"] == "u-2"
    assert deck.patch(path, {"external_id": None})["external_id"] is None
    assert renamed["updated_at"] > credential["updated_at"]


def test_a_deleted_one_can_be_read_but_not_used(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    done = deck.run(credential=credential)
    control.until("task_run.completed")

    gone = deck.delete(f"/credentials/{credential['id']}")

    assert {k: gone[k] for k in ("id", "object", "deleted")} == {
        "id": credential["id"],
        "object": "credential",
        "deleted": True,
    }
    assert deck.get(f"/credentials/{credential['id']}")["status"] == "deleted"
    assert deck.get("/task-runs", credential_id=credential["id"])["data"][0]["id"] == done["id"]
    run = deck.call("POST", f"/tasks/{deck.task()['id']}/run", {"credential_id": credential["id"]})
    assert (run.status_code, run.json["errors"][0]["code"]) == (404, "credential_not_found")
    assert deck.call("PATCH", f"/credentials/{credential['id']}", {"external_id": "x"}).status_code == 404
    deck.delete(f"/credentials/{credential['id']}")
    assert control.events(type="credential.deleted") == ["credential.deleted"]


def test_one_deleted_during_its_run_stays_deleted(deck: Deck, control: Control) -> None:
    control.site({**KIM, "asks": [CODE]})
    credential = deck.credential()
    run = deck.run(credential=credential)
    control.until("task_run.interaction_required")
    deck.delete(f"/credentials/{credential['id']}")
    deck.answer(run, code="123456")
    control.post("/clock/run-until-idle")

    assert deck.get(f"/credentials/{credential['id']}")["status"] == "deleted"
    assert "credential.verified" not in control.events()


def test_source_fields_are_readable_and_belong_to_the_sign_in(deck: Deck, control: Control) -> None:
    control.site({**KIM, "source_fields": {"company": "acme"}})
    source, task = deck.source(), deck.task()

    def with_company(company: str) -> Any:
        body = {"source_id": source["id"], "auth_method": "username_password"}
        fields = {**KIM, "source_fields": {"company": company}}
        return deck.post("/credentials", {**body, "auth_credentials": fields})

    right, wrong = with_company("acme"), with_company("other")
    assert right["auth_credentials"]["source_fields"] == {"company": "acme"}
    runs = [deck.run(task=task, credential=credential) for credential in (right, wrong)]
    control.post("/clock/run-until-idle")
    assert [deck.see(run)["result"] for run in runs] == ["success", "failure"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"username": "x"}, "auth_credentials.source_fields.username"),
        ({"Company": "x"}, "auth_credentials.source_fields.Company"),
        ({"company": 7}, "auth_credentials.source_fields.company"),
        ({f"f{n}": "x" for n in range(11)}, "auth_credentials.source_fields"),
    ],
)
def test_source_fields_have_rules(deck: Deck, fields: dict[str, Any], complaint: str) -> None:
    body = {"source_id": deck.source()["id"], "auth_credentials": {"source_fields": fields}}

    response = deck.call("POST", "/credentials", body)

    assert response.status_code == 400
    assert list(response.json["errors"]) == [complaint]


def test_an_external_id_has_at_most_255_characters(deck: Deck) -> None:
    source = deck.source()
    deck.credential(source, external_id="x" * 255)
    body = {"source_id": source["id"], "external_id": "x" * 256}

    assert list(deck.call("POST", "/credentials", body).json["errors"]) == ["external_id"]


def test_a_credential_belongs_to_a_source_that_exists(deck: Deck) -> None:
    response = deck.call("POST", "/credentials", {"source_id": "src_none"})

    assert (response.status_code, response.json["errors"][0]["code"]) == (404, "source_not_found")
