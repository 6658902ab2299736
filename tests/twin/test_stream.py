"""Watching the twin while things happen."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from webapp.twin import stream
from webapp.twin.pytest_plugin import served
from webapp.twin.world import ADMIN_KEY

from .planes import HOOK, KIM, Control, Deck, Receiver, Twin

KEY = {"Authorization": f"Bearer {ADMIN_KEY}"}


class Watcher:
    """A developer with a terminal, who reads the stream line by line."""

    def __init__(self, control: Control, **query: Any) -> None:
        self.answer = control.client.get("/__admin__/stream", query_string=query, headers=KEY)
        assert self.answer.status_code == 200, self.answer.text
        self.frames = iter(self.answer.response)
        kind, self.begins = self.reads()
        assert kind == "hello"

    def reads(self) -> tuple[str, Any]:
        """The next line, which must be there: its kind and what it says."""
        return said(bytes(next(self.frames)))

    def reads_all(self) -> list[tuple[str, Any]]:
        """Every line that waits to be read."""
        found = []
        for frame in self.frames:
            if frame == b": still here\n\n":
                break
            found.append(said(bytes(frame)))
        return found

    def leaves(self) -> None:
        self.answer.close()


def said(frame: bytes) -> tuple[str, Any]:
    fields = dict(line.split(": ", 1) for line in frame.decode().strip().split("\n"))
    return fields["event"], json.loads(fields["data"])


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to read, the sign of life comes at once."""
    monkeypatch.setattr(stream, "HEARTBEAT", 0.0)


def test_a_developer_sees_what_happens_in_the_order_it_happens(twin: Twin) -> None:
    deck, control = twin.deck, twin.control
    deck.destination(events=["agent.created"])
    watcher = Watcher(control)
    agent = deck.post("/agents", {"name": "Billing"})
    control.advance("1s")

    (event, made), (request, asked), (delivery, sent), (clock, moved) = watcher.reads_all()

    assert (event, request, delivery, clock) == ("event", "request", "delivery", "clock")
    assert (made["type"], made["subject"], made["at"]) == ("agent.created", agent["id"], "2025-01-01T00:00:00.004Z")
    assert (asked["operation"], asked["status"], asked["caused"]) == ("agents.create", 201, [made["id"]])
    assert (sent["event_id"], sent["status"]) == (made["id"], "success")
    assert (sent["attempt"]["url"], sent["attempt"]["status"], sent["attempt"]["n"]) == (HOOK, 204, 1)
    assert moved["now"] == control.get("/clock")["now"] > watcher.begins["now"]


def test_nothing_secret_is_on_the_stream(deck: Deck, control: Control) -> None:
    watcher = Watcher(control)
    deck.run()

    assert KIM["password"] not in json.dumps(watcher.reads_all())


def test_a_line_leads_to_the_whole_story(deck: Deck, control: Control) -> None:
    watcher = Watcher(control, kind="request")
    deck.post("/agents", {"name": "Billing"})
    ((_, line),) = watcher.reads_all()

    (whole,) = control.get("/requests", since_seq=line["seq"] - 1, limit=1)["data"]
    assert whole["body"] == {"name": "Billing"}
    assert control.get(f"/trace/{line['trace_id']}")["request_id"] == line["request_id"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "event"}, ["event", "event"]),
        ({"kind": "event,clock"}, ["event", "event", "clock"]),
        ({"event_type": "agent.*"}, ["event", "delivery"]),
        ({"operation": "*.create"}, ["request", "request"]),
        ({"operation": "agents.create", "kind": "event"}, []),
        ({"destination_id": "evtd_nobody"}, []),
    ],
)
def test_only_what_was_asked_for_is_told(
    deck: Deck, control: Control, receiver: Receiver, query: dict[str, str], expected: list[str]
) -> None:
    deck.destination(events=["agent.created", "source.created"])
    watcher = Watcher(control, **query)
    deck.post("/agents", {"name": "Billing"})
    deck.source()
    control.advance("1s")

    assert [kind for kind, _ in watcher.reads_all()] == expected


def test_one_run_can_be_followed(deck: Deck, control: Control) -> None:
    followed, other = deck.run(), deck.run()
    watcher = Watcher(control, subject=followed["id"])
    control.advance("1h")

    lines = [line for _, line in watcher.reads_all()]
    assert lines[-1]["type"] == "task_run.completed"
    assert other["id"] not in json.dumps(lines)


def test_what_is_kept_back_is_told_too(deck: Deck, control: Control, receiver: Receiver) -> None:
    deck.destination(events=["agent.created"])
    control.post("/delivery-rules", action={"type": "drop"}, count=1)
    control.post("/delivery-rules", action={"type": "hold"})
    watcher = Watcher(control, kind="delivery")
    for name in ("lost", "held"):
        deck.post("/agents", {"name": name})
    receiver.answers = [500]
    control.post("/deliveries/release")

    dropped, held, refused = (line for _, line in watcher.reads_all())
    assert [line["status"] for line in (dropped, held, refused)] == ["dropped", "held", "pending"]
    assert dropped["attempt"] is held["attempt"] is None
    assert refused["attempt"]["error"] == "bad_status"
    assert refused["next_attempt_at"] > "2025-01-01T00:00:30"


def test_the_clock_is_told_when_it_was_moved_and_not_when_it_was_looked_at(control: Control) -> None:
    watcher = Watcher(control, kind="clock")
    control.get("/clock")
    control.advance("0s")
    control.post("/clock/mode", mode="realtime", rate=60)
    control.post("/clock/mode", mode="frozen")
    control.advance("1h")
    control.post("/reset", t0="2030-01-01T00:00:00Z")

    running, frozen, later, anew = (line for _, line in watcher.reads_all())
    assert (running["mode"], running["rate"], frozen["mode"]) == ("realtime", 60.0, "frozen")
    assert later["now"] > frozen["now"]
    assert (anew["now"], anew["epoch"]) == ("2030-01-01T00:00:00.000Z", 2)


def test_buttons_of_the_page_move_the_clock_for_listeners_too(twin: Twin) -> None:
    watcher = Watcher(twin.control, kind="clock")
    browser = twin.client.application.test_client()
    browser.post("/__admin__/ui/key", data={"key": ADMIN_KEY})
    browser.post("/__admin__/ui/advance", data={"by": "1h"})

    assert watcher.reads()[1]["now"] == "2025-01-01T01:00:00.000Z"


def test_who_does_not_keep_up_is_told_so_and_let_go(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_WAITING", 3)
    slow, quick = Watcher(twin.control, kind="event"), Watcher(twin.control, kind="event")
    heard = []
    for name in "abcdef":
        twin.deck.post("/agents", {"name": name})
        heard += quick.reads_all()

    ((kind, word),) = slow.reads_all()
    assert kind == "dropped"
    assert "too slow" in word["reason"]
    assert next(slow.frames, None) is None
    assert [kind for kind, _ in heard] == ["event"] * 6


def test_nobody_is_remembered_who_has_left_or_was_let_go(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_WAITING", 1)
    polite, rude = Watcher(twin.control), Watcher(twin.control)
    polite.leaves()
    twin.deck.post("/agents", {"name": "Billing"})

    assert twin.world.stream.listeners == []
    assert next(polite.frames, None) is None
    assert rude.reads()[0] == "dropped"


def test_there_is_a_sign_of_life_when_nothing_happens(control: Control) -> None:
    assert next(Watcher(control).frames) == b": still here\n\n"


def test_a_script_can_wait_for_the_next_line_or_for_some_time(deck: Deck, control: Control) -> None:
    one = Watcher(control, kind="event", limit=1)
    for name in "ab":
        deck.post("/agents", {"name": name})

    assert [kind for kind, _ in one.reads_all()] == ["event"]
    assert next(one.frames, None) is None
    assert next(Watcher(control, wait="0s").frames, None) is None


def test_every_listener_costs_something_so_they_are_counted(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_LISTENERS", 1)
    first = Watcher(control)
    refused = control.call("GET", "/stream")
    assert (refused.status_code, refused.json["error"]["code"]) == (503, "too_many_listeners")
    first.leaves()
    Watcher(control)


@pytest.mark.parametrize("query", [{"kind": "requests"}, {"type": "agent.*"}, {"limit": "few"}])
def test_a_typo_does_not_pass(control: Control, query: dict[str, str]) -> None:
    refused = control.call("GET", "/stream", **query)
    assert (refused.status_code, refused.json["error"]["code"]) == (422, "unknown_field")


def test_only_the_admin_key_opens_it(control: Control) -> None:
    assert control.client.get("/__admin__/stream").status_code == 401


def test_a_stream_ends_in_good_order_when_the_server_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real socket: what happened is still read, then the end, and no error."""
    monkeypatch.setattr(stream, "HEARTBEAT", 15.0)
    with httpx.Client(trust_env=False) as http:
        with served() as twin:
            request = http.build_request("GET", f"{twin.url}/__admin__/stream?kind=clock", headers=KEY)
            answer = http.send(request, stream=True)
            frames = answer.iter_lines()
            assert next(frames) == "event: hello"
            twin.clock.advance("1h")
        rest = list(frames)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: clock" in rest
