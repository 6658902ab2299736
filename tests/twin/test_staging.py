"""What `gangway twin` can be told to begin with, and the command itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from tests.processes import PATIENCE, answering, free_ports, running
from webapp.cli import cli
from webapp.twin import client
from webapp.twin.scenarios import personas
from webapp.twin.staging import CannotStage, apply_scenarios, bind_personas, seed_from

from .planes import Deck, Twin

ROOT = Path(__file__).parents[2]
SEED = {"objects": {"agents": [{"id": "agt_TkKr", "name": "Billing"}]}}


@pytest.fixture
def there(twin: Twin) -> client.Twin:
    return client.Twin("http://twin.localhost", transport=httpx.WSGITransport(app=twin.client.application))


def file(folder: Path, text: str) -> Path:
    path = folder / "seed.json"
    path.write_text(text)
    return path


def test_a_seed_file_is_put_in_place(there: client.Twin, deck: Deck, tmp_path: Path) -> None:
    seed_from(there, file(tmp_path, json.dumps(SEED)))

    assert [agent["name"] for agent in deck.get("/agents")["data"]] == ["Billing"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "seed.json is not JSON: Expecting property name"),
        ("[]", "seed.json is not a JSON object such as"),
        ('{"objects": {"agents": [{"id": "nope_1"}]}}', "seed.json: 'nope_1' does not match agents pattern ^agt_"),
        ('{"objects": {"agents": [{"nmae": "x"}]}}', "seed.json: agents has no field 'nmae'"),
        ('{"objects": {"tasks": [{"id": "task_P8TA", "agent_id": "agt_None"}]}}', "agt_None', which does not exist"),
        ('{"things": {}}', "seed.json: no field 'things' (known: resource, objects, "),
    ],
)
def test_a_seed_file_that_cannot_be_is_refused_in_plain_words(
    there: client.Twin, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(CannotStage) as refused:
        seed_from(there, file(tmp_path, text))

    assert said in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_scenarios_hold_from_the_start(there: client.Twin, deck: Deck) -> None:
    apply_scenarios(there, ["bad_password", "duplicate_events"])

    run = deck.run()
    there.clock.run_until_idle()

    assert deck.see(run)["errors"][0]["code"] == "auth_invalid"
    with pytest.raises(CannotStage, match=r"no scenario 'nothing' .*mfa_code"):
        apply_scenarios(there, ["nothing"])


def test_a_persona_acts_out_what_its_name_says(there: client.Twin, deck: Deck) -> None:
    shown = bind_personas(there)
    source = deck.source()

    def run_of(username: str) -> Any:
        secret = {"username": username, "password": "anything"}
        body = {"source_id": source["id"], "auth_method": "username_password", "auth_credentials": secret}
        return deck.run(credential=deck.post("/credentials", body))

    runs = {name: run_of(name) for name in ("mfa_code@twin", "bad_password@twin", "kim@example.test")}
    there.clock.run_until_idle(stop_on=["task_run.interaction_required"])
    assert deck.see(runs["mfa_code@twin"])["interaction"]["type"] == "mfa"
    deck.answer(runs["mfa_code@twin"], code="123456")
    there.clock.run_until_idle()

    assert [deck.see(run)["status"] for run in runs.values()] == ["completed", "failed", "completed"]
    assert set(runs) - {"kim@example.test"} <= set(shown)


def test_nobody_plays_what_holds_for_the_whole_world_or_needs_more() -> None:
    assert "happy@twin" in personas()
    assert not {"slow_run@twin", "partial_output@twin"} & set(personas())


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    bad = file(tmp_path, '{"objects": {"agents": [{"nmae": "x"}]}}')

    log = tmp_path / "log.jsonl"
    said = CliRunner().invoke(cli, ["twin", "--fixture", str(bad), "--log", str(log)])
    assert not log.exists(), "of a session that never was"
    assert (said.exit_code, said.output) == (1, f"Error: {bad}: agents has no field 'nmae'\n")
    said = CliRunner().invoke(cli, ["twin", "--scenario", "nothing"])
    assert (said.exit_code, said.output.splitlines()[0][:31]) == (1, "Error: no scenario 'nothing' (h")
    said = CliRunner().invoke(cli, ["twin", "--workers", "2", "--log", str(log)])
    assert (said.exit_code, "a log is of one world" in said.output) == (2, True)


@pytest.mark.slow
@pytest.mark.parametrize("pace", ["--frozen", "--realtime"])
def test_a_whole_session_of_a_served_twin_is_replayed(tmp_path: Path, pace: str) -> None:
    """Staged, served, called over real HTTP, delivering to real addresses, ended by SIGTERM; then run again."""
    port, said, log = free_ports(), tmp_path / "said.txt", tmp_path / "log.jsonl"
    gangway = [sys.executable, "-m", "webapp", "twin"]
    staged = ["--fixture", str(file(tmp_path, json.dumps(SEED))), "--scenario", "fail_then_succeed", "--personas"]
    command = [*gangway, "--port", str(port), "--demo-sites", pace, "--log", str(log), *staged]
    with running(command, said) as process:
        answering(f"http://127.0.0.1:{port}/__admin__/health", process, said)
        with client.Twin(f"http://127.0.0.1:{port}") as twin, twin.webhooks.sink() as inbox:
            headers = {"Authorization": f"Bearer {twin.api_key}"}
            twin.webhooks.register("http://127.0.0.1:9/nobody")
            twin.faults.arm("sources", "create", status=500, count=1)
            with httpx.Client(base_url=twin.base_url, headers=headers, trust_env=False) as http:
                source = {"type": "website", "website": {"url": "https://acme.example/"}}
                assert [http.post("/sources", json=source).status_code for _ in range(2)] == [500, 201]
                task = http.post("/tasks", json={"name": "Fetch", "agent_id": "agt_TkKr"}).json()
                there = {"source_id": http.get("/sources").json()["data"][0]["id"]}
                for _ in range(2):
                    http.post(f"/tasks/{task['id']}/run", json=there).raise_for_status()
                if pace == "--frozen":
                    twin.clock.run_until_idle()
                else:
                    twin.clock.realtime(60)
                inbox.wait_for("task_run.completed", timeout=PATIENCE)
                inbox.wait_for("task_run.failed", timeout=PATIENCE)
    ran = CliRunner().invoke(cli, ["twin", "replay", str(log)])

    assert ran.exit_code == 0, ran.output
    assert json.loads(log.read_text().splitlines()[-1])["ended"] == ran.output.strip()
    assert "  mfa_code@twin" in said.read_text()
