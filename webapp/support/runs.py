"""Runs: the list, and one run stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import abort, request, url_for
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload, selectinload

from ..db import db
from ..deck.reading import one_line
from ..models import Connection, Person, Run, Source
from ..public_ids import public_id
from . import timeline
from .case import LONGEST_NAME, SHOWN, Act, run_line
from .connections import source_options
from .gate import me
from .lists import Cell, Filter, Listing, listing
from .pages import page
from .stages import clock_of, stages_of
from .words import RUN_WORDS, TONES, who_of

STAGES = ("start", "queue", "site", "question", "answer")
"""Where a run can have failed: the second half of `Run.trouble`."""


# --- the list --------------------------------------------------------------------------------------------------


def rows() -> Any:
    return select(Run).options(joinedload(Run.source))


def row(run: Run) -> Sequence[Cell]:
    line = run_line(run)
    return [
        Cell(line.id, "code", href=line.href),
        Cell(run.source.name),
        Cell(line.status, "status", tone=line.tone),
        Cell(run.trouble, "code") if run.trouble else Cell(None),
        Cell(line.began, "time"),
        Cell(line.source or None, "number"),
        Cell(line.person or None, "number"),
    ]


def at_source(slug: str) -> ColumnElement[bool] | None:
    id = db.session.scalar(select(Source.id).filter_by(slug=slug))
    return Run.source_id == id if id is not None else None


def with_trouble(code: str) -> ColumnElement[bool]:
    """An error's code, with or without the stage it came at."""
    return Run.trouble == code if "/" in code else Run.trouble.in_([f"{code}/{stage}" for stage in STAGES])


listing(
    Listing(
        name="runs",
        title="Runs",
        columns=("Run", "Source", "State", "Trouble", "Began", "The source took", "The person took"),
        query=rows,
        key=Run.id,
        row=row,
        filters=(
            Filter("status", "State", lambda value: Run.status == value, options=lambda: list(RUN_WORDS.items())),
            Filter("source", "Source", at_source, options=source_options),
            Filter("trouble", "Trouble (error code)", with_trouble),
        ),
        empty="Every reading at a source is a run. The first one begins when somebody has signed in there.",
    )
)


# --- one run ---------------------------------------------------------------------------------------------------


@page("/runs/<ref>", "run.html")
def run(ref: str) -> dict[str, Any]:
    found = run_by_ref(ref) or abort(404)
    who, host = who_of(found.connection.person)
    stages = stages_of(found)
    may_cancel = me().may("agent") and not found.is_over
    return {
        "id": public_id("run", found.ref),
        "ref": found.ref,
        "deck_id": found.deck_id or "",
        "who": who,
        "host": host,
        "source": found.source.name,
        "source_href": url_for("support.source", slug=found.source.slug),
        "connection_href": url_for("support.connection", ref=found.connection.ref),
        "visit_href": url_for("support.visit", ref=found.connect_session.ref),
        "code": found.connect_session.support_code,
        "status": RUN_WORDS.get(found.status, found.status),
        "tone": TONES.get(found.status, ""),
        "result": found.result,
        "trouble": found.trouble,
        "codes": sorted(found.codes),
        "began": found.created_at,
        "ended": found.ended_at,
        "looked": found.looked_at,
        "stages": stages,
        "clock": clock_of(stages),
        "files": [one_line(file["name"], longest=LONGEST_NAME) for file in found.files[:SHOWN]],
        "acts": [Act("Cancel the run", url_for("support.act", act="cancel", ref=ref))] if may_cancel else [],
        "timeline": timeline.of_run(found, request.args.get("before", "")),
    }


def run_by_ref(ref: str) -> Run | None:
    person = joinedload(Run.connection).joinedload(Connection.person).joinedload(Person.host)
    loaded = selectinload(Run.moves), selectinload(Run.prompts), joinedload(Run.source), joinedload(Run.connect_session)
    return db.session.scalar(select(Run).filter_by(ref=ref).options(person, *loaded))
