"""My connections: what somebody has linked, what came back, and how to end it."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .again import needs_sign_in, visit_again
from .browsers import device
from .current import config, deck, limits, vault
from .db import db
from .door import person_id, signed_in_only
from .intents import disconnect
from .limits import DOWNLOADS_PER_PERSON
from .models import Connection, Run
from .models.run import output_of
from .results import lay_out
from .standing import Standing, overview, standings_of
from .view import WAY_OUT

bp = Blueprint("connections", __name__, url_prefix="/connections")
bp.before_request(signed_in_only)


@bp.get("")
def index() -> ResponseReturnValue:
    mine = Connection.of(person_id())
    return render_template("connections/index.html", overview=overview(mine, config().operator_name, WAY_OUT))


@bp.get("/<ref>")
def show(ref: str) -> ResponseReturnValue:
    """One connection: its status, what came back last, and every run."""
    found = connection_or_404(ref)
    latest = Run.latest_result(found)
    output = output_of(latest, vault()) if latest else None
    result = lay_out(output, latest.task.output_schema) if latest and output is not None else None
    history = Run.history(found)
    shown = {"connection": found, "latest": latest, "result": result, "history": history}
    return render_template("connections/show.html", standing=standing(found), **shown)


@bp.post("/<ref>/refresh")
def refresh(ref: str) -> ResponseReturnValue:
    """Reads it again. When nobody knows what the latest run did, only for somebody who says that they know the risk."""
    found = connection_or_404(ref)
    if standing(found).is_unsure and request.form.get("despite") != "unsure":
        return redirect(url_for("connections.show", ref=ref), 303)
    return begin(found, "refresh")


@bp.get("/<ref>/reconnect")
def confirm_reconnect(ref: str) -> ResponseReturnValue:
    """Where support sends somebody. What cannot be signed in at any more says so on its own page."""
    found = connection_or_404(ref)
    if not found.is_live:
        return redirect(url_for("connections.show", ref=ref), 303)
    return render_template("connections/reconnect.html", connection=found)


@bp.post("/<ref>/reconnect")
def reconnect(ref: str) -> ResponseReturnValue:
    return begin(connection_or_404(ref), "reconnect")


def begin(connection: Connection, purpose: str) -> ResponseReturnValue:
    """A visit about a connection that exists already: it starts on the screen that is needed."""
    if not connection.is_live:
        abort(409)
    if open_run := Run.open_at([connection]).get(connection.id):
        return redirect(url_for("connect.show", ref=open_run.connect_session.ref), 303)
    if needs_sign_in(connection):
        purpose = "reconnect"  # a refresh would only try the bad sign-in again
    session = visit_again(connection, purpose, device=device())
    return redirect(url_for("connect.show", ref=session.ref), 303)


@bp.get("/<ref>/disconnect")
def confirm_disconnect(ref: str) -> ResponseReturnValue:
    return render_template("connections/disconnect.html", standing=standing(connection_or_404(ref)))


@bp.post("/<ref>/disconnect")
def submit_disconnect(ref: str) -> ResponseReturnValue:
    disconnect(connection_or_404(ref))
    return redirect(url_for("connections.index"), 303)


@bp.get("/<ref>/files/<run_ref>/<int:number>")
def download(ref: str, run_ref: str, number: int) -> ResponseReturnValue:
    """A file, fetched from Deck this moment and handed on as an attachment: never shown, never kept."""
    run = Run.of_connection(connection_or_404(ref), run_ref)
    if run is None or number >= len(run.files):
        abort(404)
    limits().count(DOWNLOADS_PER_PERSON, "download", str(person_id()))
    storage_id = run.files[number]["id"]
    db.session.rollback()  # hold no connection while Deck thinks
    file = deck().get_file(storage_id)
    response = Response(deck().download(file), mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=attachment_name(file.name))
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    return response


def attachment_name(name: str) -> str:
    """A file name that is only a name."""
    kept = "".join(c if c.isalnum() or c in " ._-()" else "_" for c in name).strip(" .")
    return kept[-120:] or "file"


def standing(connection: Connection) -> Standing:
    return standings_of([connection], config().operator_name, WAY_OUT)[0]


def connection_or_404(ref: str) -> Connection:
    return Connection.by_ref(ref, person_id()) or abort(404)
