"""Sessions: runs make them, callers may look at them and end them."""

from __future__ import annotations

from ..lists import filtered, page
from ..objects import rest_view
from ..vendor import Answer, Call, operation


@operation("sessions.list", "GET", "/sessions")
def list_sessions(call: Call) -> Answer:
    wanted = {"status": call.filter("status")}
    return 200, page(filtered(call.world.newest_first("sessions"), wanted), lambda s: rest_view("sessions", s))


@operation("sessions.get", "GET", "/sessions/<id>")
def get_session(call: Call) -> Answer:
    return 200, rest_view("sessions", call.find("sessions", call.args["id"], as_="session"))


@operation("sessions.end", "POST", "/sessions/<id>/end")
def end_session(call: Call) -> Answer:
    """The session as it is then: `completing` while its runs are being cancelled, else `completed`."""
    session = call.find("sessions", call.args["id"], as_="session")
    call.world.runs.end_session(session)
    return 200, rest_view("sessions", session)
