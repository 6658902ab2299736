"""What the support desk of the demo begins with: somebody to sign in as, and a fortnight that never was.

The past is rows of fictional people, written directly, so that the dashboard has something to show; what happens from
now on is real.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select

from ..db import db, now, writing
from ..models import Connection, ConnectSession, Move, Person, Run, Source, Staff, Task, VisitEvent
from ..models.person import hash_password
from ..models.refs import new_ref, new_support_code
from ..support import factors

EMAIL, PASSWORD = "desk@harbourlight.example", "harbour lights at dawn"

Dice = secrets.SystemRandom

DAYS = 14
PEOPLE = 240
VISITS = 1_200
NAMES = (
    *("asa", "birk", "cleo", "dara", "edda", "finn", "gus", "hana", "ivo", "juno", "kai"),
    *("lena", "mika", "nell", "otto", "pia", "rune", "suki", "tove", "uma", "vera", "yul"),
)
HOUSES = ("applecart", "birchpost", "cloudmail", "duskmail", "fernpost", "inkwell", "lampmail", "osprey", "quillpost")
TROUBLES = ("auth_invalid/site", "source_not_available/site", "interaction_timeout/question", "blocked/site")
STEPS = ("OPEN", "SELECT_SOURCE", "SUBMIT_CREDENTIALS", "MFA_REQUIRED", "SUBMIT_MFA", "HANDOFF")


def open_desk() -> list[str]:
    """Somebody who may do everything; their recovery codes, for whoever has no authenticator app at hand."""
    hashed = hash_password(PASSWORD)
    with writing():
        staff = Staff(email=EMAIL, name="Wren", role="admin", password_hash=hashed)
        db.session.add(staff)
        db.session.flush()
        factors.begin(staff)
        return factors.new_recovery_codes(staff)


def remember_a_fortnight() -> None:
    """Visits and runs of the past, busier by day than by night; one site was down three days ago."""
    dice = secrets.SystemRandom()
    task = Task.first()
    sources = list(db.session.scalars(select(Source.id).order_by(Source.popularity.desc(), Source.id)))
    assert task is not None
    people = [{"email": email, "created_at": now()} for email in different_emails(dice)]
    with writing():
        added = insert(Person).returning(Person.id, sort_by_parameter_order=True)
        owners = list(db.session.scalars(added, people))
        visits = [visit(dice, owners, sources, task.id) for _ in range(VISITS)]
        visits.sort(key=lambda v: v["created_at"])
        for v, code in zip(visits, different_codes(VISITS), strict=True):
            v["support_code"] = code
        submitted = [v for v in visits if v["steps"] >= 3]
        connect(submitted)
        shown = insert(ConnectSession).returning(ConnectSession.id, sort_by_parameter_order=True)
        for v, id in zip(visits, db.session.scalars(shown, [columns(ConnectSession, v) for v in visits]), strict=True):
            v["connect_session_id"] = id
        db.session.execute(insert(VisitEvent), [step for v in visits for step in steps_of(v)])
        runs = [run(dice, v) for v in submitted]
        ended = insert(Run).returning(Run.id, sort_by_parameter_order=True)
        ids = db.session.scalars(ended, [columns(Run, r) for r in runs])
        moves = [move for r, id in zip(runs, ids, strict=True) for move in moves_of(r, id)]
        db.session.execute(insert(Move), moves)


def visit(dice: Dice, owners: Sequence[int], sources: Sequence[int], task: int) -> dict[str, Any]:
    """One that began some time in the fortnight; `steps` says how far it came."""
    at = now() - timedelta(days=dice.random() * DAYS)
    while dice.random() > daylight(at):
        at = now() - timedelta(days=dice.random() * DAYS)
    source = sources[min(int(dice.expovariate(0.35)), len(sources) - 1)]
    is_down = source == sources[2] and timedelta(days=2.7) < now() - at < timedelta(days=3.1)
    steps = dice.choices((1, 2, 3, 5, 6), (4, 7, 6 if not is_down else 80, 3, 80))[0]
    return {
        "ref": new_ref(),
        "purpose": "connect",
        "person_id": dice.choice(owners),
        "source_id": source,
        "task_id": task,
        "device": dice.choices(("phone", "computer"), (3, 2))[0],
        "created_at": at,
        "consented_at": at,
        "version": steps,
        "steps": steps,
        "is_down": is_down,
    }


def different_emails(dice: Dice) -> list[str]:
    """Of which support sees two letters each: so that they can be told from each other."""
    return [f"{dice.choice(NAMES)}.{n}@{dice.choice(HOUSES)}.example" for n in range(PEOPLE)]


def different_codes(count: int) -> set[str]:
    """Support codes are short: among so many, drawn blindly, two would be the same one time in ten."""
    codes: set[str] = set()
    while len(codes) < count:
        codes.add(new_support_code())
    return codes


def daylight(moment: datetime) -> float:
    """How busy an hour is, 0 to 1: nights are quiet, and so are weekends."""
    by_hour = max(0.06, 1 - abs(moment.hour - 14) / 9)
    return by_hour * (0.55 if moment.weekday() > 4 else 1)


def connect(visits: Sequence[dict[str, Any]]) -> None:
    """The connections that came of those in which somebody signed in."""
    rows = [
        {
            "ref": new_ref(),
            "person_id": v["person_id"],
            "source_id": v["source_id"],
            "status": "verified" if v["steps"] == 6 else "unverified",
            "status_since": v["created_at"],
            "created_at": v["created_at"],
        }
        for v in visits
    ]
    made = insert(Connection).returning(Connection.id, sort_by_parameter_order=True)
    for v, id in zip(visits, db.session.scalars(made, rows), strict=True):
        v["connection_id"] = id


def steps_of(visit: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for n, name in enumerate(STEPS[: visit["steps"]], 1):
        at = visit["created_at"] + timedelta(seconds=15 * n)
        where = {"connect_session_id": visit["connect_session_id"], "seq": n}
        yield {"ref": new_ref(), "name": name, "details": {}, "at": at, **where}


def run(dice: Dice, visit: dict[str, Any]) -> dict[str, Any]:
    """How the site took it: most of the time well, in its own time, waiting for a code where there was one."""
    went_well, asked = visit["steps"] == 6, visit["steps"] > 3
    began = visit["created_at"] + timedelta(seconds=45)
    own, waited = dice.lognormvariate(2.4, 0.6), round(dice.uniform(8, 60)) if asked else 0
    trouble = "" if went_well else TROUBLES[1] if visit["is_down"] else dice.choices(TROUBLES, (6, 2, 3, 1))[0]
    ended = min(began + timedelta(seconds=own + waited), now())
    return {
        **{name: visit[name] for name in ("connect_session_id", "connection_id", "source_id", "task_id")},
        "ref": new_ref(),
        "status": "completed" if went_well else "failed",
        "result": "success" if went_well else "failure",
        "errors": [] if went_well else [{"type": "task", "code": trouble.partition("/")[0]}],
        "files": [],
        "created_at": began,
        "ended_at": ended,
        "as_of": ended,
        "looked_at": ended,
        "questions": int(asked),
        "waited": waited,
        "trouble": trouble,
    }


def moves_of(run: dict[str, Any], id: int) -> Iterator[dict[str, Any]]:
    third = (run["ended_at"] - run["created_at"]) / 3
    for n, (was, became) in enumerate((("new", "queued"), ("queued", "running"), ("running", run["status"])), 1):
        at = run["created_at"] + n * third
        yield {"run_id": id, "was": was, "became": became, "at": at, "noticed_at": at}


def columns(model: Any, row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name in model.__table__.columns}
