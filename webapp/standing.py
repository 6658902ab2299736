"""How people's connections stand, in our words: what waits for them, what went wrong, what they can do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload

from .db import db
from .models import Connection, Run
from .outcomes import outcome_of
from .pages import RUN_WORDS, STATUS_WORDS


@dataclass(frozen=True)
class Standing:
    """One connection, by its latest run and Deck's word for its credential."""

    connection: Connection
    latest: Run | None
    has_worked: bool
    """Whether it ever brought something, or the sign-in was accepted."""
    reason: str = ""
    """What stands in the way, as the screen at the end of the latest run said it."""
    may_retry: bool = False
    """Whether that screen offered another try."""

    @property
    def is_open(self) -> bool:
        return self.latest is not None and not self.latest.is_over

    @property
    def asks(self) -> bool:
        """Whether the site waits for this person now."""
        return self.is_open and self.latest is not None and self.latest.status == "interaction_required"

    @property
    def is_unsure(self) -> bool:
        """Whether nobody knows what the latest run did."""
        return self.latest is not None and self.latest.is_unsure

    @property
    def refused(self) -> str:
        """`code` or `answer` when the site took the sign-in but not that. Deck calls the sign-in invalid; it is not."""
        run = self.latest
        if run is None or run.status != "failed" or "auth_invalid" not in run.codes or not run.prompts:
            return ""
        return "code" if run.prompts[-1].type == "mfa" else "answer"

    @property
    def came_to_nothing(self) -> bool:
        """Whether this was only a try, and Deck does not even know if the sign-in is right."""
        return bool(self.reason) and not self.has_worked and self.connection.status == "unverified"

    @property
    def status(self) -> str:
        """The name of its colour: Deck's word for the credential, or ours for the run."""
        if self.asks or self.is_unsure:
            return "run-interaction_required" if self.asks else "run-unknown"
        if self.is_open and self.latest is not None:
            return f"run-{self.latest.status}"
        if self.came_to_nothing and self.latest is not None:
            return f"run-{self.latest.status}"
        return self.connection.status

    @property
    def words(self) -> str:
        if self.asks:
            return f"{self.connection.source.name} asks for something"
        if self.is_unsure:
            return "Not sure"
        if self.is_open and self.latest is not None:
            return RUN_WORDS.get(self.latest.status, "In progress")
        if self.refused:
            return "Needs a new code" if self.refused == "code" else "Needs another answer"
        if self.came_to_nothing and self.latest is not None:
            return RUN_WORDS[self.latest.status]
        return STATUS_WORDS.get(self.connection.status, "Connected")  # Deck may have words we do not know yet

    @property
    def next_step(self) -> str:
        """The name of what would help now: new_code, sign_in, again or refresh; "" when there is nothing to offer."""
        if not self.connection.is_live or self.is_open or self.is_unsure:
            return ""
        if self.refused and self.may_go_on:
            return "new_code" if self.refused == "code" else "again"
        if self.connection.status == "invalid":
            return "sign_in"
        if self.came_to_nothing and self.may_go_on:
            return "again" if self.may_retry else ""
        return "refresh"

    @property
    def may_go_on(self) -> bool:
        """Whether the visit of the latest run is still there to go on with."""
        return self.latest is not None and self.latest.connect_session.ended_at is None


@dataclass(frozen=True)
class Overview:
    """Everything somebody has: first what waits for them, last the tries that came to nothing."""

    shown: list[Standing] = field(default_factory=list)
    earlier: list[Standing] = field(default_factory=list)
    """Tries that never worked, at a source that has been tried again since."""

    @property
    def is_moving(self) -> bool:
        """Whether it may change by itself."""
        return any(s.is_open or s.connection.status == "deleting" for s in self.shown)


def overview(connections: Sequence[Connection], asker: str, way_out: str) -> Overview:
    """*connections* come newest first."""
    standings = standings_of(connections, asker, way_out)
    shown: list[Standing] = []
    earlier: list[Standing] = []
    sources: set[int] = set()
    for standing in standings:
        source_id = standing.connection.source_id
        is_old = source_id in sources and not standing.has_worked and not standing.is_open and not standing.is_unsure
        (earlier if is_old else shown).append(standing)
        sources.add(source_id)
    return Overview(sorted(shown, key=lambda standing: not standing.asks), earlier)


def standings_of(connections: Sequence[Connection], asker: str, way_out: str) -> list[Standing]:
    latest = latest_runs(connections)
    worked = {c.id for c in connections if c.status == "verified"}
    worked |= have_brought([c for c in connections if c.id not in worked])
    return [standing_of(c, latest.get(c.id), c.id in worked, asker, way_out) for c in connections]


def standing_of(connection: Connection, run: Run | None, has_worked: bool, asker: str, way_out: str) -> Standing:
    if run is None or not run.is_over or run.status == "completed":
        return Standing(connection, run, has_worked)
    if "auth_invalid" in run.codes and not run.prompts:
        return Standing(connection, run, has_worked, f"{connection.source.name} did not accept that sign-in")
    outcome = outcome_of(run, asker, way_out)
    return Standing(connection, run, has_worked, outcome.title, may_retry=outcome.primary[0] == "again")


def latest_runs(connections: Sequence[Connection]) -> dict[int, Run]:
    """The newest run of each."""
    newest = select(func.max(Run.id)).where(Run.connection_id.in_([c.id for c in connections]))
    query = select(Run).where(Run.id.in_(newest.group_by(Run.connection_id)))
    query = query.options(joinedload(Run.connect_session), joinedload(Run.source), joinedload(Run.task))
    query = query.options(selectinload(Run.prompts))
    return {run.connection_id: run for run in db.session.scalars(query)}


def have_brought(connections: Sequence[Connection]) -> set[int]:
    """The ids of those that ever brought something."""
    ids = [c.id for c in connections]
    query = select(Run.connection_id).where(Run.connection_id.in_(ids), Run.status == "completed").distinct()
    return set(db.session.scalars(query)) if ids else set()
