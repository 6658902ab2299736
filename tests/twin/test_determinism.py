"""The same script gives the same world, on every machine and every day."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tests.processes import PATIENCE
from webapp.twin.derive import Derive, signing_secret

from .planes import CODE, INVOICE, KIM, Control, Deck, Twin

ROOT = Path(__file__).parents[2]
ENGINE = sorted(
    path
    for path in (ROOT / "webapp/twin").rglob("*.py")
    if path.name not in ("carriers.py", "delivery.py", "pseudonyms.py", "recording.py", "server.py")
)


def a_busy_day(twin: Twin) -> dict[str, Any]:
    """A bit of everything, and what came of it."""
    deck, control, receiver = twin.deck, twin.control, twin.receiver
    control.site({**KIM, "asks": [CODE], "files": [{"file_name": "a.txt", "content": "é"}]})
    control.post("/clock/durations", delivery_retry=["30s"])
    for name in ("good", "bad", "worse"):
        deck.destination(f"https://{name}.example")
    receiver.dead = {"https://bad.example", "https://worse.example"}
    task = deck.task(output_schema=INVOICE, storage={"enabled": True})
    kim, lee = deck.credential(), deck.credential(password="wrong")
    runs = [deck.run(task=task, credential=kim) for _ in range(2)]
    deck.run(task=task, credential=lee)
    made_up = deck.run(task=task, credential=deck.credential(deck.source("https://elsewhere.example")))
    control.until("task_run.interaction_required")
    deck.answer(runs[0], code="000000")
    deck.post(f"/task-runs/{runs[1]['id']}/cancel")
    bad_answer = deck.call("POST", f"/task-runs/{runs[0]['id']}/interaction", {"input": {"x": 1, "y": 2}})
    control.post("/clock/run-until-idle")
    deck.post("/agents", {"name": "keyed"}, key="k")
    log = control.get("/events")["data"]
    return {
        "hash": control.get("/state/hash")["sha256"],
        "events": [(event["id"], event["type"], event["created_at"]) for event in log],
        "bodies": [event["body_sha256"] for event in log],
        "deliveries": [row["id"] for row in control.get("/deliveries")["data"]],
        "received": sorted(content.decode() for _, _, content in receiver.posts),
        "output": deck.see(made_up)["output"],
        "complaints": json.dumps(bad_answer.json.get("errors")),
    }


def elsewhere(**environment: str) -> Any:
    """What the busy day comes to in a process of its own."""
    code = (
        "import json; from tests.twin.test_determinism import Twin, a_busy_day; print(json.dumps(a_busy_day(Twin())))"
    )
    env = {**os.environ, **environment}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_same_script_gives_the_same_world() -> None:
    first, second = a_busy_day(Twin()), a_busy_day(Twin())

    assert len(first["events"]) > 50
    assert first == second


def test_a_reset_world_is_as_good_as_a_new_one(twin: Twin) -> None:
    first = a_busy_day(twin)
    twin.control.post("/reset")
    twin.receiver.start_over()

    assert a_busy_day(twin) == first


def test_it_gives_the_same_in_another_process_time_zone_and_hash_order() -> None:
    here = json.loads(json.dumps(a_busy_day(Twin())))

    assert elsewhere(PYTHONHASHSEED="1", TZ="Pacific/Kiritimati", LC_ALL="C") == here
    assert elsewhere(PYTHONHASHSEED="2", TZ="America/St_Johns", LC_ALL="C.UTF-8") == here


def test_another_seed_gives_another_world() -> None:
    first, second = a_busy_day(Twin()), a_busy_day(Twin(seed="other"))

    assert first["hash"] != second["hash"]
    assert not {id for id, _, _ in first["events"]} & {id for id, _, _ in second["events"]}


def test_the_known_ids_of_the_default_seed(deck: Deck) -> None:
    task, credential = deck.task(), deck.credential()

    runs = [deck.run(task=task, credential=credential)["id"] for _ in range(2)]

    assert runs == ["trun_2rpo3wwVf2T9J5lU", "trun_2tKrkHG1EyFqz0f1"]


def test_a_seeded_id_is_not_given_out_again(deck: Deck, control: Control) -> None:
    first = Derive().next_id("agt")
    control.post("/seed", resource="agents", objects=[{"id": first}])

    assert deck.post("/agents", {"name": "a"})["id"] != first


def test_an_id_made_under_a_key_depends_on_the_key_alone() -> None:
    """Two creates that race for a number would swap their ids; with keys they cannot (rule e.3)."""
    one, two = Twin().deck, Twin().deck
    for deck, order in ((one, "ab"), (two, "ba")):
        for name in order:
            deck.post("/agents", {"name": name}, key=f"agent-{name}")
            deck.post("/agents", {"name": "between"})

    def ids(deck: Deck) -> dict[str, str]:
        return {a["name"]: a["id"] for a in deck.get("/agents")["data"] if a["name"] != "between"}

    assert ids(one) == ids(two)
    assert len(set(ids(one).values())) == 2


@given(order=st.permutations(["agents", "sources", "noise"] * 2))
@settings(max_examples=10, deadline=None)
def test_unrelated_objects_do_not_shift_one_anothers_ids(order: list[str]) -> None:
    """Any interleaving leaves each kind's ids and events the same (rule e.12 e)."""
    deck = Twin().deck
    made: dict[str, list[str]] = {"agents": [], "sources": []}
    for kind in order:
        if kind == "agents":
            made[kind].append(deck.post("/agents", {"name": "a"})["id"])
        elif kind == "sources":
            made[kind].append(deck.source()["id"])
        else:
            deck.call("POST", "/agents", {})
    events = {event["data"]["id"]: event["id"] for event in deck.get("/events")["data"]}

    calm = Twin().deck
    expected = {"agents": [calm.post("/agents", {"name": "a"})["id"] for _ in range(2)]}
    expected["sources"] = [calm.source()["id"] for _ in range(2)]
    assert made == expected
    assert events == {event["data"]["id"]: event["id"] for event in calm.get("/events")["data"]}


def test_ids_are_sixteen_base62_characters() -> None:
    derive = Derive()
    ids = [derive.next_id("agt") for _ in range(500)]

    assert len(set(ids)) == 500
    assert all(len(id) == 20 and id[4:].isalnum() and id.isascii() for id in ids)


def test_a_signing_secret_is_known_beforehand() -> None:
    secret = signing_secret("twa_twin", "https://app.example")

    assert secret == signing_secret("twa_twin", "https://app.example")
    assert secret != signing_secret("twa_other", "https://app.example")
    Webhook(secret)


def test_a_look_at_the_world_does_not_change_it(deck: Deck, control: Control) -> None:
    run = deck.run()
    before = control.get("/state/hash")["sha256"]
    deck.see(run)
    deck.get("/task-runs")
    deck.call("GET", "/agents/agt_none")
    deck.call("POST", "/agents", {})
    control.get("/events")

    assert control.get("/state/hash")["sha256"] == before
    control.advance("1ms")
    assert control.get("/state/hash")["sha256"] != before


FORBIDDEN = {
    "time": {"time", "time_ns", "monotonic", "perf_counter"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "os": {"urandom"},
    "uuid": {"uuid1", "uuid4"},
}
FORBIDDEN_MODULES = {"random", "secrets", "time", "uuid"}


def test_the_check_knows_the_engine() -> None:
    assert {"world.py", "clock.py", "runs.py", "vendor.py", "seeding.py"} <= {path.name for path in ENGINE}


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.name)
def test_the_engine_takes_nothing_from_the_real_world(path: Path) -> None:
    """No real clock, no randomness, no memory addresses and no hash order (rule e.4)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name for alias in node.names} & FORBIDDEN_MODULES, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.module not in FORBIDDEN_MODULES, node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in FORBIDDEN.get(node.value.id, ()), node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            # `id` is often a name of ours, and then it is never called
            assert node.func.id not in ("hash", "id"), node.lineno
