"""A recorded session, run again in a fresh world, comes to the same end."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from webapp.cli import cli, new_file
from webapp.twin.recording import Recorder, RecordingDeliverer
from webapp.twin.replay import Diverged, Replay
from webapp.twin.server import create_twin
from webapp.twin.ui import COOKIE
from webapp.twin.world import ADMIN_KEY, World

from .planes import CODE, HOOK, KIM, Control, Deck, Receiver, Twin
from .test_determinism import a_busy_day


class Recorded(Twin):
    """A twin that keeps a log of what is done to it."""

    def __init__(self, **world: Any) -> None:
        self.world = World(**world)
        self.receiver = Receiver()
        self.file = io.StringIO()
        self.recorder = Recorder(self.world, self.file)
        self.deliverer = RecordingDeliverer(self.recorder, self.receiver)
        app = create_twin(self.world, self.deliverer, sleep=lambda _: None, real_now=self.recorder.real_now)
        app.wsgi_app = self.recorder.around(app.wsgi_app)  # type: ignore[method-assign]
        self.client = app.test_client()
        self.deck = Deck(self.client)
        self.control = Control(self.client)

    @property
    def log(self) -> list[str]:
        return self.file.getvalue().splitlines()

    def lasts(self, seconds: float) -> None:
        """So much real time passes, as the driver of a running twin lets it."""
        with self.world.lock:
            until = self.world.clock.now + timedelta(seconds=seconds)
            self.recorder.passing(until)
            self.world.pass_time(until)
        driver = threading.Thread(target=self.deliverer.drain)
        driver.start()
        driver.join()


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def replayed(twin: Recorded) -> str:
    return Replay(twin.log).run()


def test_a_busy_day_comes_to_the_same(recorded: Recorded) -> None:
    day = a_busy_day(recorded)

    assert replayed(recorded) == day["hash"] == recorded.world.state_hash()


def test_so_does_a_bad_day(recorded: Recorded) -> None:
    """Faults before and after, cut lines, waits, a limit, a wrong key, nonsense, and calls to nowhere."""
    deck, control = recorded.deck, recorded.control
    deck.destination()
    control.post("/faults", resource="agents", operation="create", status=500, count=1)
    control.post("/faults", resource="sources", operation="*", effect={"type": "drop", "how": "reset"}, when="after")
    control.post("/faults", resource="tasks", operation="create", effect={"type": "hang"}, count=1)
    slow = {"type": "latency", "delay": "90s", "clock": "virtual"}
    control.post("/faults", resource="agents", operation="list", effect=slow, count=2, probability=0.5)
    for call in (
        lambda: deck.call("POST", "/agents", {"name": "refused"}),
        lambda: deck.source(),
        lambda: deck.task(),
        lambda: deck.call("GET", "/agents"),
        lambda: deck.call("GET", "/agents"),
        lambda: deck.call("GET", "/nowhere"),
        lambda: deck.client.get("/v2/agents"),
        lambda: deck.client.post("/v2/agents", data=b'{"name": ', headers={"Authorization": "Bearer sk_live_twin"}),
        lambda: control.call("POST", "/clock/advance", {"by": "soon"}),
    ):
        with suppress(ConnectionError):
            call()
    control.call("DELETE", "/faults")
    control.post("/limits", requests=2, per="10s")
    for _ in range(4):
        deck.call("POST", "/agents", {"name": "a"})
    recorded.receiver.answers = [500, httpx.ConnectError("no route")]
    control.post("/clock/run-until-idle")

    assert {str(json.loads(line).get("status")) for line in recorded.log} >= {"None", "500", "429", "401", "404"}
    assert replayed(recorded) == recorded.world.state_hash()


def test_deliveries_fare_as_they_did(recorded: Recorded) -> None:
    """Some fail, some are sent twice, one receiver switches itself off by failing: nobody is asked again."""
    deck, control, receiver = recorded.deck, recorded.control, recorded.receiver
    deck.destination()
    deck.destination("https://dead.example/hook")
    receiver.dead = {"https://dead.example/hook"}
    control.post("/delivery-rules", match={}, action={"type": "duplicate", "times": 3, "concurrent": True}, count=2)
    control.post("/delivery-rules", match={}, action={"type": "treat_as_failed", "times": 1}, count=1)
    control.post("/deliveries/hold", match={"event_type": "agent.*"})
    deck.task()
    control.post("/clock/run-until-idle")
    control.post("/deliveries/release", order="lifo")
    control.post("/clock/run-until-idle")
    event = control.get("/events")["data"][0]["id"]
    control.post(f"/events/{event}/redeliver", times=2, timestamp="stale")

    assert {one["status"] for one in deck.get("/event-destinations")["data"]} == {"active", "inactive"}
    replay = Replay(recorded.log)
    assert replay.run() == recorded.world.state_hash()
    shown = [(row["id"], row["status"], row["attempts"]) for row in control.get("/deliveries")["data"]]
    with replay.world.lock:
        assert [(row["id"], row["status"], row["attempts"]) for row in replay.world.events.delivery_log()] == shown


def test_what_a_receiver_did_meanwhile_is_done_meanwhile(recorded: Recorded) -> None:
    deck, control = recorded.deck, recorded.control
    control.site({**KIM, "asks": [CODE]})
    deck.destination()
    run = deck.run()

    def at_once(event: Any) -> None:
        if event["type"] == "task_run.interaction_required":
            assert deck.answer(run, code="123456").status_code == 200
            recorded.lasts(3)  # while all of them wait
            control.post("/clock/run-next")

    recorded.receiver.on_event = at_once
    control.post("/clock/run-until-idle")

    assert deck.see(run)["status"] == "completed"
    assert replayed(recorded) == recorded.world.state_hash()


def test_time_that_passed_by_itself_passes_again() -> None:
    recorded = Recorded()
    deck, control = recorded.deck, recorded.control
    control.post("/clock/mode", mode="realtime")
    deck.destination()
    recorded.lasts(0.25)  # nothing falls due
    run = deck.run()
    for seconds in (0.3, 0.9, 0.4, 2.5, 7.1, 3.0):
        recorded.lasts(seconds)
        deck.see(run)
    assert replayed(recorded) == recorded.world.state_hash()
    control.post("/reset", t0="real", keep=["destinations"])
    deck.run()
    recorded.lasts(60)
    recorded.recorder.end()

    replay = Replay(recorded.log)
    assert replay.run() == replay.recorded_hash == recorded.world.state_hash()


def test_it_goes_back_and_forth_between_snapshots(recorded: Recorded) -> None:
    deck, control = recorded.deck, recorded.control
    control.site(KIM)
    deck.credential()
    control.post("/snapshots", name="early")
    deck.run()
    control.post("/clock/run-until-idle")
    document = control.get("/snapshots/early")
    control.post("/snapshots/early/restore")
    imported = control.post("/snapshots/import", **document)
    control.post("/reset", seed="other")
    control.post(f"/snapshots/{imported['id']}/restore")
    deck.run()
    control.post("/clock/run-until-idle")

    assert KIM["password"] not in recorded.file.getvalue()
    assert replayed(recorded) == recorded.world.state_hash()


def test_buttons_of_the_page_are_recorded_too(recorded: Recorded) -> None:
    page = recorded.client
    page.post("/__admin__/ui/key", data={"key": ADMIN_KEY})
    recorded.deck.run()
    page.post("/__admin__/ui/advance", data={"by": "1m"})
    page.post("/__admin__/ui/faults", data={"operation": "agents.create", "status": "503", "code": "", "count": "1"})

    assert COOKIE not in recorded.file.getvalue()
    assert ADMIN_KEY not in recorded.file.getvalue()
    assert replayed(recorded) == recorded.world.state_hash()


def test_secrets_are_replaced_and_what_was_right_stays_right(recorded: Recorded) -> None:
    deck, control = recorded.deck, recorded.control
    control.site(KIM)
    extra = json.dumps({"X-Team": "hush hush"})
    deck.post("/event-destinations", {"name": "a", "webhook": {"url": HOOK, "custom_headers": extra}})
    secret = "whsec_" + "c2VjcmV0" * 4
    control.post("/webhooks/endpoints", url="https://other.example", secret=secret)
    right, wrong = deck.run(), deck.run(credential=deck.credential(password="not the password"))
    control.post("/clock/run-until-idle")
    assert [deck.see(run)["status"] for run in (right, wrong)] == ["completed", "failed"]

    assert "hush hush" in str(recorded.receiver.posts)
    for hidden in (KIM["password"], "not the password", "hush hush", secret, "sk_live_", "twa_"):
        assert hidden not in recorded.file.getvalue(), hidden
    assert replayed(recorded) == recorded.world.state_hash()


def test_looks_of_the_control_plane_are_not_recorded(recorded: Recorded) -> None:
    recorded.control.get("/state")
    recorded.control.post("/requests/verify", match={}, count={"at_most": 0})

    assert len(recorded.log) == 1


# --- what does not fit --------------------------------------------------------------------------------------------


def changed(recorded: Recorded, change: Callable[[dict[str, Any]], object]) -> list[str]:
    lines = [json.loads(line) for line in recorded.log]
    for line in lines:
        change(line)
    return [json.dumps(line) for line in lines]


def test_a_world_that_goes_another_way_is_told_by_line(recorded: Recorded) -> None:
    recorded.deck.destination()
    recorded.deck.task()
    recorded.control.advance()

    with pytest.raises(Diverged, match=r"line 3: POST /v2/event-destinations was answered with 418, now with 201"):
        Replay(changed(recorded, lambda line: "status" in line and line.update(status=418))).run()
    with pytest.raises(Diverged, match=r"line \d+: edlv_other went out then, now edlv_"):
        Replay(changed(recorded, lambda line: "sending" in line and line.update(deliveries=["edlv_other"]))).run()
    with pytest.raises(Diverged, match="the log ends while something was going out"):
        Replay(recorded.log[: next(at for at, line in enumerate(recorded.log, 1) if '"sending"' in line)]).run()
    with pytest.raises(Diverged, match="line 2: the line is damaged"):
        Replay([line for line in recorded.log if '"asked"' not in line]).run()
    with pytest.raises(Diverged, match="line 2: the line is damaged"):
        Replay(changed(recorded, lambda line: line.pop("path", None))).run()


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"twin_log": 99}', '{"twin_log": 1}'])
def test_what_is_no_log_is_refused(text: str) -> None:
    with pytest.raises(Diverged, match="line 1"):
        Replay([text])


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_the_hash(recorded: Recorded, tmp_path: Path) -> None:
    a_busy_day(recorded)
    log = tmp_path / "log.jsonl"
    log.write_text(recorded.file.getvalue())

    said = CliRunner().invoke(cli, ["twin", "replay", str(log)])

    assert (said.exit_code, said.output) == (0, recorded.world.state_hash() + "\n")


def test_the_command_says_when_the_end_is_another(recorded: Recorded, tmp_path: Path) -> None:
    recorded.deck.task()
    log = tmp_path / "log.jsonl"
    log.write_text(recorded.file.getvalue() + '{"ended": "abc", "at": "2025-01-01T00:00:00+00:00"}\n')

    said = CliRunner().invoke(cli, ["twin", "replay", str(log)])

    assert said.exit_code == 1
    assert "Error: the recorded world ended as abc" in said.output
    missing = CliRunner().invoke(cli, ["twin", "replay", str(tmp_path / "none")])
    assert (missing.exit_code, missing.output) == (1, f"Error: {tmp_path / 'none'} cannot be read\n")


def test_a_log_is_for_its_owner_and_never_overwritten(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    new_file(log).close()

    assert log.stat().st_mode & 0o077 == 0
    said = CliRunner().invoke(cli, ["twin", "--port", "0", "--log", str(log)])
    assert (said.exit_code, said.output) == (1, f"Error: {log} is there already: name a new file with --log\n")
