"""A page to look at: what is in the world, what happened, what can happen next, and buttons that make it happen."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from .clock import moment
from .control.clock import move
from .control.plane import Drain, span
from .errors import ControlError
from .objects import KINDS, Object, rest_view
from .vendor import OPERATIONS
from .world import World

COOKIE = "twin_admin"
MOST = 50
"""Rows of a list; the API has the rest."""

POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'"


def plane(world: World, *, drain: Drain, changed: Callable[[], None]) -> Blueprint:
    """The /__admin__/ui blueprint. It takes the admin key once and keeps it in a cookie of this session."""
    bp = Blueprint("ui", __name__, url_prefix="/__admin__/ui", template_folder="pages", static_folder="pages/static")

    @bp.before_request
    def needs_the_admin_key() -> ResponseReturnValue | None:
        if request.endpoint in ("ui.static", "ui.take_key"):
            return None
        if request.method != "GET" and request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return "Only this page's own buttons.", 403
        if knows(request.cookies.get(COOKIE, "")):
            return None
        return render_template("twin/key.html", wrong=False), 401

    @bp.after_request
    def harden(response: Response) -> Response:
        response.headers.update({"Content-Security-Policy": POLICY, "Cache-Control": "no-store"})
        response.headers.update({"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY"})
        if request.method != "GET":
            with world.lock:
                world.stream.clock(world)
            changed()
        return response

    @bp.errorhandler(ControlError)
    def explain(error: ControlError) -> ResponseReturnValue:
        return render_template("twin/ui.html", **everything(world), trouble=error), error.status

    def knows(key: str) -> bool:
        return hmac.compare_digest(key.encode("utf-8", "replace"), world.admin_key.encode())

    @bp.post("/key")
    def take_key() -> ResponseReturnValue:
        key = request.form.get("key", "")
        if not knows(key):
            return render_template("twin/key.html", wrong=True), 401
        answer = redirect(url_for("ui.show"), 303)
        answer.set_cookie(COOKIE, key, httponly=True, samesite="Strict", path="/__admin__/ui")
        return answer

    @bp.get("")
    def show() -> ResponseReturnValue:
        return render_template("twin/ui.html", **everything(world), trouble=None)

    @bp.get("/version")
    def version() -> ResponseReturnValue:
        """Changes whenever the page would; the page asks once a second."""
        with world.lock:
            return {"version": version_of(world)}

    @bp.get("/objects/<kind>/<id>")
    def one(kind: str, id: str) -> ResponseReturnValue:
        with world.lock:
            found = world.find(kind, id) if kind in KINDS else None
            shown = rest_view(kind, found) if found else None
        return render_template("twin/object.html", id=id, shown=shown), 200 if shown else 404

    # --- buttons -------------------------------------------------------------------------------------------

    @bp.post("/advance")
    def advance() -> ResponseReturnValue:
        move(world, drain, later(world, span(request.form.get("by", ""))), lambda event: False)
        return redirect(url_for("ui.show"), 303)

    @bp.post("/run-until-idle")
    def run_until_idle() -> ResponseReturnValue:
        stops = {"task_run.interaction_required"}
        move(world, drain, later(world, timedelta(hours=24)), lambda event: event["type"] in stops, until_idle=True)
        return redirect(url_for("ui.show"), 303)

    @bp.post("/mode")
    def set_mode() -> ResponseReturnValue:
        with world.lock:
            world.clock.mode = "realtime" if request.form.get("mode") == "realtime" else "frozen"
        return redirect(url_for("ui.show"), 303)

    @bp.post("/happen")
    def happen() -> ResponseReturnValue:
        """Let one of the possible world events happen, as its example says."""
        wanted = request.form.get("event", ""), request.form.get("subject", "")
        with world.lock:
            for possible in world.world_events.next()["data"]:
                if (possible["event"], possible["subject"]["id"]) == wanted:
                    world.world_events.trigger(possible["event"], possible["example"])
                    break
        drain()
        return redirect(url_for("ui.show"), 303)

    @bp.post("/faults")
    def arm() -> ResponseReturnValue:
        resource, _, operation = request.form.get("operation", "").partition(".")
        status, count = (request.form.get(name, "") for name in ("status", "count"))
        given = {"resource": resource, "operation": operation, "status": whole(status), "count": whole(count)}
        with world.lock:
            world.faults.arm({**given, "code": request.form.get("code", "")})
        return redirect(url_for("ui.show"), 303)

    @bp.post("/faults/clear")
    def clear_faults() -> ResponseReturnValue:
        with world.lock:
            world.faults.clear()
        return redirect(url_for("ui.show"), 303)

    return bp


def everything(world: World) -> dict[str, Any]:
    """What the page shows: the latest rows of each list, newest first."""
    with world.lock:
        clock = world.clock
        return {
            "now": moment(clock.now),
            "version": version_of(world),
            "mode": clock.mode,
            "epoch": world.epoch,
            "counts": {kind: len(store) for kind, store in world.stores.items()},
            "runs": [with_names(world, run) for run in latest(world, "task_runs")],
            "events": latest(world, "events"),
            "deliveries": latest(world, "event_deliveries"),
            "destinations": latest(world, "event_destinations"),
            "timers": [{"at": moment(t.due_at), "name": t.name, "about": about(t.args)} for t in clock.timers[:MOST]],
            "possible": world.world_events.next()["data"][:MOST],
            "faults": [fault.view() for fault in world.faults.list()],
            "operations": [operation.name for operation in OPERATIONS],
        }


def version_of(world: World) -> str:
    """Differs whenever the page would, but for the time of a clock that runs."""
    now = moment(world.clock.now) if world.clock.mode == "frozen" else ""
    return ".".join(map(str, (world.epoch, world.seq, len(world.stores["events"]), attempts(world), now)))


def latest(world: World, kind: str) -> list[Object]:
    return list(islice(world.newest_first(kind), MOST))


def with_names(world: World, run: Object) -> Object:
    source = world.find("sources", run["source_id"]) or {}
    credential = world.find("credentials", run["credential_id"]) or {"auth_credentials": {}}
    return {**run, "source": source.get("name"), "username": credential["auth_credentials"].get("username")}


def attempts(world: World) -> int:
    return sum(delivery["attempts"] for delivery in latest(world, "event_deliveries"))


def about(args: dict[str, Any]) -> str:
    return next((str(value) for name, value in args.items() if name.endswith("_id")), "")


def later(world: World, wait: timedelta) -> datetime:
    with world.lock:
        return world.clock.now + wait


def whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None
