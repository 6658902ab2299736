"""The demo's support desk: its staff, already signed in, and the rows its fortnight does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import func, select

from tests.browser.demo import Demo
from tests.browser.visitor import Visitor
from tests.conftest import settings
from webapp import create_app
from webapp.db import db, now, writing
from webapp.models import (
    Attempt,
    Connection,
    ConnectSession,
    Delivery,
    Endpoint,
    ErrorReport,
    Host,
    HostEvent,
    HostKey,
    Issue,
    Run,
    Source,
    SourceHour,
    Staff,
    StaffNote,
    StaffSession,
)
from webapp.support.figures import HOUR, bucket, hour_of

NAMES = {"viewer": "Rowan", "agent": "Ash", "lead": "Linden", "admin": "Hazel"}
HOST = "Longwater Savings"


CODES = re.compile(r"each good once: +(.+)\n")


def recovery_codes(demo: Demo) -> list[str]:
    """Those the demo tells for its own desk."""
    told = CODES.search(demo.log.read_text())
    assert told, "the demo has not told its codes"
    return told[1].split()


@contextmanager
def rows_of(demo: Demo) -> Iterator[None]:
    """The demo's own database, from outside."""
    (file,) = (path for path in demo.folder.rglob("*.sqlite3") if path.name != "twin.sqlite3")
    app = create_app(settings(f"sqlite:///{file}"))
    with app.app_context():
        yield
        db.session.remove()
        db.engine.dispose()


def signs_in(visitor: Visitor, role: str) -> Visitor:
    """*visitor* is somebody of the staff, signed in with both factors a moment ago."""
    email = f"{role}@desk.example"
    with rows_of(visitor.demo), writing():
        staff = Staff.by_email(email) or Staff(email=email, role=role, name=NAMES[role])
        db.session.add(staff)
        _, token = StaffSession.start(staff, is_whole=True, proved_at=now())
    cookie: Any = {"name": "gangway-staff", "value": token, "url": visitor.demo.url, "httpOnly": True}
    visitor.context.add_cookies([cookie])
    return visitor


def founds_a_host(demo: Demo) -> None:
    """A company whose webhook stands still, with a delivery of each kind; and somebody met an error page."""
    with rows_of(demo), writing():
        if db.session.scalar(select(Host.id).filter_by(name=HOST)):
            return  # by another story of this demo
        host = Host(name=HOST, origins=["https://tidepool.example"], return_urls=["https://tidepool.example/back"])
        url = "https://hooks.tidepool.example/gangway/events-of-our-customers"
        endpoint = Endpoint(host=host, url=url, sealed_secret="-", failing_since=now(), paused_at=now())
        db.session.add_all([host, endpoint])
        db.session.flush()
        HostKey.issue(host)
        for state, problem in (("pending", ""), ("delivered", ""), ("failed", "not_2xx")):
            event = HostEvent(host_id=host.id, type="run.completed", data={"run_id": "run_kR3vQ0sZp1xw8A2c"})
            delivery = Delivery(event=event, endpoint=endpoint, state=state, tries=1 if state != "pending" else 0)
            db.session.add_all([event, delivery])
            if state != "pending":
                status = 500 if problem else 204
                db.session.add(Attempt(delivery=delivery, problem=problem, status=status, milliseconds=12, at=now()))


def has_a_busy_day(demo: Demo) -> None:
    """Figures as large, and errors as long, as they come: at a source the fortnight hardly went to."""
    with rows_of(demo), writing():
        source = db.session.scalars(select(Source).filter_by(name="Longhaul Pensions")).one()
        for hours_ago, completed, failed in ((3, 845_210, 1_102_415), (30, 1_310_377, 12_480)):
            troubles = {"interaction_unsupported/question": failed // 2, "source_unavailable/site": failed // 3}
            hour = SourceHour(hour=hour_of(now()) - hours_ago * HOUR, source_id=source.id)
            hour.completed, hour.failed, hour.canceled, hour.asked = completed, failed, 0, completed
            hour.troubles, hour.times = troubles, {bucket(95): completed, bucket(1_500): failed}
            hour.last_good_at = hour.hour
            db.session.merge(hour)  # told twice, it is the same hour


def busiest_case(demo: Demo) -> dict[str, str]:
    """Where the pages of one thing are: those of the connection with the most to tell, and one of each other kind."""
    with rows_of(demo):
        live = select(Run.connection_id).join(Run.connection).where(Connection.status == "verified", Run.deck_id != "")
        busiest = live.group_by(Run.connection_id).order_by(func.count().desc())
        connection = db.session.get_one(Connection, db.session.scalars(busiest).first())
        visit = db.session.scalars(select(ConnectSession).filter_by(connection_id=connection.id)).first()
        run = db.session.scalars(select(Run).filter_by(connection_id=connection.id)).first()
        with writing():
            staff = db.session.scalars(select(Staff)).first()
            assert staff and visit and run
            note = StaffNote(connection_id=connection.id, staff_id=staff.id, text="They called: all is well again.")
            seen = ErrorReport(person_id=connection.person_id, connect_session=visit, status=500, page="connect.show")
            seen.request_id = "0198f3b2c4d57e6f8a9b"
            db.session.add_all([note, seen])
        return {
            "connection": f"/connections/{connection.ref}",
            "person": f"/people/{connection.person_id}",
            "visit": f"/visits/{visit.ref}",
            "run": f"/runs/{run.ref}",
            "source": f"/sources/{connection.source.slug}",
            "issue": f"/issues/{ref_of(Issue)}",
            "delivery": f"/deliveries/{ref_of(Delivery)}",
            "host": f"/hosts/{ref_of(Host)}",
            "act": f"/act/reconnect_link/{connection.ref}",
            "act-of-danger": f"/act/disconnect/{connection.ref}",
            "act-with-an-end": f"/act/stop_source/{db.session.scalars(select(Source.slug)).first()}",
        }


def ref_of(model: Any) -> str:
    """The newest of its kind."""
    return str(db.session.scalars(select(model.ref).order_by(model.id.desc())).first())
