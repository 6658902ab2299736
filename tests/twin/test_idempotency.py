"""One key, one effect."""

from __future__ import annotations

from .planes import Control, Deck, Twin


def test_a_repeat_gets_the_first_answer_word_for_word(deck: Deck, control: Control) -> None:
    first = deck.call("POST", "/agents", {"name": "Billing", "description": "x"}, key="k1")
    control.advance("1h")
    again = deck.call("POST", "/agents", {"description": "x", "name": "Billing"}, key="k1")

    assert (again.status_code, again.data) == (first.status_code, first.data)
    assert len(deck.get("/agents")["data"]) == 1
    assert control.events() == ["agent.created"]


def test_a_repeated_run_does_not_run_twice(deck: Deck, control: Control) -> None:
    task, credential = deck.task(), deck.credential()
    first = deck.post(f"/tasks/{task['id']}/run", {"credential_id": credential["id"]}, key="run-1")
    control.post("/clock/run-until-idle")

    again = deck.post(f"/tasks/{task['id']}/run", {"credential_id": credential["id"]}, key="run-1")

    assert again == first
    assert again["status"] == "queued"  # as it was answered then, though the run is over by now
    assert control.events(type="task_run.queued") == ["task_run.queued"]


def test_the_same_key_with_other_words_is_refused(deck: Deck) -> None:
    deck.post("/agents", {"name": "one"}, key="k")

    other_body = deck.call("POST", "/agents", {"name": "two"}, key="k")
    other_path = deck.call("POST", "/sources", {"name": "one"}, key="k")

    for response in (other_body, other_path):
        assert response.status_code == 409
        assert response.json["errors"] == [
            {
                "type": "idempotency",
                "code": "idempotency_error",
                "message": "Idempotency key has already been used with different parameters.",
                "field": None,
            }
        ]
    assert len(deck.get("/agents")["data"]) == 1


def test_the_same_words_to_another_object_are_other_words(deck: Deck) -> None:
    first, second = deck.credential(), deck.credential()
    deck.call("PATCH", f"/credentials/{first['id']}", {"external_id": "u"}, key="k")

    response = deck.call("PATCH", f"/credentials/{second['id']}", {"external_id": "u"}, key="k")

    assert response.status_code == 409
    assert deck.get(f"/credentials/{second['id']}")["external_id"] is None


def test_a_failure_is_not_kept(deck: Deck) -> None:
    assert deck.call("POST", "/agents", {}, key="k").status_code == 400
    assert deck.call("POST", "/tasks/task_none/run", {"source_id": "src_none"}, key="k").status_code == 404

    assert deck.call("POST", "/agents", {"name": "now"}, key="k").status_code == 201


def test_a_key_is_good_for_a_day(deck: Deck, control: Control) -> None:
    first = deck.post("/agents", {"name": "a"}, key="k")
    control.advance("23h")
    assert deck.post("/agents", {"name": "a"}, key="k")["id"] == first["id"]
    control.advance("1h")

    assert deck.post("/agents", {"name": "a"}, key="k")["id"] != first["id"]
    assert deck.call("POST", "/agents", {"name": "b"}, key="k").status_code == 409


def test_a_key_has_at_most_256_characters(deck: Deck) -> None:
    deck.post("/agents", {"name": "a"}, key="k" * 256)

    response = deck.call("POST", "/agents", {"name": "a"}, key="k" * 257)

    assert response.status_code == 400
    (error,) = response.json["errors"]
    assert (error["type"], error["code"]) == ("idempotency", "idempotency_key_error")
    assert error["message"] == "Idempotency key must be at most 256 characters"


def test_an_empty_key_is_no_key(deck: Deck) -> None:
    first, second = (deck.post("/agents", {"name": "a"}, key="") for _ in range(2))

    assert first["id"] != second["id"]


def test_a_read_takes_no_notice_of_a_key(deck: Deck, control: Control) -> None:
    run = deck.run()
    assert deck.call("GET", f"/task-runs/{run['id']}", key="k").json["status"] == "queued"
    control.advance("1s")

    assert deck.call("GET", f"/task-runs/{run['id']}", key="k").json["status"] == "running"


def test_a_repeated_delete_is_as_good_as_the_first(deck: Deck, control: Control) -> None:
    credential = deck.credential()
    first, again = (deck.call("DELETE", f"/credentials/{credential['id']}", key="k") for _ in range(2))

    assert first.json == again.json
    assert control.events(type="credential.deleted") == ["credential.deleted"]


def test_a_password_is_not_kept_for_the_comparison(twin: Twin) -> None:
    source = twin.deck.source()
    secret = {"username": "kim", "password": "swordfish"}
    body = {"source_id": source["id"], "auth_method": "username_password", "auth_credentials": secret}
    twin.deck.post("/credentials", body, key="k")

    assert "swordfish" not in str(twin.world.idempotency)


def test_a_reset_forgets_the_keys(deck: Deck, control: Control) -> None:
    deck.post("/agents", {"name": "a"}, key="k")
    control.post("/reset")

    assert deck.post("/agents", {"name": "b"}, key="k")["name"] == "b"
