"""The client and the twin understand each other: every call, over real HTTP, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from webapp.deck import DeckClient, DeckDown, DeckRefused, NotFound, StorageItem
from webapp.deck.objects import Task
from webapp.twin.control import move
from webapp.twin.server import create_twin
from webapp.twin.world import World

SIGN_IN = {"username": "robin", "password": "pw", "source_fields": {"company": "7"}}


class Scene:
    """A twin with one site, and a client that talks to it."""

    def __init__(self) -> None:
        self.world = World()
        self.client = self.with_key(self.world.api_key)
        self.source = self.client.create_source(name="Bank", url="https://bank.example/", key="s")
        agent = self.client.create_agent(name="Ours", key="a")
        fields = {"name": "Read", "agent_id": agent.id, "prompt": "Read.", "storage": {"enabled": True}}
        self.task = self.client.create_task(fields, key="t")
        self.world.sites.put({"host": "bank.example", "people": [{"username": "robin", "password": "pw", **PERSON}]})

    def with_key(self, key: str) -> DeckClient:
        transport = httpx.WSGITransport(app=create_twin(self.world))
        return DeckClient(api_key=key, base_url="http://twin.localhost/v2", transport=transport)

    def goes_on(self, until: str) -> None:
        move(self.world, dict, self.world.clock.now + timedelta(hours=1), lambda e: e["type"] == until)


PERSON = {
    "source_fields": {"company": "7"},
    "output": {"balance": 12.5},
    "files": [{"file_name": "a.txt", "file_type": "text/plain", "content": "hello"}],
    "asks": [{"type": "mfa", "message": "Code?", "fields": [{"name": "code", "type": "string", "label": "Code"}]}],
}


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_the_whole_life_of_a_connection(scene: Scene) -> None:
    deck, source_id = scene.client, scene.source.id
    credential = deck.create_credential(source_id=source_id, external_id="e1", key="c", **SIGN_IN)
    assert (credential.status, credential.username) == ("unverified", "robin")
    assert deck.find_credential(source_id=source_id, external_id="e1") == credential
    assert deck.find_credential(source_id=source_id, external_id="e2") is None

    run = deck.run_task(scene.task.id, credential_id=credential.id, input=None, key="r")
    scene.goes_on("task_run.interaction_required")
    asking = deck.get_run(run.id)
    assert asking.status == "interaction_required" and asking.as_of > run.as_of
    assert asking.interaction is not None and [f.name for f in asking.interaction.fields] == ["code"]

    assert deck.answer(run.id, {"code": "1"}, key="i").status == "running"
    scene.goes_on("task_run.completed")
    done = deck.get_run(run.id)
    assert (done.status, done.result, done.output) == ("completed", "success", {"balance": 12.5})
    (file,) = done.storage
    assert deck.download(deck.get_file(file.id)) == b"hello"

    deck.update_credential(credential.id, key="u", **SIGN_IN)
    deck.delete_credential(credential.id, key="d")
    assert deck.get_credential(credential.id).status == "deleted"


@pytest.mark.parametrize("write", ["credential", "run", "cancel", "answer", "delete"])
def test_the_same_key_does_it_once(scene: Scene, write: str) -> None:
    deck = scene.client
    credential = deck.create_credential(source_id=scene.source.id, external_id="e", key="c", **SIGN_IN)
    run = deck.run_task(scene.task.id, credential_id=credential.id, input=None, key="r")
    scene.goes_on("task_run.interaction_required")
    again: dict[str, Callable[[], object]] = {
        "credential": lambda: deck.create_credential(source_id=scene.source.id, external_id="e", key="c", **SIGN_IN),
        "run": lambda: deck.run_task(scene.task.id, credential_id=credential.id, input=None, key="r"),
        "cancel": lambda: deck.cancel_run(run.id, key="x"),
        "answer": lambda: deck.answer(run.id, {"code": "1"}, key="i"),
        "delete": lambda: deck.delete_credential(credential.id, key="d"),
    }
    first = again[write]()
    happened = len(scene.world.stores["events"])
    assert again[write]() == first
    assert len(scene.world.stores["events"]) == happened
    assert len(scene.world.stores["credentials"]) == len(scene.world.stores["task_runs"]) == 1


def test_the_twin_refuses_as_deck_does(scene: Scene) -> None:
    deck = scene.client
    with pytest.raises(DeckRefused) as caught:
        scene.with_key("sk_live_wrong").test()
    assert (caught.value.status, caught.value.code) == (401, "api_key_invalid")
    with pytest.raises(NotFound) as caught:
        deck.get_run("trun_0000000000000000")
    assert (caught.value.status, caught.value.code) == (404, "task_run_not_found")
    with pytest.raises(DeckRefused) as caught:
        deck.create_credential(
            source_id=scene.source.id, external_id="e", key="c", username="", password="", source_fields={}
        )
    assert set(caught.value.fields) == {"auth_credentials.username", "auth_credentials.password"}
    deck.create_agent(name="One", key="k")
    with pytest.raises(DeckRefused) as caught:
        deck.create_agent(name="Two", key="k")
    assert (caught.value.status, caught.value.code) == (409, "idempotency_error")


def test_long_lists_come_whole(scene: Scene) -> None:
    for i in range(130):
        scene.client.create_source(name=f"S{i}", url=f"https://s{i}.example/", key=f"s{i}")
    names = [source.name for source in scene.client.sources()]
    assert len(names) == len(set(names)) == 131


def test_tasks_sources_and_destinations_can_be_changed(scene: Scene) -> None:
    deck = scene.client
    assert deck.update_source(scene.source.id, name="B2", url="https://b2.example/", key="1").name == "B2"
    deck.update_task(scene.task.id, {"prompt": "Read more."}, key="2")
    assert [task.prompt for task in deck.tasks() if isinstance(task, Task)] == ["Read more."]
    secret = "whsec_" + "A" * 32
    made = deck.create_destination(
        name="D", url="https://us.example/a", secret=secret, events=["task_run.queued"], key="3"
    )
    deck.update_destination(made.id, url="https://us.example/b", secret=secret, events=["task_run.running"], key="4")
    assert [(d.id, d.url, d.status) for d in deck.destinations()] == [(made.id, "https://us.example/b", "active")]
    assert [agent.name for agent in deck.agents()] == ["Ours"]


def test_events_can_be_read_back(scene: Scene) -> None:
    deck = scene.client
    everything = list(deck.events(created_after=datetime(2000, 1, 1, tzinfo=UTC)))
    assert {event["type"] for event in everything} == {"source.created", "agent.created", "task.created"}
    assert list(deck.events(created_after=datetime(2999, 1, 1, tzinfo=UTC))) == []


def test_a_link_that_ran_out(scene: Scene) -> None:
    with pytest.raises(DeckDown, match="404"):
        scene.client.download(StorageItem("stor_1", "a", "", 0, "http://twin.localhost/files/stor_1?expires=1"))
