"""What must be true however often we died: the promises of the reliability table, read from the outside.

Our rows are read with plain SQL, Deck's objects from the twin; nothing here believes the product.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, inspect, select
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from tests.crash.acts import Goal
from tests.crash.stories import WORD
from tests.crash.town import Town, objects, rows
from tests.deck.once import CARD, CODE, PASSWORD
from tests.support.entering import PASSWORD as STAFF_WORD
from webapp.models import AuditEntry
from webapp.models.audit_entry import BEGINNING
from webapp.sync import WANTED_EVENTS


def always(town: Town) -> None:
    """At any moment, also in the minute of death: nothing acknowledged is lost, nothing is done twice or kept."""
    known = {row["deck_id"] for row in rows(town.database, "SELECT deck_id FROM event")}
    lost = [event for event in town.acknowledged if event not in known]
    assert not lost, f"acknowledged, and not in the inbox: {lost}"

    stays = rows(town.database, "SELECT id FROM person WHERE closing_at IS NULL")
    if stays:  # of somebody who leaves no row is kept that could tell
        one_object_for_each_intent(town)
    assert_nothing_secret_is_kept(town.database, town.folder, town.member.seed)
    done = the_record(town.database)
    if town.agent.has_come:  # and so nobody else does any of these
        for act, query in LEAVES.items():
            left = rows(town.database, query)
            assert len(left) == done[act], f"{act}: {done[act]} times on record, and it left {left}"


def the_record(database: str) -> Counter[str]:
    """How often each act is in the audit log, whose entries seal each the one before."""
    with Session(create_engine(database, poolclass=NullPool)) as session:
        before, done = BEGINNING, Counter[str]()
        for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id)):
            assert (entry.previous, entry.digest) == (before, entry.sealed()), f"the chain is broken at {entry.act}"
            before = entry.digest
            done[entry.act] += 1
    return done


LEAVES = {
    "run_again": "SELECT ref FROM connect_session WHERE purpose = 'refresh' AND id IN (SELECT connect_session_id FROM run)",
    "cancel": "SELECT id FROM intent WHERE kind = 'run.cancel'",
    "disconnect": "SELECT id FROM intent WHERE kind = 'credential.delete'",
    "note": "SELECT id FROM staff_note",
    "token_issue": "SELECT id FROM staff_token",
    "token_revoke": "SELECT id FROM staff_token WHERE revoked_at IS NOT NULL",
}
"""What of each act is there for good, where only staff does such things."""


def one_object_for_each_intent(town: Town) -> None:
    keys = {row["key"] for row in rows(town.database, "SELECT key FROM intent")}
    made = defaultdict(set)
    for call, key, id in town.made:
        made[key].add(id)
        ours = key.removesuffix("-forget")
        assert ours in keys or key.startswith("gangway-sync-"), f"{call} was made with a key that no row knows"
    assert all(len(ids) == 1 for ids in made.values()), f"one intent, several objects: {dict(made)}"


def in_the_end(town: Town, goal: Goal) -> None:
    """Once everything has come to rest: we and Deck agree, and there is one of everything."""
    always(town)
    live = {c["id"] for c in objects(town, "credentials") if c["status"] != "deleted"}
    ours = rows(town.database, "SELECT deck_id, status FROM connection WHERE status NOT IN ('new', 'deleted')")
    assert {row["deck_id"] for row in ours} == live, f"orphans: we have {ours}, Deck has {live}"
    assert len(live) == goal.live, f"{len(live)} sign-ins at Deck instead of {goal.live}"

    at_deck = {run["id"]: run["status"] for run in objects(town, "task_runs")}
    runs = rows(town.database, "SELECT deck_id, status FROM run")
    if goal.forgotten:
        assert not runs + rows(town.database, "SELECT id FROM person"), "somebody is not forgotten"
    else:
        assert {row["deck_id"]: row["status"] for row in runs} == at_deck, "runs: what we say is not what Deck says"
    assert len(at_deck) == goal.runs, f"{len(at_deck)} runs instead of {goal.runs}"

    missing = missing_events(town)
    assert not missing, f"events are missing: {missing}"
    assert not unfinished(town.database)
    assert all(d["status"] == "active" for d in objects(town, "event_destinations")), "Deck does not tell us any more"


def missing_events(town: Town) -> list[str]:
    """Types of what happened at Deck and never came here."""
    known = {row["deck_id"] for row in rows(town.database, "SELECT deck_id FROM event")}
    wanted = (event for event in objects(town, "events") if event["type"] in WANTED_EVENTS)
    return [event["type"] for event in wanted if event["id"] not in known]


def left_behind(town: Town) -> dict[str, Counter[Any]]:
    """The shape of everything that outlives us: every row and every object at Deck, without ids, keys and times."""
    found: dict[str, Counter[Any]] = {}
    for table in inspect(create_engine(town.database, poolclass=NullPool)).get_table_names():
        shapes = ({n: shape(n, v) for n, v in row.items()} for row in rows(town.database, f'SELECT * FROM "{table}"'))
        found[table] = Counter(tuple(sorted(one.items())) for one in shapes)
    for kind in ("credentials", "task_runs", "events", "event_deliveries", "event_destinations"):
        found[f"Deck's {kind}"] = Counter((item.get("status"), item.get("type")) for item in objects(town, kind))
    return found


def shape(name: str, value: object) -> str:
    if name == "state" and (isinstance(value, dict) or str(value).startswith("{")):
        return json.dumps(timeless(value if isinstance(value, dict) else json.loads(str(value))), sort_keys=True)
    telling = name in TELLING or (isinstance(value, int | None) and name not in MEASURED)
    return str(value) if telling else type(value).__name__


def timeless(value: Any) -> Any:
    """The same without its times: what a chore remembers has some."""
    if isinstance(value, dict):
        return {name: timeless(one) for name, one in value.items()}
    if isinstance(value, list):
        return [timeless(one) for one in value]
    with suppress(TypeError, ValueError):
        return f"a moment of {datetime.fromisoformat(value).tzinfo}"
    return value


MEASURED = {"waited", "milliseconds", "last_step"}
"""Numbers that are times: a busy machine takes longer."""

TELLING = {"status", "state", "kind", "result", "type", "parked", "purpose", "error", "name", "problem", "became"}


def unfinished(database: str) -> list[str]:
    """What waits for somebody, in words."""
    return [what for what, query in UNFINISHED.items() if rows(database, query)]


UNFINISHED = {
    "somebody who waits to be forgotten": "SELECT id FROM person WHERE closing_at IS NOT NULL",
    "an event nobody acted on": "SELECT * FROM event WHERE handled_at IS NULL",
    "a write nobody finished": "SELECT * FROM intent WHERE state = 'pending'",
    "a run that is due for ever": "SELECT * FROM run WHERE due_at IS NOT NULL",
    "a chore that is stuck": "SELECT * FROM chore WHERE lease_until IS NOT NULL OR problem LIKE '%failed%'",
    "a prompt that is being answered for ever": "SELECT * FROM prompt WHERE state = 'answering'",
}


def assert_nothing_secret_is_kept(database: str, folder: Path, *more: str) -> None:
    """Not in the database, its log, what it has forgotten but not overwritten, nor in what was logged."""
    if database.startswith("sqlite"):
        path = Path(database.removeprefix("sqlite:///"))
        kept = b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    else:
        tables = inspect(create_engine(database, poolclass=NullPool)).get_table_names()
        kept = repr([rows(database, f'SELECT t::text FROM "{table}" t') for table in tables]).encode()
    log = folder / "gangway.log"
    kept += log.read_bytes() if log.exists() else b""
    for secret in (PASSWORD, CODE, CARD, WORD, STAFF_WORD, *more):
        assert secret.encode() not in kept, f"{secret} is kept"
