"""Virtual time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from .planes import Control, Deck, Twin


def test_time_stands_still_but_for_a_tick_a_change(deck: Deck, control: Control) -> None:
    clock = control.get("/clock")
    assert (clock["now"], clock["t0"], clock["mode"]) == (*["2025-01-01T00:00:00.000Z"] * 2, "frozen")

    first, second = (deck.post("/agents", {"name": "a"}) for _ in range(2))

    assert "2025-01-01T00:00:00.000Z" < first["created_at"] < second["created_at"] < "2025-01-01T00:00:00.010Z"


def test_each_event_has_a_moment_of_its_own(deck: Deck, control: Control) -> None:
    names = ("run_queue", "auth", "run_settle", "session_idle_close")
    control.post("/clock/durations", **dict.fromkeys(names, "0s"))
    deck.run()
    control.advance("0s")

    moments = [event["created_at"] for event in control.get("/events")["data"]]
    assert control.events()[-1] == "session.completed"  # no time at all is enough when nothing takes any
    assert moments == sorted(set(moments))


def test_advancing_tells_what_happened(deck: Deck, control: Control) -> None:
    run = deck.run()

    moved = control.advance("1.5s")

    assert moved["fired"] == ["session.running", "task_run.running"]
    assert moved["events"][1]["subject"] == run["id"]
    assert moved["advanced"] == "1.5s"
    assert moved["now"] == control.get("/clock")["now"]
    assert moved["idle"] is False
    assert moved["deliveries"] == {"attempted": 0, "succeeded": 0, "failed": 0, "held": 0}
    assert control.advance("0s")["fired"] == []


def test_a_long_way_goes_through_everything_due_on_it(deck: Deck, control: Control) -> None:
    run = deck.run()
    control.advance("1d")

    assert deck.see(run)["status"] == "completed"
    assert deck.get(f"/sessions/{run['session_id']}")["status"] == "completed"


def test_time_can_be_moved_to_a_moment_but_not_back(control: Control) -> None:
    assert control.post("/clock/advance", to="2025-01-02T01:00:00+01:00")["now"] == "2025-01-02T00:00:00.000Z"
    assert control.refusal("/clock/advance", to="2025-01-01T00:00:00Z") == (422, "clock_backwards")
    assert control.refusal("/clock/advance", to="tomorrow") == (422, "invalid_time")
    assert control.refusal("/clock/advance", to="2025-01-03T00:00:00") == (422, "invalid_time")


def test_time_can_be_moved_until_something_happens(deck: Deck, control: Control) -> None:
    first = deck.run()
    control.advance("5s")
    second = deck.run()

    moved = control.until("task_run.completed", id=second["id"])

    assert moved["stopped_on"] == "task_run.completed"
    assert moved["fired"].count("task_run.completed") == 2
    assert [deck.see(run)["status"] for run in (first, second)] == ["completed", "completed"]


def test_it_is_told_how_many_deliveries_are_held_back(deck: Deck, control: Control) -> None:
    deck.destination(events=["agent.created"])
    control.post("/deliveries/hold")
    for name in "ab":
        deck.post("/agents", {"name": name})

    assert control.advance("1s")["deliveries"] == {"attempted": 0, "succeeded": 0, "failed": 0, "held": 2}
    assert control.post("/clock/run-next")["deliveries"]["held"] == 2
    assert control.post("/deliveries/release")["deliveries"] == {
        "attempted": 2,
        "succeeded": 2,
        "failed": 0,
        "held": 0,
    }
    assert control.advance("1s")["deliveries"]["held"] == 0


def test_any_of_several_events_can_be_waited_for_but_none_that_cannot_come(deck: Deck, control: Control) -> None:
    run = deck.run()

    assert control.until("task_run.c*", id=run["id"])["stopped_on"] == "task_run.completed"
    assert control.post("/clock/run-until-idle", stop_on=["session.*"])["stopped_on"] == "session.completing"
    typo = {"event_type": "task_run.finished"}
    assert control.refusal("/clock/advance", until=typo) == (422, "unknown_event")
    assert control.refusal("/clock/run-until-idle", stop_on=["task_run.finished"]) == (422, "unknown_event")


def test_an_hour_is_long_enough_to_wait(deck: Deck, control: Control) -> None:
    control.pin("branch", "timeout")
    deck.run()
    assert control.post("/clock/advance", until={"event_type": "task_run.failed"})["stopped_on"] == "task_run.failed"

    waiting = {"until": {"event_type": "task_run.failed"}}
    assert control.call("POST", "/clock/advance", waiting).json["error"]["detail"]["advanced"] == "3600s"


def test_what_does_not_happen_in_time_is_an_error_with_the_whole_story(deck: Deck, control: Control) -> None:
    deck.run()
    body = {"until": {"event_type": "task_run.failed"}, "max": "2s"}

    response = control.call("POST", "/clock/advance", body)

    assert (response.status_code, response.json["error"]["code"]) == (409, "not_reached")
    assert response.json["error"]["detail"]["fired"] == ["session.running", "task_run.running"]


def test_the_next_timer_can_be_let_off_alone(deck: Deck, control: Control) -> None:
    run = deck.run()
    due = control.get("/clock")["next_due_at"]

    moved = control.post("/clock/run-next")

    assert moved["fired"] == ["session.running", "task_run.running"]
    assert moved["now"] >= due
    assert deck.see(run)["runtime_ms"] == 0


def test_two_timers_are_two_steps_even_when_the_second_is_not_set_yet(deck: Deck, control: Control) -> None:
    """The run's timeout, half an hour off, is set already; its sign-in, two seconds off, is not."""
    deck.run()
    moved = control.post("/clock/run-next", count=2)

    assert moved["fired"][-1] == "credential.verified"
    assert moved["now"] < "2025-01-01T00:00:04"


def test_timers_of_the_same_moment_go_off_one_by_one(deck: Deck, control: Control) -> None:
    control.post("/clock/durations", delivery_delay="1s")
    for name in ("one", "two"):
        deck.destination(f"https://{name}.example", events=["agent.created"])
    deck.post("/agents", {"name": "a"})

    assert control.post("/clock/run-next")["deliveries"]["attempted"] == 1
    assert control.post("/clock/run-next")["deliveries"]["attempted"] == 1
    assert control.post("/clock/run-next")["idle"] is True


def test_everything_can_be_let_happen(deck: Deck, control: Control) -> None:
    run = deck.run()

    moved = control.post("/clock/run-until-idle")

    assert (moved["idle"], moved["pending"], moved["stopped_on"]) == (True, 0, None)
    assert deck.see(run)["status"] == "completed"
    assert moved["now"] < "2025-01-01T00:11"  # not the whole 24 hours it was allowed


def test_it_can_stop_on_the_way(deck: Deck, control: Control) -> None:
    deck.run()
    moved = control.post("/clock/run-until-idle", stop_on=["task_run.running", "task_run.completed"])
    assert moved["stopped_on"] == "task_run.running"
    assert control.post("/clock/run-until-idle", max="5s")["idle"] is False


def test_durations_can_be_named_and_set(deck: Deck, control: Control) -> None:
    after = control.post("/clock/durations", run_settle="0s", auth=0.25, delivery_retry=["1s"])["durations"]
    assert (after["run_settle"], after["auth"], after["delivery_retry"]) == ("0s", 0.25, ["1s"])
    run = deck.run()
    control.advance("1.3s")

    assert deck.see(run)["status"] == "completed"
    assert control.refusal("/clock/durations", naptime="1s") == (422, "unknown_field")


def test_how_long_a_receiver_may_take_is_a_duration_too(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of real time: an app that never answers need not cost a test five seconds."""
    allowed = []
    post = twin.receiver.post

    def timed(url: str, **sent: Any) -> httpx.Response:
        allowed.append(sent["timeout"])
        return post(url, **sent)

    monkeypatch.setattr(twin.receiver, "post", timed)
    twin.deck.destination(events=["agent.created"])
    for value in ("5s", "50ms", "0s"):
        twin.control.post("/clock/durations", delivery_timeout=value)
        twin.deck.post("/agents", {"name": "a"})
        twin.control.advance()

    assert allowed == [5.0, 0.05, 0.001]


@pytest.mark.parametrize("value", ["soon", "-1s", -1, "1 s", "", None, True, [], "999999999d", 1e300])
def test_a_duration_that_is_none_is_refused(control: Control, value: object) -> None:
    assert control.refusal("/clock/durations", auth=value) == (422, "invalid_duration")
    assert control.refusal("/clock/durations", delivery_retry=[value]) == (422, "invalid_duration")
    assert control.refusal("/clock/advance", by=value) == (422, "invalid_duration")
    assert control.get("/clock")["durations"]["auth"] == "2s"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clock/run-next", {"count": "two"}),
        ("/clock/run-next", {"count": 0}),
        ("/clock/advance", {"until": "task_run.completed"}),
        ("/clock/advance", {"until": {"event": "task_run.completed"}}),
        ("/clock/advance", {"until": {"event_type": 7}}),
        ("/clock/advance", {"bye": "1s"}),
        ("/clock/advance", {"by": "1s", "to": "2025-01-02T00:00:00Z"}),
        ("/clock/advance", {"by": "1s", "max": "1h"}),
        ("/clock/run-until-idle", {"stop_on": "task_run.completed"}),
        ("/clock/run-until-idle", {"stop_on": [7]}),
        ("/clock/mode", {}),
        ("/clock/mode", {"mode": "fast"}),
        ("/clock/mode", {"mode": "realtime", "rate": 0}),
        ("/clock/mode", {"mode": "realtime", "rate": "x"}),
        ("/seed", {"resource": "agents", "objects": {}}),
        ("/seed", {"objects": {"agents": ["x"]}}),
        ("/seed", {"objects": {"agents": []}, "mode": "upset"}),
        ("/seed", {"objects": {"toasters": []}}),
        ("/seed", {"objects": {"events": []}}),
        ("/seed", {"objects": {"event_deliveries": []}}),
        ("/seed", {"objects": {"event_destinations": []}}),
        ("/seed", {"objects": {"agents": [{"nmae": "a"}]}}),
    ],
)
def test_a_slip_of_the_pen_is_noticed(control: Control, path: str, body: dict[str, object]) -> None:
    assert control.refusal(path, **body) == (422, "unknown_field")


def test_the_mode_can_be_changed(control: Control) -> None:
    clock = control.post("/clock/mode", mode="realtime", rate=60)
    assert (clock["mode"], clock["rate"]) == ("realtime", 60.0)
    assert control.post("/clock/mode", mode="frozen")["mode"] == "frozen"
