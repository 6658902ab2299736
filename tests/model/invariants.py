"""What must hold after every step, whatever happened; and what must hold when the dust has settled.

Each violation is an `AssertionError` that begins with the name of the promise that is broken.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from datetime import UTC, datetime
from typing import Any

from tests.model.stage import CANARY, Scene
from tests.model.truth import OVER, Truth

RUNS = """
    SELECT run.id, run.deck_id, run.status, run.result, run.as_of, run.errors, run.version,
           run.sealed_output IS NOT NULL AS has_output, connection.deck_id AS credential, connection.person_id,
           connect_session.person_id AS visitor
    FROM run JOIN connection ON connection.id = run.connection_id
    JOIN connect_session ON connect_session.id = run.connect_session_id"""

PROMPTS = "SELECT run_id, ref, as_of FROM prompt ORDER BY run_id, ordinal"
INTENTS = "SELECT intent.*, connection.person_id FROM intent JOIN connection ON connection.id = intent.connection_id"
ASKING = """
    SELECT connect_session.ref, person.email, run.deck_id FROM run
    JOIN connect_session ON connect_session.id = run.connect_session_id
    JOIN person ON person.id = connect_session.person_id WHERE run.status = 'interaction_required' ORDER BY run.id DESC"""
CONNECTIONS = """
    SELECT connection.*, person.email FROM connection JOIN person ON person.id = connection.person_id"""


class Invariants:
    """Watches one example from its beginning."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.truth = scene, Truth(scene.world)
        self.db = sqlite3.connect(scene.database)
        self.db.row_factory = sqlite3.Row
        self.shown: dict[int, sqlite3.Row] = {}
        """Each run as it was shown last."""
        self.handled: dict[int, str] = {}
        self.lines_read = 0
        self.answers_checked = 0
        self.prompts: dict[str, tuple[int, str]] = {}
        """By ref: the run and the moment it was asked."""
        self.event_of: dict[int, str] = {}
        self._version = -1

    def close(self) -> None:
        self.db.close()

    def rows(self, query: str, *given: object) -> list[sqlite3.Row]:
        return self.db.execute(query, given).fetchall()

    def refs(self, table: str, who: str) -> list[str]:
        """Which rows of *table* are theirs."""
        query = f"SELECT ref FROM {table} JOIN person ON person.id = person_id WHERE email = ? ORDER BY {table}.id"
        return [row["ref"] for row in self.rows(query, f"{who}@sample.example")]

    def source_of(self, visit: str) -> str:
        """What its sign-in form names; "" while none is picked."""
        query = "SELECT slug FROM source JOIN connect_session ON source_id = source.id WHERE connect_session.ref = ?"
        return "".join(row["slug"] for row in self.rows(query, visit))

    def visits_that_ask(self) -> list[tuple[str, str, str]]:
        """Who would see a question, in which visit, and which run of Deck's asks it."""
        return [(row["email"].partition("@")[0], row["ref"], row["deck_id"]) for row in self.rows(ASKING)]

    def visits_begun(self) -> set[str]:
        """In which somebody has signed in at a source, or left."""
        query = "SELECT ref FROM connect_session WHERE connection_id IS NOT NULL OR ended_at IS NOT NULL"
        return {row["ref"] for row in self.rows(query)}

    # --- after every step ----------------------------------------------------------------------------------

    def hold(self) -> None:
        self.truth.read()
        self.nothing_secret_is_logged()
        version = self.db.execute("PRAGMA data_version").fetchone()[0]
        if version != self._version:
            self._version = version
            self.nothing_secret_is_kept()
            self.events_are_kept_and_acted_on_once()
            self.runs_are_what_deck_says()
        self.each_write_is_done_once()
        self.answers_reach_their_question()

    def nothing_secret_is_logged(self) -> None:
        fresh = self.scene.log.lines[self.lines_read :]
        self.lines_read += len(fresh)
        assert not any(CANARY in line for line in fresh), f"I6 a secret is in the log: {fresh}"

    def nothing_secret_is_kept(self) -> None:
        secret = CANARY.encode()
        for path in self.scene.database.parent.glob(f"{self.scene.database.name}*"):
            assert secret not in path.read_bytes(), f"I6 a secret is in {path.name}"

    def events_are_kept_and_acted_on_once(self) -> None:
        for row in self.rows("SELECT id, body, handled_at FROM event WHERE id > ?", max(self.event_of, default=0)):
            self.event_of[row["id"]] = json.loads(row["body"])["id"]
        known = Counter(self.event_of.values())
        twice = [id for id, times in known.items() if times > 1]
        assert not twice, f"I2 an event is there more than once: {twice}"
        lost = self.scene.acknowledged - set(known)
        assert not lost, f"I1 an event was acknowledged and is not there: {lost}"
        for row in self.rows("SELECT id, handled_at FROM event WHERE handled_at IS NOT NULL"):
            before = self.handled.setdefault(row["id"], row["handled_at"])
            assert before == row["handled_at"], f"I2 event {self.event_of[row['id']]} was acted on a second time"

    def runs_are_what_deck_says(self) -> None:
        asked: dict[int, str] = {}
        for prompt in self.rows(PROMPTS):
            asked[prompt["run_id"]] = prompt["as_of"]
            self.prompts[prompt["ref"]] = (prompt["run_id"], prompt["as_of"])
        for run in self.rows(RUNS):
            before = self.shown.get(run["id"])
            self.shown[run["id"]] = run
            what = f"run {run['id']} ({run['deck_id']}): {run['status']} as of {run['as_of']}"
            assert run["person_id"] == run["visitor"], f"I7 {what} belongs to two people"
            if before is not None:
                never_back(before, run, what)
            if run["deck_id"] is None:
                assert run["status"] in ("new", "failed"), f"I3 {what}: Deck never had it"
            else:
                self._as_at_deck(run, what)
            if run["status"] == "interaction_required":
                assert asked.get(run["id"]) == run["as_of"], f"I8 {what}, but it asks nothing, or what it asked before"

    def _as_at_deck(self, run: sqlite3.Row, what: str) -> None:
        truth = self.truth.runs.get(run["deck_id"])
        assert truth is not None, f"I3 {what}: Deck does not know it"
        assert truth["credential_id"] == run["credential"], f"I7 {what} works with another sign-in"
        if "task_result_unknown" in codes(run) and run["result"] == "unknown" and truth["status"] not in OVER:
            raise AssertionError(f"I3 {what}: given up while Deck has it as {truth['status']}")
        if run["as_of"] is not None:
            then = self.truth.status_at(run["deck_id"], moment(run["as_of"]))
            assert run["status"] == then, f"I3 {what}, but then it was {then}"
        if run["status"] in OVER:
            assert run["status"] == truth["status"], f"I3 {what}: Deck says {truth['status']}"
            assert run["result"] == truth["result"], f"I3 {what}: {run['result']}, Deck says {truth['result']}"
            assert codes(run) == [e["code"] for e in truth["errors"]], f"I3 {what}: other reasons than Deck's"
            has_output = truth["output"] is not None
            assert bool(run["has_output"]) == has_output, f"I3 {what}: what it brought is missing"

    def each_write_is_done_once(self) -> None:
        truth, made = self.truth, self.scene.wire.made
        if not made:
            return
        intents = {row["key"]: row for row in self.rows(INTENTS)}
        owner = {row["id"]: row for row in self.rows(CONNECTIONS)}
        for key, ids in made.items():
            assert len(ids) == 1, f"I4 one intent made {sorted(ids)}"
            (id,) = ids
            intent = intents.get(key)
            assert intent is not None, f"I4 nothing is written down about {id}, which was made with the key {key}"
            if id in truth.credentials:
                email = owner[intent["connection_id"]]["email"]
                username = truth.credentials[id]["auth_credentials"]["username"]
                assert username == username_of(email.partition("@")[0]), f"I7 {id} is somebody else's"
            elif intent["state"] == "refused":
                raise AssertionError(f"I4 {id} was made, and we say that it was refused")

    def answers_reach_their_question(self) -> None:
        fresh = self.scene.wire.accepted[self.answers_checked :]
        self.answers_checked += len(fresh)
        for answer in fresh:
            assert answer.tab is not None, f"I8 {answer.run} was answered by nobody"
            run, asked_at = self.prompts[answer.tab.prompt]  # type: ignore[attr-defined]
            assert self.shown[run]["deck_id"] == answer.run, f"I8 the answer was for another run than {answer.run}"
            same = moment(asked_at) == datetime.fromisoformat(answer.asked_at)
            assert same, f"I8 {answer.run} took at its question of {answer.asked_at} what was typed for {asked_at}"

    # --- in the end ----------------------------------------------------------------------------------------

    def is_settled(self) -> bool:
        """Whether there is nothing left to do."""
        waiting = """
            SELECT (SELECT count(*) FROM intent WHERE state = 'pending')
                 + (SELECT count(*) FROM run WHERE status NOT IN ('completed', 'failed', 'canceled'))
                 + (SELECT count(*) FROM connection WHERE due_at IS NOT NULL AND deck_id IS NOT NULL)
                 + (SELECT count(*) FROM event WHERE handled_at IS NULL)"""
        at_deck = all(run["status"] in OVER for run in self.truth.runs.values())
        return at_deck and not self.db.execute(waiting).fetchone()[0]

    def all_is_well(self) -> None:
        """App and twin agree about everything, and nothing is left over anywhere."""
        self.hold()
        runs, truth = {row["deck_id"]: row for row in self.rows(RUNS)}, self.truth
        pending = [
            f"{i['kind']} of connection {i['connection_id']}" for i in self.rows(INTENTS) if i["state"] == "pending"
        ]
        assert not pending, f"I9 left undone: {pending}"
        unread = [self.event_of[e["id"]] for e in self.rows("SELECT id FROM event WHERE handled_at IS NULL")]
        assert not unread, f"I9 never read: {unread}"
        stuck = [f"run {r['id']} {r['status']}" for r in runs.values() if r["status"] not in OVER]
        assert not stuck, f"I5 not over, although Deck is done: {stuck}"
        unknown = set(truth.runs) - set(runs)
        assert not unknown, f"I4 runs at Deck that we know nothing of: {unknown}"
        statuses = [d["status"] for d in self.scene.world.stores["event_destinations"].values()]
        assert statuses == ["active"], f"I9 our destination: {statuses}"
        self._connections_agree()
        self._outputs_agree()

    def _connections_agree(self) -> None:
        ours: dict[str, Any] = {}
        for row in self.rows(CONNECTIONS):
            if row["deck_id"] is not None:
                ours[row["deck_id"]] = row
            else:
                assert row["status"] in ("new", "deleted"), f"I3 connection {row['id']} is {row['status']} without Deck"
        for id, credential in self.truth.credentials.items():
            row = ours.pop(id, None)
            if row is None:
                assert credential["status"] == "deleted", f"I4 nobody knows of the sign-in {id} any more"
                continue
            assert row["status"] == credential["status"], f"I3 {id}: {row['status']}, Deck says {credential['status']}"
            email = row["email"].partition("@")[0]
            assert credential["auth_credentials"]["username"] == username_of(email), f"I7 {id} is somebody else's"
        assert not ours, f"I3 Deck has no sign-ins {sorted(ours)}"

    def _outputs_agree(self) -> None:
        from webapp.models import Run
        from webapp.models.run import output_of

        assert self.scene.app is not None
        with self.scene.app.app_context():
            vault = self.scene.app.extensions["gangway"].vault
            for run in Run.known_as([id for id, run in self.truth.runs.items() if run["output"] is not None]):
                brought = output_of(run, vault)
                assert brought == self.truth.run(str(run.deck_id))["output"], f"I3 {run.deck_id} brought something else"


def never_back(before: sqlite3.Row, now: sqlite3.Row, what: str) -> None:
    was = f"{before['status']} as of {before['as_of']}"
    if before["status"] in OVER:
        same = (before["status"], before["result"]) == (now["status"], now["result"])
        assert same, f"I3 {what}, after it was over as {was}"
    if before["as_of"] is not None:
        assert now["as_of"] is not None and before["as_of"] <= now["as_of"], f"I3 {what}, after {was}"
    assert before["version"] <= now["version"], f"I3 {what}: an older version than {before['version']}"


def codes(run: sqlite3.Row) -> list[str]:
    return [error["code"] for error in json.loads(run["errors"])]


def moment(text: str) -> datetime:
    """A moment as SQLite has it."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def username_of(who: str) -> str:
    """What somebody is called at every source."""
    return f"{CANARY}-{who}"
