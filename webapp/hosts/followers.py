"""People who wait for a source that does not work: it comes back, and the companies that sent them hear of it."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from ..db import db, writing
from ..models import Chore, ConnectSession, Follow, Invitation
from .events import AVAILABLE, note, tell

FOLLOWERS = "followers"
"""The chore's name."""

AT_ONCE = 200


def follow(session: ConnectSession) -> None:
    """Somebody in this visit wants to hear when its source works again. Wishing it twice is wishing it once."""
    assert session.source_id is not None
    try:
        with writing(session.person_id):
            if Follow.of_visit(session) is None:
                db.session.add(Follow(connect_session_id=session.id, source_id=session.source_id))
                note(session, "ISSUE_FOLLOWED")
                session.touch()
    except IntegrityError:  # of two at the same time, one was first
        return


def tell_followers(chore: Chore) -> str:
    """Once for each of them, unless they got through meanwhile."""
    for person_id, id in Follow.over(AT_ONCE):
        with writing(person_id):
            waiting = db.session.get(Follow, id)
            if waiting is None:
                continue
            visit = None if waiting.is_settled else Invitation.of_visit(waiting.connect_session)
            if visit is not None:
                tell_back(waiting, visit)
            db.session.delete(waiting)
    return ""


def tell_back(waiting: Follow, visit: Invitation) -> None:
    session, source = waiting.connect_session, waiting.source
    connection = session.connection if session.purpose != "connect" else None
    tell(
        visit.host_id,
        AVAILABLE,
        person=session.person,
        visit=visit,
        connection=connection,
        status="up",
        source={"source_id": source.slug, "name": source.name},
    )
