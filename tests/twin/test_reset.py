"""Beginning again: what is forgotten and what may be kept."""

from __future__ import annotations

from .planes import KIM, Control, Deck, Twin


def test_a_reset_forgets_everything_but_the_keys(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    control.site(KIM, status="down")
    control.pin("branch", "failed")
    deck.destination()
    deck.run()

    answer = control.post("/reset")

    assert answer == {"epoch": 2, "now": "2025-01-01T00:00:00.000Z", "seed": "deck-twin"}
    assert set(control.get("/state")["counts"].values()) == {0}
    assert control.get("/clock")["pending"] == 0
    assert control.get("/exogenous/pins")["data"] == control.get("/sites")["data"] == []
    assert control.advance("1h")["fired"] == []
    assert twin.receiver.posts == []
    assert deck.get("/test")["status"] == "ready"


def test_a_reset_can_choose_the_time_and_the_seed(deck: Deck, control: Control) -> None:
    ids = [deck.post("/agents", {"name": "a"})["id"]]
    control.post("/reset", t0="2025-01-31T23:59:00Z", seed="other")
    agent = deck.post("/agents", {"name": "a"})
    ids.append(agent["id"])

    assert agent["created_at"] == "2025-01-31T23:59:00.001Z"
    control.post("/reset")  # the seed and the time are kept
    ids.append(deck.post("/agents", {"name": "a"})["id"])
    assert ids[0] != ids[1] == ids[2]
    assert control.refusal("/reset", t0="noon") == (422, "invalid_time")


def test_a_reset_brings_the_durations_back_unless_they_are_to_be_kept(control: Control) -> None:
    before = control.get("/clock")["durations"]["auth"]
    control.post("/clock/durations", auth="9s")
    control.post("/reset", keep=["durations"])
    assert control.get("/clock")["durations"]["auth"] == "9s"
    control.post("/reset")
    assert control.get("/clock")["durations"]["auth"] == before


def test_time_can_start_at_the_real_one(control: Control) -> None:
    control.post("/reset", t0="real")
    assert control.get("/clock")["now"] > "2026-01-01"
