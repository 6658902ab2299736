"""A dashboard with one of everything, all of which says what it is told to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Flask

from tests.people import Visitor
from tests.security.tools import NEVER_SHOWN, without_nonces
from tests.support.routes import PLACES, is_stream, routes
from webapp.db import db, now, writing
from webapp.deck.reading import clean_text
from webapp.models import (
    Attempt,
    AuditEntry,
    Connection,
    ConnectSession,
    Delivery,
    Endpoint,
    ErrorReport,
    Event,
    Host,
    HostEvent,
    Invitation,
    Issue,
    Move,
    Person,
    Prompt,
    Run,
    SavedView,
    Source,
    Staff,
    StaffNote,
    Task,
    VisitEvent,
)
from webapp.support.gate import ANYBODY

OPENED = {
    "connection": Connection,
    "run": Run,
    "visit": ConnectSession,
    "delivery": Delivery,
    "host": Host,
    "issue": Issue,
}
"""Pages of one thing, and the thing."""
SLUG, OBJECT = "maple-and-main", "hostile"


@dataclass
class Desk:
    """One of everything, and all of it says what it is told to."""

    app: Flask
    admin: Visitor
    said: int = 0

    def says(self, text: str) -> None:
        """The text goes where text from outside can be, cleaned as whoever reads it cleans it."""

        def fits(longest: int) -> str:
            return clean_text(text, longest=longest) or "x"

        self.said += 1
        with self.app.app_context():
            with writing():
                source = db.session.query(Source).filter_by(slug=SLUG).one()
                source.name, source.stop_message = fits(80), fits(300)
                source.words = {"username_label": fits(80), "aliases": [fits(80)]}
                db.session.query(Task).first().name = fits(80)  # type: ignore[union-attr]
                host = db.session.query(Host).one()
                host.name, host.origins, host.return_urls = fits(40), [fits(100)], [fits(100)]
                db.session.query(Person).filter(Person.host_id.is_not(None)).one().client_user_id = fits(200)
                db.session.query(Endpoint).one().url = fits(2000)
                connection = db.session.query(Connection).one()
                connection.username_hint = fits(40)
                run = db.session.query(Run).one()
                run.errors, run.trouble = [{"type": fits(100), "code": fits(100)}], fits(120)
                run.files = [{"id": "stor_1", "name": fits(200), "type": fits(100), "size": 1}]
                prompt = db.session.query(Prompt).one()
                prompt.type, prompt.message = fits(200), fits(2000)
                asked = {"name": fits(80), "label": fits(200), "options": [{"value": fits(80), "label": fits(80)}]}
                prompt.fields = [{"type": "text", **asked}]
                event = db.session.query(Event).one()
                event.type, event.parked = fits(200), fits(40)
                told = db.session.query(HostEvent).one()
                told.data = {"client_user_id": fits(200), "tags": {fits(40): fits(200)}, "status": fits(40)}
                db.session.query(VisitEvent).one().details = {"source_name": fits(80), "exit_status": fits(40)}
                db.session.query(StaffNote).one().text = fits(2000)
                db.session.query(SavedView).one().name = fits(60)
                db.session.query(Issue).one().trouble = fits(120)
                db.session.query(Staff).one().name = fits(80)
                AuditEntry.append("cancel", object=f"{OBJECT}_{self.said}", reason=fits(500), result=fits(200))
            db.session.remove()

    def pages(self) -> list[str]:
        """The address of every page there is something to see on."""
        found = [f"/support/audit?object={OBJECT}_{self.said}"]
        with self.app.app_context():
            refs = {name: db.session.query(model).one().ref for name, model in OPENED.items()}
            person = db.session.query(Person).one().id
            db.session.remove()
        for rule, path, role in routes(self.app):
            name = rule.endpoint.partition(".")[2]
            if is_stream(rule) or role == ANYBODY or name in ("audit", "prove"):
                continue
            if path.endswith(".csv"):
                continue
            if rule.arguments == {"ref"} and name in refs:
                path = path.replace(PLACES["ref"], refs[name])
            elif name == "person":
                path = path.replace(PLACES["id"], str(person))
            elif name == "source":
                path = path.replace(PLACES["slug"], SLUG)
            elif name == "act":
                path = f"/support/act/look_again/{refs['connection']}"
            elif rule.arguments:
                continue
            found.append(path)
        return found

    def shows(self) -> dict[str, str]:
        """Every page as it is now, without what is another one each time."""
        found = {}
        for path in self.pages():
            answer = self.admin.http.get(path)
            assert answer.status_code in (200, 302, 303), (path, answer.status_code)
            unclean = NEVER_SHOWN.search(answer.text.replace("\r\n", "\n"))
            assert not unclean, (path, unclean and repr(unclean[0]))
            html = without_nonces(answer.text).replace(f"{OBJECT}_{self.said}", OBJECT)
            found[path.partition("?")[0]] = html
        return found


def furnish(staff: Staff) -> None:
    """One of everything there is."""
    source, task = db.session.query(Source).filter_by(slug=SLUG).one(), db.session.query(Task).first()
    host = Host(name="x")
    person = Person(host=host, client_user_id="x")
    connection = Connection(person=person, source=source, deck_id="cred_1", status="invalid")
    visit = ConnectSession(person=person, source=source, connection=connection, task=task)
    db.session.add_all([host, person, connection, visit])
    db.session.flush()
    run = Run(connect_session=visit, connection=connection, source=source, task=task, deck_id="run_1", status="failed")
    run.ended_at, run.result = now(), "failure"
    prompt = Prompt(
        run=run, ordinal=1, fingerprint="x", type="mfa", message="x", fields=[], state="closed", as_of=now()
    )
    endpoint = Endpoint(host=host, url="x", sealed_secret="x")
    told = HostEvent(host_id=host.id, type="run.failed", data={})
    delivery = Delivery(event=told, endpoint=endpoint)
    late: dict[str, Any] = {"expires_at": now(), "token_hash": "x", "opened_at": now()}
    db.session.add_all([run, prompt, endpoint, told, delivery, Invitation(host=host, connect_session=visit, **late)])
    db.session.add(Attempt(delivery=delivery, status=500, problem="not_2xx", milliseconds=1))
    db.session.add(Move(run=run, was="running", became="failed", at=now()))
    db.session.flush()
    VisitEvent.add(visit.id, "ERROR", {})
    Event.record(deck_id="e", webhook_id="w", type="x", subject="run_1", body=b"{}", parked="unknown")
    times = {"first_at": now(), "last_at": now()}
    db.session.add(Issue(source=source, trouble="x", **times))
    db.session.add(ErrorReport(person=person, connect_session=visit, status=502, page="connect.show", request_id="x"))
    db.session.add(StaffNote(connection_id=connection.id, staff=staff, text="x"))
    db.session.add(SavedView(staff=staff, page="inbox", name="x", query="state=parked"))
