"""My connections: what somebody has linked, what came back, and how to end it."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .account import MAX_BODY, person_id, signed_in_only
from .again import needs_sign_in, visit_again
from .browsers import device
from .current import deck, vault
from .intents import disconnect
from .models import Connection, Run
from .models.run import output_of
from .results import lay_out

bp = Blueprint("connections", __name__, url_prefix="/connections")
bp.before_request(signed_in_only)


@bp.before_request
def small_bodies_only() -> None:
    request.max_content_length = MAX_BODY


@bp.get("")
def index() -> ResponseReturnValue:
    mine = Connection.of(person_id())
    return render_template("connections/index.html", connections=mine, open_runs=Run.open_at(mine))


@bp.get("/<ref>")
def show(ref: str) -> ResponseReturnValue:
    """One connection: its status, what came back last, and every run."""
    found = connection_or_404(ref)
    latest = Run.latest_result(found)
    output = output_of(latest, vault()) if latest else None
    result = lay_out(output, latest.task.output_schema) if latest and output is not None else None
    history = Run.history(found)
    shown = {"connection": found, "latest": latest, "result": result, "history": history}
    return render_template("connections/show.html", open_run=Run.open_at([found]).get(found.id), **shown)


@bp.post("/<ref>/refresh")
def refresh(ref: str) -> ResponseReturnValue:
    return begin(connection_or_404(ref), "refresh")


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
    return render_template("connections/disconnect.html", connection=connection_or_404(ref))


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
    file = deck().get_file(run.files[number]["id"])
    response = Response(deck().download(file), mimetype="application/octet-stream")
    response.headers.set("Content-Disposition", "attachment", filename=attachment_name(file.name))
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'; frame-ancestors 'none'"
    return response


def attachment_name(name: str) -> str:
    """A file name that is only a name."""
    kept = "".join(c if c.isalnum() or c in " ._-()" else "_" for c in name).strip(" .")
    return kept[-120:] or "file"


def connection_or_404(ref: str) -> Connection:
    return Connection.by_ref(ref, person_id()) or abort(404)
