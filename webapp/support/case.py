"""One connection as support sees it: where it stands and why, in plain data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import joinedload, selectinload

from ..db import db
from ..deck.reading import one_line
from ..guard import caution
from ..logs import build
from ..models import Connection, ConnectSession, Intent, Person, Run
from ..models.intent import SIGN_IN_KINDS
from ..models.staff import reaches
from ..public_ids import public_id
from ..stamps import stamp
from . import timeline
from .acts import ACTS
from .endings import is_unsure, is_wrong_code
from .stages import clock_of, stages_of
from .words import CONNECTION_WORDS, RUN_WORDS, TONES, Case, asks, lasting, standing, who_of

SHOWN = 20
LONGEST_NAME = 80

OFFERED = (
    ("run_again", "Run again"),
    ("look_again", "Look again at Deck"),
    ("reconnect_link", "Reconnect link"),
    ("disconnect", "Disconnect"),
)
"""What may be done to a connection that is there."""


@dataclass(frozen=True)
class RunLine:
    """A run as one line of a table."""

    id: str
    href: str
    status: str
    tone: str
    trouble: str
    began: datetime
    person: str
    source: str


@dataclass(frozen=True)
class Act:
    words: str
    href: str


def connection_by_ref(ref: str) -> Connection | None:
    query = select(Connection).filter_by(ref=ref).options(joinedload(Connection.source))
    return db.session.scalar(query.options(joinedload(Connection.person).joinedload(Person.host)))


def known_of(connection: Connection, *, role: str, before: str = "") -> dict[str, Any]:
    """Everything its page shows to somebody of this *role*, in a fixed number of queries."""
    runs = newest_runs(connection)
    latest = runs[0] if runs else None
    intents = newest_intents(connection)
    visits = ConnectSession.about(connection)
    stages = stages_of(latest) if latest else []
    who, host = who_of(connection.person)
    return {
        "id": public_id("conn", connection.ref),
        "ref": connection.ref,
        "who": who,
        "host": host,
        "person_href": url_for("support.person", id=connection.person_id),
        "source": connection.source.name,
        "source_href": url_for("support.source", slug=connection.source.slug),
        "status": status_of(connection, latest),
        "tone": TONES.get(connection.status, ""),
        "since": connection.status_since,
        "code": visits[0].support_code if visits else "",
        "visit_href": url_for("support.visit", ref=visits[0].ref) if visits else "",
        "standing": standing(case_of(connection, latest, intents)),
        "clock": clock_of(stages) if stages else None,
        "stages": stages,
        "acts": acts(connection, latest, role),
        "runs": [run_line(run) for run in runs],
        "files": [one_line(file["name"], longest=LONGEST_NAME) for run in runs for file in run.files][:SHOWN],
        "timeline": timeline.of_connection(connection, before),
        "for_engineers": for_engineers(connection, runs[:3], intents[:8], visits),
    }


def newest_runs(connection: Connection) -> list[Run]:
    query = select(Run).filter_by(connection_id=connection.id).order_by(Run.id.desc()).limit(SHOWN)
    return list(db.session.scalars(query.options(selectinload(Run.moves), selectinload(Run.prompts))))


def newest_intents(connection: Connection) -> list[Intent]:
    query = select(Intent).filter_by(connection_id=connection.id).order_by(Intent.id.desc()).limit(SHOWN)
    return list(db.session.scalars(query))


def case_of(connection: Connection, run: Run | None, intents: list[Intent]) -> Case:
    """What the summary in `words.py` depends on."""
    pending = next((intent for intent in intents if intent.state == "pending"), None)
    signing_in = pending if pending is not None and pending.kind in SIGN_IN_KINDS else None
    careful = caution(connection.person_id, connection.source_id)
    good = select(Run.ended_at).filter_by(connection_id=connection.id, status="completed")
    last_good = db.session.scalar(good.order_by(Run.id.desc()).limit(1))
    case = Case(
        source=connection.source.name,
        status=connection.status,
        since=connection.status_since,
        handing_over_since=signing_in.created_at if signing_in else None,
        tries=pending.attempts if pending else 0,
        rejections=careful.rejections,
        paused_until=careful.paused_until,
        last_good=last_good,
        is_closing=connection.person.closing_at is not None,
    )
    if run is None:
        return case
    prompt = run.prompt
    return replace(
        case,
        run=run.status,
        run_since=run.ended_at or (run.moves[-1].noticed_at if run.moves else run.created_at),
        codes=frozenset(run.codes),
        is_taken=run.deck_id is not None,
        is_unknown=is_unsure(run),
        is_stopping=run.is_stopping,
        asks=asks(prompt) if prompt else "",
        prompt=prompt.state if prompt else "",
        prompt_since=(prompt.answered_at or prompt.asked_at) if prompt else None,
        is_again=prompt.is_again if prompt else False,
    )


def status_of(connection: Connection, latest: Run | None) -> str:
    """Deck calls a sign-in invalid, too, when all that was wrong is a code."""
    if connection.status == "invalid" and is_wrong_code(latest):
        return "Code not accepted"
    return CONNECTION_WORDS.get(connection.status, connection.status)


def acts(connection: Connection, latest: Run | None, role: str) -> list[Act]:
    """What could be done now by this *role*; each leads to a page that says what it will do and asks why.

    Running it again comes last when it may have worked already.
    """
    is_running = latest is not None and not latest.is_over
    found = []
    if latest is not None and is_running and reaches(role, ACTS["cancel"].role):
        found.append(Act("Cancel the run", url_for("support.act", act="cancel", ref=latest.ref)))
    offered = sorted(OFFERED, key=lambda offer: offer[0] == "run_again") if is_unsure(latest) else OFFERED
    for act, words in offered if connection.is_live else ():
        if reaches(role, ACTS[act].role) and not (is_running and act == "run_again"):
            found.append(Act(words, url_for("support.act", act=act, ref=connection.ref)))
    return found


def run_line(run: Run) -> RunLine:
    """Its own time is what was not spent waiting for the person."""
    total = (run.ended_at - run.created_at).total_seconds() if run.ended_at else None
    return RunLine(
        id=public_id("run", run.ref),
        href=url_for("support.run", ref=run.ref),
        status=RUN_WORDS.get(run.status, run.status),
        tone=TONES.get(run.status, ""),
        trouble=run.trouble,
        began=run.created_at,
        person=lasting(run.waited) if run.ended_at else "",
        source=lasting(total - run.waited) if total is not None else "",
    )


def for_engineers(connection: Connection, runs: list[Run], intents: list[Intent], visits: list[ConnectSession]) -> str:
    """Ids, codes, stages, versions and times in one block of text; nothing of it is a secret or says who it is."""
    lines = [
        f"gangway {build()}",
        f"connection {public_id('conn', connection.ref)} {connection.status} since {stamp(connection.status_since)}",
        f"credential {connection.deck_id or 'none'}",
        f"source {connection.source.slug} {connection.source.deck_id or 'none'} health {connection.source.health}",
    ]
    lines += [
        f"visit {public_id('visit', visit.ref)} {visit.support_code} {visit.purpose} "
        f"{visit.device or 'device unknown'} began {stamp(visit.created_at)} ended {stamp(visit.ended_at)} "
        f"version {visit.version} consent {visit.consent_version}"
        for visit in visits
    ]
    for run in runs:
        lines.append(
            f"run {public_id('run', run.ref)} {run.deck_id or 'not at Deck'} {run.status} {run.result} {run.trouble} "
            f"began {stamp(run.created_at)} ended {stamp(run.ended_at)} as of {stamp(run.as_of)} "
            f"looked {stamp(run.looked_at)} version {run.version} codes {','.join(sorted(run.codes)) or 'none'}"
        )
        lines += [
            f"  {move.was} -> {move.became} {stamp(move.at)} noticed {stamp(move.noticed_at)}" for move in run.moves
        ]
        lines += [f"  question {p.ordinal} {one_line(p.type)} {p.state} {stamp(p.asked_at)}" for p in run.prompts]
    lines += [
        f"write {intent.kind} {intent.state} attempts {intent.attempts} error {intent.error or 'none'} "
        f"request {intent.request_id or 'none'} key {intent.key} {stamp(intent.created_at)}"
        for intent in intents
    ]
    return "\n".join(" ".join(line.split()) if not line.startswith("  ") else line for line in lines)
